package subject

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"time"
)

// lifetime of a token is longer than any run.
const lifetime = 24 * time.Hour

// NewRequest returns a request as net/http hands it to a handler, with the token, over a TLS connection whose client has
// presented the certificate.
func NewRequest(token string, certificate *x509.Certificate) *http.Request {
	r, err := http.NewRequest(http.MethodGet, "/accounts", http.NoBody)
	if err != nil {
		panic(err) // the arguments are constants
	}
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.Host, r.RequestURI, r.RemoteAddr = "api.bank.example", "/accounts", "203.0.113.7:50000"
	r.Header = http.Header{
		"Accept":          {"application/json"},
		"Accept-Encoding": {"gzip"},
		"Authorization":   {"Bearer " + token},
		"User-Agent":      {"tpp/1.0"},
		"X-Request-Id":    {"8c1b6f2e"},
	}
	r.TLS = &tls.ConnectionState{
		Version:           tls.VersionTLS13,
		HandshakeComplete: true,
		CipherSuite:       tls.TLS_AES_128_GCM_SHA256,
		ServerName:        "api.bank.example",
		PeerCertificates:  []*x509.Certificate{certificate},
	}
	return r
}

// A Writer takes an answer and remembers nothing of it, so that what is measured is not the recorder.
type Writer struct{ header http.Header }

// NewWriter returns a Writer.
func NewWriter() *Writer { return &Writer{header: http.Header{}} }

// Header returns the header fields, for the server's side to set.
func (w *Writer) Header() http.Header { return w.header }

// Write does nothing.
func (w *Writer) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader does nothing.
func (w *Writer) WriteHeader(int) {}
