package bindingtest

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
)

// Serve starts the API under test on a free port of the loopback interface:
// over TLS with ServerCertificate, for HTTP/1.1 and HTTP/2. It asks every
// client for a certificate and leaves trust to the token, as binding.TLSConfig
// does. The caller closes it. It panics if there is no port, as
// [httptest.NewServer] does.
//
// What goes wrong with a connection is not logged: a client without a
// certificate or a server's name is no fault here.
func (s *AuthorizationServer) Serve(api http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(api)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{
		Certificates: []tls.Certificate{s.ServerCertificate()},
		ClientAuth:   tls.RequestClientCert,
		MinVersion:   tls.VersionTLS12,
	}
	server.StartTLS()
	return server
}
