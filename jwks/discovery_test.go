package jwks_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/jwks"
)

// Section J of attacks.md: how a verifier finds the key set. Row 262, a
// metadata answer that redirects, is HTML, huge, slow or empty, is the Client's:
// package metadata tests it.

// recorded is a metadata handler that keeps the paths that were asked for.
type recorded struct {
	mu    sync.Mutex
	paths []string
}

func (r *recorded) handler(answer http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.mu.Lock()
		r.paths = append(r.paths, request.URL.Path)
		r.mu.Unlock()
		answer(w, request)
	})
}

func (r *recorded) asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.paths...)
}

const (
	oauthPath  = "/.well-known/oauth-authorization-server"
	openIDPath = "/.well-known/openid-configuration"
)

func TestWellKnownPaths(t *testing.T) {
	t.Parallel()
	for path, bare := range map[string]string{"": "", "/": "", "/tenant1": "/tenant1", "/tenant1/": "/tenant1", "/a/b": "/a/b"} {
		for name, test := range map[string]struct {
			status int // of the path of RFC 8414
			asked  []string
			found  bool
		}{
			"J/259 RFC 8414":                 {200, []string{oauthPath + bare}, true},
			"J/259 OpenID Connect after 404": {404, []string{oauthPath + bare, bare + openIDPath}, true},
			"M/385 after 410":                {410, []string{oauthPath + bare, bare + openIDPath}, true},
			"J/259 500 is final":             {500, []string{oauthPath + bare}, false},
			"J/259 204 is final":             {204, []string{oauthPath + bare}, false},
		} {
			t.Run(name+" with the path "+path, func(t *testing.T) {
				t.Parallel()
				i := newIssuer(t, bindingtest.Config{Path: path})
				good := must(json.Marshal(i.Metadata()))
				var record recorded
				i.Handle(bindingtest.MetadataPaths, record.handler(func(w http.ResponseWriter, r *http.Request) {
					if test.status != 200 && strings.HasPrefix(r.URL.Path, oauthPath) {
						w.WriteHeader(test.status)
						return
					}
					_, _ = w.Write(good)
				}))
				v := i.verifier(t)
				if test.found {
					requireAccepted(t, v, i.goodToken(t))
					require.Equal(t, test.asked, record.asked())
					return
				}
				refusal := requireNoKeys(t, v, i.goodToken(t))
				require.ErrorIs(t, refusal, metadata.ErrStatus)
				require.NotContains(t, record.asked(), bare+openIDPath)
				require.Zero(t, i.Requests(bindingtest.JWKSPath))
			})
		}
	}
}

func TestIssuerWithSlashIsAnother(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{Path: "/tenant1/"})
	v := i.verifier(t)
	requireAccepted(t, v, i.goodToken(t))
	without := strings.TrimSuffix(i.Issuer(), "/")
	requireRefused(t, v, i.tokenWith(t, i.claims().with("iss", quote(without))), binding.ReasonTokenIssuer)
	other := i.verifier(t, func(c *jwks.Config) { c.Issuer = without })
	refusal := requireNoKeys(t, other, i.tokenWith(t, i.claims().with("iss", quote(without))))
	require.ErrorIs(t, refusal, metadata.ErrIssuer)
}

func TestMetadataDocument(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(issuer string, m map[string]any)
		want   error
	}{
		"J/258 issuer with a slash":    {func(iss string, m map[string]any) { m["issuer"] = iss + "/" }, metadata.ErrIssuer},
		"J/258 issuer of another case": {func(iss string, m map[string]any) { m["issuer"] = strings.ToUpper(iss) }, metadata.ErrIssuer},
		"J/258 another host":           {func(iss string, m map[string]any) { m["issuer"] = "https://evil.example" }, metadata.ErrIssuer},
		"J/258 no issuer":              {func(iss string, m map[string]any) { delete(m, "issuer") }, metadata.ErrIssuer},
		"J/258 issuer null":            {func(iss string, m map[string]any) { m["issuer"] = nil }, metadata.ErrIssuer},
		"J/258 ISSUER":                 {func(iss string, m map[string]any) { m["ISSUER"] = iss; delete(m, "issuer") }, metadata.ErrIssuer},
		"J/260 no jwks_uri":            {func(iss string, m map[string]any) { delete(m, "jwks_uri") }, nil},
		"J/260 jwks_uri null":          {func(iss string, m map[string]any) { m["jwks_uri"] = nil }, nil},
		"J/260 jwks_uri empty":         {func(iss string, m map[string]any) { m["jwks_uri"] = "" }, metadata.ErrURL},
		"J/260 jwks_uri relative":      {func(iss string, m map[string]any) { m["jwks_uri"] = "/jwks" }, metadata.ErrURL},
		"J/261 jwks_uri by http": {func(iss string, m map[string]any) {
			m["jwks_uri"] = "http" + strings.TrimPrefix(iss, "https") + "/jwks"
		}, metadata.ErrURL},
		"J/261 jwks_uri a file": {func(iss string, m map[string]any) { m["jwks_uri"] = "file:///etc/jwks" }, metadata.ErrURL},
		"J/261 jwks_uri at localhost": {func(iss string, m map[string]any) {
			m["jwks_uri"] = strings.Replace(iss, "127.0.0.1", "localhost", 1) + "/jwks"
		}, metadata.ErrLocal},
		"J/261 jwks_uri at the cloud":      {func(iss string, m map[string]any) { m["jwks_uri"] = "https://169.254.169.254/jwks" }, metadata.ErrLocal},
		"J/261 jwks_uri with a user":       {func(iss string, m map[string]any) { m["jwks_uri"] = strings.Replace(iss, "//", "//user@", 1) + "/jwks" }, metadata.ErrURL},
		"J/264 signed_metadata is ignored": {func(iss string, m map[string]any) { m["signed_metadata"] = "x.y.z" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, bindingtest.Config{})
			document := i.Metadata()
			test.change(i.Issuer(), document)
			var record recorded
			i.Handle(bindingtest.MetadataPaths, record.handler(answersWith(string(must(json.Marshal(document)))).ServeHTTP))
			v := i.verifier(t)
			if strings.HasPrefix(name, "J/264") {
				requireAccepted(t, v, i.goodToken(t))
				return
			}
			refusal := requireNoKeys(t, v, i.goodToken(t))
			if test.want != nil {
				require.ErrorIs(t, refusal, test.want)
			}
			require.ErrorIs(t, v.Ready(), jwks.ErrNotReady)
			require.NotContains(t, record.asked(), openIDPath, "whatever is wrong with the first document is final")
			require.Zero(t, i.Requests(bindingtest.JWKSPath))
		})
	}
}

// A second document that is better than the first changes nothing.
func TestFirstDocumentIsFinal(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	good := string(must(json.Marshal(i.Metadata())))
	var record recorded
	i.Handle(bindingtest.MetadataPaths, record.handler(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == oauthPath {
			_, _ = w.Write([]byte(strings.Replace(good, quote(i.Issuer()), `"https://evil.example"`, 1)))
			return
		}
		_, _ = w.Write([]byte(good))
	}))
	v := i.verifier(t)
	require.ErrorIs(t, requireNoKeys(t, v, i.goodToken(t)), metadata.ErrIssuer)
	require.NotContains(t, record.asked(), openIDPath)
	// The twin: asked at the other place alone, it is good.
	there := i.verifier(t, func(c *jwks.Config) { c.MetadataURL = i.Issuer() + openIDPath })
	requireAccepted(t, there, i.goodToken(t))
}

func TestMetadataURLAndURL(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	good := string(must(json.Marshal(i.Metadata())))
	elsewhere := func(answer string) string {
		server := httptest.NewUnstartedServer(answersWith(answer))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{i.ServerCertificate()}}
		server.StartTLS()
		t.Cleanup(server.Close)
		return server.URL + "/elsewhere"
	}
	i.Handle(bindingtest.MetadataPaths, http.NotFoundHandler())
	requireNoKeys(t, i.verifier(t), i.goodToken(t))
	t.Run("MetadataURL", func(t *testing.T) {
		t.Parallel()
		address := elsewhere(good)
		requireAccepted(t, i.verifier(t, func(c *jwks.Config) { c.MetadataURL = address }), i.goodToken(t))
	})
	t.Run("J/258 MetadataURL still has to name the issuer", func(t *testing.T) {
		t.Parallel()
		address := elsewhere(strings.Replace(good, quote(i.Issuer()), quote(i.Issuer()+"/"), 1))
		v := i.verifier(t, func(c *jwks.Config) { c.MetadataURL = address })
		require.ErrorIs(t, requireNoKeys(t, v, i.goodToken(t)), metadata.ErrIssuer)
	})
	t.Run("MetadataURL with a 404 is not looked for elsewhere", func(t *testing.T) {
		t.Parallel()
		v := i.verifier(t, func(c *jwks.Config) { c.MetadataURL = i.Issuer() + "/nothing" })
		require.ErrorIs(t, requireNoKeys(t, v, i.goodToken(t)), metadata.ErrStatus)
	})
	t.Run("URL asks for no metadata", func(t *testing.T) {
		t.Parallel()
		own := newIssuer(t, bindingtest.Config{})
		v := own.verifier(t, func(c *jwks.Config) { c.URL = own.URL(bindingtest.JWKSPath) })
		requireAccepted(t, v, own.goodToken(t))
		require.Zero(t, own.Requests(bindingtest.MetadataPaths))
	})
	t.Run("URL, and an issuer that is no URL", func(t *testing.T) {
		t.Parallel()
		v := i.verifier(t, func(c *jwks.Config) { c.URL, c.Issuer = i.URL(bindingtest.JWKSPath), "joe" })
		requireAccepted(t, v, i.tokenWith(t, i.claims().with("iss", `"joe"`)))
		requireRefused(t, v, i.goodToken(t), binding.ReasonTokenIssuer)
	})
}

// J/260: keys on another host, over https. All names lead to the issuer here.
func TestKeysOnAnotherHost(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	document := i.Metadata()
	document["jwks_uri"] = "https://keys.example/jwks"
	i.Handle(bindingtest.MetadataPaths, answersWith(string(must(json.Marshal(document)))))
	var mu sync.Mutex
	var dialed []string
	transport := i.Transport()
	transport.TLSClientConfig.ServerName = "localhost"
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		dialed = append(dialed, address)
		mu.Unlock()
		return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(i.Issuer(), "https://"))
	}
	v := i.verifier(t, func(c *jwks.Config) { c.Transport = transport })
	requireAccepted(t, v, i.goodToken(t))
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []string{strings.TrimPrefix(i.Issuer(), "https://"), "keys.example:443"}, dialed)
}

// J/261: where the keys have been good, metadata that turns bad changes nothing.
func TestMetadataTurnsBad(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		address string
		want    error
	}{
		"J/261 http":          {"http://keys.example/jwks", metadata.ErrURL},
		"J/261 M/401 private": {"https://10.0.0.1/jwks", metadata.ErrLocal},
		"J/261 M/401 cloud":   {"https://169.254.169.254/jwks", metadata.ErrLocal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, bindingtest.Config{})
			events := make(chan jwks.Event, 256)
			v := i.verifier(t, func(c *jwks.Config) { c.Observe = func(e jwks.Event) { events <- e } })
			requireAccepted(t, v, i.goodToken(t))
			document := i.Metadata()
			document["jwks_uri"] = test.address
			i.Handle(bindingtest.MetadataPaths, answersWith(string(must(json.Marshal(document)))))
			// A fetch that fails has the metadata read anew: the next finds it changed.
			i.Handle(bindingtest.JWKSPath, http.NotFoundHandler())
			requireNoKeys(t, v, i.unknownKeyToken(t))
			for event := range events {
				if event.Kind == jwks.KeysFailed && strings.Contains(event.Err.Error(), "jwks_uri") {
					require.ErrorIs(t, event.Err, test.want)
					require.ErrorContains(t, event.Err, test.address)
					require.ErrorContains(t, event.Err, "Config.URL")
					require.True(t, event.Usable)
					break
				}
			}
			requireAccepted(t, v, i.tokenWith(t, i.claims().with("sub", `"bob"`)))
		})
	}
}

// J/263: said, and required none the less: that is the guard's part.
func TestMetadataSaysTokensAreNotBound(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{"J/263 false": false, "J/263 absent": nil, "true": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, bindingtest.Config{Metadata: map[string]any{"tls_client_certificate_bound_access_tokens": value}})
			events := make(chan jwks.Event, 256)
			v := i.verifier(t, func(c *jwks.Config) { c.Observe = func(e jwks.Event) { events <- e } })
			requireAccepted(t, v, i.goodToken(t))
			require.Equal(t, jwks.KeysFetched, (<-events).Kind)
			requireRefused(t, v, i.unknownKeyToken(t), binding.ReasonTokenKeyUnknown)
			want := []jwks.EventKind{jwks.TokensNotBound, jwks.KeysFetched}
			if value == true {
				want = want[1:]
			}
			for _, kind := range want { // once
				require.Equal(t, kind, (<-events).Kind)
			}
		})
	}
}

func TestDangerouslyAllowHTTP(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(i.JWKS()) }))
	t.Cleanup(server.Close)
	config := jwks.Config{Issuer: i.Issuer(), Audiences: []string{audience}, URL: server.URL, Clock: atNoon}
	_, err := jwks.New(config)
	require.Equal(t, []string{"URL"}, mistakesOf(err)) // I/229
	config.DangerouslyAllowHTTP = true
	v, err := jwks.New(config)
	require.NoError(t, err)
	defer func() { require.NoError(t, v.Close()) }()
	requireAccepted(t, v, i.goodToken(t))
	requireRefused(t, v, forged(t, i), binding.ReasonTokenSignature)
	for _, address := range []string{"ftp://a.example/", "file:///a", "a.example/jwks", "//a.example", "http:a.example", "javascript:1"} {
		config.URL = address
		_, err := jwks.New(config)
		require.Equal(t, []string{"URL"}, mistakesOf(err), address)
	}
}
