package ownverifier

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"golang.org/x/time/rate"
)

// errNoKeys says that a key is not there, and that the last fetch of the key set
// failed. keyfunc itself reports an unknown key either way.
var errNoKeys = errors.New("the issuer's key set cannot be fetched")

// newKeyfunc does what keyfunc.NewDefault does, and returns errNoKeys as well. A
// nil client is http.DefaultClient.
//
// Use it by its Keyfunc and not by KeyfuncCtx: with the context of a request, a
// client that hangs up would make the fetch fail for all.
func newKeyfunc(ctx context.Context, client *http.Client, url string, logger *slog.Logger) (keyfunc.Keyfunc, error) {
	last := &lastFetch{Storage: jwkset.NewMemoryStorage()}
	remote, err := jwkset.NewStorageFromHTTP(url, jwkset.HTTPClientStorageOptions{
		Client:                    client,
		Ctx:                       ctx,
		Storage:                   last,
		NoErrorReturnFirstHTTPReq: true,
		RefreshInterval:           time.Hour,
		RefreshErrorHandler: func(ctx context.Context, err error) {
			last.failed.Store(true)
			logger.ErrorContext(ctx, "the issuer's key set cannot be fetched", "error", err)
		},
	})
	if err != nil {
		return nil, err
	}
	storage, err := jwkset.NewHTTPClient(jwkset.HTTPClientOptions{
		HTTPURLs:          map[string]jwkset.Storage{url: remote},
		RateLimitWaitMax:  time.Minute,
		RefreshUnknownKID: rate.NewLimiter(rate.Every(5*time.Minute), 1),
	})
	if err != nil {
		return nil, err
	}
	return keyfunc.New(keyfunc.Options{Ctx: ctx, Storage: keysOrOutage{storage, last}})
}

// lastFetch holds the keys of the last fetch that succeeded, and knows whether
// the last one failed.
type lastFetch struct {
	jwkset.Storage

	failed atomic.Bool
}

// KeyReplaceAll is called with the keys of a fetch that succeeded.
func (l *lastFetch) KeyReplaceAll(ctx context.Context, keys []jwkset.JWK) error {
	err := l.Storage.KeyReplaceAll(ctx, keys)
	l.failed.Store(err != nil)
	return err
}

// keysOrOutage is what keyfunc reads.
type keysOrOutage struct {
	jwkset.Storage

	last *lastFetch
}

// KeyRead returns the key of a token with a kid. An unknown one is asked for once
// in five minutes at most; in between, the result of the last fetch holds.
func (k keysOrOutage) KeyRead(ctx context.Context, kid string) (jwkset.JWK, error) {
	key, err := k.Storage.KeyRead(ctx, kid)
	if err != nil && k.last.failed.Load() {
		return jwkset.JWK{}, errNoKeys
	}
	return key, err
}

// KeyReadAll returns the keys for a token without one, and fetches nothing.
func (k keysOrOutage) KeyReadAll(ctx context.Context) ([]jwkset.JWK, error) {
	keys, err := k.Storage.KeyReadAll(ctx)
	if err == nil && len(keys) == 0 && k.last.failed.Load() {
		return nil, errNoKeys
	}
	return keys, err
}
