package bindingtest

import (
	"crypto"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/lestrrat-go/jwx/v2/jwt"
)

// ClientAssertionType is the client_assertion_type of private_key_jwt (RFC 7523
// §2.2).
const ClientAssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// ClientAssertion signs a client assertion (RFC 7523 §3) for this server's
// token endpoint: valid for a minute, and once. It is an error if the key is
// not RSA, ECDSA on a NIST curve from P-256, or Ed25519.
func (s *AuthorizationServer) ClientAssertion(clientID string, key crypto.Signer) (string, error) {
	if key == nil {
		return "", errors.New("bindingtest: client assertion: a private key is required")
	}
	algorithms := algorithmsFor(key.Public())
	if len(algorithms) == 0 {
		return "", errors.New("bindingtest: client assertion: the key is of no supported kind")
	}
	header, err := json.Marshal(map[string]any{"alg": algorithms[0], "typ": "JWT"})
	if err != nil {
		return "", fmt.Errorf("bindingtest: client assertion: %w", err)
	}
	now := s.config.Clock()
	claims, err := json.Marshal(map[string]any{
		"iss": clientID,
		"sub": clientID,
		"aud": s.Issuer(),
		"iat": now.Unix(),
		"exp": now.Add(time.Minute).Unix(),
		"jti": rand.Text(),
	})
	if err != nil {
		return "", fmt.Errorf("bindingtest: client assertion: %w", err)
	}
	signer := signingKey{algorithm: algorithms[0], private: key}
	return signer.sign(header, claims)
}

// authenticateAssertion is private_key_jwt.
func (s *AuthorizationServer) authenticateAssertion(r *http.Request) (Client, *tokenError) {
	refused := invalidClient("client authentication failed")
	if r.PostForm.Get("client_assertion_type") != ClientAssertionType {
		return Client{}, invalidRequest("client_assertion_type is not supported")
	}
	assertion := []byte(r.PostForm.Get("client_assertion"))
	// Who asks is read first, so that the key is known; nothing read so counts
	// until the signature holds.
	claimed, err := jwt.ParseInsecure(assertion)
	if err != nil {
		return Client{}, refused
	}
	client, known := s.client(claimed.Subject())
	if !known || client.AuthMethod != PrivateKeyJWT {
		return Client{}, refused
	}
	if r.PostForm.Has("client_id") && r.PostForm.Get("client_id") != client.ID {
		// RFC 7521 §4.2: client_id, if there is one, identifies the same client
		// as the assertion.
		return Client{}, invalidRequest("client_id is another client's")
	}
	token, err := s.verifyAssertion(client, assertion)
	if err != nil {
		return Client{}, refused
	}
	// A jti is unique within its issuer only. The length keeps two pairs from
	// looking alike.
	if !s.firstUse(fmt.Sprintf("assertion:%d:%s:%s", len(client.ID), client.ID, token.JwtID()), token.Expiration()) {
		return Client{}, refused
	}
	return client, nil
}

// verifyAssertion checks signature and claims as RFC 7523 §3 lists them.
func (s *AuthorizationServer) verifyAssertion(client Client, assertion []byte) (jwt.Token, error) {
	message, err := jws.Parse(assertion, jws.WithCompact())
	if err != nil {
		return nil, err
	}
	algorithm := message.Signatures()[0].ProtectedHeaders().Algorithm()
	if !slices.Contains(algorithmsFor(client.PublicKey), string(algorithm)) {
		return nil, errors.New("the algorithm does not fit the client's key")
	}
	token, err := jwt.Parse(assertion,
		jwt.WithKey(jwa.SignatureAlgorithm(algorithm), client.PublicKey),
		jwt.WithClock(jwt.ClockFunc(s.config.Clock)),
		jwt.WithIssuer(client.ID),
		jwt.WithSubject(client.ID),
		jwt.WithRequiredClaim(jwt.ExpirationKey),
	)
	if err != nil {
		return nil, err
	}
	ours := []string{s.Issuer(), s.URL(TokenPath), s.MTLSURL(TokenPath)}
	if !slices.ContainsFunc(token.Audience(), func(audience string) bool { return slices.Contains(ours, audience) }) {
		return nil, errors.New("the audience is another server")
	}
	if token.JwtID() == "" {
		return nil, errors.New("the jti is missing")
	}
	return token, nil
}

// firstUse reports whether the jti of an assertion or a proof is new, and
// remembers it until that expires.
func (s *AuthorizationServer) firstUse(id string, expires time.Time) bool {
	now := s.config.Clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for old, expires := range s.used {
		// A second of grace: the check of exp is no finer.
		if now.After(expires.Add(time.Second)) {
			delete(s.used, old)
		}
	}
	if _, used := s.used[id]; used {
		return false
	}
	s.used[id] = expires
	return true
}
