package subject

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/introspection"
)

const (
	apiClientID     = "accounts-api"
	apiClientSecret = "a secret of thirty characters."
)

// An OpaqueStream is a guard that asks an authorization server about its tokens,
// over HTTPS, and tokens for it that are all different.
type OpaqueStream struct {
	*binding.Guard
	Certificate *x509.Certificate // of the client of Requests
	as          *bindingtest.AuthorizationServer
	tokens      *introspection.Verifier
}

// NewOpaqueStream starts a server that takes that long for each answer, and a
// guard. Close it when done.
func NewOpaqueStream(takes time.Duration) (_ *OpaqueStream, err error) {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{
		Audience: Audience,
		Clients:  []bindingtest.Client{{ID: apiClientID, AuthMethod: bindingtest.ClientSecretBasic, Secret: apiClientSecret}},
	})
	if err != nil {
		return nil, err
	}
	s := &OpaqueStream{as: as}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if takes > 0 {
		as.Handle(bindingtest.IntrospectionPath, late(takes, as))
	}
	s.tokens, err = introspection.New(introspection.Config{
		Issuer: as.Issuer(), Audiences: []string{Audience}, ClientID: apiClientID,
		AuthMethod: introspection.ClientSecretBasic, ClientSecret: apiClientSecret, Transport: as.Transport(),
		ActiveFor: 5 * time.Minute, // longer than any measurement
	})
	if err != nil {
		return nil, err
	}
	if s.Guard, err = binding.New(binding.Config{Tokens: s.tokens}); err != nil {
		return nil, err
	}
	client, err := s.NewCertificate()
	s.Certificate = client
	return s, err
}

// late answers after some time, whoever asks.
func late(takes time.Duration, as *bindingtest.AuthorizationServer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.PostFormValue("token")
		select {
		case <-time.After(takes):
		case <-r.Context().Done():
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(as.Introspection(token))
	})
}

// NewCertificate returns the certificate of one more client.
func (s *OpaqueStream) NewCertificate() (*x509.Certificate, error) {
	certificate, err := bindingtest.NewSelfSignedCertificate("tpp-4711")
	return certificate.Leaf, err
}

// Request returns a request with a new token of the client with that
// certificate, with these claims besides.
func (s *OpaqueStream) Request(certificate *x509.Certificate, claims map[string]any) (*http.Request, error) {
	spec := tokenSpec(certificate)
	spec.ClientID = Thumbprint(certificate)
	spec.Claims = claims
	token, err := s.as.OpaqueToken(spec)
	return NewRequest(token, certificate), err
}

// Forget has the server forget the token of a request, whose memory is not the
// guard's.
func (s *OpaqueStream) Forget(r *http.Request) {
	token, _ := bearer(r)
	s.as.RevokeToken(token)
}

// MadeUp returns a request with a token that nobody has issued.
func (s *OpaqueStream) MadeUp(certificate *x509.Certificate) *http.Request {
	return NewRequest(rand.Text(), certificate)
}

// Thumbprint names a client by its certificate.
func Thumbprint(certificate *x509.Certificate) string { return bindingtest.Thumbprint(certificate) }

// Close ends the guard's verifier and the server.
func (s *OpaqueStream) Close() error {
	var err error
	if s.tokens != nil {
		err = s.tokens.Close()
	}
	s.as.Close()
	return err
}
