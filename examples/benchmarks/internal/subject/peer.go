package subject

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
)

// A Peer is another library, put to the same work in the way that its own documentation shows, with the issuer's keys
// at hand. What it does not do is written by hand: the thumbprint is compared (RFC 8705 §3.1), for none of them does that.
//
// None of them looks at typ either, as RFC 9068 §4 has it, and that is left out, in their favour.
type Peer struct {
	Name string
	new  func(ctx context.Context, issuer *Issuer) (func(*http.Request) error, error)
}

// Peers are the libraries. Each knows all the algorithms.
func Peers() []Peer {
	return []Peer{
		{"golang-jwt", newGolangJWT},
		{"go-oidc", newGoOIDC},
		{"jwx", newJWX},
		{"auth0", newAuth0},
	}
}

// Check returns the peer's check of a request with a token of the issuer's. What it does in the background ends with ctx.
func (p Peer) Check(ctx context.Context, issuer *Issuer) (func(*http.Request) error, error) {
	return p.new(ctx, issuer)
}

// A confirmation is the claim cnf of a bound token (RFC 8705 §3.1).
type confirmation struct {
	X5tS256 string `json:"x5t#S256"`
}

var (
	errNoToken   = errors.New("subject: no bearer token")
	errNotProven = errors.New("subject: the token is not the client's")
)

// bearer takes the token out of the Authorization value.
func bearer(r *http.Request) (string, error) {
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return "", errNoToken
	}
	return token, nil
}

// prove compares the thumbprint that a token is bound to with the client's certificate.
func prove(r *http.Request, thumbprint string) error {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return errNotProven
	}
	var expected [sha256.Size]byte
	n, err := base64.RawURLEncoding.Decode(expected[:], []byte(thumbprint[:min(len(thumbprint), 43)]))
	if err != nil || n != len(expected) || len(thumbprint) != 43 {
		return errNotProven
	}
	presented := sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
	if subtle.ConstantTimeCompare(expected[:], presented[:]) != 1 {
		return errNotProven
	}
	return nil
}
