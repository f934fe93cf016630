package forwarded_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

// None of the fields that mean something in HTTP, or in what runs over it, can be the certificate's, the secret's or be
// stripped.
func TestReservedHeaders(t *testing.T) {
	t.Parallel()
	names := strings.Fields(`
		connection keep-alive te trailer trailers transfer-encoding upgrade http2-settings
		proxy-authenticate proxy-authorization proxy-connection sec-fetch-mode sec-websocket-key access-control-request-method
		accept accept-charset accept-encoding accept-language allow alt-used authorization
		cache-control content-digest content-disposition content-encoding content-language content-length
		content-location content-range content-type cookie cookie2 date dpop early-data expect
		forwarded from host if-match if-modified-since if-none-match if-range if-unmodified-since
		idempotency-key last-modified link location max-forwards origin pragma prefer priority
		range referer server set-cookie signature signature-input traceparent tracestate
		user-agent vary via want-digest www-authenticate x-real-ip x-request-id
		x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-http-method-override`)
	for _, name := range names {
		name = http.CanonicalHeaderKey(name)
		for field, config := range map[string]forwarded.Config{
			"Header":       {Format: forwarded.Base64DER, Header: name},
			"VerifyHeader": {Format: forwarded.Nginx, VerifyHeader: name},
			"Strip":        {Format: forwarded.Nginx, Strip: []string{name}},
		} {
			config.Trust = trustTest()
			_, err := forwarded.New(config)
			require.ErrorContains(t, err, field+": ", name)
			require.ErrorContains(t, err, "hop-by-hop, or has a meaning of its own", name)
		}
	}
}

// Each product's further headers reach no handler either.
func TestHeadersOfProducts(t *testing.T) {
	t.Parallel()
	const certificate, chain = "Client-Cert", "Client-Cert-Chain"
	for format, want := range map[forwarded.Format][]string{
		forwarded.RFC9440:            {certificate, chain},
		forwarded.Traefik:            {"X-Forwarded-Tls-Client-Cert"},
		forwarded.XFCC:               {"X-Forwarded-Client-Cert"},
		forwarded.XFCCJSON:           {"X-Forwarded-Client-Cert"},
		forwarded.Nginx:              {"X-Ssl-Client-Cert"},
		forwarded.Envoy:              {"X-Forwarded-Client-Cert"},
		forwarded.Istio:              {"X-Forwarded-Client-Cert"},
		forwarded.HAProxy:            {certificate, chain},
		forwarded.Caddy:              {certificate, chain},
		forwarded.Apache:             {"X-Ssl-Client-Cert"},
		forwarded.AWSALBVerify:       {"X-Amzn-Mtls-Clientcert", "X-Amzn-Mtls-Clientcert-Leaf"},
		forwarded.AWSALBPassthrough:  {"X-Amzn-Mtls-Clientcert", "X-Amzn-Mtls-Clientcert-Leaf"},
		forwarded.CloudFront:         {"Cloudfront-Viewer-Cert-Pem", "Cloudfront-Viewer-Cert-Sha256"},
		forwarded.GCP:                {certificate, chain, "X-Client-Cert-Chain", "X-Client-Cert-Leaf"},
		forwarded.AzureAppService:    {"X-Arr-Clientcert"},
		forwarded.AzureContainerApps: {"X-Forwarded-Client-Cert"},
		forwarded.Cloudflare:         {certificate, chain},
		forwarded.Kong:               {"X-Client-Cert"},
		forwarded.Fastly:             {"X-Ssl-Client-Cert"},
		forwarded.F5:                 {"X-Ssl-Client-Cert"},
		forwarded.CloudFoundry:       {"X-Forwarded-Client-Cert"},
	} {
		require.Equal(t, want, newSource(t, forwarded.Config{Format: format}).Headers(), format)
	}
}

// A mistake is reported once, and nothing that only follows from it.
func TestOneMistakeIsReportedOnce(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]forwarded.Config{
		"a header in lower case":               {Format: forwarded.Base64DER, Header: "x-client-cert"},
		"an unknown format":                    {Format: "unknown"},
		"an unknown format with elements":      {Format: "unknown", Elements: 2, Element: 1},
		"no format, with elements":             {Elements: 2, Element: 1},
		"an encoding without its header":       {Format: forwarded.Base64DER},
		"a verifying header that is malformed": {Format: forwarded.Nginx, VerifyHeader: "X Y"},
		"an empty name to strip":               {Format: forwarded.Nginx, Strip: []string{""}},
	} {
		config.Trust = trustTest()
		_, err := forwarded.New(config)
		require.Error(t, err, name)
		require.Len(t, strings.Split(err.Error(), "\n"), 1, "%s: %v", name, err)
	}
}

func TestElementsBounds(t *testing.T) {
	t.Parallel()
	_, err := forwarded.New(forwarded.Config{Format: forwarded.XFCC, Elements: 16, Element: 16, Trust: trustTest()})
	require.NoError(t, err)
	_, err = forwarded.New(forwarded.Config{Format: forwarded.XFCC, Elements: 17, Element: 17, Trust: trustTest()})
	require.ErrorContains(t, err, "Elements: 17")
}

// Several secrets may be required together, each in a header of its own.
func TestSecretsTogether(t *testing.T) {
	t.Parallel()
	source := newSource(t, forwarded.Config{Format: forwarded.Base64DER, Header: "X-Test-Cert", Trust: []forwarded.Trust{
		forwarded.TrustSharedSecret("X-One", secret), forwarded.TrustSharedSecret("X-Two", secret+"2")}})
	both := http.Header{"X-Test-Cert": {"MAEA"}, "X-One": {secret}, "X-Two": {secret + "2"}}
	_, err := source.ClientCertificate(requestWith(both))
	require.NoError(t, err)
	for _, missing := range []string{"X-One", "X-Two"} {
		one := both.Clone()
		one.Del(missing)
		_, err := source.ClientCertificate(requestWith(one))
		requireReason(t, binding.ReasonForwardedUntrusted, err)
		require.ErrorContains(t, cause(t, err), "did not come exactly once")
	}
}

// A secret is a field's value: visible characters, and blanks within at most.
func TestSecretValues(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"0123456789abcdef", "!                ~", "~~~~~~~~~~~~~~~~"} {
		source := newSource(t, forwarded.Config{Format: forwarded.Base64DER, Header: "X-Test-Cert",
			Trust: []forwarded.Trust{forwarded.TrustSharedSecret("X-Key", value)}})
		_, err := source.ClientCertificate(requestWith(http.Header{"X-Test-Cert": {"MAEA"}, "X-Key": {value}}))
		require.NoError(t, err)
	}
	for _, value := range []string{"0123456789abcde", " 123456789abcdef", "0123456789abcde ", "01234567\t89abcdef", "01234567\x1f89abcdef",
		"0123456789abcde\x7f", "0123456789abcdé"} {
		_, err := forwarded.New(forwarded.Config{Format: forwarded.Base64DER, Header: "X-Test-Cert",
			Trust: []forwarded.Trust{forwarded.TrustSharedSecret("X-Key", value)}})
		require.ErrorContains(t, err, "value 1 is not a field value of 16 bytes or more", "%q", value)
	}
}

func TestProxyNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"az-AZ_09.example", "spiffe://mesh.example/proxy", "https://proxy.example:8443"} {
		_, err := forwarded.New(forwarded.Config{Format: forwarded.Nginx, Trust: []forwarded.Trust{forwarded.TrustProxyName(name)}})
		require.NoError(t, err, name)
	}
	for _, name := range []string{"a/b", "a@b", "a[b", "a`b", "a{b", "a b", "a,b", "a*b", "é.example", "//proxy.example:443", "HTTPS://proxy.example",
		"spiffe:proxy", "https://", "::1"} {
		_, err := forwarded.New(forwarded.Config{Format: forwarded.Nginx, Trust: []forwarded.Trust{forwarded.TrustProxyName(name)}})
		require.ErrorContains(t, err, "is neither a DNS name nor a URI with a host", name)
	}
}

// What a rule was given can change afterwards; the rule does not.
func TestTrustIsItsOwn(t *testing.T) {
	t.Parallel()
	proxy := newIdentity(t, "proxy", nil, nil)
	thumbprints := []binding.Thumbprint{binding.ThumbprintOf(proxy.cert)}
	source := newSource(t, forwarded.Config{Format: forwarded.Base64DER, Header: "X-Test-Cert",
		Trust: []forwarded.Trust{forwarded.TrustProxyCertificate(thumbprints...)}})
	thumbprints[0] = binding.Thumbprint{1}
	r := requestWith(http.Header{"X-Test-Cert": {"MAEA"}})
	r.TLS.HandshakeComplete, r.TLS.PeerCertificates = true, proxy.tlsChain()
	_, err := source.ClientCertificate(r)
	require.NoError(t, err)
}
