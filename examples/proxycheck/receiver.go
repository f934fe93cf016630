package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certbound/certbound/binding"
)

// nonceHeader says which request is which, also to an endpoint that echoes.
const nonceHeader = "X-Proxycheck"

// An arrival is what the receiver answers about a request. It holds digests in
// place of values, and no header but the one in question.
type arrival struct {
	Nonce string `json:"proxycheck"`
	// Fields are those of the header's name, and of the names that look like it.
	Fields []arrivedField `json:"fields"`
	// Certificate is the thumbprint of what the header alone, without names that
	// look like it, says; Reason is why that is no certificate. Both are empty
	// where there is none.
	Certificate string `json:"certificate"`
	Reason      string `json:"reason"`
}

type arrivedField struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// A receiver stands in the resource server's place.
type receiver struct {
	options *options
	server  *http.Server
	address string

	mu  sync.Mutex
	out io.Writer // nil: silent
}

func listen(o *options) (*receiver, error) {
	listener, err := net.Listen(o.network, o.listen)
	if err != nil {
		return nil, err
	}
	r := &receiver{options: o, address: listener.Addr().String()}
	r.server = &http.Server{
		Handler:           r,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	go func() { _ = r.server.Serve(listener) }() // until close
	return r, nil
}

func (r *receiver) close() { _ = r.server.Close() }

// narrate prints what arrives from now on.
func (r *receiver) narrate(out io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out = out
	fmt.Fprintf(out, "listening on %s\n", r.address)
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	a := r.read(request)
	r.mu.Lock()
	if r.out != nil {
		fmt.Fprintln(r.out, a)
	}
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(a) // the client may be gone
}

func (r *receiver) read(request *http.Request) arrival {
	a := arrival{Nonce: request.Header.Get(nonceHeader), Fields: []arrivedField{}}
	exact := make(http.Header)
	for name, values := range request.Header {
		if foldName(name) != foldName(r.options.header) {
			continue
		}
		for _, value := range values {
			digest := sha256.Sum256([]byte(value))
			a.Fields = append(a.Fields, arrivedField{Name: name, SHA256: hex.EncodeToString(digest[:])})
		}
		if name == r.options.header {
			exact[name] = values
		}
	}
	slices.SortFunc(a.Fields, func(x, y arrivedField) int { return strings.Compare(x.Name, y.Name) })
	certificate, err := r.options.source.ClientCertificate((&http.Request{Header: exact}).WithContext(asTrusted))
	if err == nil {
		a.Certificate = certificate.Thumbprint.String()
	} else if reason := binding.AsError(err).Reason; reason != binding.ReasonCertificateMissing {
		a.Reason = string(reason)
	}
	return a
}

// foldName returns a field name as the least careful reader takes it.
func foldName(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case 'A' <= c && c <= 'Z':
			return c + 'a' - 'A'
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
			return c
		}
		return '-'
	}, name)
}

// String says what arrived, by name and thumbprint.
func (a arrival) String() string {
	var names []string
	for _, field := range a.Fields {
		names = append(names, fmt.Sprintf("%q", field.Name))
	}
	what := "no certificate"
	switch {
	case a.Reason != "":
		what = a.Reason
	case a.Certificate != "":
		what = "certificate " + a.Certificate
	}
	return fmt.Sprintf("arrived: [%s] %s", strings.Join(names, " "), what)
}
