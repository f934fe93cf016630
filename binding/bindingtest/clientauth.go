package bindingtest

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"net/http"
	"net/url"
)

// authenticate finds out which client asks. A client that uses another method
// than the one it is registered with is refused like one that is not
// registered.
func (s *AuthorizationServer) authenticate(r *http.Request) (Client, *tokenError) {
	authorization := len(r.Header.Values("Authorization")) > 0
	secret := r.PostForm.Has("client_secret")
	assertion := r.PostForm.Has("client_assertion") || r.PostForm.Has("client_assertion_type")
	switch {
	case authorization && assertion, authorization && secret, assertion && secret:
		// RFC 6749 §2.3: not more than one method in a request.
		return Client{}, invalidRequest("more than one client authentication method")
	case authorization:
		return s.authenticateBasic(r)
	case secret:
		return Client{}, invalidClient("client_secret_post is not supported")
	case assertion:
		return s.authenticateAssertion(r)
	default:
		return s.authenticateTLS(r)
	}
}

// authenticateBasic is client_secret_basic (RFC 6749 §2.3.1).
func (s *AuthorizationServer) authenticateBasic(r *http.Request) (Client, *tokenError) {
	refused := invalidClient("client authentication failed")
	refused.challenge = true
	if len(r.Header.Values("Authorization")) > 1 {
		return Client{}, refused
	}
	username, password, ok := r.BasicAuth()
	if !ok {
		return Client{}, refused
	}
	// Both are form-encoded before they are joined by the colon.
	id, errID := url.QueryUnescape(username)
	secret, errSecret := url.QueryUnescape(password)
	if errID != nil || errSecret != nil {
		return Client{}, refused
	}
	// An unknown client costs the same comparison, of digests, so that not even
	// the length shows.
	client, known := s.client(id)
	want, got := sha256.Sum256([]byte(client.Secret)), sha256.Sum256([]byte(secret))
	equal := subtle.ConstantTimeCompare(want[:], got[:]) == 1
	if !known || !equal || client.AuthMethod != ClientSecretBasic {
		return Client{}, refused
	}
	if r.PostForm.Has("client_id") && r.PostForm.Get("client_id") != client.ID {
		return Client{}, invalidRequest("client_id is another client's")
	}
	return client, nil
}

// authenticateTLS is tls_client_auth and self_signed_tls_client_auth. The
// client_id says which client it is, and so which of the two (RFC 8705 §2).
func (s *AuthorizationServer) authenticateTLS(r *http.Request) (Client, *tokenError) {
	refused := invalidClient("client authentication failed")
	certificate := clientCertificate(r)
	client, known := s.client(r.PostForm.Get("client_id"))
	if !known || certificate == nil {
		return Client{}, refused
	}
	switch client.AuthMethod {
	case TLSClientAuth:
		// RFC 8705 §2.1: a chain to a CA that we trust, and the subject
		// registered for this client.
		intermediates := x509.NewCertPool()
		for _, intermediate := range r.TLS.PeerCertificates[1:] {
			intermediates.AddCert(intermediate)
		}
		_, err := certificate.Verify(x509.VerifyOptions{
			Roots:         s.ClientCAs(),
			Intermediates: intermediates,
			KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		})
		if err != nil || certificate.Subject.String() != client.SubjectDN {
			return Client{}, refused
		}
	case SelfSignedTLSClientAuth:
		// RFC 8705 §2.2: the registered certificate, and no chain.
		if !bytes.Equal(certificate.Raw, client.Certificate.Raw) {
			return Client{}, refused
		}
	default:
		return Client{}, refused
	}
	return client, nil
}
