package binding

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/certbound/certbound/binding/internal/grammar"
	"github.com/certbound/certbound/binding/internal/strictjson"
)

// Claims are the claims of an access token that nobody has checked yet:
// [Claims.Validate] checks them, and makes the [Token] that a guard takes. Make
// Claims with [ParseClaims]; Validate refuses the zero Claims. Claims are
// immutable and safe for concurrent use.
type Claims struct {
	text string // as it came

	issuer    string
	subject   string
	clientID  string
	id        string
	acr       string
	authTime  time.Time
	audience  []string
	scopes    []string
	expiry    time.Time
	notBefore time.Time
	issuedAt  time.Time

	confirmation confirmation

	kind      kind
	tokenType string // the JSON value of token_type; "" if there is none

	// absentInAnswers names a claim that is null, or an aud of nothing: in an
	// introspection response it is absent, in a JWT malformed. "" is none.
	absentInAnswers string
}

// ParseClaims reads the claims of an access token: the payload of a JWT, or an
// introspection response. It is the only way to read them, and reads cnf
// itself, so that no verifier can lose a binding.
//
// It is strict: text is one JSON object in UTF-8, no name occurs twice at any
// depth, names match exactly, and each claim that it reads has its right type
// (iss, sub, aud, exp, nbf, iat, jti, client_id, scope, cnf, and azp, cid or
// appid where there is no client_id) or is absent. iss, sub, aud and the client
// must not be empty. Times are numbers of seconds, from 0 (exp: from 1) to the
// end of the year 9999. An acr or auth_time of another type counts as absent.
// ParseClaims keeps a copy of text.
//
// A claim that is null counts as absent if the token permits less without it:
// sub, jti, and the claims of the scopes and the client. A cnf that is null is
// malformed. For iss, aud, exp, nbf and iat, Validate decides.
//
// What it returns says nothing about validity: see [Claims.Validate]. The error
// is an [*Error], with a reason of the token or of its confirmation.
func ParseClaims(text []byte) (Claims, error) {
	c := Claims{text: string(text)}
	if refusal := c.read(); refusal != nil {
		return Claims{}, refusal
	}
	return c, nil
}

func (c *Claims) read() *Error {
	var memory [16]strictjson.Member
	members, err := strictjson.AppendObject(memory[:0], c.text)
	if err != nil {
		return &Error{Reason: ReasonTokenMalformed, Cause: err}
	}
	for _, m := range members {
		if c.isAbsent(m) {
			continue
		}
		ok := true
		switch m.Name {
		case "iss":
			c.issuer, ok = nonEmptyString(m.Value)
		case "sub":
			c.subject, ok = nonEmptyString(m.Value)
		case "aud":
			c.audience, ok = audienceOf(m.Value)
		case "exp":
			c.expiry, ok = numericDate(m.Value)
			ok = ok && c.expiry.Unix() > 0 // 0 is not "never"
		case "nbf":
			c.notBefore, ok = numericDate(m.Value)
		case "iat":
			c.issuedAt, ok = numericDate(m.Value)
		case "jti":
			c.id, ok = strictjson.String(m.Value)
		case "acr": // one of another type is none: see ACR
			c.acr, _ = strictjson.String(m.Value)
		case "auth_time":
			c.authTime, _ = numericDate(m.Value)
		case "cnf":
			var refusal *Error
			if c.confirmation, refusal = confirmationOf(m.Value); refusal != nil {
				return refusal
			}
		case "token_type":
			c.tokenType = m.Value
		default:
			c.kind.read(m)
		}
		if !ok {
			return badClaim(m.Name, malformedClaim)
		}
	}
	return c.readNames(members, defaultScopeClaims, defaultClientIDClaims)
}

// isAbsent reports whether a member says nothing: some servers send what RFC
// 7662 §2.2 makes optional as null, or aud as an empty list.
func (c *Claims) isAbsent(m strictjson.Member) bool {
	nothing := m.Value == "null"
	switch m.Name {
	case "sub", "jti", "token_type":
		return nothing
	case "aud":
		nothing = nothing || m.Value[0] == '[' && strings.Trim(m.Value[1:], " \t\r\n]") == ""
		fallthrough
	case "iss", "exp", "nbf", "iat":
		if nothing {
			c.absentInAnswers = m.Name
		}
		return nothing
	}
	return false
}

// Issuer returns the iss claim, or "" if there is none. Nobody has verified it:
// use it only to choose the verifier that checks the claims.
func (c Claims) Issuer() string { return c.issuer }

var (
	defaultScopeClaims    = []string{"scope"}
	defaultClientIDClaims = []string{"client_id", "azp", "cid", "appid"}
)

// readNames reads the scopes and the client from the first of the named claims
// that is present.
func (c *Claims) readNames(members []strictjson.Member, scopeClaims, clientIDClaims []string) *Error {
	c.scopes, c.clientID = nil, ""
	if m := firstOf(members, scopeClaims); m != nil {
		scopes, ok := scopesOf(m.Value)
		if !ok {
			return badClaim(m.Name, malformedClaim)
		}
		c.scopes = scopes
	}
	if m := firstOf(members, clientIDClaims); m != nil {
		clientID, ok := nonEmptyString(m.Value)
		if !ok {
			return badClaim(m.Name, malformedClaim)
		}
		c.clientID = clientID
	}
	return nil
}

// firstOf returns the first of the names that is present, or nil. One that is
// null is absent: without it the token permits less.
func firstOf(members []strictjson.Member, names []string) *strictjson.Member {
	for _, name := range names {
		for i := range members {
			if members[i].Name == name && members[i].Value != "null" {
				return &members[i]
			}
		}
	}
	return nil
}

// nonEmptyString reads a string with something in it: an empty iss or client_id
// is no answer to who issued a token or to whom.
func nonEmptyString(value string) (string, bool) {
	s, ok := strictjson.String(value)
	return s, ok && s != ""
}

// audienceOf reads aud: a string, or an array of strings (RFC 7519 §4.1.3).
func audienceOf(value string) ([]string, bool) {
	if s, ok := nonEmptyString(value); ok {
		return []string{s}, true
	}
	list, ok := strictjson.Strings(value)
	if !ok || slices.Contains(list, "") {
		return nil, false
	}
	return list, true
}

// scopesOf reads scope: scope tokens with one space between them (RFC 6749
// §3.3), or an array of scope tokens, which many servers send. The empty string
// is what some of them send for no scope, and grants nothing.
func scopesOf(value string) ([]string, bool) {
	s, ok := strictjson.String(value)
	if !ok {
		list, ok := strictjson.Strings(value)
		return list, ok && !slices.ContainsFunc(list, func(s string) bool { return !grammar.IsScopeToken(s) })
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
		if !grammar.IsScopeToken(s[from:end]) {
			return nil, false
		}
		scopes = append(scopes, s[from:end])
		if end == len(s) {
			return scopes, true
		}
		from = end + 1
	}
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
