package bindingtest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"
)

// opaqueTokens are the tokens of OpaqueToken, and the endpoint that is asked
// about them.
type opaqueTokens struct {
	mu      sync.Mutex
	answers map[string]opaqueToken
}

type opaqueToken struct {
	members map[string]any
	expires time.Time
}

// OpaqueToken issues an access token that says nothing by itself; the
// introspection endpoint answers for it with what Token would have signed, with
// token_type (Config.ResponseTokenType) and active. TokenSpec.Claims adds to
// that answer, replaces or removes: {"active": "true"} is an answer that no
// server should give. Header and ForgedSignature have no meaning here. It is an
// error if the Key is of no supported kind, or a claim has no JSON form.
func (s *AuthorizationServer) OpaqueToken(spec TokenSpec) (string, error) {
	claims, err := s.claims(spec)
	if err != nil {
		return "", err
	}
	members := map[string]any{"active": true, "token_type": s.tokenType(spec)}
	maps.Copy(members, claims)
	amend(members, s.config.Claims)
	amend(members, spec.Claims)
	if _, err := json.Marshal(members); err != nil {
		return "", fmt.Errorf("bindingtest: claims: %w", err)
	}
	lifetime := s.config.Lifetime
	if spec.ExpiresIn != 0 {
		lifetime = spec.ExpiresIn
	}
	token := rand.Text()
	s.opaque.mu.Lock()
	defer s.opaque.mu.Unlock()
	if s.opaque.answers == nil {
		s.opaque.answers = make(map[string]opaqueToken)
	}
	s.opaque.answers[token] = opaqueToken{members: members, expires: s.config.Clock().Add(lifetime)}
	return token, nil
}

// RevokeToken makes a token of OpaqueToken inactive. Another token, or one that
// was revoked, changes nothing.
func (s *AuthorizationServer) RevokeToken(token string) {
	s.opaque.mu.Lock()
	defer s.opaque.mu.Unlock()
	delete(s.opaque.answers, token)
}

// Introspection returns the members of the answer that the introspection
// endpoint gives for a token now: that it is not active, if it expired, was
// revoked or is not one of OpaqueToken's (RFC 7662 §2.2). The map is the
// caller's to change.
func (s *AuthorizationServer) Introspection(token string) map[string]any {
	s.opaque.mu.Lock()
	defer s.opaque.mu.Unlock()
	known, ok := s.opaque.answers[token]
	if !ok || s.config.Clock().After(known.expires) {
		return map[string]any{"active": false}
	}
	return maps.Clone(known.members)
}

func (s *AuthorizationServer) serveIntrospection(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenRequest)
	answer, refused := s.introspect(r)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	if refused == nil {
		writeJSON(w, http.StatusOK, answer)
		return
	}
	if refused.challenge {
		w.Header().Set("WWW-Authenticate", `Basic realm="introspection endpoint"`)
	}
	writeJSON(w, refused.status, map[string]any{
		"error":             refused.code,
		"error_description": refused.description,
	})
}

// introspect answers a client that has authenticated, by any of the token
// endpoint's methods: RFC 7662 §2.1 asks for that, lest tokens be tried out.
func (s *AuthorizationServer) introspect(r *http.Request) (map[string]any, *tokenError) {
	if refused := parseForm(r); refused != nil {
		return nil, refused
	}
	if _, refused := s.authenticate(r); refused != nil {
		return nil, refused
	}
	if r.PostForm.Get("token") == "" {
		return nil, invalidRequest("token is missing")
	}
	return s.Introspection(r.PostForm.Get("token")), nil
}
