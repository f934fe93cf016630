package subject

import (
	"context"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/certbound/certbound/binding/bindingtest"
)

type goOIDCClaims struct {
	ClientID     string       `json:"client_id"`
	Scope        string       `json:"scope"`
	Confirmation confirmation `json:"cnf"`
}

// newGoOIDC: it verifies ID tokens, and is widely used for access tokens. Its key set is fetched with the first token.
func newGoOIDC(ctx context.Context, issuer *Issuer) (func(*http.Request) error, error) {
	client := &http.Client{Transport: issuer.Transport()}
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(ctx, client), issuer.URL(bindingtest.JWKSPath))
	verifier := oidc.NewVerifier(issuer.Issuer(), keys, &oidc.Config{
		ClientID:             Audience,
		SupportedSigningAlgs: []string{issuer.Algorithm},
	})
	return func(r *http.Request) error {
		token, err := bearer(r)
		if err != nil {
			return err
		}
		verified, err := verifier.Verify(r.Context(), token)
		if err != nil {
			return err
		}
		var claims goOIDCClaims
		if err := verified.Claims(&claims); err != nil {
			return err
		}
		return prove(r, claims.Confirmation.X5tS256)
	}, nil
}
