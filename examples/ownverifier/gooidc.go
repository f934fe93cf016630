package ownverifier

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/certbound/certbound/binding"
)

// newGoOIDC makes go-oidc's verifier. It accepts the algorithms that the issuer's
// discovery document names, RS256 alone if it names none.
func newGoOIDC(ctx context.Context, issuer string) (*oidc.IDTokenVerifier, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	// aud is checked by judge. exp is checked here too, and without any leeway;
	// SkipExpiryCheck would leave exp and nbf to judge.
	return provider.Verifier(&oidc.Config{SkipClientIDCheck: true}), nil
}

// goOIDC is for an application that has a go-oidc verifier.
func goOIDC(verifier *oidc.IDTokenVerifier, issuer, audience string) binding.TokenVerifier {
	return binding.TokenVerifierFunc(func(ctx context.Context, token string) (*binding.Token, error) {
		verified, err := verifier.Verify(ctx, token)
		if err != nil {
			return nil, goOIDCRefused(err)
		}
		var payload json.RawMessage // as it came: a map would lose what stands twice
		if err := verified.Claims(&payload); err != nil {
			return nil, goOIDCRefused(err)
		}
		return judge(payload, issuer, audience)
	})
}

// goOIDCRefused tells keys that cannot be had, 503, from a token that is bad, 401.
// go-oidc says which by text alone (v3.21.0). Look at how the text begins and not
// at what it contains: other errors quote the token, and whoever sent it wrote
// that.
func goOIDCRefused(err error) error {
	if strings.HasPrefix(err.Error(), "failed to verify signature: fetching keys ") {
		return err
	}
	return &binding.Error{Reason: binding.ReasonTokenInvalid, Cause: err}
}
