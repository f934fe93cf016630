package bindingtest

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// AuthorizationServer is an authorization server on the loopback interface. It
// is safe for concurrent use and must not be copied. Only
// NewAuthorizationServer makes one; Close ends it.
type AuthorizationServer struct {
	config      Config
	roots       *authority // of server certificates
	clients     *authority // of client certificates
	certificate tls.Certificate
	nonce       string // of the token endpoint

	plain *socket // asks for no client certificate
	mtls  *socket // asks for one, and trusts any

	paths  paths
	closed sync.Once

	mu         sync.Mutex
	key        *signingKey
	forger     *signingKey          // made when first needed
	retired    []json.RawMessage    // JWKs of keys that were rotated away
	extra      []json.RawMessage    // of PublishJWK
	registered map[string]Client    // by ID
	used       map[string]time.Time // assertions and proofs, and when they expire
	opaque     opaqueTokens
	transports []*http.Transport
}

// NewAuthorizationServer starts an authorization server on two ports of
// 127.0.0.1. It reports every mistake of the Config at once, joined with
// errors.Join; any other error is the network's or the random source's.
func NewAuthorizationServer(config Config) (*AuthorizationServer, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	s := &AuthorizationServer{
		config:     config,
		registered: make(map[string]Client),
		used:       make(map[string]time.Time),
		nonce:      rand.Text(),
	}
	for _, client := range config.Clients {
		s.registered[client.ID] = client.clone()
	}
	if err := s.makeKeys(); err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	for _, members := range []map[string]any{s.Metadata(), config.Claims, config.Header} {
		if _, err := json.Marshal(members); err != nil {
			s.Close()
			return nil, fmt.Errorf("bindingtest: Metadata, Claims or Header: %w", err)
		}
	}
	return s, nil
}

func (s *AuthorizationServer) makeKeys() (err error) {
	if s.key, err = newSigningKey(s.config.Algorithm); err != nil {
		return err
	}
	if s.roots, err = newAuthority("bindingtest server CA"); err != nil {
		return err
	}
	if s.clients, err = newAuthority("bindingtest client CA"); err != nil {
		return err
	}
	s.certificate, err = s.roots.serverCertificate()
	return err
}

func (s *AuthorizationServer) listen() (err error) {
	port, next := s.config.Port, 0 // 0 is a free one
	if port != 0 {
		next = port + 1
	}
	if s.plain, err = listenTLS(port, s.certificate, tls.NoClientCert); err != nil {
		return err
	}
	// The certificate is asked for and not verified, so that self-signed ones
	// come through (RFC 8705 §2.2, §6.2); the token endpoint verifies the chain
	// of a client that uses tls_client_auth.
	if s.mtls, err = listenTLS(next, s.certificate, tls.RequestClientCert); err != nil {
		s.plain.close()
		return err
	}
	plain, mtls := http.NewServeMux(), http.NewServeMux()
	for path, serve := range map[string]http.HandlerFunc{
		OAuthMetadataPath: s.serveMetadata, OpenIDMetadataPath: s.serveMetadata, JWKSPath: s.serveJWKS,
	} {
		plain.Handle("GET "+s.absolute(path), serve)
	}
	for path, serve := range map[string]http.HandlerFunc{TokenPath: s.serveToken, IntrospectionPath: s.serveIntrospection} {
		plain.Handle("POST "+s.absolute(path), serve)
		mtls.Handle("POST "+s.absolute(path), serve)
	}
	s.plain.serve(s.front(crossOrigin(plain)))
	s.mtls.serve(s.front(mtls))
	return nil
}

// issuerPath returns the issuer's path without the slash at its end, as both
// rules for metadata URLs have it.
func (s *AuthorizationServer) issuerPath() string { return strings.TrimSuffix(s.config.Path, "/") }

// Close ends the server: its sockets and connections, those of the Transports
// that it handed out as far as they are idle, and every goroutine. Closing
// again does nothing.
func (s *AuthorizationServer) Close() {
	s.closed.Do(func() {
		s.mu.Lock()
		transports := s.transports
		s.transports = nil
		s.mu.Unlock()
		for _, transport := range transports {
			transport.CloseIdleConnections()
		}
		s.plain.close()
		s.mtls.close()
	})
}

// Issuer returns the issuer identifier: https, 127.0.0.1, the port, and
// Config.Path.
func (s *AuthorizationServer) Issuer() string { return s.plain.url() + s.config.Path }

// Audience returns Config.Audience, or its default: what the API under test has
// to accept as its own.
func (s *AuthorizationServer) Audience() string { return s.config.Audience }

// RootCAs returns a new pool with the CA of the server's certificate and of
// ServerCertificate.
func (s *AuthorizationServer) RootCAs() *x509.CertPool { return s.roots.pool() }

// RootPEM returns that CA's certificate in PEM.
func (s *AuthorizationServer) RootPEM() []byte { return s.roots.pem() }

// ClientCAs returns a new pool with the CA of NewClientCertificate. It issues
// client certificates only.
func (s *AuthorizationServer) ClientCAs() *x509.CertPool { return s.clients.pool() }

// ClientCAPEM returns that CA's certificate in PEM.
func (s *AuthorizationServer) ClientCAPEM() []byte { return s.clients.pem() }

// ServerCertificate returns a certificate for 127.0.0.1, ::1 and localhost that
// RootCAs trusts: for the API under test. It is the authorization server's own.
func (s *AuthorizationServer) ServerCertificate() tls.Certificate { return s.certificate }

// NewClientCertificate makes a P-256 key pair and has the client CA issue a
// certificate for it, with the subject "CN=commonName", valid for a year. Each
// of the changes may alter what is issued, such as NotAfter or DNSNames. Its
// Leaf is set. An error is the random source's, or x509.CreateCertificate's.
func (s *AuthorizationServer) NewClientCertificate(commonName string, changes ...func(*x509.Certificate)) (tls.Certificate, error) {
	return s.clients.clientCertificate(commonName, changes)
}

// RenewClientCertificate has the client CA issue a new certificate for the
// subject and the key pair of an old one. RenewSelfSignedCertificate says what
// that means and what the errors are.
func (s *AuthorizationServer) RenewClientCertificate(old tls.Certificate) (tls.Certificate, error) {
	return renew(old, s.clients)
}

// Transport returns a new transport that trusts RootCAs and no other, presents
// no client certificate and uses no proxy. The caller may change it before its
// first use.
func (s *AuthorizationServer) Transport() *http.Transport {
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: s.RootCAs(), MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transports = append(s.transports, transport)
	return transport
}

// HTTPClient returns a new client over a Transport of its own, with a timeout
// of 30 seconds. With a certificate it presents that to every server that asks,
// whichever CAs the server names; of several, the first that the server would
// take, or else the first.
func (s *AuthorizationServer) HTTPClient(certificates ...tls.Certificate) *http.Client {
	transport := s.Transport()
	if len(certificates) > 0 {
		// tls.Config.Certificates would silently present none to a server whose
		// list of CAs lacks the issuer.
		transport.TLSClientConfig.GetClientCertificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			for i := range certificates {
				if request.SupportsCertificate(&certificates[i]) == nil {
					return &certificates[i], nil
				}
			}
			return &certificates[0], nil
		}
	}
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// AddClient registers one more client. It is an error if it is not valid, or if
// its ID is taken.
func (s *AuthorizationServer) AddClient(client Client) error {
	if err := client.validate(); err != nil {
		return fmt.Errorf("bindingtest: client: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.registered[client.ID]; taken {
		return errors.New("bindingtest: client: the ID is taken")
	}
	s.registered[client.ID] = client.clone()
	return nil
}

func (s *AuthorizationServer) client(id string) (Client, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	client, ok := s.registered[id]
	return client, ok
}
