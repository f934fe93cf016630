package subject

import (
	"context"
	"net/http"
	"net/url"
	"time"

	jwtmiddleware "github.com/auth0/go-jwt-middleware/v2"
	auth0jwks "github.com/auth0/go-jwt-middleware/v2/jwks"
	"github.com/auth0/go-jwt-middleware/v2/validator"
)

type auth0Claims struct {
	ClientID     string       `json:"client_id"`
	Scope        string       `json:"scope"`
	Confirmation confirmation `json:"cnf"`
}

func (*auth0Claims) Validate(context.Context) error { return nil }

// newAuth0: the two calls that its middleware makes, without the middleware, which would only add to them.
func newAuth0(_ context.Context, issuer *Issuer) (func(*http.Request) error, error) {
	issuerURL, err := url.Parse(issuer.Issuer())
	if err != nil {
		return nil, err
	}
	provider := auth0jwks.NewCachingProvider(issuerURL, time.Hour,
		auth0jwks.WithCustomClient(&http.Client{Transport: issuer.Transport()}))
	v, err := validator.New(provider.KeyFunc, validator.SignatureAlgorithm(issuer.Algorithm), issuer.Issuer(), []string{Audience},
		validator.WithCustomClaims(func() validator.CustomClaims { return &auth0Claims{} }))
	if err != nil {
		return nil, err
	}
	return func(r *http.Request) error {
		token, err := jwtmiddleware.AuthHeaderTokenExtractor(r)
		if err != nil {
			return err
		}
		validated, err := v.ValidateToken(r.Context(), token)
		if err != nil {
			return err
		}
		return prove(r, validated.(*validator.ValidatedClaims).CustomClaims.(*auth0Claims).Confirmation.X5tS256)
	}, nil
}
