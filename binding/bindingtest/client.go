package bindingtest

import (
	"crypto/tls"
	"net/http"
	"sync"
	"time"
)

// BoundClient returns an HTTP client of a user's: with a client certificate of
// its own from ClientCAs, which it presents to every server that asks, and with
// a token for the subject and the scopes that is bound to that certificate, in
// the Authorization of every request. The token's client_id is the subject too.
//
//	response, err := as.BoundClient("alice", "accounts").Get(api.URL + "/accounts")
//
// The token is signed anew when it expires by Config.Clock, and after Rotate. A
// request that has an Authorization of its own keeps it. What goes wrong in
// making certificate or token is the error of the request. The client has a
// timeout of 30 seconds, and trusts RootCAs alone.
func (s *AuthorizationServer) BoundClient(subject string, scopes ...string) *http.Client {
	certificate, err := s.NewClientCertificate(subject)
	return s.clientWith(TokenSpec{Subject: subject, ClientID: subject, Scopes: scopes, Certificate: certificate.Leaf}, certificate, err)
}

// WronglyBoundClient returns a thief: an HTTP client that is as BoundClient's
// is, but for its token, which is bound to the certificate of somebody else.
func (s *AuthorizationServer) WronglyBoundClient(subject string, scopes ...string) *http.Client {
	certificate, err := s.NewClientCertificate("thief")
	if err != nil {
		return s.clientWith(TokenSpec{}, certificate, err)
	}
	another, err := s.NewClientCertificate(subject)
	return s.clientWith(TokenSpec{Subject: subject, ClientID: subject, Scopes: scopes, Certificate: another.Leaf}, certificate, err)
}

// ClientFor returns an HTTP client as BoundClient does, with a certificate and
// a token of the caller's choice: the token is bound to spec.Certificate, or to
// nothing if that is nil. The zero tls.Certificate is none.
func (s *AuthorizationServer) ClientFor(spec TokenSpec, certificate tls.Certificate) *http.Client {
	return s.clientWith(spec, certificate, nil)
}

func (s *AuthorizationServer) clientWith(spec TokenSpec, certificate tls.Certificate, err error) *http.Client {
	var presented []tls.Certificate
	if len(certificate.Certificate) > 0 {
		presented = append(presented, certificate)
	}
	client := s.HTTPClient(presented...)
	client.Transport = &bearer{server: s, spec: spec, base: client.Transport, broken: err}
	return client
}

// bearer adds a token to requests.
type bearer struct {
	server *AuthorizationServer
	spec   TokenSpec
	base   http.RoundTripper
	broken error // what went wrong before there was anything to sign

	mu      sync.Mutex
	token   string
	keyID   string
	issued  time.Time
	renewal time.Time
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r, err := b.authorized(r, "Bearer")
	if err != nil {
		return nil, err
	}
	return b.base.RoundTrip(r)
}

// authorized returns the request with the token, or as it is if it has an
// Authorization of its own.
func (b *bearer) authorized(r *http.Request, scheme string) (*http.Request, error) {
	if len(r.Header.Values("Authorization")) > 0 {
		return r, nil
	}
	token, err := b.fresh()
	if err != nil {
		closeBody(r)
		return nil, err
	}
	r = r.Clone(r.Context()) // http.RoundTripper: the request is the caller's
	r.Header.Set("Authorization", scheme+" "+token)
	return r, nil
}

// closeBody is what an http.RoundTripper owes in an error as well.
func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (b *bearer) CloseIdleConnections() {
	if base, ok := b.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// fresh returns a token that has at least a tenth of its life before it, by a
// clock that may have been set back as well.
func (b *bearer) fresh() (string, error) {
	if b.broken != nil {
		return "", b.broken
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now, keyID := b.server.config.Clock(), b.server.KeyID()
	if b.token != "" && b.keyID == keyID && !now.Before(b.issued) && now.Before(b.renewal) {
		return b.token, nil
	}
	token, err := b.server.Token(b.spec)
	if err != nil {
		return "", err
	}
	lifetime := b.spec.ExpiresIn
	if lifetime == 0 {
		lifetime = b.server.config.Lifetime
	}
	b.token, b.keyID, b.issued, b.renewal = token, keyID, now, now.Add(lifetime-lifetime/10)
	return token, nil
}
