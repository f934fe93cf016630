package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/certbound/certbound/binding/forwarded"
	"github.com/certbound/certbound/examples/internal/commandline"
)

// options is the command line, read and checked.
type options struct {
	url    *url.URL // nil: only listen
	format forwarded.Format
	header string
	roots  *x509.CertPool // nil: the machine's

	network, listen string // "": there is a resource server, or another receiver

	token       string           // "": there is a receiver
	certificate []byte           // DER; nil: throw-away ones alone
	pair        *tls.Certificate // nil: its key is not given

	source *forwarded.Source // reads what arrives
}

// parse reads the command line and joins every mistake in it, not the first
// alone. It returns flag.ErrHelp after printing the help.
func parse(args []string, stdin io.Reader, output io.Writer) (*options, error) {
	flags := flag.NewFlagSet("proxycheck", flag.ContinueOnError)
	address := flags.String("url", "", "the `URL` to call, through the proxy")
	header := flags.String("header", "", "the `header` in which the proxy forwards the certificate, if not the format's own")
	format := flags.String("format", "", "the `format` in which it does, as the resource server's configuration names it, required: "+formats())
	ca := flags.String("ca", "", "PEM `file` with the roots of the proxy's certificate; without it the machine's")
	token := flags.String("token", "", "`file` with an access token that is bound to a certificate, - for the standard input; without it, something in the resource server's place must answer what arrived")
	cert := flags.String("cert", "", "PEM `file` with the certificate that the token is bound to; without -token one to present, with -key, to a proxy that refuses unknown ones")
	key := flags.String("key", "", "PEM `file` with its private key")
	listen := flags.String("listen", "", "`address` to listen on in the resource server's place, without TLS; unix:PATH is a unix socket")

	mistakes, err := commandline.Parse(flags, args, output)
	if err != nil {
		return nil, err
	}
	mistake := func(format string, a ...any) { mistakes = append(mistakes, fmt.Errorf(format, a...)) }

	o := &options{format: forwarded.Format(*format), network: "tcp", listen: *listen}
	o.header = http.CanonicalHeaderKey(*header)
	if o.header == "" {
		o.header = o.format.Header()
	}
	if o.source, err = newSource(o.format, o.header); err != nil {
		mistakes = append(mistakes, commandline.FlagErrors(err, flagOf)...)
	}
	if path, isUnix := strings.CutPrefix(o.listen, "unix:"); isUnix {
		o.network, o.listen = "unix", path
		if path == "" {
			mistake("-listen: unix: must be followed by a path")
		}
	} else if _, _, err := net.SplitHostPort(o.listen); o.listen != "" && err != nil {
		mistake("-listen: must be host:port or unix:path")
	}
	if *address == "" {
		if *listen == "" {
			mistake("-url: required, unless there is only something to listen to")
		}
	} else if o.url, err = url.Parse(*address); err != nil || o.url.Host == "" || o.url.User != nil || (o.url.Scheme != "https" && o.url.Scheme != "http") {
		o.url = nil
		mistake("-url: an https or http URL is required")
	}
	if *ca != "" {
		if o.roots, err = commandline.Roots(*ca); err != nil {
			mistake("-ca: %w", err)
		}
	}
	switch {
	case *token != "" && *listen != "":
		mistake("-token and -listen: the token is for the real resource server, -listen stands in its place")
	case *token != "" && o.url != nil && o.url.Scheme != "https":
		mistake("-token: never over plain http")
	case *token != "":
		if o.token, err = loadToken(*token, stdin); err != nil {
			mistake("-token: %w", err)
		}
	}
	switch {
	case *cert == "" && *key != "":
		mistake("-key: needs -cert")
	case *cert == "":
	case *key == "" && *token == "":
		mistake("-cert: needs -key, or -token")
	case *key == "":
		if o.certificate, err = loadCertificate(*cert); err != nil {
			mistake("-cert: %w", err)
		}
	default:
		if o.pair, err = loadPair(*cert, *key); err != nil {
			mistake("-cert, -key: %w", err)
		} else {
			o.certificate = o.pair.Certificate[0]
		}
	}
	return o, errors.Join(mistakes...)
}

// newSource reads what arrives as a resource server would. From whom it came is
// not the question here, so it is asked as if from the one that is trusted.
func newSource(format forwarded.Format, header string) (*forwarded.Source, error) {
	if format == forwarded.Auth0 { // which has two more headers, and is this one's encoding
		format = format.Encoding()
	}
	return forwarded.New(forwarded.Config{
		Format: format,
		Header: header,
		Trust:  []forwarded.Trust{forwarded.TrustPeers(netip.PrefixFrom(trusted.Addr(), 32))},
	})
}

var (
	trusted   = netip.MustParseAddrPort("127.0.0.1:1")
	asTrusted = forwarded.PeerContext(context.Background(), net.TCPAddrFromAddrPort(trusted))
)

// flagOf names the flags behind the fields of forwarded.Config.
var flagOf = map[string]string{"Format": "-format", "Header": "-header"}

func formats() string {
	var names []string
	for _, format := range forwarded.Formats() {
		names = append(names, string(format))
	}
	return strings.Join(names, ", ")
}

// loadCertificate returns the first certificate of a file. It need not be one
// that crypto/x509 parses: the binding is about its bytes.
func loadCertificate(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s does not begin with a certificate", file)
	}
	return block.Bytes, nil
}

// loadPair returns the certificates of a file and the key of another.
func loadPair(certFile, keyFile string) (*tls.Certificate, error) {
	leaf, err := loadCertificate(certFile)
	if err != nil {
		return nil, err
	}
	if _, err := x509.ParseCertificate(leaf); err == nil {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		return &pair, err
	}
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s does not begin with a private key", keyFile)
	}
	// Whether it is that of the certificate, the proxy's handshake says.
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		if key, err = x509.ParseECPrivateKey(block.Bytes); err != nil {
			return nil, fmt.Errorf("%s holds no private key in PKCS #8 or SEC 1", keyFile)
		}
	}
	return &tls.Certificate{Certificate: [][]byte{leaf}, PrivateKey: key}, nil
}

func loadToken(file string, stdin io.Reader) (string, error) {
	const most = 64 << 10
	var text []byte
	var err error
	if file == "-" {
		text, err = io.ReadAll(io.LimitReader(stdin, most))
	} else {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return "", err
	}
	text = bytes.TrimSpace(text)
	for _, b := range text { // what it holds instead is not shown: it may be a secret
		if b <= ' ' || b > '~' {
			return "", errors.New("holds more than one access token")
		}
	}
	if len(text) == 0 {
		return "", errors.New("holds no access token")
	}
	return string(text), nil
}
