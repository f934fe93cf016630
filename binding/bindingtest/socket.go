package bindingtest

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// socket is one TLS listener on the loopback interface with the HTTP server
// behind it.
type socket struct {
	listener    net.Listener
	server      *http.Server
	accepting   sync.WaitGroup
	connections sync.WaitGroup
}

// listenTLS listens on a port, a free one for 0.
func listenTLS(port int, certificate tls.Certificate, clientAuth tls.ClientAuthType) (*socket, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, fmt.Errorf("bindingtest: %w", err)
	}
	s := &socket{listener: tls.NewListener(listener, &tls.Config{
		Certificates: []tls.Certificate{certificate},
		ClientAuth:   clientAuth,
		MinVersion:   tls.VersionTLS12,
	})}
	return s, nil
}

// serve answers requests until close. HTTP/2 is left out: with HTTP/1.1 a
// request's goroutine is its connection's, and close can wait for them all.
func (s *socket) serve(handler http.Handler) {
	s.server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				s.connections.Add(1)
			case http.StateClosed, http.StateHijacked:
				s.connections.Done()
			}
		},
	}
	s.accepting.Go(func() { _ = s.server.Serve(s.listener) })
}

// close returns when no goroutine of the socket is left. The order matters: no
// connection is new once the accepting goroutine has returned.
func (s *socket) close() {
	_ = s.listener.Close()
	if s.server == nil {
		return
	}
	_ = s.server.Close()
	s.accepting.Wait()
	// A connection that was accepted while the server closed is not in the
	// server's list the first time.
	_ = s.server.Close()
	s.connections.Wait()
}

func (s *socket) url() string { return "https://" + s.listener.Addr().String() }
