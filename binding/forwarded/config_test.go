package forwarded_test

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

func TestNewReportsMistakes(t *testing.T) {
	t.Parallel()
	good := forwarded.Config{Format: forwarded.Base64DER, Header: "X-Client-Cert", Trust: trustTest()}
	change := func(f func(*forwarded.Config)) forwarded.Config {
		c := good
		f(&c)
		return c
	}
	trusting := func(trust ...forwarded.Trust) forwarded.Config {
		return change(func(c *forwarded.Config) { c.Trust = trust })
	}
	peers := func(ranges ...string) forwarded.Config {
		var prefixes []netip.Prefix
		for _, r := range ranges {
			prefixes = append(prefixes, netip.MustParsePrefix(r))
		}
		return trusting(forwarded.TrustPeers(prefixes...))
	}
	_, err := forwarded.New(good)
	require.NoError(t, err)

	byField := forwarded.DangerouslyTrustRemoteAddr(netip.MustParsePrefix("192.0.2.0/24"))
	for name, c := range map[string]struct {
		config forwarded.Config
		want   string
	}{
		"no format":                       {change(func(c *forwarded.Config) { c.Format = "" }), "Format: required"},
		"a format that is none":           {change(func(c *forwarded.Config) { c.Format = "Nginx" }), `Format: "Nginx" is not a format; there are ["rfc9440" `},
		"an encoding without its header":  {change(func(c *forwarded.Config) { c.Header = "" }), "Header: required: base64-der has no header of its own"},
		"no trust":                        {trusting(), "Trust: at least one rule is required"},
		"the zero Trust":                  {trusting(forwarded.Trust{}), "Trust: rule 1 is the zero Trust"},
		"a rule twice":                    {trusting(append(trustTest(), trustTest()...)...), "TrustPeers twice"},
		"rules that exclude each other":   {trusting(append(trustTest(), forwarded.TrustUnixSocket())...), "no connection is both"},
		"by field, and a socket":          {trusting(byField, forwarded.TrustUnixSocket()), "DangerouslyTrustRemoteAddr and TrustUnixSocket: no connection is both"},
		"by field, and by peer":           {trusting(byField, trustTest()[0]), "TrustPeers and DangerouslyTrustRemoteAddr: the first alone is the better rule"},
		"no peers":                        {peers(), "TrustPeers: no range of addresses"},
		"the zero range":                  {trusting(forwarded.TrustPeers(netip.Prefix{})), "invalid Prefix: no range of addresses"},
		"everybody":                       {peers("0.0.0.0/0"), "0.0.0.0/0: wider than /8"},
		"everybody in IPv6":               {peers("::/0"), "::/0: wider than /7"},
		"everybody by an address":         {peers("10.0.0.1/0"), "wider than /8"},
		"everybody in IPv4 as IPv6":       {peers("::ffff:0:0/96"), "wider than /8"},
		"more than everybody in IPv4":     {peers("::ffff:0:0/90"), "wider than /8"},
		"everybody in halves":             {peers("0.0.0.0/1", "128.0.0.0/1"), "128.0.0.0/1: wider than /8"},
		"everybody in halves, IPv6":       {peers("::/1", "8000::/1"), "8000::/1: wider than /7"},
		"everybody that has been given":   {peers("2000::/3"), "wider than /7"},
		"no secret":                       {trusting(forwarded.TrustSharedSecret("X-Key")), "must have one or two values, and has 0"},
		"three secrets":                   {trusting(forwarded.TrustSharedSecret("X-Key", secret, secret+"2", secret+"3")), "must have one or two values, and has 3"},
		"an empty secret":                 {trusting(forwarded.TrustSharedSecret("X-Key", secret, "")), "value 2 is not a field value of 16 bytes or more"},
		"a short secret":                  {trusting(forwarded.TrustSharedSecret("X-Key", secret[:15])), "value 1 is not a field value of 16 bytes or more"},
		"a secret that HTTP cannot carry": {trusting(forwarded.TrustSharedSecret("X-Key", secret+"\n")), "value 1 is not a field value of 16 bytes or more"},
		"a secret in no header":           {trusting(forwarded.TrustSharedSecret("", secret)), `"" is not a field name`},
		"a secret in Authorization":       {trusting(forwarded.TrustSharedSecret("Authorization", secret)), "hop-by-hop, or has a meaning of its own"},
		"a secret in the certificate":     {trusting(forwarded.TrustSharedSecret("X-Client-Cert", secret)), "Trust: X-Client-Cert has another meaning already"},
		"a secret in its alias":           {trusting(forwarded.TrustSharedSecret("X_client_cert", secret)), "Trust: X_client_cert has another meaning already"},
		"a secret twice":                  {trusting(forwarded.TrustSharedSecret("X-Key", secret), forwarded.TrustSharedSecret("X-Key", secret)), "X-Key has another meaning already"},
		"no certificate":                  {trusting(forwarded.TrustProxyCertificate()), "TrustProxyCertificate: no thumbprint"},
		"the zero thumbprint":             {trusting(forwarded.TrustProxyCertificate(binding.ThumbprintOf(nil))), "thumbprint 1 cannot be that of a certificate"},
		"no name":                         {trusting(forwarded.TrustProxyName()), "TrustProxyName: no name"},
		"an empty name":                   {trusting(forwarded.TrustProxyName("")), `"" is neither a DNS name nor a URI`},
		"a wildcard":                      {trusting(forwarded.TrustProxyName("*.example")), `"*.example" is neither`},
		"a name with a port":              {trusting(forwarded.TrustProxyName("proxy.example:443")), `"proxy.example:443" is neither`},
		"a URI without a host":            {trusting(forwarded.TrustProxyName("urn:proxy")), `"urn:proxy" is neither`},
		"a URI that is none":              {trusting(forwarded.TrustProxyName("spiffe://a b/%zz")), "is neither"},
		"a limit over the limit":          {change(func(c *forwarded.Config) { c.MaxBytes = 256<<10 + 1 }), "MaxBytes: 262145 is not within 0 and 262144"},
		"a limit that is none":            {change(func(c *forwarded.Config) { c.MaxBytes = -1 }), "MaxBytes: -1"},
		"elements of what has none":       {change(func(c *forwarded.Config) { c.Elements = 1 }), "Elements: only the encodings xfcc and xfcc-json have elements"},
		"an element of what has none":     {change(func(c *forwarded.Config) { c.Element = 1 }), "Elements: only the encodings xfcc and xfcc-json have elements"},
		"too many elements":               {change(func(c *forwarded.Config) { c.Format, c.Elements = forwarded.XFCC, 17 }), "Elements: 17"},
		"less than no elements":           {change(func(c *forwarded.Config) { c.Format, c.Elements = forwarded.XFCC, -1 }), "Elements: -1"},
		"two elements, but which":         {change(func(c *forwarded.Config) { c.Format, c.Elements = forwarded.XFCC, 2 }), "Element: of 2 elements, which is the client's?"},
		"an element past the last":        {change(func(c *forwarded.Config) { c.Format, c.Elements, c.Element = forwarded.XFCC, 2, 3 }), "Element: of 2"},
		"an element before the first":     {change(func(c *forwarded.Config) { c.Format, c.Elements, c.Element = forwarded.XFCC, 2, -1 }), "Element: of 2"},
		"the second of one":               {change(func(c *forwarded.Config) { c.Format, c.Element = forwarded.Envoy, 2 }), "Element: of 1"},
		"the third of two":                {change(func(c *forwarded.Config) { c.Format, c.Element = forwarded.Istio, 3 }), "Element: of 2"},
		"verify values without header":    {change(func(c *forwarded.Config) { c.VerifyValues = []string{"SUCCESS"} }), "VerifyValues: there is no VerifyHeader"},
		"no verify values":                {change(func(c *forwarded.Config) { c.VerifyHeader, c.VerifyValues = "X-Verify", []string{} }), "VerifyValues: must be nil, or"},
		"an empty verify value":           {change(func(c *forwarded.Config) { c.VerifyHeader, c.VerifyValues = "X-Verify", []string{"0", ""} }), "VerifyValues: must be nil, or"},
		"the certificate verifies itself": {change(func(c *forwarded.Config) { c.VerifyHeader = "X-Client-Cert" }), "VerifyHeader: X-Client-Cert has another meaning already"},
		"verification in lower case":      {change(func(c *forwarded.Config) { c.VerifyHeader = "x-verify" }), `VerifyHeader: "x-verify" is not in canonical form`},
		"an empty name to strip":          {change(func(c *forwarded.Config) { c.Strip = []string{""} }), "Strip: the name of a header is empty"},
		"Content-Length to strip":         {change(func(c *forwarded.Config) { c.Strip = []string{"Content_length"} }), "Strip: \"Content_length\" is hop-by-hop"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, err := forwarded.New(c.config)
			require.Nil(t, source)
			require.ErrorContains(t, err, c.want)
			require.True(t, strings.HasPrefix(err.Error(), "forwarded: "))
			require.NotContains(t, err.Error(), secret[:10])
			var mistake binding.ConfigError
			require.ErrorAs(t, err, &mistake)
		})
	}
}

func TestNewRefusesHeaderNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Connection", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Proxy-Anything", "Te", "Trailer", "Transfer-Encoding",
		"Upgrade", "Authorization", "Host", "Content-Length", "Content-Type", "Cookie", "Forwarded", "X-Forwarded-For", "Sec-Fetch-Site",
		"Access-Control-Allow-Origin", "Dpop", "Transfer_encoding", "Proxy_client_cert",
		"x-client-cert", "X-SSL-Client-Cert", "X-client-Cert", "X Client Cert", "X-Client-Cert:", "X-Client-Cért", "X-Client-Cert\n",
	} {
		_, err := forwarded.New(forwarded.Config{Format: forwarded.Base64DER, Header: name, Trust: trustTest()})
		require.ErrorContains(t, err, "Header: ", "%q", name)
	}
	_, err := forwarded.New(forwarded.Config{Format: forwarded.Base64DER, Header: "X-SSL-Client-Cert", Trust: trustTest()})
	require.ErrorContains(t, err, `write "X-Ssl-Client-Cert"`)
}

func TestNewReportsAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	_, err := forwarded.New(forwarded.Config{
		Header: "Te", MaxBytes: -1, VerifyHeader: "Host", VerifyValues: []string{}, Strip: []string{"x"},
		Trust: []forwarded.Trust{{}, forwarded.TrustPeers(), forwarded.TrustSharedSecret("Cookie", "short")},
	})
	for _, want := range []string{
		"Format: ", "Header: ", "MaxBytes: ", "VerifyHeader: ", "VerifyValues: ", "Strip: ",
		"Trust: rule 1", "Trust: TrustPeers: ", `Trust: TrustSharedSecret: "Cookie"`, "Trust: TrustSharedSecret: value 1",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "short")
}

// Every format by its name, with the header that it has of its own.
func TestFormats(t *testing.T) {
	t.Parallel()
	seen := make(map[forwarded.Format]bool)
	for _, format := range forwarded.Formats() {
		require.False(t, seen[format], format)
		seen[format] = true
		require.Equal(t, strings.ToLower(string(format)), string(format))
		require.Equal(t, format.Encoding(), format.Encoding().Encoding())
		config := forwarded.Config{Format: format, Trust: trustTest()}
		if format == forwarded.Auth0 {
			config.Trust = append(config.Trust, forwarded.TrustSharedSecret("Cname-Api-Key", secret))
		}
		header := format.Header()
		if header == "" {
			header = "X-Client-Cert"
			_, err := forwarded.New(config)
			require.ErrorContains(t, err, "Header: required")
			config.Header = header
		}
		source, err := forwarded.New(config)
		require.NoError(t, err)
		require.Contains(t, source.Headers(), header)
		for _, name := range source.Headers() {
			require.Equal(t, http.CanonicalHeaderKey(name), name)
		}
	}
	for _, name := range strings.Fields(`rfc9440 url-pem url-pem-chain pem-spaces base64-der base64-pem traefik xfcc xfcc-json sha256-hex sha256-base64
		sha256-base64url nginx envoy istio haproxy caddy apache aws-alb-verify aws-alb-passthrough cloudfront gcp azure-app-service
		azure-container-apps cloudflare kong fastly f5 cloud-foundry auth0`) {
		require.True(t, seen[forwarded.Format(name)], name)
		delete(seen, forwarded.Format(name))
	}
	require.Empty(t, seen)
	require.Empty(t, forwarded.Format("").Encoding())
	require.Empty(t, forwarded.Format("auto").Header())
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	for format, want := range map[forwarded.Format][]string{
		forwarded.RFC9440:           {"Client-Cert", "Client-Cert-Chain"},
		forwarded.Nginx:             {"X-Ssl-Client-Cert"},
		forwarded.GCP:               {"Client-Cert", "Client-Cert-Chain", "X-Client-Cert-Chain", "X-Client-Cert-Leaf"},
		forwarded.AWSALBPassthrough: {"X-Amzn-Mtls-Clientcert", "X-Amzn-Mtls-Clientcert-Leaf"},
	} {
		require.Equal(t, want, newSource(t, forwarded.Config{Format: format}).Headers())
	}
	source := newSource(t, forwarded.Config{
		Format: forwarded.RFC9440, Header: "X-Cert", VerifyHeader: "X-Verify", Strip: []string{"X-Dn", "Client-Cert"},
		Trust: []forwarded.Trust{forwarded.TrustSharedSecret("X-Key", secret)},
	})
	want := []string{"Client-Cert", "Client-Cert-Chain", "X-Cert", "X-Dn", "X-Key", "X-Verify"}
	require.Equal(t, want, source.Headers())
	source.Headers()[0] = "X-Changed"
	require.Equal(t, want, source.Headers())
}

func TestZeroSourceRefuses(t *testing.T) {
	t.Parallel()
	for _, source := range []*forwarded.Source{nil, {}} {
		_, err := source.ClientCertificate(requestWith(http.Header{}))
		requireReason(t, binding.ReasonMisconfigured, err)
		require.Empty(t, source.Headers())
	}
}

// What New was given can change afterwards; the source does not.
func TestSourceIsItsOwn(t *testing.T) {
	t.Parallel()
	victim := newIdentity(t, "victim", nil, nil)
	ranges := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	config := forwarded.Config{
		Format: forwarded.Base64DER, Header: "X-Test-Cert", Trust: []forwarded.Trust{forwarded.TrustPeers(ranges...)},
		VerifyHeader: "X-Verify", VerifyValues: []string{"true"},
	}
	source := newSource(t, config)
	ranges[0], config.Trust[0], config.VerifyValues[0] = netip.Prefix{}, forwarded.Trust{}, "false"
	_, err := source.ClientCertificate(requestWith(http.Header{"X-Test-Cert": {b64(victim.cert.Raw)}, "X-Verify": {"true"}}))
	require.NoError(t, err)
}

// The certificate of a request comes with its bytes, where they came.
func TestCertificate(t *testing.T) {
	t.Parallel()
	victim := newIdentity(t, "victim", nil, nil)
	for _, encoding := range encodings() {
		certificate, err := read(sourceOf(t, encoding), encodeCert(encoding, victim.cert))
		require.NoError(t, err)
		require.Equal(t, binding.ThumbprintOf(victim.cert), certificate.Thumbprint)
		if strings.HasPrefix(string(encoding), "sha256") {
			require.Nil(t, certificate.DER)
			continue
		}
		parsed, err := certificate.X509()
		require.NoError(t, err)
		require.True(t, parsed.Equal(victim.cert))
	}
	// As short as an outer SEQUENCE can be: what is in it is not looked at.
	certificate, err := read(sourceOf(t, forwarded.Base64DER), "MAIFAA==")
	require.NoError(t, err)
	require.Equal(t, []byte{0x30, 2, 5, 0}, certificate.DER)

	for encoding, value := range map[forwarded.Format]string{
		forwarded.SHA256Hex:       "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
		forwarded.SHA256Base64:    "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		forwarded.SHA256Base64URL: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
		forwarded.XFCC:            "Hash=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	} {
		certificate, err := read(sourceOf(t, encoding), value)
		requireNone(t, certificate, err) // the digest of nothing
	}
}

// XFCC by its grammar, beyond what the vectors have.
func TestXFCC(t *testing.T) {
	t.Parallel()
	one, two := newIdentity(t, "one", nil, nil), newIdentity(t, "two", nil, nil)
	h1, h2 := "Hash="+hexOf(one), "Hash="+hexOf(two)
	certOf := func(i identity) string { return `;Cert="` + escape(pemText(i.cert.Raw)) + `"` }
	for value, want := range map[string]any{
		h1:                                      one,
		h1 + ";":                                one, // Azure Container Apps
		strings.ToUpper(h1[:4]) + h1[4:]:        one,
		h1 + certOf(one) + ";Chain=\"\";":       one,
		"By=a;By=b;URI=;URI=;DNS=a;" + h1:       one,
		h1 + `;Subject="a,b\;c=d\"e\\";URI=x=y`: one,
		h1 + `;New=x;Issuer=""`:                 one,
		h1 + "," + h2:                           binding.ReasonForwardedAmbiguous,
		h1 + ";," + h2:                          binding.ReasonForwardedAmbiguous,
		h1 + ",":                                binding.ReasonForwardedAmbiguous,
		h1 + ";" + h1:                           binding.ReasonForwardedAmbiguous,
		h1 + ";hash=" + hexOf(two):              binding.ReasonForwardedAmbiguous,
		h1 + certOf(one) + certOf(one):          binding.ReasonForwardedAmbiguous,
		h1 + `;Chain="";Chain=""`:               binding.ReasonForwardedAmbiguous,
		h1 + `;URI="x,` + h2:                    binding.ReasonForwardedMalformed,
		`URI="x"` + h1:                          binding.ReasonForwardedMalformed,
		`URI="x"By=y;` + h1:                     binding.ReasonForwardedMalformed,
		`URI=x"` + h1:                           binding.ReasonForwardedMalformed,
		h1 + certOf(two):                        binding.ReasonForwardedMalformed,
		h1 + strings.ReplaceAll(certOf(one), "\"", ""): binding.ReasonForwardedMalformed,
		h1 + `;Subject="a;b"`:                          binding.ReasonForwardedMalformed,
		h1 + `;Subject="a\\;b"`:                        binding.ReasonForwardedMalformed,
		h1 + `;Subject=";"`:                            binding.ReasonForwardedMalformed,
		h1 + `;Subject="a\\\;b"`:                       one,
		"By=x":                                         binding.ReasonForwardedMalformed,
	} {
		certificate, err := read(sourceOf(t, forwarded.XFCC), value)
		switch want := want.(type) {
		case identity:
			require.NoError(t, err, value)
			require.Equal(t, binding.ThumbprintOf(want.cert), certificate.Thumbprint)
		case binding.Reason:
			require.Error(t, err, value)
			requireReason(t, want, err)
		}
	}
	// Every element is read as strictly as the client's.
	source := newSource(t, forwarded.Config{Format: forwarded.Istio})
	for _, value := range []string{h1 + ",By=x", h1 + "," + h2 + certOf(one), h1 + ",nonsense", "By=x," + h2} {
		_, err := source.ClientCertificate(requestWith(http.Header{"X-Forwarded-Client-Cert": {value}}))
		requireReason(t, binding.ReasonForwardedMalformed, err)
	}
}

// An inner guard with the same source knows what the outer one read.
func TestGuardInGuard(t *testing.T) {
	t.Parallel()
	victim := newIdentity(t, "victim", nil, nil)
	source := sourceOf(t, forwarded.Base64DER)
	outer, err := binding.New(binding.Config{Tokens: tokens{}, Certificates: source})
	require.NoError(t, err)
	inner, err := binding.New(binding.Config{Tokens: tokens{}, Certificates: source, Authorize: func(_ context.Context, _ *binding.Token, c binding.Certificate) error {
		_, err := c.X509()
		return err
	}})
	require.NoError(t, err)
	r := requestWith(http.Header{"X-Test-Cert": {b64(victim.cert.Raw)}, "Authorization": {"Bearer " + victim.thumbprint()}})
	r, err = outer.Admit(r)
	require.NoError(t, err)
	require.NotContains(t, r.Header, "X-Test-Cert")
	_, err = inner.Check(r)
	require.NoError(t, err)
}

func (i identity) tlsChain() []*x509.Certificate { return []*x509.Certificate{i.cert} }

func (i identity) chains() [][]*x509.Certificate { return [][]*x509.Certificate{i.tlsChain()} }

var emptyChain = [][]*x509.Certificate{{}}
