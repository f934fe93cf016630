package authorizationservers_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// A watched API is in this process, and says why it has refused.
type watchedAPI struct {
	*api
	last atomic.Value // binding.Reason
}

func watch(t *testing.T, w *world, config binding.Config) *watchedAPI {
	t.Helper()
	a := &watchedAPI{}
	a.last.Store(binding.Reason(""))
	config.Observe = func(_ context.Context, event binding.Event) { a.last.Store(event.Reason()) }
	guard, err := binding.New(config)
	require.NoError(t, err)
	listener := listen(t)
	serveTLS(t, w.pki, listener, tls.RequestClientCert, bindhttp.Protect(guard)(http.HandlerFunc(whoami)))
	a.api = &api{url: "https://" + listener.Addr().String()}
	return a
}

// requireReason: the API refuses a token, for a reason that is told to nobody
// but its operator.
func (a *watchedAPI) requireReason(t *testing.T, reason binding.Reason, client *http.Client, token string) {
	t.Helper()
	requireRefused(t, a.whoami(t, client, token))
	require.Equal(t, reason, a.last.Load())
}

// newJWTs verifies JWTs of the world's issuer.
func newJWTs(t *testing.T, w *world, change func(*jwks.Config)) *jwks.Verifier {
	t.Helper()
	config := jwks.Config{
		Issuer: w.issuer, Audiences: []string{audience}, Transport: w.pki.Transport(),
		FetchTimeout: time.Minute, // a server that shares a busy machine with its tests
	}
	if change != nil {
		change(&config)
	}
	tokens, err := jwks.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tokens.Close() })
	return tokens
}
