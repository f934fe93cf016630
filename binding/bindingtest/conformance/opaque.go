package conformance

import (
	"net/http"
	"strings"
	"sync"
)

// opaque are tokens that say nothing, and the introspection endpoint that
// answers for them (RFC 7662 §2.2): with the claims of a token as they stand,
// whoever asks. Who may ask is for the authorization server to say, and no part
// of this.
type opaque struct {
	mu      sync.Mutex
	answers map[string]string
}

// token makes a token. Its claims become the answer of an active one where they
// are an object.
func (o *opaque) token(claims string) string {
	if members, isObject := strings.CutPrefix(claims, "{"); isObject {
		claims = `{"active":true,"token_type":"Bearer",` + members
	}
	return o.answeredWith(claims)
}

// answeredWith makes a token about which the endpoint says just this.
func (o *opaque) answeredWith(answer string) string {
	token := newID()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers[token] = answer
	return token
}

// named makes an active token of this very text.
func (o *opaque) named(token, claims string) string {
	made := o.token(claims)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers[token] = o.answers[made]
	return token
}

func (o *opaque) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	answer, known := o.answers[r.PostFormValue("token")]
	o.mu.Unlock()
	if !known {
		answer = `{"active":false}`
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(answer))
}

// jwt reports whether the tokens are JWTs, and notJWT why a check is skipped if
// not.
func (i *issuer) jwt() bool { return i.opaque == nil }

// introspected is what demands something of an introspection's answer.
const introspected = "RFC 7662 §2.2"

const notJWT = "the tokens are opaque"

// inactive is row 130 for opaque tokens: those that expired or were revoked the
// endpoint calls not active, whatever else it says; and what it says is a
// boolean (RFC 7662 §2.2).
func (s *session) inactive(claims object) []check {
	if s.opaque == nil {
		return nil
	}
	active := func(name, value string) check {
		return s.token(name, s.opaque.answeredWith(claims.behind("token_type", `"Bearer"`).behind("active", value).String()))
	}
	missing := s.token("active missing", s.opaque.answeredWith(claims.String()))
	checks := []check{
		active("active false", "false"), active("active null", "null"), missing,
		active("active a string", `"true"`).expect(anything, invalidToken.or(unavailable)),
		active("active a number", "1").expect(anything, invalidToken.or(unavailable)),
	}
	return rule(130, introspected, refused, invalidToken.or(unavailable), checks...)
}
