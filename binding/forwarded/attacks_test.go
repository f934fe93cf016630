package forwarded_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

// Section H of the project's list of attacks, by the numbers of its rows.
// Everything goes through a guard, over TLS.
func TestAttacks(t *testing.T) {
	t.Parallel()
	victim := newIdentity(t, "victim", nil, nil)
	thief := newIdentity(t, "thief", nil, nil)
	proxy := newIdentity(t, "proxy", nil, nil)
	token := victim.thumbprint()
	value := encodeCert(forwarded.RFC9440, victim.cert)
	elsewhere := []forwarded.Trust{forwarded.TrustPeers(netip.MustParsePrefix("192.0.2.0/24"))}
	with := func(name string, values ...string) http.Header { return http.Header{name: values} }

	t.Run("H/197 header from a peer that is not in the list", func(t *testing.T) {
		t.Parallel()
		s := serve(t, forwarded.Config{Format: forwarded.RFC9440, Trust: elsewhere})
		o := s.send(t, s.peer(t), token, with("Client-Cert", value))
		o.requireRefused(t, binding.ReasonForwardedUntrusted)
		require.Contains(t, errorTexts(o.event.Err), "127.0.0.1")
		// Reported, not ignored, also when it holds nothing or nonsense.
		for _, v := range []string{"", "(null)", "nonsense"} {
			s.send(t, s.peer(t), token, with("Client-Cert", v)).requireRefused(t, binding.ReasonForwardedUntrusted)
		}
		s.send(t, s.peer(t), token, with("Client-Cert", value, value)).requireRefused(t, binding.ReasonForwardedUntrusted)
	})

	t.Run("H/198 header without a trusted proxy configured", func(t *testing.T) {
		t.Parallel()
		_, err := forwarded.New(forwarded.Config{Format: forwarded.RFC9440})
		require.ErrorContains(t, err, "Trust: at least one rule is required")
		s := serveSource(t, nil)
		s.send(t, s.peer(t), token, with("Client-Cert", value)).requireRefused(t, binding.ReasonCertificateMissing)
		s.send(t, s.peer(t, thief.tls()), token, with("Client-Cert", value)).requireRefused(t, binding.ReasonThumbprintMismatch)
	})

	t.Run("H/199 trust decided by X-Forwarded-For", func(t *testing.T) {
		t.Parallel()
		header := http.Header{"Client-Cert": {value}, "X-Forwarded-For": {"192.0.2.1"}, "Forwarded": {"for=192.0.2.1"}, "X-Real-Ip": {"192.0.2.1"}}
		s := serve(t, forwarded.Config{Format: forwarded.RFC9440, Trust: elsewhere})
		s.send(t, s.peer(t), token, header).requireRefused(t, binding.ReasonForwardedUntrusted)
		// Middleware that believes it does not reach what ConnContext remembers.
		s = serve(t, forwarded.Config{Format: forwarded.RFC9440, Trust: elsewhere}, func(s *httptest.Server, next http.Handler) {
			s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.RemoteAddr = r.Header.Get("X-Forwarded-For") + ":443"
				next.ServeHTTP(w, r)
			})
		})
		o := s.send(t, s.peer(t), token, header)
		o.requireRefused(t, binding.ReasonForwardedUntrusted)
		require.Contains(t, errorTexts(o.event.Err), "127.0.0.1")
	})

	t.Run("H/200 forms of RemoteAddr", func(t *testing.T) {
		t.Parallel()
		source := newSource(t, forwarded.Config{Format: forwarded.RFC9440, Trust: []forwarded.Trust{
			forwarded.DangerouslyTrustRemoteAddr(netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("fe80::/10"))}})
		for address, trusted := range map[string]bool{
			"192.0.2.7:40000":               true,
			"[::ffff:192.0.2.7]:40000":      true,
			"[::ffff:192.0.2.7%eth0]:40000": true,
			"[fe80::1%eth0]:40000":          true,
			"[fe80::1]:40000":               true,
			"192.0.3.7:40000":               false,
			"[::ffff:192.0.3.7]:40000":      false,
			"[::192.0.2.7]:40000":           false,
			"192.0.2.7":                     false,
			"::ffff:192.0.2.7":              false,
			"192.0.2.7:":                    false,
			"192.0.2.7:http":                false,
			"192.0.2.7, 10.0.0.1:1":         false,
			"192.000.2.7:1":                 false,
			"localhost:1":                   false,
			"@":                             false,
			"":                              false,
		} {
			r := httptest.NewRequest(http.MethodGet, "https://api.example/", nil)
			r.Header, r.RemoteAddr = with("Client-Cert", value), address
			if err := decide(t, source, token, r); trusted {
				require.NoError(t, err, address)
			} else {
				require.Error(t, err, address)
				requireReason(t, binding.ReasonForwardedUntrusted, err)
			}
		}
	})

	s := serve(t, forwarded.Config{Format: forwarded.RFC9440})

	t.Run("H/201 header twice", func(t *testing.T) {
		t.Parallel()
		s := serve(t, forwarded.Config{Format: forwarded.RFC9440})
		s.send(t, s.peer(t), token, with("Client-Cert", value, value)).requireRefused(t, binding.ReasonForwardedAmbiguous)
		s.send(t, s.peer(t), token, with("Client-Cert", value, "")).requireRefused(t, binding.ReasonForwardedAmbiguous)
		s.send(t, s.peer(t), token, with("Client-Cert", value+", "+value)).requireRefused(t, binding.ReasonForwardedAmbiguous)
	})

	t.Run("H/202 TLS client certificate and header both present", func(t *testing.T) {
		t.Parallel()
		s := serve(t, forwarded.Config{Format: forwarded.RFC9440})
		s.send(t, s.peer(t, proxy.tls()), token, with("Client-Cert", value)).requireAccepted(t)
		// The victim's own connection is no second source.
		s.send(t, s.peer(t, victim.tls()), token, with("Client-Cert", encodeCert(forwarded.RFC9440, thief.cert))).
			requireRefused(t, binding.ReasonThumbprintMismatch)
		s.send(t, s.peer(t, victim.tls()), token, with("Client-Cert", "nonsense")).requireRefused(t, binding.ReasonForwardedMalformed)
	})

	t.Run("H/203 token bound to the proxy", func(t *testing.T) {
		t.Parallel()
		s := serve(t, forwarded.Config{Format: forwarded.RFC9440})
		s.send(t, s.peer(t, proxy.tls()), proxy.thumbprint(), with("Client-Cert", value)).requireRefused(t, binding.ReasonThumbprintMismatch)
		// Nor when the proxy forwards its own certificate.
		own := with("Client-Cert", encodeCert(forwarded.RFC9440, proxy.cert))
		s.send(t, s.peer(t, proxy.tls()), proxy.thumbprint(), own).requireRefused(t, binding.ReasonForwardedUntrusted)
	})

	t.Run("H/204 proxy with a certificate forwards none", func(t *testing.T) {
		t.Parallel()
		s := serve(t, forwarded.Config{Format: forwarded.RFC9440, Trust: []forwarded.Trust{
			forwarded.TrustProxyCertificate(binding.ThumbprintOf(proxy.cert))}})
		s.send(t, s.peer(t, proxy.tls()), proxy.thumbprint(), nil).requireRefused(t, binding.ReasonCertificateMissing)
		s.send(t, s.peer(t, proxy.tls()), token, nil).requireRefused(t, binding.ReasonCertificateMissing)
	})

	t.Run("H/205 placeholders are no certificate", func(t *testing.T) {
		t.Parallel()
		s := serve(t, forwarded.Config{Format: forwarded.RFC9440})
		for _, placeholder := range []string{"", "-", "(null)", "::", "{http.request.tls.client.certificate_der_base64}",
			":{http.request.tls.client.certificate_der_base64}:"} {
			s.send(t, s.peer(t), token, with("Client-Cert", placeholder)).requireRefused(t, binding.ReasonCertificateMissing)
		}
	})

	t.Run("H/206 malformed", func(t *testing.T) {
		t.Parallel()
		for encoding, values := range malformed(victim.cert.Raw) {
			s := serve(t, forwarded.Config{Format: encoding, Header: "X-Client-Cert"})
			client := s.peer(t)
			s.send(t, client, token, with("X-Client-Cert", encodeCert(encoding, victim.cert))).requireAccepted(t)
			for _, v := range values {
				source := newSource(t, forwarded.Config{Format: encoding, Header: "X-Client-Cert"})
				err := decide(t, source, token, requestWith(with("X-Client-Cert", v)))
				require.Error(t, err, "%s: %q", encoding, v)
				requireReason(t, binding.ReasonForwardedMalformed, err)
				requireNoLeak(t, errorTexts(err), with("X-Client-Cert", v))
			}
			s.send(t, client, token, with("X-Client-Cert", values[0])).requireRefused(t, binding.ReasonForwardedMalformed)
		}
	})

	t.Run("H/207 wrong PEM type", func(t *testing.T) {
		t.Parallel()
		for _, kind := range []string{"PRIVATE KEY", "CERTIFICATE REQUEST", "TRUSTED CERTIFICATE", "X509 CERTIFICATE", "certificate", "CERTIFICATE "} {
			text := strings.ReplaceAll(pemText(victim.cert.Raw), "CERTIFICATE", kind)
			for encoding, v := range map[forwarded.Format]string{
				forwarded.URLPEM:      escape(text),
				forwarded.URLPEMChain: escape(text),
				forwarded.PEMSpaces:   strings.ReplaceAll(text, "\n", " "),
				forwarded.Base64PEM:   b64([]byte(text)),
				forwarded.XFCC:        "Hash=" + hexOf(victim) + `;Cert="` + escape(text) + `"`,
			} {
				source := newSource(t, forwarded.Config{Format: encoding, Header: "X-Client-Cert"})
				err := decide(t, source, token, requestWith(with("X-Client-Cert", v)))
				requireReason(t, binding.ReasonForwardedMalformed, err)
				requireNoLeak(t, errorTexts(err), with("X-Client-Cert", v))
			}
		}
	})

	victimFirst, thiefFirst := pemText(victim.cert.Raw)+pemText(thief.cert.Raw), pemText(thief.cert.Raw)+pemText(victim.cert.Raw)

	t.Run("H/208 two PEM blocks, leaf first", func(t *testing.T) {
		t.Parallel()
		for encoding, v := range map[forwarded.Format]string{
			forwarded.URLPEM:    escape(victimFirst),
			forwarded.PEMSpaces: strings.ReplaceAll(victimFirst, "\n", " "),
			forwarded.Base64PEM: b64([]byte(victimFirst)),
		} {
			s := serve(t, forwarded.Config{Format: encoding, Header: "X-Client-Cert"})
			s.send(t, s.peer(t), token, with("X-Client-Cert", v)).requireRefused(t, binding.ReasonForwardedMalformed)
		}
		for encoding, v := range map[forwarded.Format]string{
			forwarded.URLPEMChain: escape(victimFirst),
			forwarded.Traefik:     b64(victim.cert.Raw) + "," + b64(thief.cert.Raw),
		} {
			s := serve(t, forwarded.Config{Format: encoding, Header: "X-Client-Cert"})
			s.send(t, s.peer(t), token, with("X-Client-Cert", v)).requireAccepted(t)
		}
	})

	t.Run("H/209 two PEM blocks, issuer first", func(t *testing.T) {
		t.Parallel()
		for encoding, v := range map[forwarded.Format]string{
			forwarded.URLPEMChain: escape(thiefFirst),
			forwarded.Traefik:     b64(thief.cert.Raw) + "," + b64(victim.cert.Raw),
		} {
			s := serve(t, forwarded.Config{Format: encoding, Header: "X-Client-Cert"})
			s.send(t, s.peer(t), token, with("X-Client-Cert", v)).requireRefused(t, binding.ReasonThumbprintMismatch)
		}
	})

	t.Run("H/210 bytes after the DER or after END", func(t *testing.T) {
		t.Parallel()
		longer := append(append([]byte{}, victim.cert.Raw...), 0)
		for encoding, values := range map[forwarded.Format][]string{
			forwarded.Base64DER:   {b64(longer)},
			forwarded.RFC9440:     {":" + b64(longer) + ":"},
			forwarded.Traefik:     {b64(longer), b64(victim.cert.Raw) + "," + b64(longer)},
			forwarded.URLPEM:      {escape(pemText(longer)), escape(pemText(victim.cert.Raw) + "\n"), escape(pemText(victim.cert.Raw) + "x")},
			forwarded.URLPEMChain: {escape(pemText(longer)), escape(pemText(victim.cert.Raw) + "x"), escape(pemText(victim.cert.Raw) + pemText(longer))},
			forwarded.PEMSpaces:   {strings.ReplaceAll(pemText(victim.cert.Raw), "\n", " ") + "x"},
			forwarded.Base64PEM:   {b64([]byte(pemText(victim.cert.Raw) + "x"))},
		} {
			s := serve(t, forwarded.Config{Format: encoding, Header: "X-Client-Cert"})
			for _, v := range values {
				s.send(t, s.peer(t), token, with("X-Client-Cert", v)).requireRefused(t, binding.ReasonForwardedMalformed)
			}
		}
	})

	t.Run("H/211 PEM with spaces is that format's alone", func(t *testing.T) {
		t.Parallel()
		spaces := encodeCert(forwarded.PEMSpaces, victim.cert)
		for _, encoding := range encodings() {
			err := decide(t, newSource(t, forwarded.Config{Format: encoding, Header: "X-Client-Cert"}), token, requestWith(with("X-Client-Cert", spaces)))
			if encoding == forwarded.PEMSpaces {
				require.NoError(t, err)
			} else {
				requireReason(t, binding.ReasonForwardedMalformed, err)
			}
		}
	})

	t.Run("H/212 RFC 9440 with missing colons or parameters", func(t *testing.T) {
		t.Parallel()
		s := serve(t, forwarded.Config{Format: forwarded.RFC9440})
		bare := strings.Trim(value, ":")
		for _, v := range []string{bare, ":" + bare, bare + ":", value + ";a=1", value + ";", ":" + value + ":", `"` + bare + `"`, ":"} {
			s.send(t, s.peer(t), token, with("Client-Cert", v)).requireRefused(t, binding.ReasonForwardedMalformed)
		}
	})

	t.Run("H/213 XFCC with Hash alone", func(t *testing.T) {
		t.Parallel()
		s := serve(t, forwarded.Config{Format: forwarded.Envoy})
		s.send(t, s.peer(t), token, with("X-Forwarded-Client-Cert", "Hash="+hexOf(victim))).requireAccepted(t)
		s.send(t, s.peer(t), token, with("X-Forwarded-Client-Cert", "Hash="+hexOf(thief))).requireRefused(t, binding.ReasonThumbprintMismatch)
		s.send(t, s.peer(t), token, with("X-Forwarded-Client-Cert", `Subject="CN=victim"`)).requireRefused(t, binding.ReasonForwardedMalformed)
	})

	t.Run("H/214 XFCC with several elements", func(t *testing.T) {
		t.Parallel()
		v := `Hash=` + hexOf(victim) + `;Subject="CN=a\",Hash=b\;c=\\",By=spiffe://mesh/gateway;Hash=` + hexOf(proxy) + `;Subject="";URI=spiffe://mesh/x`
		envoy := serve(t, forwarded.Config{Format: forwarded.Envoy})
		envoy.send(t, envoy.peer(t), token, with("X-Forwarded-Client-Cert", v)).requireRefused(t, binding.ReasonForwardedAmbiguous)
		istio := serve(t, forwarded.Config{Format: forwarded.Istio})
		istio.send(t, istio.peer(t), token, with("X-Forwarded-Client-Cert", v)).requireAccepted(t)
		istio.send(t, istio.peer(t), proxy.thumbprint(), with("X-Forwarded-Client-Cert", v)).requireRefused(t, binding.ReasonThumbprintMismatch)
		istio.send(t, istio.peer(t), token, with("X-Forwarded-Client-Cert", "Hash="+hexOf(victim)+","+v)).requireRefused(t, binding.ReasonForwardedAmbiguous)
		last := serve(t, forwarded.Config{Format: forwarded.XFCC, Elements: 2, Element: 2})
		last.send(t, last.peer(t), proxy.thumbprint(), with("X-Forwarded-Client-Cert", v)).requireAccepted(t)
		last.send(t, last.peer(t), token, with("X-Forwarded-Client-Cert", v)).requireRefused(t, binding.ReasonThumbprintMismatch)
	})

	t.Run("H/215 XFCC with Hash and Cert that disagree", func(t *testing.T) {
		t.Parallel()
		s := serve(t, forwarded.Config{Format: forwarded.Envoy})
		v := "Hash=" + hexOf(victim) + `;Cert="` + escape(pemText(thief.cert.Raw)) + `"`
		s.send(t, s.peer(t), token, with("X-Forwarded-Client-Cert", v)).requireRefused(t, binding.ReasonForwardedMalformed)
		s.send(t, s.peer(t), thief.thumbprint(), with("X-Forwarded-Client-Cert", v)).requireRefused(t, binding.ReasonForwardedMalformed)
	})

	t.Run("H/216 Client-Cert-Chain without Client-Cert", func(t *testing.T) {
		t.Parallel()
		s := serve(t, forwarded.Config{Format: forwarded.RFC9440})
		s.send(t, s.peer(t), token, with("Client-Cert-Chain", value)).requireRefused(t, binding.ReasonCertificateMissing)
	})

	t.Run("H/217 header over the limit", func(t *testing.T) {
		t.Parallel()
		big := newIdentity(t, strings.Repeat("n", 14_000), nil, nil)
		v := encodeCert(forwarded.RFC9440, big.cert)
		require.Greater(t, len(v), 32<<10)
		s := serve(t, forwarded.Config{Format: forwarded.RFC9440})
		s.send(t, s.peer(t), big.thumbprint(), with("Client-Cert", v)).requireRefused(t, binding.ReasonForwardedTooLong)
		larger := serve(t, forwarded.Config{Format: forwarded.RFC9440, MaxBytes: len(v)})
		larger.send(t, larger.peer(t), big.thumbprint(), with("Client-Cert", v)).requireAccepted(t)
		smaller := serve(t, forwarded.Config{Format: forwarded.RFC9440, MaxBytes: len(v) - 1})
		smaller.send(t, smaller.peer(t), big.thumbprint(), with("Client-Cert", v)).requireRefused(t, binding.ReasonForwardedTooLong)
	})

	t.Run("H/218 PEM with headers, nested BEGINs, a megabyte", func(t *testing.T) {
		t.Parallel()
		const begin, end = "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n"
		body := strings.TrimSuffix(strings.TrimPrefix(pemText(victim.cert.Raw), begin), end)
		for _, text := range []string{
			strings.Repeat(begin, 1000) + body + end,
			begin + strings.Repeat("Proc-Type: 4\n", 1000) + "\n" + body + end,
			begin + "\n" + body + end,
			strings.Repeat(begin, 1500),
			begin + strings.Repeat("\n", 30_000) + end,
			begin + begin + body + end + end,
		} {
			source := newSource(t, forwarded.Config{Format: forwarded.PEMSpaces, Header: "X-Client-Cert", MaxBytes: 256 << 10})
			v := strings.ReplaceAll(text, "\n", " ")
			requireReason(t, binding.ReasonForwardedMalformed, decide(t, source, token, requestWith(with("X-Client-Cert", v))))
			source = newSource(t, forwarded.Config{Format: forwarded.Base64PEM, Header: "X-Client-Cert", MaxBytes: 256 << 10})
			requireReason(t, binding.ReasonForwardedMalformed, decide(t, source, token, requestWith(with("X-Client-Cert", b64([]byte(text))))))
		}
		// At the hard limit the worst value costs little; over it nothing.
		source := newSource(t, forwarded.Config{Format: forwarded.URLPEMChain, Header: "X-Client-Cert", MaxBytes: 256 << 10})
		v := strings.Repeat(url.PathEscape(begin), 1<<20/len(url.PathEscape(begin)))
		requireReason(t, binding.ReasonForwardedTooLong, decide(t, source, token, requestWith(with("X-Client-Cert", v))))
		requireReason(t, binding.ReasonForwardedMalformed, decide(t, source, token, requestWith(with("X-Client-Cert", v[:256<<10]))))
	})

	t.Run("H/219 X-Client-Cert and X_Client_Cert", func(t *testing.T) {
		t.Parallel()
		s := serve(t, forwarded.Config{Format: forwarded.RFC9440, Header: "X-Client-Cert"})
		for _, alias := range []string{"X_Client_Cert", "X.Client.Cert", "X-Client_Cert", "x_client_cert", "X~CLIENT|CERT"} {
			s.send(t, s.peer(t), token, http.Header{"X-Client-Cert": {value}, alias: {value}}).requireRefused(t, binding.ReasonForwardedAmbiguous)
			s.send(t, s.peer(t), token, http.Header{alias: {value}}).requireRefused(t, binding.ReasonForwardedAmbiguous)
		}
		s.send(t, s.peer(t), token, http.Header{"X-Client-Cert": {value}, "X-Client-Cert-": {value}, "Xclient-Cert": {value}}).requireAccepted(t)
		// In lower case on the wire it is the header itself.
		s.send(t, s.peer(t), token, http.Header{"x-client-cert": {value}}).requireAccepted(t)
		s.send(t, s.peer(t), token, http.Header{"x-client-cert": {value}, "X-CLIENT-CERT": {value}}).requireRefused(t, binding.ReasonForwardedAmbiguous)
		// A key that is not in canonical form cannot come from net/http; from
		// elsewhere it can.
		source := newSource(t, forwarded.Config{Format: forwarded.RFC9440, Header: "X-Client-Cert"})
		for _, header := range []http.Header{{"x-client-cert": {value}}, {"X-Client-Cert": {value}, "X-CLIENT-CERT": {value}}} {
			requireReason(t, binding.ReasonForwardedAmbiguous, decide(t, source, token, requestWith(header)))
		}
	})

	t.Run("H/220 Connection names the header", func(t *testing.T) {
		t.Parallel()
		// A proxy with Apache httpd's fault: it sets the header, and then drops
		// what the client's Connection names.
		s := serve(t, forwarded.Config{Format: forwarded.RFC9440, Header: "X-Client-Cert"})
		target, err := url.Parse(s.URL)
		require.NoError(t, err)
		front := httptest.NewServer(&httputil.ReverseProxy{
			Transport: s.peer(t).Transport,
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				r.Out.Header.Set("X-Client-Cert", value)
				r.Out.Header.Del(r.In.Header.Get("Connection"))
			},
		})
		t.Cleanup(front.Close)
		s.sendTo(t, front.URL, front.Client(), token, nil).requireAccepted(t)
		s.sendTo(t, front.URL, front.Client(), token, with("Connection", "x-client-cert")).requireRefused(t, binding.ReasonCertificateMissing)
	})

	t.Run("H/221 verification FAILED or NONE forwarded with a certificate", func(t *testing.T) {
		t.Parallel()
		s := serve(t, forwarded.Config{Format: forwarded.Nginx, VerifyHeader: "X-Ssl-Client-Verify"})
		pem := encodeCert(forwarded.URLPEM, victim.cert)
		send := func(verify ...string) outcome {
			return s.send(t, s.peer(t), token, http.Header{"X-Ssl-Client-Cert": {pem}, "X-Ssl-Client-Verify": verify})
		}
		send("SUCCESS").requireAccepted(t)
		for _, v := range []string{"FAILED", "FAILED:self-signed certificate", "NONE", "", "0", "GENEROUS", "success", "SUCCESS:", "SUCCESS,SUCCESS", "SUCCESSFUL"} {
			send(v).requireRefused(t, binding.ReasonForwardedUnverified)
		}
		send().requireRefused(t, binding.ReasonForwardedUnverified)
		send("SUCCESS", "SUCCESS").requireRefused(t, binding.ReasonForwardedAmbiguous)
		s.send(t, s.peer(t), token, http.Header{"X-Ssl-Client-Cert": {pem}, "X-Ssl-Client-Verify": {"SUCCESS"}, "X_SSL_Client_Verify": {"NONE"}}).
			requireRefused(t, binding.ReasonForwardedAmbiguous)
	})

	t.Run("no untrusted or malformed header makes a bound token unbound", func(t *testing.T) {
		t.Parallel()
		// The server's policy accepts unbound tokens; it did all the time.
		s.send(t, s.peer(t), "unbound", with("Client-Cert", "nonsense")).requireAccepted(t)
		s.send(t, s.peer(t), token, with("Client-Cert", "nonsense")).requireRefused(t, binding.ReasonForwardedMalformed)
	})
}

func hexOf(i identity) string { return encode(forwarded.SHA256Hex, nil, binding.ThumbprintOf(i.cert)) }
