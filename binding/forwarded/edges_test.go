package forwarded_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

// An outer SEQUENCE at the edges of its length's forms (X.690 §8.1.3, §10.1).
func TestDERLengths(t *testing.T) {
	t.Parallel()
	sequence := func(contents int, length ...byte) []byte {
		return append(append([]byte{0x30}, length...), make([]byte, contents)...)
	}
	source := sourceOf(t, forwarded.Base64DER)
	for name, der := range map[string][]byte{
		"one byte":                 sequence(1, 1),
		"the longest short form":   sequence(0x7f, 0x7f),
		"the shortest long form":   sequence(0x80, 0x81, 0x80),
		"the longest of one octet": sequence(0xff, 0x81, 0xff),
		"two octets":               sequence(0x100, 0x82, 1, 0),
		"as long as can come":      sequence(0x2fff0, 0x83, 0x02, 0xff, 0xf0),
	} {
		long := newSource(t, forwarded.Config{Format: forwarded.Base64DER, Header: "X-Test-Cert", MaxBytes: 256 << 10})
		certificate, err := read(long, b64(der))
		require.NoError(t, err, name)
		require.True(t, bytes.Equal(der, certificate.DER), name)
	}
	for name, der := range map[string][]byte{
		"a tag":                                {0x30},
		"nothing in it":                        {0x30, 0},
		"another tag":                          {0x31, 1, 0},
		"a byte too few":                       sequence(1, 2),
		"a byte too many":                      sequence(3, 2),
		"indefinite":                           sequence(2, 0x80),
		"indefinite, as long as its octet":     sequence(0x80, 0x80),
		"long form for a short length":         sequence(0x7f, 0x81, 0x7f),
		"two octets for one":                   sequence(0x80, 0x82, 0, 0x80),
		"three octets for two":                 sequence(0x100, 0x83, 0, 1, 0),
		"four octets for two":                  sequence(0x100, 0x84, 0, 0, 1, 0),
		"no octets where one is announced":     {0x30, 0x81},
		"two octets where three are announced": {0x30, 0x83, 1, 0},
		"long form, a byte too few":            sequence(0x7f, 0x81, 0x80),
		"long form, a byte too many":           sequence(0x81, 0x81, 0x80),
	} {
		_, err := read(source, b64(der))
		requireReason(t, binding.ReasonForwardedMalformed, err)
		require.ErrorContains(t, cause(t, err), "not one DER sequence", name)
	}
}

// The cause, for the operator's log, says which layer was wrong.
func TestCauseNamesTheLayer(t *testing.T) {
	t.Parallel()
	const begin, end = "-----BEGIN CERTIFICATE-----\n", "\n-----END CERTIFICATE-----\n"
	text, otherDER := begin+"MAEA"+end, begin+"MQEA"+end
	const percent, base64, pem, der = "not percent-encoded", "not strictly base64", "not exactly the PEM text", "not one DER sequence"
	for _, c := range []struct {
		encoding    forwarded.Format
		value, want string
	}{
		{forwarded.RFC9440, ":MAEA", "not a byte sequence between colons"},
		{forwarded.RFC9440, ":MAE:", base64},
		{forwarded.RFC9440, ":MQEA:", der},
		{forwarded.Base64DER, "MAE", base64},
		{forwarded.Base64DER, "MAEA\n", base64},
		{forwarded.Traefik, "%zz", percent},
		{forwarded.Traefik, "MAE", base64},
		{forwarded.Traefik, "MQEA", der},
		{forwarded.Traefik, "MAEA,MQEA", der},
		{forwarded.URLPEM, "%zz", percent},
		{forwarded.URLPEM, "MAEA", pem},
		{forwarded.URLPEM, escape(text + text), pem},
		{forwarded.URLPEM, escape(begin + end), pem},
		{forwarded.URLPEM, escape(begin + "MAE" + end), base64},
		{forwarded.URLPEM, escape(begin + "MAE" + end + "\n"), base64},
		{forwarded.URLPEM, escape(otherDER), der},
		{forwarded.URLPEMChain, "%zz", percent},
		{forwarded.URLPEMChain, escape(text + "x"), pem},
		{forwarded.URLPEMChain, escape(strings.TrimSuffix(text, "\n") + text), pem},
		{forwarded.URLPEMChain, escape(text + begin + "MAE" + end), base64},
		{forwarded.URLPEMChain, escape(begin + "MAE" + end + "x"), base64},
		{forwarded.URLPEMChain, escape(otherDER + text), der},
		{forwarded.PEMSpaces, "MAEA", pem},
		{forwarded.PEMSpaces, strings.ReplaceAll(begin+"MAE"+end, "\n", " "), base64},
		{forwarded.Base64PEM, "MAE", base64},
		{forwarded.Base64PEM, b64([]byte("MAEA")), pem},
		{forwarded.XFCC, "Hash=" + strings.Repeat("0", 64) + `;Cert="%zz"`, percent},
		{forwarded.XFCC, "Hash=" + strings.Repeat("0", 64) + `;Cert="` + escape(text) + `"`, "Hash and Cert disagree"},
		{forwarded.XFCC, "Hash=00", "not a SHA-256 digest"},
		{forwarded.XFCCJSON, `[{"hash":"` + strings.Repeat("0", 64) + `","cert":"MAEA"}]`, pem},
		{forwarded.SHA256Hex, "00", "not a SHA-256 digest"},
		{forwarded.SHA256Base64, "AA==", "not a SHA-256 digest"},
		{forwarded.SHA256Base64URL, "AA", "not a SHA-256 digest"},
	} {
		_, err := read(sourceOf(t, c.encoding), c.value)
		requireReason(t, binding.ReasonForwardedMalformed, err)
		require.ErrorContains(t, cause(t, err), c.want, "%s %q", c.encoding, c.value)
		require.ErrorContains(t, cause(t, err), "X-Test-Cert, as Config.Format "+string(c.encoding))
	}
	for _, format := range []forwarded.Format{forwarded.URLPEM, forwarded.URLPEMChain} {
		_, err := read(sourceOf(t, format), strings.ReplaceAll(text, "\n", " "))
		require.ErrorContains(t, cause(t, err), "not percent-encoded: X-Test-Cert, as Config.Format "+string(format)+"; it is PEM as it stands")
		_, err = read(sourceOf(t, format), "%zz")
		require.NotContains(t, cause(t, err).Error(), "nginx", "what is malformed is no PEM as it stands")
	}
	_, err := read(sourceOf(t, forwarded.XFCC), "Hash="+strings.Repeat("0", 64)+",Hash="+strings.Repeat("0", 64))
	requireReason(t, binding.ReasonForwardedAmbiguous, err)
	require.NotContains(t, cause(t, err).Error(), "Config.Format", "the format is right")
	_, err = read(sourceOf(t, forwarded.PEMSpaces), text)
	require.NotContains(t, cause(t, err).Error(), "nginx", "PEM is right there, and something else is wrong")
}

func cause(t *testing.T, err error) error {
	t.Helper()
	var refusal *binding.Error
	require.ErrorAs(t, err, &refusal)
	return refusal.Cause
}

// Blank lines, in RFC 7468 and in what proxies send, are at no place of a block.
func TestPEMWithABlankLine(t *testing.T) {
	t.Parallel()
	for _, lines := range []string{"MAE\n\nA", "\nMAEA", "MAEA\n"} {
		text := "-----BEGIN CERTIFICATE-----\n" + lines + "\n-----END CERTIFICATE-----\n"
		for encoding, value := range map[forwarded.Format]string{
			forwarded.URLPEM:      escape(text),
			forwarded.URLPEMChain: escape(text),
			forwarded.PEMSpaces:   strings.ReplaceAll(text, "\n", " "),
			forwarded.Base64PEM:   b64([]byte(text)),
		} {
			_, err := read(sourceOf(t, encoding), value)
			requireReason(t, binding.ReasonForwardedMalformed, err)
		}
	}
	// Lines of any length, and no line break at the end.
	for encoding, value := range map[forwarded.Format]string{
		forwarded.URLPEM:      escape("-----BEGIN CERTIFICATE-----\nMA\nEA\n-----END CERTIFICATE-----"),
		forwarded.URLPEMChain: escape("-----BEGIN CERTIFICATE-----\nMA\nEA\n-----END CERTIFICATE-----"),
	} {
		certificate, err := read(sourceOf(t, encoding), value)
		require.NoError(t, err)
		require.Equal(t, []byte{0x30, 1, 0}, certificate.DER)
	}
}

// The padding of a digest in standard base64 is there or not, and nothing else is.
func TestSHA256Base64Padding(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("B", 42) + "A"
	for _, value := range []string{digest, digest + "="} {
		certificate, err := read(sourceOf(t, forwarded.SHA256Base64), value)
		require.NoError(t, err)
		require.Equal(t, digest, certificate.Thumbprint.String())
	}
	for _, value := range []string{digest + "==", digest[:42] + "=", digest[:42], "=" + digest} {
		_, err := read(sourceOf(t, forwarded.SHA256Base64), value)
		requireReason(t, binding.ReasonForwardedMalformed, err)
	}
}

// XFCC's keys are letters, and there is one.
func TestXFCCKeys(t *testing.T) {
	t.Parallel()
	hash := "Hash=" + strings.Repeat("01", 32)
	for _, pair := range []string{"azAZ=x", "A=", "z=x"} {
		_, err := read(sourceOf(t, forwarded.XFCC), hash+";"+pair)
		require.NoError(t, err, pair)
	}
	for _, pair := range []string{"=x", "a{=x", "`=x", "{=x", "@=x", "[=x", "1=x", "a-b=x", "é=x"} {
		_, err := read(sourceOf(t, forwarded.XFCC), hash+";"+pair)
		requireReason(t, binding.ReasonForwardedMalformed, err)
		require.ErrorContains(t, cause(t, err), "not pairs of key and value", pair)
	}
	// A digest that is known already vouches for no certificate that is not readable.
	_, err := read(sourceOf(t, forwarded.XFCC), "Hash="+strings.Repeat("0", 64)+`;Cert="x"`)
	requireReason(t, binding.ReasonForwardedMalformed, err)
}

// A placeholder's text is exactly Caddy's; all that is nearly so is a malformed certificate, not an absent one.
func TestPlaceholders(t *testing.T) {
	t.Parallel()
	source := sourceOf(t, forwarded.RFC9440)
	for _, value := range []string{"", "-", "(null)", "::", "{http.request.tls.client.certificate_der_base64}",
		":{http.request.az.09_}:", "{http.request.}"} {
		certificate, err := read(source, value)
		requireNone(t, certificate, err)
		require.EqualError(t, cause(t, err), "forwarded: X-Test-Cert says that there is no certificate: "+
			"the client presented none to the proxy, or the proxy could not forward it", value)
	}
	for _, value := range []string{" ", "--", "null", ":", ":::", ":-:", "tls.client}", "{http.request.tls", ":{http.request.tls}", "{http.request.tls}:",
		"{http.request.A}", "{http.request.`}", "{http.request.{}", "{http.request./}", "{http.request.:}", "{http.request.-}", "{http.request.tls}}",
		"{http.request.a b}", "x{http.request.tls}", "{http.vars.tls}"} {
		_, err := read(source, value)
		requireReason(t, binding.ReasonForwardedMalformed, err)
	}
}

// Without its header a source has no certificate, whoever the peer is and over whatever it came. The cause tells an
// operator apart what is to be looked at: the client or the proxy's line, or who it is that comes past the proxy.
func TestWithoutTheHeader(t *testing.T) {
	t.Parallel()
	const line = "forwarded: no X-Test-Cert: the client presented no certificate to the proxy, or the proxy does not set the header on this route"
	const stranger = "forwarded: no X-Test-Cert, from a peer that Config.Trust does not trust: "
	secret := forwarded.TrustSharedSecret("X-Proxy-Secret", "0123456789abcdef")
	known := requestWith(http.Header{})
	for name, c := range map[string]struct {
		trust   []forwarded.Trust
		request *http.Request
		want    string
	}{
		"the proxy":             {trustTest(), known, line},
		"the proxy, in IPv6":    {trustTest(), from(known, tcp("[::ffff:192.0.2.7]:1")), line},
		"another peer":          {trustTest(), from(known, tcp("203.0.113.1:40000")), stranger + "its address is in no trusted range"},
		"one more":              {trustTest(), from(known, tcp("203.0.113.2:40001")), stranger + "its address is in no trusted range"},
		"no ConnContext":        {trustTest(), httptest.NewRequest(http.MethodGet, "/", nil), stranger + "the server does not say who connected: set ConnContext of http.Server to forwarded.ConnContext"},
		"without its secret":    {append(trustTest(), secret), known, stranger + "the header of the shared secret did not come exactly once"},
		"with another's secret": {[]forwarded.Trust{secret}, requestWith(http.Header{"X-Proxy-Secret": {"fedcba9876543210"}}), stranger + "the shared secret is wrong"},
		"with its secret":       {[]forwarded.Trust{secret}, requestWith(http.Header{"X-Proxy-Secret": {"0123456789abcdef"}}), line},
	} {
		source := newSource(t, forwarded.Config{Format: forwarded.Base64DER, Header: "X-Test-Cert", Trust: c.trust})
		certificate, err := source.ClientCertificate(c.request)
		requireNone(t, certificate, err)
		require.EqualError(t, cause(t, err), c.want, name)
	}

	source := sourceOf(t, forwarded.Base64DER)
	plain := requestWith(http.Header{"X-Test-Cert": {"MAEA"}})
	plain.TLS = nil
	certificate, err := source.ClientCertificate(plain)
	require.NoError(t, err)
	require.NotZero(t, certificate)
}

// A name is another's look-alike by its letters and digits, whatever their case and whatever stands between them.
func TestLookAlikes(t *testing.T) {
	t.Parallel()
	source := newSource(t, forwarded.Config{Format: forwarded.Base64DER, Header: "X-Az09-Cert"})
	for _, name := range []string{"x-az09-cert", "X-AZ09-CERT", "X_Az09_Cert", "X.Az09!Cert"} {
		_, err := source.ClientCertificate(requestWith(http.Header{"X-Az09-Cert": {"MAEA"}, name: {"MAEA"}}))
		requireReason(t, binding.ReasonForwardedAmbiguous, err)
		_, err = source.ClientCertificate(requestWith(http.Header{name: {"MAEA"}}))
		requireReason(t, binding.ReasonForwardedAmbiguous, err)
	}
	for _, other := range []http.Header{
		{"X-A-09-Cert": {"x"}, "X-Az-9-Cert": {"x"}, "X-Az0--Cert": {"x"}, "X--z09-Cert": {"x"}, "X-Az09-Cert-": {"x"}, "Xaz09cert": {"x"}},
		{"X_Az09_Cert": {}, "X-AZ09-CERT": nil}, // no values, no field
	} {
		other["X-Az09-Cert"] = []string{"MAEA"}
		_, err := source.ClientCertificate(requestWith(other))
		require.NoError(t, err, "%v", other)
	}
}
