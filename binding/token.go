package binding

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/certbound/certbound/binding/internal/object"
)

// A Token is an access token that a [TokenVerifier] has read: the claims of RFC
// 9068 §2.2 and RFC 7662 §2.2, and the confirmation that binds it (RFC 8705 §3).
//
// [ParseToken] is its one constructor. A Token never changes, so that requests
// that bear the same token may share it; it is safe for concurrent use. The
// zero Token is refused by every guard.
type Token struct {
	text string // the claims, as they came

	issuer    string
	subject   string
	clientID  string
	audience  []string
	scopes    []string
	expiry    time.Time
	notBefore time.Time
	issuedAt  time.Time

	bound      bool
	thumbprint Thumbprint

	otherKind bool   // the claims are plainly those of another kind of token
	tokenType string // the value of token_type, as it came; "" if there is none

	named    bool // by Validate: Expect said where the scopes and the client are
	opaque   bool // by Validate: an introspection response
	dpopType bool // an opaque token whose token_type is DPoP
}

// ParseToken reads the claims of an access token: the payload of a JWT, or an
// introspection response. It is the one door to a Token, and reads cnf itself,
// so that no verifier can lose a binding.
//
// It is strict: claims is one JSON object in UTF-8, no name occurs twice at any
// depth, names match exactly, and each claim that it reads has its right type
// (iss, sub, aud, exp, nbf, iat, jti, client_id, scope, cnf, and azp, cid or
// appid where there is no client_id) or is absent. Of these iss, sub, aud and
// the client are not empty.
// What it returns says nothing about validity: see [Token.Validate]. The error
// is an [*Error], with a reason of the token or of its confirmation.
func ParseToken(claims []byte) (*Token, error) {
	t := &Token{text: string(claims)}
	var memory [16]object.Member
	members, err := object.AppendParse(memory[:0], t.text)
	if err != nil {
		return nil, &Error{Reason: ReasonTokenMalformed, Cause: err}
	}
	for _, m := range members {
		ok := true
		switch m.Name {
		case "iss":
			t.issuer, ok = nonEmptyString(m.Value)
		case "sub":
			t.subject, ok = nonEmptyString(m.Value)
		case "aud":
			t.audience, ok = audienceOf(m.Value)
		case "exp":
			t.expiry, ok = numericDate(m.Value)
			ok = ok && t.expiry.Unix() > 0 // 0 is not "never"
		case "nbf":
			t.notBefore, ok = numericDate(m.Value)
		case "iat":
			t.issuedAt, ok = numericDate(m.Value)
		case "jti":
			_, ok = object.String(m.Value)
		case "cnf":
			thumbprint, refusal := confirmationOf(m.Value)
			if refusal != nil {
				return nil, refusal
			}
			t.bound, t.thumbprint = true, thumbprint
		case "token_type":
			t.tokenType = m.Value
		default:
			t.otherKind = t.otherKind || isOtherKinds(m)
		}
		if !ok {
			return nil, &Error{Reason: ReasonTokenClaims}
		}
	}
	if refusal := t.readNames(members, defaultScopeClaims, defaultClientIDClaims); refusal != nil {
		return nil, refusal
	}
	return t, nil
}

var (
	defaultScopeClaims    = []string{"scope"}
	defaultClientIDClaims = []string{"client_id", "azp", "cid", "appid"}
)

// readNames reads the scopes and the client from the first of the named claims
// that is present.
func (t *Token) readNames(members []object.Member, scopeClaims, clientIDClaims []string) *Error {
	t.scopes, t.clientID = nil, ""
	if value, present := firstOf(members, scopeClaims); present {
		scopes, ok := scopesOf(value)
		if !ok {
			return &Error{Reason: ReasonTokenClaims}
		}
		t.scopes = scopes
	}
	if value, present := firstOf(members, clientIDClaims); present {
		clientID, ok := nonEmptyString(value)
		if !ok {
			return &Error{Reason: ReasonTokenClaims}
		}
		t.clientID = clientID
	}
	return nil
}

func firstOf(members []object.Member, names []string) (value string, present bool) {
	for _, name := range names {
		for i := range members {
			if members[i].Name == name {
				return members[i].Value, true
			}
		}
	}
	return "", false
}

// Issuer returns the iss claim, or "" if there is none.
func (t *Token) Issuer() string { return t.issuer }

// Subject returns the sub claim, or "" if there is none (some servers leave it
// out of a token for client credentials).
func (t *Token) Subject() string { return t.subject }

// ClientID returns the client_id claim (RFC 9068 §2.2), or what the verifier's
// configuration names in its place, or "" if there is none.
func (t *Token) ClientID() string { return t.clientID }

// Audience returns a copy of the aud claim; one string is a list of one.
func (t *Token) Audience() []string { return slices.Clone(t.audience) }

// Scopes returns a copy of the scope claim's tokens (RFC 9068 §2.2.3), or of
// the claim that the verifier's configuration names in its place.
func (t *Token) Scopes() []string { return slices.Clone(t.scopes) }

// HasScope reports whether the token carries the scope, compared exactly.
func (t *Token) HasScope(scope string) bool { return slices.Contains(t.scopes, scope) }

// Expiry returns the exp claim, or the zero time if there is none. A handler
// that holds a connection open (WebSocket, server-sent events) ends it then.
func (t *Token) Expiry() time.Time { return t.expiry }

// NotBefore returns the nbf claim, or the zero time if there is none.
func (t *Token) NotBefore() time.Time { return t.notBefore }

// IssuedAt returns the iat claim, or the zero time if there is none.
func (t *Token) IssuedAt() time.Time { return t.issuedAt }

// Thumbprint returns the certificate's thumbprint that the token is bound to
// (cnf x5t#S256, RFC 8705 §3.1), and whether it is bound at all.
func (t *Token) Thumbprint() (thumbprint Thumbprint, bound bool) {
	return t.thumbprint, t.bound
}

// Claims decodes all claims into v, as [json.Unmarshal] does, afresh at each
// call: what a caller does with v, no other request sees. Note that
// encoding/json matches the names of a struct's fields without regard to case;
// decode into a map where that matters.
func (t *Token) Claims(v any) error {
	return json.Unmarshal([]byte(t.text), v)
}

// nonEmptyString reads a string with something in it: an empty iss or client_id
// is no answer to who issued a token or to whom.
func nonEmptyString(value string) (string, bool) {
	s, ok := object.String(value)
	return s, ok && s != ""
}

// audienceOf reads aud: a string, or an array of strings (RFC 7519 §4.1.3).
func audienceOf(value string) ([]string, bool) {
	if s, ok := nonEmptyString(value); ok {
		return []string{s}, true
	}
	list, ok := object.Strings(value)
	if !ok || len(list) == 0 || slices.Contains(list, "") {
		return nil, false
	}
	return list, true
}

// scopesOf reads scope: scope tokens with one space between them (RFC 6749
// §3.3), or an array of scope tokens, which many servers send. The empty string
// is what some of them send for no scope, and grants nothing.
func scopesOf(value string) ([]string, bool) {
	s, ok := object.String(value)
	if !ok {
		list, ok := object.Strings(value)
		return list, ok && !slices.ContainsFunc(list, func(s string) bool { return !isScopeToken(s) })
	}
	if s == "" {
		return nil, true
	}
	scopes := make([]string, 0, min(16, 1+strings.Count(s, " ")))
	for from := 0; ; {
		end := from
		for end < len(s) && s[end] != ' ' {
			end++
		}
		if !isScopeToken(s[from:end]) {
			return nil, false
		}
		scopes = append(scopes, s[from:end])
		if end == len(s) {
			return scopes, true
		}
		from = end + 1
	}
}

// isScopeToken: 1*( %x21 / %x23-5B / %x5D-7E ), RFC 6749 §3.3.
func isScopeToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// lastDate is the last second of the year 9999: beyond it a number is a
// mistake, not a date.
const lastDate = 253402300799

// numericDate reads a NumericDate (RFC 7519 §2): seconds, not necessarily
// whole, as a JSON number that is not negative.
func numericDate(value string) (time.Time, bool) {
	if value[0] < '0' || value[0] > '9' { // a string, null, a negative number
		return time.Time{}, false
	}
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Unix(seconds, 0), seconds <= lastDate
	}
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || f > lastDate {
		return time.Time{}, false
	}
	seconds, fraction := math.Modf(f)
	return time.Unix(int64(seconds), int64(fraction*1e9)), true
}
