package metadata_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/metadata"
)

const resourceURL = "https://api.bank.example/.well-known/oauth-protected-resource"

// refuseAll verifies no token.
type refuseAll struct{ binding.TokenVerifier }

func guardWith(t *testing.T, policy binding.Policy) *binding.Guard {
	t.Helper()
	guard, err := binding.New(binding.Config{Tokens: &refuseAll{}, Policy: policy})
	require.NoError(t, err)
	require.Equal(t, policy, guard.Requirements().Policy)
	return guard
}

func resourceConfig(t *testing.T) metadata.ResourceConfig {
	t.Helper()
	return metadata.ResourceConfig{
		Resource:             "https://api.bank.example",
		AuthorizationServers: []string{"https://auth.bank.example"},
		Scopes:               []string{"accounts", "payments"},
		Guards:               []*binding.Guard{guardWith(t, binding.RequireBound)},
	}
}

func getResource(t *testing.T, handler http.Handler, method, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

func TestResourceIsAtTheURLThatItsNameSays(t *testing.T) {
	t.Parallel()
	for resource, want := range map[string]string{ // RFC 9728 §3.1
		"https://api.bank.example":            "https://api.bank.example/.well-known/oauth-protected-resource",
		"https://api.bank.example/":           "https://api.bank.example/.well-known/oauth-protected-resource",
		"https://api.bank.example:8443":       "https://api.bank.example:8443/.well-known/oauth-protected-resource",
		"https://api.bank.example/accounts":   "https://api.bank.example/.well-known/oauth-protected-resource/accounts",
		"https://api.bank.example/v1/":        "https://api.bank.example/.well-known/oauth-protected-resource/v1/",
		"https://api.bank.example/v1/pay":     "https://api.bank.example/.well-known/oauth-protected-resource/v1/pay",
		"https://api.bank.example/a%2Fb/c%20": "https://api.bank.example/.well-known/oauth-protected-resource/a%2Fb/c%20",
		"https://[::1]:8443/v1":               "https://[::1]:8443/.well-known/oauth-protected-resource/v1",
		"https://[fe80::1%25eth0]/v1":         "https://[fe80::1%25eth0]/.well-known/oauth-protected-resource/v1",
	} {
		t.Run(resource, func(t *testing.T) {
			t.Parallel()
			address, err := metadata.ResourceMetadataURL(resource)
			require.NoError(t, err)
			require.Equal(t, want, address)
			config := resourceConfig(t)
			config.Resource = resource
			r, err := metadata.NewResource(config)
			require.NoError(t, err)
			require.True(t, strings.HasSuffix(want, r.Path()))
			_, err = binding.New(binding.Config{Tokens: &refuseAll{}, ResourceMetadata: address})
			require.NoError(t, err, "it is good for the challenge")

			w := getResource(t, r, http.MethodGet, want)
			require.Equal(t, http.StatusOK, w.Code)
			var document map[string]any
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &document))
			require.Equal(t, resource, document["resource"], "RFC 9728 §3.3: character by character")
		})
	}
}

func TestResourceIsNowhereElse(t *testing.T) {
	t.Parallel()
	config := resourceConfig(t)
	config.Resource += "/v1"
	r, err := metadata.NewResource(config)
	require.NoError(t, err)
	for _, path := range []string{
		"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/", "/.well-known/oauth-protected-resource/v2",
		"/.well-known/oauth-protected-resource/v1/", "/.well-known/oauth-protected-resource/v1/accounts", "/v1/.well-known/oauth-protected-resource",
		"/.well-known/oauth-protected-resource/%761", "/.Well-Known/oauth-protected-resource/v1", "/", "/v1",
	} {
		require.Equal(t, http.StatusNotFound, getResource(t, r, http.MethodGet, path).Code, path)
	}
	require.Equal(t, http.StatusNotFound, getResource(t, new(metadata.Resource), http.MethodGet, "/").Code, "the zero value")
}

func TestResourceDocument(t *testing.T) {
	t.Parallel()
	r, err := metadata.NewResource(resourceConfig(t))
	require.NoError(t, err)
	w := getResource(t, r, http.MethodGet, resourceURL)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(t, "public, max-age=600", w.Header().Get("Cache-Control"))
	require.JSONEq(t, `{
		"resource": "https://api.bank.example",
		"authorization_servers": ["https://auth.bank.example"],
		"scopes_supported": ["accounts", "payments"],
		"bearer_methods_supported": ["header"],
		"tls_client_certificate_bound_access_tokens": true
	}`, w.Body.String())

	head := getResource(t, r, http.MethodHead, resourceURL)
	require.Equal(t, http.StatusOK, head.Code)
	require.Equal(t, w.Header(), head.Header())
	require.Zero(t, head.Body.Len())

	config := resourceConfig(t)
	config.Scopes = nil
	r, err = metadata.NewResource(config)
	require.NoError(t, err)
	require.NotContains(t, getResource(t, r, http.MethodGet, resourceURL).Body.String(), "scopes_supported", "RFC 9728 §3.2: no empty list")
}

func TestResourceTakesGETAndHEADAlone(t *testing.T) {
	t.Parallel()
	r, err := metadata.NewResource(resourceConfig(t))
	require.NoError(t, err)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodTrace} {
		w := getResource(t, r, method, resourceURL)
		require.Equal(t, http.StatusMethodNotAllowed, w.Code, method)
		require.Equal(t, "GET, HEAD, OPTIONS", w.Header().Get("Allow"))
		require.Empty(t, w.Header().Get("Cache-Control"))
	}
}

// N/438: a browser's script of another origin may read the document.
func TestResourceAcrossOrigins(t *testing.T) {
	t.Parallel()
	r, err := metadata.NewResource(resourceConfig(t))
	require.NoError(t, err)
	for name, test := range map[string]struct {
		method, url string
		status      int
	}{
		"N/438 GET":             {http.MethodGet, resourceURL, 200},
		"N/438 HEAD":            {http.MethodHead, resourceURL, 200},
		"N/438 OPTIONS":         {http.MethodOptions, resourceURL, 204},
		"N/438 GET elsewhere":   {http.MethodGet, resourceURL + "/x", 404},
		"N/438 OPTIONS there":   {http.MethodOptions, resourceURL + "/x", 404},
		"N/438 another method":  {http.MethodPost, resourceURL, 405},
		"N/437 the zero value ": {http.MethodGet, "/", 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resource := r
			if test.url == "/" {
				resource = new(metadata.Resource)
			}
			w := getResource(t, resource, test.method, test.url)
			require.Equal(t, test.status, w.Code)
			require.Equal(t, []string{"*"}, w.Header().Values("Access-Control-Allow-Origin"))
			require.Empty(t, w.Header().Values("Access-Control-Allow-Credentials"))
			require.Equal(t, []string{"nosniff"}, w.Header().Values("X-Content-Type-Options"), "N/437")
			preflight := test.status == 204
			require.Equal(t, preflight, w.Header().Get("Access-Control-Allow-Methods") == "GET, HEAD")
			require.Equal(t, preflight, w.Header().Get("Access-Control-Allow-Headers") == "*")
			if preflight {
				require.Zero(t, w.Body.Len())
			}
		})
	}
}

func TestResourcePromisesBoundTokensOnlyIfEveryGuardRequiresThem(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		policies []binding.Policy
		want     bool
	}{
		"one that requires":               {[]binding.Policy{binding.RequireBound}, true},
		"two that require":                {[]binding.Policy{binding.RequireBound, binding.RequireBound}, true},
		"one that accepts unbound":        {[]binding.Policy{binding.DangerouslyAcceptUnbound}, false},
		"one that refuses bound":          {[]binding.Policy{binding.DangerouslyBearerOnly}, false},
		"the last of them accepts others": {[]binding.Policy{binding.RequireBound, binding.DangerouslyAcceptUnbound}, false},
		"the first of them does":          {[]binding.Policy{binding.DangerouslyBearerOnly, binding.RequireBound}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := resourceConfig(t)
			config.Guards = nil
			for _, policy := range test.policies {
				config.Guards = append(config.Guards, guardWith(t, policy))
			}
			r, err := metadata.NewResource(config)
			require.NoError(t, err)
			var document map[string]any
			require.NoError(t, json.Unmarshal(getResource(t, r, http.MethodGet, resourceURL).Body.Bytes(), &document))
			require.Equal(t, test.want, document["tls_client_certificate_bound_access_tokens"])
		})
	}
}

func TestResourceConfigsThatAreWrong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		field string
		with  func(*metadata.ResourceConfig)
	}{
		"no resource":                 {"Resource", func(c *metadata.ResourceConfig) { c.Resource = "" }},
		"over http":                   {"Resource", func(c *metadata.ResourceConfig) { c.Resource = "http://api.bank.example" }},
		"no URL":                      {"Resource", func(c *metadata.ResourceConfig) { c.Resource = "accounts" }},
		"no host":                     {"Resource", func(c *metadata.ResourceConfig) { c.Resource = "https:///v1" }},
		"a URN":                       {"Resource", func(c *metadata.ResourceConfig) { c.Resource = "urn:bank:accounts" }},
		"a user":                      {"Resource", func(c *metadata.ResourceConfig) { c.Resource = "https://a@api.bank.example" }},
		"a query":                     {"Resource", func(c *metadata.ResourceConfig) { c.Resource += "/?a=b" }},
		"an empty query":              {"Resource", func(c *metadata.ResourceConfig) { c.Resource += "/?" }},
		"a fragment":                  {"Resource", func(c *metadata.ResourceConfig) { c.Resource += "/#a" }},
		"an empty fragment":           {"Resource", func(c *metadata.ResourceConfig) { c.Resource += "/#" }},
		"dot segments":                {"Resource", func(c *metadata.ResourceConfig) { c.Resource += "/a/../b" }},
		"an empty segment":            {"Resource", func(c *metadata.ResourceConfig) { c.Resource += "//a" }},
		"an empty segment at the end": {"Resource", func(c *metadata.ResourceConfig) { c.Resource += "/a//" }},
		"slashes alone":               {"Resource", func(c *metadata.ResourceConfig) { c.Resource += "//" }},
		"no server":                   {"AuthorizationServers", func(c *metadata.ResourceConfig) { c.AuthorizationServers = nil }},
		"a server over http":          {"AuthorizationServers", func(c *metadata.ResourceConfig) { c.AuthorizationServers = []string{"http://auth.bank.example"} }},
		"a server with a query":       {"AuthorizationServers", func(c *metadata.ResourceConfig) { c.AuthorizationServers = []string{"https://auth.bank.example?a"} }},
		"an empty server":             {"AuthorizationServers", func(c *metadata.ResourceConfig) { c.AuthorizationServers = append(c.AuthorizationServers, "") }},
		"two scopes in one":           {"Scopes", func(c *metadata.ResourceConfig) { c.Scopes = []string{"accounts payments"} }},
		"an empty scope":              {"Scopes", func(c *metadata.ResourceConfig) { c.Scopes = []string{""} }},
		"a scope with a quote":        {"Scopes", func(c *metadata.ResourceConfig) { c.Scopes = []string{`"`} }},
		"no guard":                    {"Guards", func(c *metadata.ResourceConfig) { c.Guards = nil }},
		"a nil guard":                 {"Guards", func(c *metadata.ResourceConfig) { c.Guards = append(c.Guards, nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := resourceConfig(t)
			test.with(&config)
			r, err := metadata.NewResource(config)
			require.Nil(t, r)
			var mistake binding.ConfigError
			require.ErrorAs(t, err, &mistake)
			require.Equal(t, test.field, mistake.Field)
			if test.field == "Resource" {
				_, err := metadata.ResourceMetadataURL(config.Resource)
				require.Error(t, err)
			}
		})
	}
	_, err := metadata.NewResource(metadata.ResourceConfig{})
	joined, ok := errors.Unwrap(err).(interface{ Unwrap() []error })
	require.True(t, ok)
	require.Len(t, joined.Unwrap(), 3, "all at once: %v", err)
}

func TestResourceConfigIsCopied(t *testing.T) {
	t.Parallel()
	config := resourceConfig(t)
	r, err := metadata.NewResource(config)
	require.NoError(t, err)
	before := getResource(t, r, http.MethodGet, resourceURL).Body.String()
	config.Scopes[0], config.AuthorizationServers[0], config.Guards[0] = "admin", "https://evil.example", nil
	require.Equal(t, before, getResource(t, r, http.MethodGet, resourceURL).Body.String())
}

func TestResourceBehindAServeMux(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	for _, resource := range []string{"https://api.bank.example", "https://api.bank.example/v1", "https://api.bank.example/v1/accounts"} {
		config := resourceConfig(t)
		config.Resource = resource
		r, err := metadata.NewResource(config)
		require.NoError(t, err)
		mux.Handle(r.Path(), r)
	}
	for path, resource := range map[string]string{
		"/.well-known/oauth-protected-resource":             "https://api.bank.example",
		"/.well-known/oauth-protected-resource/v1":          "https://api.bank.example/v1",
		"/.well-known/oauth-protected-resource/v1/accounts": "https://api.bank.example/v1/accounts",
	} {
		var document map[string]any
		require.NoError(t, json.Unmarshal(getResource(t, mux, http.MethodGet, path).Body.Bytes(), &document))
		require.Equal(t, resource, document["resource"])
	}
	require.Equal(t, http.StatusNotFound, getResource(t, mux, http.MethodGet, "/.well-known/oauth-protected-resource/v2").Code)
}
