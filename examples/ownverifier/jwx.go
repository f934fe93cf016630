package ownverifier

import (
	"context"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/certbound/certbound/binding"
)

// jwxCache is for an application that has a jwk.Cache, in which url is
// registered. jws.Verify itself fetches nothing, so that its errors are all of
// the token.
func jwxCache(cache *jwk.Cache, url, issuer, audience string) binding.TokenVerifier {
	return binding.TokenVerifierFunc(func(ctx context.Context, token string) (*binding.Token, error) {
		// A first fetch that fails is not repeated for minutes: it must not end
		// with a client that hangs up.
		keys, err := cache.Get(context.WithoutCancel(ctx), url)
		if err != nil {
			return nil, err // 503: no fault of the token's
		}
		payload, err := jws.Verify([]byte(token), jws.WithKeySet(keys))
		if err != nil {
			return nil, badToken(err)
		}
		return judge(payload, issuer, audience)
	})
}
