package metadata_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/metadata"
)

const resourceURL = "https://api.bank.example/.well-known/oauth-protected-resource"

// refuseAll verifies no token.
type refuseAll struct{ binding.TokenVerifier }

func resourceConfig(t *testing.T) metadata.ResourceConfig {
	t.Helper()
	guard, err := binding.New(binding.Config{Tokens: &refuseAll{}})
	require.NoError(t, err)
	return metadata.ResourceConfig{
		Resource:             "https://api.bank.example",
		AuthorizationServers: []string{"https://auth.bank.example"},
		Scopes:               []string{"accounts", "payments"},
		Guards:               []*binding.Guard{guard},
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
	require.Equal(t, strconv.Itoa(w.Body.Len()), w.Header().Get("Content-Length"), "the answer to HEAD has it as well")
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
		"N/437 it, at no path":  {http.MethodGet, "https://api.bank.example", 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resource := r
			if !strings.HasPrefix(test.url, resourceURL) {
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
				require.Equal(t, "GET, HEAD, OPTIONS", w.Header().Get("Allow"))
				require.Zero(t, w.Body.Len())
			}
		})
	}
}

// takesProofs reads no proof, and names the algorithms that it would accept.
type takesProofs struct {
	binding.ProofVerifier
	algorithms []string
}

func (p *takesProofs) Algorithms() []string { return p.algorithms }

func TestResourcePromisesBoundTokensOnlyIfEveryGuardRequiresThem(t *testing.T) {
	t.Parallel()
	required := binding.Config{}
	unbound := binding.Config{Policy: binding.DangerouslyAcceptUnbound}
	bearer := binding.Config{Policy: binding.DangerouslyBearerOnly}
	proofs := func(algorithms ...string) binding.Config {
		return binding.Config{Proofs: &takesProofs{algorithms: algorithms}}
	}
	of := func(c binding.Config, change func(*binding.Config)) binding.Config {
		change(&c)
		return c
	}
	certificate := func(c *binding.Config) { c.RequireCertificate = true }
	proof := func(c *binding.Config) { c.RequireProof = true }
	for name, test := range map[string]struct {
		guards      []binding.Config
		certificate bool
		proof       any
		algorithms  any
	}{
		"one that requires":               {[]binding.Config{required}, true, nil, nil},
		"two that require":                {[]binding.Config{required, required}, true, nil, nil},
		"one that accepts unbound":        {[]binding.Config{unbound}, false, nil, nil},
		"one that refuses bound":          {[]binding.Config{bearer}, false, nil, nil},
		"the last of them accepts others": {[]binding.Config{required, unbound}, false, nil, nil},
		"the first of them does":          {[]binding.Config{bearer, required}, false, nil, nil},

		"a certificate or a key":           {[]binding.Config{proofs("ES256")}, false, nil, []any{"ES256"}},
		"a certificate, and perhaps a key": {[]binding.Config{of(proofs("ES256"), certificate)}, true, nil, []any{"ES256"}},
		"a key, and perhaps a certificate": {[]binding.Config{of(proofs("ES256"), proof)}, false, true, []any{"ES256"}},
		"both":                             {[]binding.Config{of(of(proofs("ES256"), proof), certificate)}, true, true, []any{"ES256"}},
		"a key, or else no binding":        {[]binding.Config{of(proofs("ES256"), func(c *binding.Config) { c.Policy = binding.DangerouslyAcceptUnbound })}, false, nil, []any{"ES256"}},
		"a key at one of them":             {[]binding.Config{of(proofs("ES256"), proof), proofs("ES256")}, false, nil, []any{"ES256"}},
		"a key at both":                    {[]binding.Config{of(proofs("ES256"), proof), of(proofs("ES256"), proof)}, false, true, []any{"ES256"}},
		"the first takes no keys":          {[]binding.Config{required, proofs("ES256", "PS256")}, false, nil, []any{"ES256", "PS256"}},
		"the last takes no keys":           {[]binding.Config{proofs("ES256", "PS256"), required}, false, nil, []any{"ES256", "PS256"}},
		"what all of them verify":          {[]binding.Config{proofs("EdDSA", "ES256", "PS256"), proofs("PS256", "EdDSA"), proofs("PS256", "ES256")}, false, nil, []any{"PS256"}},
		"nothing that all of them verify":  {[]binding.Config{proofs("ES256"), proofs("PS256"), proofs("PS256")}, false, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := resourceConfig(t)
			config.Guards = nil
			for _, c := range test.guards {
				c.Tokens = &refuseAll{}
				guard, err := binding.New(c)
				require.NoError(t, err)
				config.Guards = append(config.Guards, guard)
			}
			r, err := metadata.NewResource(config)
			require.NoError(t, err)
			var document map[string]any
			require.NoError(t, json.Unmarshal(getResource(t, r, http.MethodGet, resourceURL).Body.Bytes(), &document))
			require.Equal(t, test.certificate, document["tls_client_certificate_bound_access_tokens"])
			require.Equal(t, test.proof, document["dpop_bound_access_tokens_required"])
			require.Equal(t, test.algorithms, document["dpop_signing_alg_values_supported"])
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
			require.NotEmpty(t, mistake.Problem)
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
