package conformance

import (
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Level says which results of a report count as failures.
type Level int

const (
	// Should: every case that does not get the answer of this project's own
	// guard. It is the zero value.
	Should Level = iota

	// Must: only what the RFCs demand of every resource server; see the
	// package's documentation. For servers that are not built with this
	// project.
	Must
)

// String returns "should" or "must".
func (l Level) String() string {
	if l == Must {
		return "must"
	}
	return "should"
}

// MarshalText writes String.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Config says what the server under test is like. Its zero value is a server
// that answers GET / with 200 to a good token of RFC 9068 that is signed by
// ES256 and bound to the client's certificate, and that accepts no token
// without a binding. New copies it.
type Config struct {
	// Path is the protected resource that is asked for, with GET: a path, and a
	// query if it needs one. Default: "/".
	Path string

	// Status is the answer to a good request. Default: 200.
	Status int

	// Audience is the aud of the tokens. Default: "https://api.example".
	Audience string

	// Scopes are those of a good token: what Path needs.
	Scopes []string

	// ScopePath, if not empty, is another resource, one that needs more scopes
	// than Scopes. Row 33 asks for it, with a token that lacks them.
	ScopePath string

	// ScopeMethod is the method that ScopePath is asked for with. The server is
	// to refuse, but it is under test: name no request that must not happen.
	// Default: "GET".
	ScopeMethod string

	// Algorithm is the JWS algorithm of the issuer's key; see
	// bindingtest.Config. Default: "ES256". With another, the cases that alter
	// an ECDSA signature are skipped.
	Algorithm string

	// TokenType is the typ of the tokens, for servers that take another than
	// RFC 9068's; "absent" is none. The rows about typ are then skipped.
	// Default: "at+jwt".
	TokenType string

	// Opaque says that the tokens are opaque: the server asks the authorization
	// server's introspection endpoint about them (RFC 7662), as whatever client
	// it likes. What concerns JWTs alone, sections B, C, D, I and J, is then
	// not asked, and Algorithm and TokenType mean nothing.
	Opaque bool

	// Claims are added to the tokens, for servers that need more of them, or
	// replace what would be there.
	Claims map[string]any

	// DPoP says that the server takes DPoP proofs (RFC 9449) as well: tokens
	// that are bound to a key, or to a key and a certificate. Default: section L
	// is skipped.
	DPoP bool

	// Origin is scheme, host and port that the server takes in the htu of
	// proofs, such as "https://api.example". Default: those of its URL.
	Origin string

	// Nonces says that the server takes a proof only with its nonce (RFC 9449
	// §9).
	Nonces bool

	// AcceptsUnbound says that the server also takes tokens that are bound to
	// nothing. Default: it refuses them.
	AcceptsUnbound bool

	// VerifiesClients says that the server verifies client certificates against
	// a CA, the kit's ClientCAPEM. Default: it takes any certificate, and
	// leaves trust to the token (RFC 8705 §6.2).
	VerifiesClients bool

	// StaticKeys says that the server has the issuer's keys from a file, and
	// fetches none: what the issuer publishes (sections I and J) is not asked.
	StaticKeys bool

	// HTTP2 sends everything over HTTP/2 that can be sent so. Default:
	// HTTP/1.1, and HTTP/2 where a case is about it.
	HTTP2 bool

	// StartWait is how long a server that has just started may refuse the good
	// request, because it has no keys yet. Default: 10 seconds.
	StartWait time.Duration

	// KeyWait is how long the server may take to learn a new key of the issuer,
	// from the first token that it signed. A server that asks the issuer at
	// most once in 30 seconds needs as long. Default: 5 seconds.
	KeyWait time.Duration

	// RemovedKeyAfter is how long the server may accept a key that the issuer
	// no longer publishes. The run takes as long, at the most. 0: not looked
	// at.
	RemovedKeyAfter time.Duration

	// RootCAs are who issued the certificate of the server under test. Default:
	// the kit, by bindingtest.AuthorizationServer.ServerCertificate.
	RootCAs *x509.CertPool `json:"-"`

	// Timeout is how long one answer may take. Default: 10 seconds.
	Timeout time.Duration

	// Visits, if set, returns how often the protected handler has run until
	// now, in all servers of the Target: a case in which it ran for a request
	// that was refused, or not just once for one that was accepted, violates.
	Visits func() int `json:"-"`

	// Sent, if set, is called with each Authorization field and each DPoP field
	// that was sent, so that a log can be searched for it; and Observe with each result as it
	// comes. Both are called in Check's goroutine, or in Run's subtest.
	Sent    func(authorization string) `json:"-"`
	Observe func(Result)               `json:"-"`

	// Level says which results are failures.
	Level Level

	// Except are the rows that the server answers otherwise on purpose, by
	// their numbers, each with the reason. They are asked and reported, and are
	// no failures.
	Except map[int]string
}

func (c Config) withDefaults() Config {
	if c.Path == "" {
		c.Path = "/"
	}
	if c.Status == 0 {
		c.Status = http.StatusOK
	}
	if c.Audience == "" {
		c.Audience = "https://api.example"
	}
	if c.Algorithm == "" {
		c.Algorithm = es256
	}
	if c.TokenType == "" {
		c.TokenType = atJWT
	}
	if c.StartWait == 0 {
		c.StartWait = 10 * time.Second
	}
	if c.KeyWait == 0 {
		c.KeyWait = 5 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	c.Scopes = slices.Clone(c.Scopes)
	c.Claims = maps.Clone(c.Claims)
	c.Except = maps.Clone(c.Except)
	return c
}

// validate reports every mistake at once. What concerns bindingtest.Config is
// left to it.
func (c Config) validate() error {
	var errs []error
	mistake := func(text string) { errs = append(errs, errors.New("conformance: "+text)) }
	for name, path := range map[string]string{"Path": c.Path, "ScopePath": c.ScopePath} {
		if path != "" && !strings.HasPrefix(path, "/") {
			mistake(name + ": must begin with a slash")
		}
	}
	if _, err := http.NewRequest(c.ScopeMethod, "/", nil); err != nil {
		mistake("ScopeMethod: must be a method of HTTP")
	}
	if origin, err := url.Parse(c.Origin); c.Origin != "" && (err != nil || origin.Host == "" || c.Origin != origin.Scheme+"://"+origin.Host) {
		mistake("Origin: must be scheme, host and port, such as https://api.example")
	}
	if !c.DPoP && (c.Origin != "" || c.Nonces) {
		mistake("Origin, Nonces: need DPoP")
	}
	if c.Status < 200 || c.Status > 299 {
		mistake("Status: must be from 200 to 299")
	}
	for name, duration := range map[string]time.Duration{
		"StartWait": c.StartWait, "KeyWait": c.KeyWait, "RemovedKeyAfter": c.RemovedKeyAfter, "Timeout": c.Timeout,
	} {
		if duration < 0 {
			mistake(name + ": must not be negative")
		}
	}
	if c.Level != Should && c.Level != Must {
		mistake("Level: must be Should or Must")
	}
	for number, reason := range c.Except {
		if number < 1 || number > lastRow {
			mistake(fmt.Sprintf("Except[%d]: no such row", number))
		}
		if reason == "" {
			mistake(fmt.Sprintf("Except[%d]: a reason is required", number))
		}
	}
	return errors.Join(errs...)
}

const (
	es256 = "ES256"
	atJWT = "at+jwt"
)
