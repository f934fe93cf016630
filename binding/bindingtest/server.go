package bindingtest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// AuthorizationServer is an authorization server on the loopback interface. It is safe for concurrent use and must not be
// copied. Only NewAuthorizationServer makes one; Close ends it.
type AuthorizationServer struct {
	config      Config
	roots       *authority // of server certificates
	clients     *authority // of client certificates
	certificate tls.Certificate

	plain *socket // asks for no client certificate
	mtls  *socket // asks for one, and trusts any

	metadataRequests atomic.Int64
	jwksRequests     atomic.Int64
	closed           sync.Once

	mu              sync.Mutex
	key             *signingKey
	forger          *signingKey       // made when first needed
	retired         []json.RawMessage // JWKs of keys that were rotated away
	extra           []json.RawMessage // of PublishJWK
	registered      map[string]Client // by ID
	assertions      map[string]time.Time
	metadataHandler http.Handler
	jwksHandler     http.Handler
	opaque          opaqueTokens
	transports      []*http.Transport
}

// NewAuthorizationServer starts an authorization server on two free ports of 127.0.0.1. It reports every mistake of the
// Config at once, joined with errors.Join; any other error is the network's or the random source's.
func NewAuthorizationServer(config Config) (*AuthorizationServer, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	s := &AuthorizationServer{
		config:     config,
		registered: make(map[string]Client),
		assertions: make(map[string]time.Time),
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
	if s.plain, err = listenTLS(s.certificate, tls.NoClientCert); err != nil {
		return err
	}
	// The certificate is asked for and not verified, so that self-signed ones come through (RFC 8705 §2.2, §6.2); the
	// token endpoint verifies the chain of a client that uses tls_client_auth.
	if s.mtls, err = listenTLS(s.certificate, tls.RequestClientCert); err != nil {
		s.plain.close()
		return err
	}
	path := s.issuerPath()
	plain := http.NewServeMux()
	plain.HandleFunc("GET "+wellKnownOAuth+path, s.serveMetadata)
	plain.HandleFunc("GET "+path+wellKnownOpenID, s.serveMetadata)
	plain.HandleFunc("GET "+path+"/jwks", s.serveJWKS)
	plain.HandleFunc("POST "+path+"/token", s.serveToken)
	plain.HandleFunc("POST "+path+"/introspect", s.serveIntrospection)
	mtls := http.NewServeMux()
	mtls.HandleFunc("POST "+path+"/token", s.serveToken)
	mtls.HandleFunc("POST "+path+"/introspect", s.serveIntrospection)
	s.plain.serve(plain)
	s.mtls.serve(mtls)
	return nil
}

const (
	wellKnownOAuth  = "/.well-known/oauth-authorization-server" // RFC 8414 §3.1: in front of the issuer's path
	wellKnownOpenID = "/.well-known/openid-configuration"       // OpenID Connect Discovery 1.0 §4.1: behind it
)

// issuerPath returns the issuer's path without the slash at its end, as both rules for metadata URLs have it.
func (s *AuthorizationServer) issuerPath() string { return strings.TrimSuffix(s.config.Path, "/") }

// Close ends the server: its sockets and connections, those of the Transports that it handed out as far as they are idle,
// and every goroutine. Closing again does nothing.
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

// Issuer returns the issuer identifier: https, 127.0.0.1, the port, and Config.Path.
func (s *AuthorizationServer) Issuer() string { return s.plain.url() + s.config.Path }

// Audience returns Config.Audience, or its default: what the API under test has to accept as its own.
func (s *AuthorizationServer) Audience() string { return s.config.Audience }

// MetadataURL returns where the issuer metadata is by RFC 8414 §3.1.
func (s *AuthorizationServer) MetadataURL() string {
	return s.plain.url() + wellKnownOAuth + s.issuerPath()
}

// OpenIDConfigurationURL returns where the same metadata is by OpenID Connect Discovery 1.0 §4.1.
func (s *AuthorizationServer) OpenIDConfigurationURL() string {
	return s.plain.url() + s.issuerPath() + wellKnownOpenID
}

// JWKSURL returns the jwks_uri.
func (s *AuthorizationServer) JWKSURL() string { return s.plain.url() + s.issuerPath() + "/jwks" }

// TokenEndpoint returns the token_endpoint. It asks for no client certificate, and without one it issues no token.
func (s *AuthorizationServer) TokenEndpoint() string {
	return s.plain.url() + s.issuerPath() + "/token"
}

// MTLSTokenEndpoint returns the token_endpoint of mtls_endpoint_aliases (RFC 8705 §5).
func (s *AuthorizationServer) MTLSTokenEndpoint() string {
	return s.mtls.url() + s.issuerPath() + "/token"
}

// RootCAs returns a new pool with the CA of the server's certificate and of ServerCertificate.
func (s *AuthorizationServer) RootCAs() *x509.CertPool { return s.roots.pool() }

// RootPEM returns that CA's certificate in PEM.
func (s *AuthorizationServer) RootPEM() []byte { return s.roots.pem() }

// ClientCAs returns a new pool with the CA of NewClientCertificate. It issues client certificates only.
func (s *AuthorizationServer) ClientCAs() *x509.CertPool { return s.clients.pool() }

// ClientCAPEM returns that CA's certificate in PEM.
func (s *AuthorizationServer) ClientCAPEM() []byte { return s.clients.pem() }

// ServerCertificate returns a certificate for 127.0.0.1, ::1 and localhost that RootCAs trusts: for the API under test. It
// is the authorization server's own.
func (s *AuthorizationServer) ServerCertificate() tls.Certificate { return s.certificate }

// NewClientCertificate makes a P-256 key pair and has the client CA issue a certificate for it, with the subject
// "CN=commonName", valid for a year. Its Leaf is set. An error is the random source's.
func (s *AuthorizationServer) NewClientCertificate(commonName string) (tls.Certificate, error) {
	return s.clients.clientCertificate(commonName)
}

// RenewClientCertificate has the client CA issue a new certificate for the subject and the key pair of an old one.
// RenewSelfSignedCertificate says what that means and what the errors are.
func (s *AuthorizationServer) RenewClientCertificate(old tls.Certificate) (tls.Certificate, error) {
	return renew(old, s.clients)
}

// Transport returns a new transport that trusts RootCAs and no other, presents no client certificate and uses no proxy. The
// caller may change it before its first use.
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

// HTTPClient returns a new client over a Transport of its own, with a timeout of 30 seconds. With a certificate it presents
// that to every server that asks, whichever CAs the server names; of several, the first that the server would take, or else
// the first.
func (s *AuthorizationServer) HTTPClient(certificates ...tls.Certificate) *http.Client {
	transport := s.Transport()
	if len(certificates) > 0 {
		// tls.Config.Certificates would silently present none to a server whose list of CAs lacks the issuer.
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

// AddClient registers one more client. It is an error if it is not valid, or if its ID is taken.
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
