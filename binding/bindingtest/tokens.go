package bindingtest

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// TokenSpec says what Token puts into an access token. Its zero value is a good
// token of the client "client" without scopes and without a binding.
type TokenSpec struct {
	Subject     string            // sub; default: ClientID
	ClientID    string            // client_id; default: "client"
	Audience    []string          // aud; default: Config.Audience. One is written as a string, more as an array
	Scopes      []string          // scope; none: no such claim
	Certificate *x509.Certificate // cnf x5t#S256 (RFC 8705 §3.1)

	// Key is the key that a DPoP proof has to be signed by: cnf jkt (RFC 9449
	// §6.1). It is RSA, ECDSA on a NIST curve from P-256, or Ed25519. A token
	// with a Certificate and a Key is bound to both, one without either to
	// nothing.
	Key crypto.PublicKey

	// ExpiresIn is the time from now to exp, cut to a second. 0 is
	// Config.Lifetime. A negative one makes a token that has expired, and that
	// was issued Config.Lifetime before it did; verifiers allow some leeway, so
	// make it minutes.
	ExpiresIn time.Duration

	// Claims and Header are added to the claims and to the JOSE header, or
	// replace what would be there; a nil value removes it. A replaced alg or
	// kid changes what the header says, not the key that signs.
	Claims map[string]any
	Header map[string]any

	// ForgedSignature signs with a key that is not published, under the kid and
	// alg of the one that is.
	ForgedSignature bool
}

// Token signs an access token (RFC 9068) that never went through the token
// endpoint, so that it may be of a client that is not registered. It works
// after Close as well. It is an error if the Key is of no supported kind, or if
// a value in Claims or Header has no JSON form.
func (s *AuthorizationServer) Token(spec TokenSpec) (string, error) {
	key, err := s.keyFor(spec)
	if err != nil {
		return "", err
	}
	members, err := s.claims(spec)
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(members)
	if err != nil {
		return "", fmt.Errorf("bindingtest: claims: %w", err)
	}
	fields := map[string]any{"alg": key.algorithm, "kid": key.id, "typ": s.config.TokenType}
	amend(fields, s.config.Header)
	amend(fields, spec.Header)
	header, err := json.Marshal(fields)
	if err != nil {
		return "", fmt.Errorf("bindingtest: header: %w", err)
	}
	return key.sign(header, claims)
}

// SignRaw signs a JOSE header and a payload byte for byte with the current key:
// for what no encoder writes, such as members that occur twice or text that is
// not UTF-8. The header is not looked at.
func (s *AuthorizationServer) SignRaw(header, payload []byte) (string, error) {
	s.mu.Lock()
	key := s.key
	s.mu.Unlock()
	return key.sign(header, payload)
}

func (s *AuthorizationServer) claims(spec TokenSpec) (map[string]any, error) {
	clientID := spec.ClientID
	if clientID == "" {
		clientID = "client"
	}
	subject := spec.Subject
	if subject == "" {
		// RFC 9068 §2.2: without a resource owner the subject is the client.
		subject = clientID
	}
	var audience any = s.config.Audience
	switch len(spec.Audience) {
	case 0:
	case 1:
		audience = spec.Audience[0]
	default:
		audience = spec.Audience
	}
	issued := s.config.Clock()
	expires := issued.Add(s.config.Lifetime)
	if spec.ExpiresIn != 0 {
		expires = issued.Add(spec.ExpiresIn)
	}
	if spec.ExpiresIn < 0 {
		issued = expires.Add(-s.config.Lifetime)
	}
	claims := map[string]any{
		"iss":       s.Issuer(),
		"sub":       subject,
		"aud":       audience,
		"exp":       expires.Unix(),
		"iat":       issued.Unix(),
		"jti":       rand.Text(),
		"client_id": clientID,
	}
	if len(spec.Scopes) > 0 {
		claims["scope"] = strings.Join(spec.Scopes, " ")
	}
	confirmation := make(map[string]any)
	if spec.Certificate != nil {
		confirmation["x5t#S256"] = Thumbprint(spec.Certificate)
	}
	if spec.Key != nil {
		thumbprint, err := KeyThumbprint(spec.Key)
		if err != nil {
			return nil, err
		}
		confirmation["jkt"] = thumbprint
	}
	if len(confirmation) > 0 {
		claims["cnf"] = confirmation
	}
	amend(claims, s.config.Claims)
	amend(claims, spec.Claims)
	return claims, nil
}

// tokenType is what the token and the introspection endpoint call a token: by
// its scheme (RFC 6749 §7.1, RFC 9449 §5).
func (s *AuthorizationServer) tokenType(spec TokenSpec) string {
	switch {
	case s.config.ResponseTokenType != "":
		return s.config.ResponseTokenType
	case spec.Key != nil:
		return "DPoP"
	}
	return "Bearer"
}

// amend applies changes as TokenSpec.Claims describes.
func amend(members, changes map[string]any) {
	for name, value := range changes {
		if value == nil {
			delete(members, name)
			continue
		}
		members[name] = value
	}
}

// keyFor returns the current key, or for a forgery one that passes itself off
// as it.
func (s *AuthorizationServer) keyFor(spec TokenSpec) (*signingKey, error) {
	s.mu.Lock()
	key, forger := s.key, s.forger
	s.mu.Unlock()
	if !spec.ForgedSignature {
		return key, nil
	}
	if forger == nil {
		var err error
		if forger, err = newSigningKey(s.config.Algorithm); err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.forger = forger
		s.mu.Unlock()
	}
	return &signingKey{id: key.id, algorithm: key.algorithm, private: forger.private}, nil
}
