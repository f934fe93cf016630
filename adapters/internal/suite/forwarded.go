package suite

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

// forwardedBy is section H where it meets a framework: what package forwarded
// refuses is refused in each alike, and no handler sees the certificate's
// header or the proxy's secret. What depends on a format is in forwardedForms.
func (s *suite) forwardedBy(t *testing.T) {
	const secret = "a secret of sixteen bytes or more"
	source := func(trust ...forwarded.Trust) *forwarded.Source {
		source, err := forwarded.New(forwarded.Config{Format: forwarded.RFC9440, Trust: trust})
		require.NoError(t, err)
		return source
	}
	near := forwarded.TrustPeers(netip.MustParsePrefix("127.0.0.0/8"))
	far := forwarded.TrustPeers(netip.MustParsePrefix("192.0.2.0/24"))
	shared := forwarded.TrustSharedSecret("X-Proxy-Secret", secret)
	trusting := source(near, shared)
	guarded := s.guarded(t, binding.Config{Certificates: trusting})
	nested := s.serve(t, Protect(s.Guard(t, binding.Config{Certificates: trusting})),
		Protect(s.Guard(t, binding.Config{Certificates: trusting, Scopes: []string{"payments"}})))
	untrusting := s.guarded(t, binding.Config{Certificates: source(far)})

	field := func(client *Client) string {
		return ":" + base64.StdEncoding.EncodeToString(client.Certificate.Leaf.Raw) + ":"
	}
	right := field(s.Holder)
	good := s.Good(t)
	for _, row := range []struct {
		name   string
		site   site
		client *Client // of the connection: the proxy
		header http.Header
		want   Answer
	}{
		{"the right certificate", guarded, s.Nobody, http.Header{"Client-Cert": {right}}, OK},
		{"the right certificate, through two guards", nested, s.Nobody, http.Header{"Client-Cert": {right}}, OK},
		{"another", guarded, s.Nobody, http.Header{"Client-Cert": {field(s.Other)}}, OtherCertificate},
		{"another, through two guards", nested, s.Nobody, http.Header{"Client-Cert": {field(s.Other)}}, OtherCertificate},
		{"197 the peer is not trusted", untrusting, s.Nobody, http.Header{"Client-Cert": {right}}, UnreadableHeader},
		{"197 the secret is wrong", guarded, s.Nobody, http.Header{"Client-Cert": {right}, "X-Proxy-Secret": {secret + "!"}}, UnreadableHeader},
		{"199 X-Forwarded-For is nobody", untrusting, s.Nobody, http.Header{"Client-Cert": {right}, "X-Forwarded-For": {"192.0.2.1"}, "X-Real-Ip": {"192.0.2.1"}, "Forwarded": {"for=192.0.2.1"}}, UnreadableHeader},
		{"201 twice", guarded, s.Nobody, http.Header{"Client-Cert": {right, right}}, UnreadableHeader},
		{"203 the connection's is another", guarded, s.Other, http.Header{"Client-Cert": {right}}, OK},
		{"203 the connection's is the right one, the header's another", guarded, s.Holder, http.Header{"Client-Cert": {field(s.Other)}}, OtherCertificate},
		{"204 the connection's alone", guarded, s.Holder, http.Header{}, NoCertificate},
		{"205 no certificate, as proxies say it", guarded, s.Holder, http.Header{"Client-Cert": {"::"}}, NoCertificate},
		{"206 malformed", guarded, s.Nobody, http.Header{"Client-Cert": {":%:"}}, UnreadableHeader},
		{"212 no colons", guarded, s.Nobody, http.Header{"Client-Cert": {right[1 : len(right)-1]}}, UnreadableHeader},
		{"216 the chain alone", guarded, s.Holder, http.Header{"Client-Cert-Chain": {right}}, NoCertificate},
		{"219 beside a look-alike", guarded, s.Nobody, http.Header{"Client-Cert": {right}, "Client_cert": {right}}, UnreadableHeader},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			request := Bearer(row.client, good)
			request.Header = http.Header{"X-Proxy-Secret": {secret}, "X-Other": {"stays"}}
			for name, values := range row.header {
				request.Header[name] = values
			}
			for _, visit := range row.site.Check(t, row.site.Probe, request, row.want) {
				for _, name := range []string{"Client-Cert", "Client_cert", "Client-Cert-Chain", "X-Proxy-Secret"} {
					assert.NotContains(t, visit.Header, name)
				}
				assert.Equal(t, "stays", visit.Header.Get("X-Other"))
			}
		})
	}
}
