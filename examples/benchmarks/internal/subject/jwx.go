package subject

import (
	"context"
	"net/http"

	"github.com/lestrrat-go/jwx/v2/jwt"
)

// newJWX: jwt.Parse with the set at hand.
func newJWX(_ context.Context, issuer *Issuer) (func(*http.Request) error, error) {
	options := []jwt.ParseOption{
		jwt.WithKeySet(issuer.KeySet),
		jwt.WithIssuer(issuer.Issuer()),
		jwt.WithAudience(Audience),
		jwt.WithRequiredClaim(jwt.ExpirationKey),
		jwt.WithValidate(true),
	}
	return func(r *http.Request) error {
		text, err := bearer(r)
		if err != nil {
			return err
		}
		token, err := jwt.Parse([]byte(text), options...)
		if err != nil {
			return err
		}
		claim, _ := token.Get("cnf")
		members, _ := claim.(map[string]any)
		thumbprint, _ := members["x5t#S256"].(string)
		return prove(r, thumbprint)
	}, nil
}
