package subject

import (
	"context"
	"crypto"
	"net/http"

	"github.com/golang-jwt/jwt/v5"
)

type golangJWTClaims struct {
	jwt.RegisteredClaims
	ClientID     string       `json:"client_id"`
	Scope        string       `json:"scope"`
	Confirmation confirmation `json:"cnf"`
}

// newGolangJWT: the library has no key sets; a map by kid is what one writes.
func newGolangJWT(_ context.Context, issuer *Issuer) (func(*http.Request) error, error) {
	keys := make(map[string]crypto.PublicKey)
	for i := range issuer.KeySet.Len() {
		key, _ := issuer.KeySet.Key(i)
		var raw crypto.PublicKey
		if err := key.Raw(&raw); err != nil {
			return nil, err
		}
		keys[key.KeyID()] = raw
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{issuer.Algorithm}),
		jwt.WithIssuer(issuer.Issuer()),
		jwt.WithAudience(Audience),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
	)
	keyOf := func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		if key, ok := keys[kid]; ok {
			return key, nil
		}
		return nil, jwt.ErrTokenUnverifiable
	}
	return func(r *http.Request) error {
		token, err := bearer(r)
		if err != nil {
			return err
		}
		var claims golangJWTClaims
		if _, err := parser.ParseWithClaims(token, &claims, keyOf); err != nil {
			return err
		}
		return prove(r, claims.Confirmation.X5tS256)
	}, nil
}
