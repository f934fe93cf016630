// Package bindgrpctest is the test kit of package bindingtest for gRPC: it serves
// the service under test, and one line makes a client of it with a certificate and
// a bound token, or a thief.
//
//	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
//	// ...
//	server := grpc.NewServer(grpc.Creds(bindgrpctest.Credentials(as)),
//		grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream)) // of bindgrpc.Protect
//	// register the service
//	address := bindgrpctest.Serve(server)
//	defer server.Stop()
//	connection := bindgrpctest.BoundClient(as, address, "alice", "accounts")
//	defer connection.Close()
//
// A client signs a token for each call, which is so never too old, also after
// AuthorizationServer.Rotate. A call that has authorization in its metadata keeps
// it. What goes wrong in making a certificate, key, token or proof is the error of
// the call.
package bindgrpctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// Credentials are for grpc.Creds of the server under test: TLS with
// AuthorizationServer.ServerCertificate, that asks every client for a certificate
// and leaves trust to the token.
func Credentials(as *bindingtest.AuthorizationServer) credentials.TransportCredentials {
	return credentials.NewTLS(binding.TLSConfig(&tls.Config{Certificates: []tls.Certificate{as.ServerCertificate()}}))
}

// Serve starts the server on a free port of the loopback interface, and returns
// host:port. The caller stops the server. It panics if there is no port, as
// httptest.NewServer does.
func Serve(server *grpc.Server) (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(fmt.Sprintf("bindgrpctest: %v", err))
	}
	go func() { _ = server.Serve(listener) }() // its error is that it was stopped
	return listener.Addr().String()
}

// BoundClient returns a connection of a user's: with a client certificate of its
// own, and in each call a token for the subject and the scopes that is bound to it.
// The token's client_id is the subject too. The caller closes it.
func BoundClient(as *bindingtest.AuthorizationServer, address, subject string, scopes ...string) *grpc.ClientConn {
	certificate, err := as.NewClientCertificate(subject)
	spec := specOf(subject, scopes)
	spec.Certificate = certificate.Leaf
	return connect(address, certificate, &caller{as: as, spec: spec, broken: err})
}

// WronglyBoundClient returns a thief: a connection as BoundClient's, but for its
// token, which is bound to the certificate of somebody else.
func WronglyBoundClient(as *bindingtest.AuthorizationServer, address, subject string, scopes ...string) *grpc.ClientConn {
	another, err := as.NewClientCertificate(subject)
	spec := specOf(subject, scopes)
	spec.Certificate = another.Leaf
	certificate, wrong := as.NewClientCertificate("thief")
	if err == nil {
		err = wrong
	}
	return connect(address, certificate, &caller{as: as, spec: spec, broken: err})
}

// DPoPClient returns a connection of a user's with a key of its own and no
// certificate. Each call has a token that is bound to that key (RFC 9449), and a
// proof for POST and the method's full name, at Config.Origin if there is one. It
// learns the nonces that the server gives it. A unary call that was refused for its
// nonce is made once more; a stream is not, and the next one has the nonce.
func DPoPClient(as *bindingtest.AuthorizationServer, address, subject string, scopes ...string) *grpc.ClientConn {
	key, err := newKey()
	return connect(address, tls.Certificate{}, &caller{as: as, spec: specOf(subject, scopes), key: key, broken: err})
}

// WronglyProvenClient returns a thief: a connection as DPoPClient's, with good
// proofs by a key of its own, but for its token, which is bound to the key of
// somebody else.
func WronglyProvenClient(as *bindingtest.AuthorizationServer, address, subject string, scopes ...string) *grpc.ClientConn {
	another, err := newKey()
	spec := specOf(subject, scopes)
	spec.Key = another.Public()
	key, wrong := newKey()
	if err == nil {
		err = wrong
	}
	return connect(address, tls.Certificate{}, &caller{as: as, spec: spec, key: key, broken: err})
}

// ClientFor returns a connection with a token, a certificate and a key of the
// caller's choice. The zero tls.Certificate is none. With a key each call has a
// proof, as DPoPClient's, and the token is bound to it if spec.Key is nil; a nil key
// is none.
func ClientFor(as *bindingtest.AuthorizationServer, address string, spec bindingtest.TokenSpec, certificate tls.Certificate, key crypto.Signer) *grpc.ClientConn {
	return connect(address, certificate, &caller{as: as, spec: spec, key: key})
}

func specOf(subject string, scopes []string) bindingtest.TokenSpec {
	return bindingtest.TokenSpec{Subject: subject, ClientID: subject, Scopes: scopes}
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// connect returns a connection, whose calls are the caller's. It panics for an
// address that is none.
func connect(address string, certificate tls.Certificate, c *caller) *grpc.ClientConn {
	config := &tls.Config{RootCAs: c.as.RootCAs(), MinVersion: tls.VersionTLS12}
	if len(certificate.Certificate) > 0 {
		config.Certificates = []tls.Certificate{certificate}
	}
	if c.key != nil && c.spec.Key == nil {
		c.spec.Key = c.key.Public()
	}
	c.origin = "https://" + address
	connection, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithUnaryInterceptor(c.unary), grpc.WithStreamInterceptor(c.stream))
	if err != nil {
		panic(fmt.Sprintf("bindgrpctest: %v", err))
	}
	return connection
}
