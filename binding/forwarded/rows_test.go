package forwarded_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

// without takes ConnContext from a server.
func withoutConnContext(s *httptest.Server, _ http.Handler) { s.Config.ConnContext = nil }

// Section M of the project's list of attacks, by the numbers of its rows: who
// connected.
func TestPeersOfTheWorldAsItIs(t *testing.T) {
	t.Parallel()
	victim := newIdentity(t, "victim", nil, nil)
	token := victim.thumbprint()
	header := http.Header{"Client-Cert": {encodeCert(forwarded.RFC9440, victim.cert)}}
	const proxy = "192.0.2.7"
	near := netip.MustParsePrefix(proxy + "/32")
	config := func(rule forwarded.Trust) forwarded.Config {
		return forwarded.Config{Format: forwarded.RFC9440, Trust: []forwarded.Trust{rule}}
	}

	t.Run("M/404 a server without ConnContext trusts nobody", func(t *testing.T) {
		t.Parallel()
		// A client that names itself the proxy, and middleware that believes it.
		for name, remoteAddr := range map[string]string{"with a port": proxy + ":0", "without": proxy, "as it was": ""} {
			believing := func(s *httptest.Server, next http.Handler) {
				s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if remoteAddr != "" {
						r.RemoteAddr = remoteAddr
					}
					next.ServeHTTP(w, r)
				})
			}
			for _, rule := range []forwarded.Trust{
				forwarded.TrustPeers(near, netip.MustParsePrefix("127.0.0.0/8")), forwarded.TrustUnixSocket(),
			} {
				s := serve(t, config(rule), withoutConnContext, believing)
				o := s.send(t, s.peer(t), token, header)
				o.requireRefused(t, binding.ReasonForwardedUntrusted)
				require.Contains(t, errorTexts(o.event.Err), "Client-Cert came from an unknown peer", name)
				require.Contains(t, errorTexts(o.event.Err), "set ConnContext of http.Server to forwarded.ConnContext", name)
			}
			// The one way to have RemoteAddr believed says so.
			s := serve(t, config(forwarded.DangerouslyTrustRemoteAddr(near)), withoutConnContext, believing)
			if o := s.send(t, s.peer(t), token, header); name == "with a port" {
				o.requireAccepted(t)
			} else {
				o.requireRefused(t, binding.ReasonForwardedUntrusted)
			}
			// And has no say beside the connection.
			s = serve(t, config(forwarded.DangerouslyTrustRemoteAddr(near)), believing)
			o := s.send(t, s.peer(t), token, header)
			o.requireRefused(t, binding.ReasonForwardedUntrusted)
			require.Contains(t, errorTexts(o.event.Err), "127.0.0.1")
		}
	})

	t.Run("M/404 DangerouslyTrustRemoteAddr takes what net/http writes", func(t *testing.T) {
		t.Parallel()
		s := serve(t, config(forwarded.DangerouslyTrustRemoteAddr(netip.MustParsePrefix("127.0.0.0/8"))), withoutConnContext)
		s.send(t, s.peer(t), token, header).requireAccepted(t)
	})

	t.Run("M/405 a PROXY header of a unix socket over TCP", func(t *testing.T) {
		t.Parallel()
		s := serve(t, config(forwarded.TrustUnixSocket()), speakingPROXY)
		for _, said := range [][]byte{
			unixHeader("/any", "/run/api/socket"), unixHeader("", "/run/api/socket"), tcpHeader(proxy + ":40000"),
		} {
			s.send(t, saying(t, s.peer(t), said), token, header).requireRefused(t, binding.ReasonForwardedUntrusted)
		}
		// Nor is a socket's name an address, whatever it looks like.
		s = serve(t, config(forwarded.TrustPeers(near)), speakingPROXY)
		s.send(t, saying(t, s.peer(t), unixHeader(proxy+":40000", "/run/api/socket")), token, header).
			requireRefused(t, binding.ReasonForwardedUntrusted)
		s.send(t, saying(t, s.peer(t), tcpHeader(proxy+":40000")), token, header).requireAccepted(t)
	})

	t.Run("M/405 a unix socket is one, with TLS and the PROXY protocol above it", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "s")
		s := serve(t, config(forwarded.TrustUnixSocket()), func(s *httptest.Server, _ http.Handler) {
			require.NoError(t, s.Listener.Close())
			listener, err := net.Listen("unix", path)
			require.NoError(t, err)
			s.Listener = proxyListener{listener}
		})
		client := saying(t, s.peer(t), nil)
		transport, _ := client.Transport.(*http.Transport)
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, "unix", path)
			if err == nil {
				_, err = c.Write(tcpHeader("203.0.113.9:1"))
			}
			return c, err
		}
		s.sendTo(t, "https://api.example", client, token, header).requireAccepted(t)
	})

	t.Run("M/406 one silent connection keeps nobody waiting", func(t *testing.T) {
		t.Parallel()
		s := serve(t, config(forwarded.TrustPeers(near)), speakingPROXY)
		// Connections are accepted in turn: the silent one before the other.
		silent, err := net.Dial("tcp", s.Listener.Addr().String())
		require.NoError(t, err)
		defer silent.Close()
		client := saying(t, s.peer(t), tcpHeader(proxy+":40000"))
		client.Timeout = time.Minute
		s.send(t, client, token, header).requireAccepted(t)
	})

	t.Run("M/406 the connection is asked when a request asks, once", func(t *testing.T) {
		t.Parallel()
		asked := 0
		ctx := forwarded.ConnContext(t.Context(), &askedConn{asked: &asked})
		require.Zero(t, asked)
		source := newSource(t, config(forwarded.TrustPeers(near)))
		for range 3 {
			_, err := source.ClientCertificate(requestWith(header).WithContext(ctx))
			require.NoError(t, err)
			require.Equal(t, 1, asked)
		}
	})

	t.Run("M/417 what is printed shows no secret", func(t *testing.T) {
		t.Parallel()
		config := config(forwarded.TrustSharedSecret("X-Proxy-Key", secret))
		source := newSource(t, config)
		digest := sha256.Sum256([]byte(secret))
		for _, printed := range []any{config, &config, config.Trust, config.Trust[0], &config.Trust[0], source, *source} {
			var out bytes.Buffer
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
				fmt.Fprintf(&out, verb+"\n", printed)
			}
			slog.New(slog.NewTextHandler(&out, nil)).Info("x", "x", printed)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "x", printed)
			_ = json.NewEncoder(&out).Encode(printed)
			for _, text := range []string{
				secret, hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))), b64([]byte(secret)),
				strings.Trim(fmt.Sprint([]byte(secret)), "[]"), strings.Trim(fmt.Sprint(digest), "[]"),
				hex.EncodeToString(digest[:]), strings.ToUpper(hex.EncodeToString(digest[:])), base64.StdEncoding.EncodeToString(digest[:]),
			} {
				require.NotContains(t, out.String(), text, "%T", printed)
			}
		}
	})

	t.Run("M/420 nested guards, each with a source of its own", func(t *testing.T) {
		t.Parallel()
		proxy := newIdentity(t, "proxy", nil, nil)
		rules := func() []forwarded.Trust {
			return []forwarded.Trust{
				forwarded.TrustPeers(near, netip.MustParsePrefix("127.0.0.0/8")), forwarded.TrustSharedSecret("X-Proxy-Key", secret),
				forwarded.TrustProxyCertificate(binding.ThumbprintOf(proxy.cert)),
			}
		}
		config := func(change func(*forwarded.Config)) forwarded.Config {
			c := forwarded.Config{Format: forwarded.Nginx, VerifyHeader: "X-Verify", Trust: rules()}
			if change != nil {
				change(&c)
			}
			return c
		}
		nested := func(inner forwarded.Config) error {
			r := requestWith(http.Header{
				"Authorization": {"Bearer " + token}, "X-Proxy-Key": {secret}, "X-Verify": {"SUCCESS"},
				"X-Ssl-Client-Cert": {encodeCert(forwarded.URLPEM, victim.cert)},
			})
			r.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: proxy.tlsChain()}
			outer, err := binding.New(binding.Config{Tokens: tokens{}, Certificates: newSource(t, config(nil))})
			require.NoError(t, err)
			r, err = outer.Admit(r)
			require.NoError(t, err)
			return decide(t, newSource(t, inner), token, r)
		}
		require.NoError(t, nested(config(nil)))
		// Each source judges what came by its own rules, as if it were alone.
		for name, row := range map[string]struct {
			change func(*forwarded.Config)
			want   binding.Reason
		}{
			"fewer rules": {func(c *forwarded.Config) { c.Trust = c.Trust[:2] }, ""},
			"header":      {func(c *forwarded.Config) { c.Header = "X-Other" }, binding.ReasonCertificateMissing},
			"limit":       {func(c *forwarded.Config) { c.MaxBytes = 100 }, binding.ReasonForwardedTooLong},
			"verify":      {func(c *forwarded.Config) { c.VerifyHeader = "X-Verified" }, binding.ReasonForwardedUnverified},
			"peers":       {func(c *forwarded.Config) { c.Trust[0] = forwarded.TrustPeers(netip.MustParsePrefix("203.0.113.0/24")) }, binding.ReasonForwardedUntrusted},
			"secret":      {func(c *forwarded.Config) { c.Trust[1] = forwarded.TrustSharedSecret("X-Proxy-Key", secret+"2") }, binding.ReasonForwardedUntrusted},
			"secret's":    {func(c *forwarded.Config) { c.Trust[1] = forwarded.TrustSharedSecret("X-Proxy-Key-2", secret) }, binding.ReasonForwardedUntrusted},
			"socket":      {func(c *forwarded.Config) { c.Trust[0] = forwarded.TrustUnixSocket() }, binding.ReasonForwardedUntrusted},
		} {
			err := nested(config(row.change))
			if row.want == "" {
				require.NoError(t, err, name)
				continue
			}
			require.Error(t, err, name)
			requireReason(t, row.want, err)
		}
	})

	t.Run("M/419 a trailer is no header", func(t *testing.T) {
		t.Parallel()
		s := serve(t, forwarded.Config{Format: forwarded.RFC9440})
		for _, length := range []int64{-1, 1} {
			r, err := http.NewRequest(http.MethodPost, s.URL, strings.NewReader("x"))
			require.NoError(t, err)
			r.ContentLength, r.Trailer = length, header.Clone()
			r.Header.Set("Authorization", "Bearer "+token)
			response, err := s.peer(t).Do(r)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			require.Equal(t, http.StatusUnauthorized, response.StatusCode)
		}
	})
}

// An askedConn counts how often it is asked who is at its other end.
type askedConn struct {
	net.Conn
	asked *int
}

func (c *askedConn) RemoteAddr() net.Addr {
	*c.asked++
	return tcp("192.0.2.7:40000")
}

// Section N, by the numbers of its rows: what real proxies forward.
func TestForwardedInTheField(t *testing.T) {
	t.Parallel()
	victim, thief, gateway := newIdentity(t, "victim", nil, nil), newIdentity(t, "thief", nil, nil), newIdentity(t, "gateway", nil, nil)
	token := victim.thumbprint()
	xfcc := func(value string) http.Header { return http.Header{"X-Forwarded-Client-Cert": {value}} }

	t.Run("N/440 a certificate that crypto/x509 does not parse", func(t *testing.T) {
		t.Parallel()
		files, err := filepath.Glob("testdata/unparsed/*.pem")
		require.NoError(t, err)
		require.Len(t, files, 5)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			block, _ := pem.Decode(text)
			digest := binding.Thumbprint(sha256.Sum256(block.Bytes))
			for _, encoding := range encodings() {
				s := newSource(t, forwarded.Config{Format: encoding, Header: "X-Client-Cert"})
				value := http.Header{"X-Client-Cert": {encode(encoding, block.Bytes, digest)}}
				require.NoError(t, decide(t, s, digest.String(), requestWith(value)), "%s %s", file, encoding)
				requireReason(t, binding.ReasonThumbprintMismatch, decide(t, s, token, requestWith(value)))
				certificate, err := s.ClientCertificate(requestWith(value))
				require.NoError(t, err)
				_, err = certificate.X509()
				require.Error(t, err, file)
			}
		}
	})

	t.Run("N/442 a certificate of 50 KiB", func(t *testing.T) {
		t.Parallel()
		large := newIdentity(t, strings.Repeat("n", 25<<10), nil, nil)
		require.Greater(t, len(large.cert.Raw), 50<<10)
		for _, encoding := range encodings() {
			config := forwarded.Config{Format: encoding, Header: "X-Client-Cert", MaxBytes: 128 << 10}
			s := serve(t, config)
			s.send(t, s.peer(t), large.thumbprint(), http.Header{"X-Client-Cert": {encodeCert(encoding, large.cert)}}).requireAccepted(t)
		}
		s := serve(t, forwarded.Config{Format: forwarded.RFC9440})
		s.send(t, s.peer(t), large.thumbprint(), http.Header{"Client-Cert": {encodeCert(forwarded.RFC9440, large.cert)}}).
			requireRefused(t, binding.ReasonForwardedTooLong)
		source := newSource(t, forwarded.Config{Format: forwarded.Base64DER, Header: "X-Test-Cert", MaxBytes: 256 << 10})
		_, err := read(source, strings.Repeat("A", 256<<10))
		requireReason(t, binding.ReasonForwardedMalformed, err)
		_, err = read(source, strings.Repeat("A", 256<<10+1))
		requireReason(t, binding.ReasonForwardedTooLong, err)
	})

	t.Run("N/443 a bare semicolon inside a quoted value", func(t *testing.T) {
		t.Parallel()
		// One reader sees a value in quotes, another the pairs within.
		for _, value := range []string{
			"Hash=" + hexOf(victim) + `;X=",By=x;Hash=` + hexOf(thief) + `;URI=";a=b`,
			"Hash=" + hexOf(victim) + `;Subject="CN=a;b"`,
			"Hash=" + hexOf(victim) + `;Subject=";"`,
			"Hash=" + hexOf(victim) + `;Subject="\\;"`,
		} {
			for format, more := range map[forwarded.Format]string{
				forwarded.Envoy: "", forwarded.AzureContainerApps: "", forwarded.Istio: ",By=y;Hash=" + hexOf(gateway),
			} {
				s := serve(t, forwarded.Config{Format: format})
				s.send(t, s.peer(t), token, xfcc(value+more)).requireRefused(t, binding.ReasonForwardedMalformed)
			}
		}
		// As Envoy writes it.
		s := serve(t, forwarded.Config{Format: forwarded.Envoy})
		s.send(t, s.peer(t), token, xfcc("Hash="+hexOf(victim)+`;Subject="CN=a\;b\\\;,O=\"c, d\""`)).requireAccepted(t)
	})

	t.Run("N/444 Istio, the gateway's element alone", func(t *testing.T) {
		t.Parallel()
		one, two := "By=x;Hash="+hexOf(gateway)+";URI=spiffe://gw", "By=y;Hash="+hexOf(thief)
		s := serve(t, forwarded.Config{Format: forwarded.Istio})
		o := s.send(t, s.peer(t), token, xfcc(one))
		o.requireRefused(t, binding.ReasonCertificateMissing)
		require.Contains(t, errorTexts(o.event.Err), "one element less than configured")
		// It is never taken for the client's.
		s.send(t, s.peer(t), gateway.thumbprint(), xfcc(one)).requireRefused(t, binding.ReasonCertificateMissing)
		s.send(t, s.peer(t), token, xfcc("nonsense")).requireRefused(t, binding.ReasonForwardedMalformed)
		three := serve(t, forwarded.Config{Format: forwarded.Istio, Elements: 3, Element: 1})
		three.send(t, three.peer(t), token, xfcc(one+","+two)).requireRefused(t, binding.ReasonCertificateMissing)
		three.send(t, three.peer(t), token, xfcc(one)).requireRefused(t, binding.ReasonForwardedAmbiguous)
		// Where another element is the client's, or without the preset, nobody
		// knows whose is missing.
		for _, config := range []forwarded.Config{
			{Format: forwarded.Istio, Elements: 2, Element: 2}, {Format: forwarded.XFCC, Elements: 2, Element: 1}, {Format: forwarded.Envoy, Elements: 2, Element: 1},
		} {
			s := serve(t, config)
			s.send(t, s.peer(t), token, xfcc(one)).requireRefused(t, binding.ReasonForwardedAmbiguous)
		}
	})

	t.Run("N/445 xfcc-json", func(t *testing.T) {
		t.Parallel()
		object := func(i identity) string { return strings.Trim(encodeCert(forwarded.XFCCJSON, i.cert), "[]") }
		hash := func(i identity) string {
			return `{"by":["spiffe://x/y"],"hash":"` + hexOf(i) + `","subject":"CN=a,;\"b"}`
		}
		one := forwarded.Config{Format: forwarded.XFCCJSON}
		first, last := forwarded.Config{Format: forwarded.XFCCJSON, Elements: 2, Element: 1}, forwarded.Config{Format: forwarded.XFCCJSON, Elements: 2, Element: 2}
		otherCert := strings.Replace(object(victim), hexOf(victim), hexOf(thief), 1)
		for _, c := range []struct {
			name   string
			config forwarded.Config
			value  string
			want   binding.Reason // "": accepted
		}{
			{"one object", one, "[" + object(victim) + "]", ""},
			{"one object with the digest alone", one, "[" + hash(victim) + "]", ""},
			{"with space that JSON has", one, " [ " + hash(victim) + " ] ", ""},
			{"of another", one, "[" + object(thief) + "]", binding.ReasonThumbprintMismatch},
			{"two, of which the first counts", first, "[" + object(victim) + "," + hash(gateway) + "]", ""},
			{"two, of which the last counts", last, "[" + hash(gateway) + "," + object(victim) + "]", ""},
			{"two, the victim's in the wrong place", last, "[" + object(victim) + "," + hash(gateway) + "]", binding.ReasonThumbprintMismatch},
			{"one more, the client's in front", one, "[" + object(victim) + "," + object(thief) + "]", binding.ReasonForwardedAmbiguous},
			{"three of two", first, "[" + object(victim) + "," + object(thief) + "," + hash(gateway) + "]", binding.ReasonForwardedAmbiguous},
			{"one of two", first, "[" + object(victim) + "]", binding.ReasonForwardedAmbiguous},
			{"none", one, "[]", binding.ReasonCertificateMissing},
			{"none of two", first, "[ ]", binding.ReasonCertificateMissing},
			{"the text form", one, "Hash=" + hexOf(victim), binding.ReasonForwardedMalformed},
			{"JSON under xfcc", forwarded.Config{Format: forwarded.XFCC}, "[" + object(victim) + "]", binding.ReasonForwardedMalformed},
			{"JSON under envoy", forwarded.Config{Format: forwarded.Envoy}, "[" + object(victim) + "]", binding.ReasonForwardedMalformed},
			{"hash twice", one, `[{"hash":"` + hexOf(victim) + `","hash":"` + hexOf(victim) + `"}]`, binding.ReasonForwardedMalformed},
			{"Hash", one, `[{"Hash":"` + hexOf(victim) + `"}]`, binding.ReasonForwardedMalformed},
			{"hash and Hash", one, `[{"hash":"` + hexOf(victim) + `","Hash":"` + hexOf(thief) + `"}]`, binding.ReasonForwardedMalformed},
			{"hash and cert that disagree", one, "[" + otherCert + "]", binding.ReasonForwardedMalformed},
			{"anything behind the array", one, "[" + object(victim) + "],[" + object(thief) + "]", binding.ReasonForwardedMalformed},
		} {
			s := serve(t, c.config)
			got := s.send(t, s.peer(t), token, xfcc(c.value))
			if c.want == "" {
				got.requireAccepted(t)
			} else {
				got.requireRefused(t, c.want)
			}
		}
	})

	t.Run("N/453 ParseCertificate", func(t *testing.T) {
		t.Parallel()
		for _, encoding := range encodings() {
			value := encodeCert(encoding, victim.cert)
			certificate, err := forwarded.ParseCertificate(encoding, value)
			if encoding == forwarded.XFCC || encoding == forwarded.XFCCJSON {
				requireReason(t, binding.ReasonMisconfigured, err)
				require.Zero(t, certificate)
				continue
			}
			require.NoError(t, err, encoding)
			require.Equal(t, binding.ThumbprintOf(victim.cert), certificate.Thumbprint)
			if !strings.HasPrefix(string(encoding), "sha256") {
				require.Equal(t, victim.cert.Raw, certificate.DER)
			}
			for _, placeholder := range []string{"", "-", "(null)", "::", "{http.request.tls.client.certificate_der_base64}"} {
				certificate, err := forwarded.ParseCertificate(encoding, placeholder)
				require.NoError(t, err)
				require.Zero(t, certificate)
			}
			certificate, err = forwarded.ParseCertificate(encoding, strings.Repeat("A", 256<<10+1))
			requireReason(t, binding.ReasonForwardedTooLong, err)
			require.Zero(t, certificate)
			for _, v := range append(malformed(victim.cert.Raw)[encoding], strings.Repeat("A", 256<<10)) {
				certificate, err = forwarded.ParseCertificate(encoding, v)
				requireReason(t, binding.ReasonForwardedMalformed, err)
				require.Zero(t, certificate)
				requireNoLeak(t, errorTexts(err), http.Header{"X": {v}})
			}
		}
		for _, format := range append(forwarded.Formats(), "", "nonsense") {
			if format.Encoding() != format || format == "" {
				_, err := forwarded.ParseCertificate(format, encodeCert(forwarded.URLPEM, victim.cert))
				requireReason(t, binding.ReasonMisconfigured, err)
			}
		}
		certificate, err := forwarded.ParseCertificate(forwarded.SHA256Hex, hex.EncodeToString(sha256.New().Sum(nil)))
		require.NoError(t, err)
		require.Zero(t, certificate, "the digest of nothing")
	})
}

// An operator who named another format, or another header, than the proxy has
// is told so.
func TestHeaderOfAnotherFormat(t *testing.T) {
	t.Parallel()
	victim := newIdentity(t, "victim", nil, nil)
	const why = ": the client presented no certificate to the proxy, or the proxy does not set the header on this route"
	for _, c := range []struct {
		format forwarded.Format
		header http.Header
		want   string
	}{
		{forwarded.Nginx, http.Header{}, "forwarded: no X-Ssl-Client-Cert" + why},
		{forwarded.Nginx, http.Header{"X-Other": {"x"}}, "forwarded: no X-Ssl-Client-Cert" + why},
		{forwarded.Nginx, http.Header{"Client-Cert": {encodeCert(forwarded.RFC9440, victim.cert)}},
			"forwarded: no X-Ssl-Client-Cert; there is Client-Cert, the header of rfc9440, haproxy, caddy, cloudflare: see Config.Format and Config.Header"},
		{forwarded.RFC9440, http.Header{"X-Forwarded-Client-Cert": {""}},
			"forwarded: no Client-Cert; there is X-Forwarded-Client-Cert, the header of xfcc, xfcc-json, envoy, istio, azure-container-apps, cloud-foundry: see Config.Format and Config.Header"},
		{forwarded.Envoy, http.Header{"X-Arr-Clientcert": {"x", "y"}},
			"forwarded: no X-Forwarded-Client-Cert; there is X-Arr-Clientcert, the header of azure-app-service: see Config.Format and Config.Header"},
		{forwarded.Envoy, http.Header{"Client-Cert": nil}, "forwarded: no X-Forwarded-Client-Cert" + why},
	} {
		s := newSource(t, forwarded.Config{Format: c.format})
		certificate, err := s.ClientCertificate(requestWith(c.header))
		requireNone(t, certificate, err)
		require.EqualError(t, cause(t, err), c.want)
		refusal := decide(t, s, victim.thumbprint(), requestWith(c.header))
		requireReason(t, binding.ReasonCertificateMissing, refusal)
		require.EqualError(t, cause(t, refusal), c.want)
	}
}
