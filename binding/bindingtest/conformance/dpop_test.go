package conformance_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/bindingtest/conformance"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

const apiOrigin = "https://api.example"

// provenGuard makes a handler with this project's own guard and its DPoP proofs, and no router: each path is Config.Path's
// resource, but for ScopePath.
func provenGuard(t *testing.T, proofs dpop.Config) func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
	return func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
		tokens, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport()})
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = tokens.Close() })
		proofs.Origins = []string{apiOrigin}
		verifier, err := dpop.New(proofs)
		if err != nil {
			return nil, err
		}
		guard, err := binding.New(binding.Config{Tokens: tokens, Proofs: verifier})
		if err != nil {
			return nil, err
		}
		ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		open, scoped := bindhttp.Protect(guard)(ok), bindhttp.Protect(guard)(bindhttp.RequireScopes("payments")(ok))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/payments" {
				scoped.ServeHTTP(w, r)
				return
			}
			open.ServeHTTP(w, r)
		}), nil
	}
}

var provenConfig = conformance.Config{
	DPoP: true, Origin: apiOrigin, Path: "/api/accounts", ScopePath: "/payments", StartWait: time.Minute, KeyWait: time.Minute, Timeout: time.Minute,
}

// The guard answers every case of section L as it should, but for those that ask for another configuration.
func TestProvenGuard(t *testing.T) {
	t.Parallel()
	t.Run("without nonces", func(t *testing.T) {
		t.Parallel()
		conformance.Run(t, provenConfig, conformance.Handler(provenGuard(t, dpop.Config{})))
	})
	t.Run("with nonces", func(t *testing.T) {
		t.Parallel()
		config := provenConfig
		config.Nonces = true
		conformance.Run(t, config, conformance.Handler(provenGuard(t, dpop.Config{RequireNonce: true})))
	})
}

// What must be is what RFC 9449 demands, and no more: a server that does that, remembers no jti, knows ES256 alone and
// compares URIs as they stand violates nothing. Each thing that it does wrong is found.
func TestProvenLaxServer(t *testing.T) {
	t.Parallel()
	config := impatient
	config.DPoP, config.Origin, config.Path, config.ScopePath = true, apiOrigin, "/api/accounts", ""
	t.Run("no bug", func(t *testing.T) {
		t.Parallel()
		report := check(t, config, conformance.Handler(newProvenLax()))
		for _, result := range report.Results {
			require.False(t, result.Section == "L" && result.Verdict == conformance.Violates, result)
		}
		require.Contains(t, report.Rows(conformance.Deviates), 370, "that a proof is used once should be")
	})
	t.Run("all bugs", func(t *testing.T) {
		t.Parallel()
		var bugs []bug
		for b := range provenBugs {
			bugs = append(bugs, b)
		}
		report := check(t, config, conformance.Handler(newProvenLax(bugs...)))
		for b, name := range provenBugs {
			i := slices.IndexFunc(report.Results, func(r conformance.Result) bool { return r.Section == "L" && r.Name == name })
			require.NotEqual(t, -1, i, name)
			want := conformance.Violates
			if b == "echoes the proof" || b == "says nothing of algorithms" { // no RFC says must
				want = conformance.Deviates
			}
			require.Equal(t, want, report.Results[i].Verdict, "%s: %s: %s", b, name, report.Results[i].Got)
		}
	})
}

func TestConfigOfProofs(t *testing.T) {
	t.Parallel()
	for _, config := range []conformance.Config{
		{Origin: apiOrigin}, {Nonces: true}, {DPoP: true, Origin: "api.example"}, {DPoP: true, Origin: apiOrigin + "/"}, {DPoP: true, Origin: "https://"},
	} {
		_, err := conformance.New(config)
		require.ErrorContains(t, err, "Origin")
	}
}
