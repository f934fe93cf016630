package suite

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

// forwardedForms are the rows of section H about what a trusted proxy says, in
// the format of each. Row 220, a proxy that drops its own header, is package
// forwarded's: what comes is row 204.
func (s *suite) forwardedForms(t *testing.T) {
	holder, other := s.Holder.Certificate.Leaf.Raw, s.Other.Certificate.Leaf.Raw
	asPEM := func(der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	typed := func(kind string) string {
		return url.PathEscape(strings.ReplaceAll(asPEM(holder), "CERTIFICATE", kind))
	}
	plain := base64.StdEncoding.EncodeToString
	hash := func(client *Client) string {
		digest := binding.ThumbprintOf(client.Certificate.Leaf)
		return "Hash=" + hex.EncodeToString(digest[:])
	}
	inside := strings.Replace(asPEM(holder), "CERTIFICATE-----\n", "CERTIFICATE-----\nProc-Type: 4\n\n", 1)
	hops := hash(s.Holder) + `;Subject="CN=a\",Hash=b\;c=\\",By=spiffe://mesh/gateway;` + hash(s.Other) + `;Subject="";URI=spiffe://mesh/x`
	longer := append(append([]byte{}, holder...), 0)

	for _, row := range []struct {
		name   string
		format forwarded.Format
		value  string
		want   Answer
	}{
		{"207 a private key", forwarded.URLPEM, typed("PRIVATE KEY"), UnreadableHeader},
		{"207 a certificate request", forwarded.URLPEM, typed("CERTIFICATE REQUEST"), UnreadableHeader},
		{"207 a trusted certificate", forwarded.URLPEM, typed("TRUSTED CERTIFICATE"), UnreadableHeader},
		{"208 two blocks, the leaf first", forwarded.URLPEM, url.PathEscape(asPEM(holder) + asPEM(other)), UnreadableHeader},
		{"208 two blocks, the leaf first, where there may be", forwarded.URLPEMChain, url.PathEscape(asPEM(holder) + asPEM(other)), OK},
		{"208 two certificates, Traefik's, the leaf first", forwarded.Traefik, plain(holder) + "," + plain(other), OK},
		{"209 two blocks, the leaf second", forwarded.URLPEMChain, url.PathEscape(asPEM(other) + asPEM(holder)), OtherCertificate},
		{"209 two certificates, Traefik's, the leaf second", forwarded.Traefik, plain(other) + "," + plain(holder), OtherCertificate},
		{"210 a byte behind the DER", forwarded.RFC9440, ":" + plain(longer) + ":", UnreadableHeader},
		{"210 a byte behind END", forwarded.URLPEM, url.PathEscape(asPEM(holder) + "x"), UnreadableHeader},
		{"211 PEM with spaces, to whom they are said", forwarded.PEMSpaces, strings.ReplaceAll(asPEM(holder), "\n", " "), OK},
		{"211 PEM with spaces, to another", forwarded.URLPEM, strings.ReplaceAll(asPEM(holder), "\n", " "), UnreadableHeader},
		{"213 the hash alone", forwarded.Envoy, hash(s.Holder), OK},
		{"213 the hash of another", forwarded.Envoy, hash(s.Other), OtherCertificate},
		{"214 two elements, where one is said", forwarded.Envoy, hops, UnreadableHeader},
		{"214 two elements, of which the first counts", forwarded.Istio, hops, OK},
		{"215 hash and certificate disagree", forwarded.Envoy, hash(s.Holder) + `;Cert="` + url.PathEscape(asPEM(other)) + `"`, UnreadableHeader},
		{"217 over the limit", forwarded.RFC9440, ":" + strings.Repeat("A", 40<<10) + ":", UnreadableHeader},
		{"218 PEM with headers", forwarded.Base64PEM, plain([]byte(inside)), UnreadableHeader},
		{"218 nested BEGINs", forwarded.Base64PEM, plain([]byte(strings.Repeat("-----BEGIN CERTIFICATE-----\n", 500) + asPEM(holder))), UnreadableHeader},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			config := forwarded.Config{Format: row.format}
			if row.format.Encoding() == row.format && row.format != forwarded.RFC9440 {
				config.Header = "X-Client-Cert"
			}
			source := s.forwardedSource(t, "127.0.0.0/8", config)
			site := s.guarded(t, binding.Config{Certificates: source})
			request := Bearer(s.Nobody, s.Good(t))
			request.Header = http.Header{source.Headers()[0]: {row.value}}
			site.Check(t, site.Probe, request, row.want)
		})
	}

	right := http.Header{"Client-Cert": {":" + plain(holder) + ":"}}
	t.Run("198 nobody is trusted", func(t *testing.T) {
		t.Parallel()
		_, err := forwarded.New(forwarded.Config{Format: forwarded.RFC9440})
		require.Error(t, err)
		site := s.guarded(t, binding.Config{})
		for client, want := range map[*Client]Answer{s.Nobody: NoCertificate, s.Other: OtherCertificate} {
			request := Bearer(client, s.Good(t))
			request.Header = right
			site.Check(t, site.Probe, request, want)
		}
	})
	t.Run("200 forms of the peer's address", func(t *testing.T) {
		t.Parallel()
		source, err := forwarded.New(forwarded.Config{Format: forwarded.RFC9440, Trust: []forwarded.Trust{
			forwarded.DangerouslyTrustRemoteAddr(netip.MustParsePrefix("192.0.2.0/24")),
		}})
		require.NoError(t, err)
		site := s.guarded(t, binding.Config{Certificates: source})
		for address, want := range map[string]Answer{
			"192.0.2.7:40000": OK, "[::ffff:192.0.2.7]:40000": OK, "[::ffff:192.0.2.7%eth0]:40000": OK,
			"192.0.3.7:40000": UnreadableHeader, "[::192.0.2.7]:40000": UnreadableHeader, "192.0.2.7": UnreadableHeader,
			"192.0.2.7, 10.0.0.1:1": UnreadableHeader, "@": UnreadableHeader, "": UnreadableHeader,
		} {
			request := direct("Bearer " + s.Good(t))
			request.Header["Client-Cert"] = right["Client-Cert"]
			request.RemoteAddr = address
			site.checkDirectly(t, site.Probe, request, want)
		}
	})
	t.Run("202 the connection's certificate is no second source", func(t *testing.T) {
		t.Parallel()
		site := s.guarded(t, binding.Config{Certificates: s.forwardedSource(t, "127.0.0.0/8", forwarded.Config{Format: forwarded.RFC9440})})
		request := Bearer(s.Holder, s.Good(t))
		request.Header = http.Header{"Client-Cert": {":%:"}}
		site.Check(t, site.Probe, request, UnreadableHeader)
	})
	t.Run("221 what the proxy found when it verified", func(t *testing.T) {
		t.Parallel()
		site := s.guarded(t, binding.Config{Certificates: s.forwardedSource(t, "127.0.0.0/8", forwarded.Config{
			Format: forwarded.Nginx, VerifyHeader: "X-Ssl-Client-Verify",
		})})
		for result, want := range map[string]Answer{
			"SUCCESS": OK, "FAILED:self-signed certificate": UnreadableHeader, "NONE": UnreadableHeader, "success": UnreadableHeader,
		} {
			request := Bearer(s.Nobody, s.Good(t))
			request.Header = http.Header{"X-Ssl-Client-Cert": {url.PathEscape(asPEM(holder))}, "X-Ssl-Client-Verify": {result}}
			site.Check(t, site.Probe, request, want)
		}
	})
}

// forwardedSource trusts peers of the range alone.
func (s *suite) forwardedSource(t *testing.T, peers string, config forwarded.Config) *forwarded.Source {
	t.Helper()
	config.Trust = []forwarded.Trust{forwarded.TrustPeers(netip.MustParsePrefix(peers))}
	source, err := forwarded.New(config)
	require.NoError(t, err)
	return source
}
