// Package server is an API over mutual TLS, in a process of its own so that the processor time of it is its own: the same
// handler with a guard in front and without.
package server

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/examples/benchmarks/internal/subject"
)

// The paths of the one handler, as long as each other.
const (
	Guarded = "/guarded"
	Bare    = "/without"
)

// argument makes the program a server.
const argument = "serve-for-the-parent-process"

// tokens is how many there are; the server has seen all of them.
const tokens = 64

// A greeting is what the server tells the process that started it.
type greeting struct {
	URL         string
	Roots       []byte // PEM
	Certificate []byte // PEM, the client's
	Key         []byte // PKCS #8
	Tokens      []string
}

// A usage is the processor time that the server has had.
type usage struct{ User, System time.Duration }

// IfChild serves, and ends the process, if it was started by [Start].
func IfChild() {
	if len(os.Args) != 2 || os.Args[1] != argument {
		return
	}
	if err := serve(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
	os.Exit(0)
}

// serve serves until its input ends. To each line of it, it answers with its usage.
func serve(in io.Reader, out io.Writer) error {
	issuer, err := subject.NewIssuer("ES256", 0)
	if err != nil {
		return err
	}
	defer issuer.Close()
	guard, err := subject.NewGuard(issuer, issuer.Transport())
	if err != nil {
		return err
	}
	defer guard.Close()

	hello, err := greet(issuer)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	hello.URL = "https://" + listener.Addr().String()
	server := &http.Server{
		Handler:           routes(guard.Guard),
		TLSConfig:         binding.TLSConfig(&tls.Config{Certificates: []tls.Certificate{issuer.ServerCertificate()}}),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // clients that go away
	}
	go func() { _ = server.ServeTLS(listener, "", "") }() // until Close
	defer server.Close()

	answers := json.NewEncoder(out)
	if err := answers.Encode(hello); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			return err
		}
		if err := answers.Encode(usage{time.Duration(r.Utime.Nano()), time.Duration(r.Stime.Nano())}); err != nil {
			return err
		}
	}
	return lines.Err()
}

func greet(issuer *subject.Issuer) (greeting, error) {
	client, err := issuer.NewClientCertificate("tpp-4711")
	if err != nil {
		return greeting{}, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(client.PrivateKey)
	if err != nil {
		return greeting{}, err
	}
	hello := greeting{
		Roots:       issuer.RootPEM(),
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: client.Leaf.Raw}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	}
	for range tokens {
		token, err := issuer.NewToken(client.Leaf)
		if err != nil {
			return greeting{}, err
		}
		hello.Tokens = append(hello.Tokens, token)
	}
	return hello, nil
}

// An account is what the API tells of.
type account struct {
	IBAN     string `json:"iban"`
	Currency string `json:"currency"`
}

// routes: an API that answers with a few accounts.
func routes(guard *binding.Guard) http.Handler {
	list := map[string][]account{"accounts": {{"DE89370400440532013000", "EUR"}, {"GB29NWBK60161331926819", "GBP"}}}
	accounts := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(list) // the client may be gone
	})
	mux := http.NewServeMux()
	mux.Handle("GET "+Guarded, bindhttp.Protect(guard)(accounts))
	mux.Handle("GET "+Bare, accounts)
	return mux
}
