package suite

import (
	"crypto"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// joseHeader is section C but for keys. Every token is signed by the issuer over the very header that is shown: the header
// alone refuses it.
func (s *suite) joseHeader(t *testing.T) {
	site := s.guarded(t, binding.Config{})
	claims := s.members(s.Holder.Certificate)
	header := s.header()
	text := func(header string) string { return s.rawHeader(t, header, claims.String()) }
	with := func(name, value string) string { return text(header.with(name, value).String()) }
	kid := header["kid"]
	deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	raw := strings.Split(with("crit", `["b64"]`), ".")

	site.checkTokens(t, site.Probe, []tokenRow{
		{"57 no JSON", text("alg"), Malformed},
		{"57 an array", text("[" + header.String() + "]"), Malformed},
		{"57 a string", text(quoted(header.String())), Malformed},
		{"57 a number", text("1"), Malformed},
		{"57 null", text("null"), Malformed},
		{"58 bytes behind it", text(header.String() + "x"), Malformed},
		{"58 a second object", text(header.String() + header.String()), Malformed},
		{"59 a BOM", text("\ufeff" + header.String()), Malformed},
		{"60 invalid UTF-8 in a value", with("odd", "\"\xff\""), Malformed},
		{"60 invalid UTF-8 in a name", text(header.before("\"\xc3\x28\":1")), Malformed},
		{"61 header nested 20,000 deep", with("odd", deep), TooLong},
		{"61 payload nested 20,000 deep", s.rawHeader(t, header.String(), claims.with("odd", deep).String()), TooLong},
		{"61 header nested 10,000 deep, cut off", s.rawHeader(t, strings.Repeat("[", 10_000), "{}"), Malformed},
		{"61 payload nested 5,000 deep", s.rawHeader(t, header.String(), claims.with("odd", deep[15_000:25_000]).String()), Malformed},
		{"62 alg twice, none first", text(header.before(`"alg":"none"`)), Malformed},
		{"62 alg twice, none last", text(strings.TrimSuffix(header.String(), "}") + `,"alg":"none"}`), Malformed},
		{"62 alg twice, once escaped", text(header.before(`"\u0061lg":"none"`)), Malformed},
		{"63 kid twice", text(header.before(`"kid":"another"`)), Malformed},
		{"64 ALG in capitals", text(header.with("alg", "").with("ALG", `"ES256"`).String()), BadAlgorithm},
		{"64 KID in capitals, kid another", text(header.with("kid", `"another"`).with("KID", kid).String()), Unverifiable},
		{"64 TYP in capitals", text(header.with("typ", "").with("TYP", `"at+jwt"`).String()), BadType},
		{"65 an escaped name", text(header.with("alg", "").before(`"\u0061lg":"ES256"`)), OK},
		{"66 alg none", unsigned(`{"alg":"none","typ":"at+jwt"}`, claims) + "AA", BadAlgorithm},
		{"66 alg none, no signature", unsigned(`{"alg":"none","typ":"at+jwt"}`, claims), Malformed},
		{"67 alg None, no signature", unsigned(`{"alg":"None","typ":"at+jwt"}`, claims), Malformed},
		{"67 alg None, signed", with("alg", `"None"`), BadAlgorithm},
		{"67 alg NONE, signed", with("alg", `"NONE"`), BadAlgorithm},
		{"67 alg nOnE, signed", with("alg", `"nOnE"`), BadAlgorithm},
		{"68 alg none with a good signature", with("alg", `"none"`), BadAlgorithm},
		{"69 alg empty", with("alg", `""`), BadAlgorithm},
		{"69 alg null", with("alg", "null"), BadAlgorithm},
		{"69 alg a number", with("alg", "256"), BadAlgorithm},
		{"69 alg missing", with("alg", ""), BadAlgorithm},
		{"70 alg es256", with("alg", `"es256"`), BadAlgorithm},
		{"70 alg with a space", with("alg", `"ES256 "`), BadAlgorithm},
		{"71 unknown alg with a good signature", with("alg", `"XX999"`), BadAlgorithm},
		{"72 alg ES384, by ES256", with("alg", `"ES384"`), Unverifiable},
		{"72 alg RS256, by ES256", with("alg", `"RS256"`), Unverifiable},
		{"72 alg HS256, by ES256", with("alg", `"HS256"`), BadAlgorithm},
		{"88 alg ES256K", with("alg", `"ES256K"`), BadAlgorithm},
		{"91 x5c that is no base64", with("x5c", `["?"]`), OK},
		{"95 kid empty", with("kid", `""`), BadHeader},
		{"95 kid a number", with("kid", "1"), BadHeader},
		{"95 kid an array", with("kid", "["+kid+"]"), BadHeader},
		{"95 kid an object", with("kid", "{}"), BadHeader},
		{"95 kid null", with("kid", "null"), BadHeader},
		{"96 kid of 64 KiB", with("kid", quoted(strings.Repeat("k", 64<<10))), TooLong},
		{"96 kid of 8 KiB", with("kid", quoted(strings.Repeat("k", 8<<10))), BadHeader},
		{"96 kid of 257 bytes", with("kid", quoted(strings.Repeat("k", 257))), BadHeader},
		{"97 kid a path", with("kid", `"../../../dev/null"`), Unverifiable},
		{"97 kid a URL", with("kid", quoted(s.AS.JWKSURL())), Unverifiable},
		{"97 kid of SQL", with("kid", `"'; DROP TABLE keys; --"`), Unverifiable},
		{"97 kid with CRLF", with("kid", `"a\r\nX-Injected: y"`), BadHeader},
		{"97 kid with NUL", with("kid", `"a\u0000"`), BadHeader},
		{"97 kid with %00", with("kid", quoted(s.AS.KeyID()+"%00")), Unverifiable},
		{"98 kid in another case", with("kid", quoted(swapCase(s.AS.KeyID()))), Unverifiable},
		{"100 crit with an unknown extension", with("crit", `["urn:unknown"]`), BadHeader},
		{"101 crit with an absent header", with("crit", `["nobody"]`), BadHeader},
		{"101 crit with a registered name", with("crit", `["alg"]`), BadHeader},
		{"101 crit with a duplicate", with("crit", `["typ","typ"]`), BadHeader},
		{"102 crit an empty array", with("crit", `[]`), BadHeader},
		{"102 crit null", with("crit", `null`), BadHeader},
		{"102 crit a string", with("crit", `"b64"`), BadHeader},
		{"102 crit an object", with("crit", `{}`), BadHeader},
		{"103 b64 false with crit", text(header.with("b64", "false").with("crit", `["b64"]`).String()), BadHeader},
		{"103 b64 false with crit, the payload as it is", raw[0] + ".payload." + raw[2], Malformed},
		{"104 b64 false without crit", with("b64", "false"), BadHeader},
		{"105 b64 true with crit", text(header.with("b64", "true").with("crit", `["b64"]`).String()), BadHeader},
		{"106 typ at+jwt", with("typ", `"at+jwt"`), OK},
		{"106 typ AT+JWT", with("typ", `"AT+JWT"`), OK},
		{"106 typ application/at+jwt", with("typ", `"application/at+jwt"`), OK},
		{"109 typ a number", with("typ", "1"), BadHeader},
		{"109 typ an array", with("typ", `["at+jwt"]`), BadHeader},
		{"111 zip", with("zip", `"DEF"`), OK},
	})
	s.tokenTypes(t, site, text)
	s.headerKeys(t, site)
	s.headerThumbprint(t, site)
}

// tokenTypes are rows 107, 108 and 110: with the default, and where TokenTypes names more.
func (s *suite) tokenTypes(t *testing.T, site site, text func(string) string) {
	lenient := s.guarded(t, binding.Config{Tokens: s.Verifier(t, func(c *jwks.Config) {
		c.TokenTypes = []string{"at+jwt", "JWT", jwks.TypeAbsent}
	})})
	header := s.header()
	for _, row := range []struct {
		name, token     string
		want, ifLenient Answer
	}{
		{"107 typ JWT", text(header.with("typ", `"JWT"`).String()), BadType, OK},
		{"107 typ missing", text(header.with("typ", "").String()), BadType, OK},
		{"108 typ logout+jwt", text(header.with("typ", `"logout+jwt"`).String()), BadType, BadType},
		{"108 typ dpop+jwt", text(header.with("typ", `"dpop+jwt"`).String()), BadType, BadType},
		{"108 typ secevent+jwt", text(header.with("typ", `"secevent+jwt"`).String()), BadType, BadType},
		{"108 typ token-introspection+jwt", text(header.with("typ", `"token-introspection+jwt"`).String()), BadType, BadType},
		{"108 typ oauth-authz-req+jwt", text(header.with("typ", `"oauth-authz-req+jwt"`).String()), BadType, BadType},
		{"108 typ vc+sd-jwt", text(header.with("typ", `"vc+sd-jwt"`).String()), BadType, BadType},
		{"110 an ID token", s.ofAnotherKind(t, `"JWT"`, "nonce", `"n-0S6_WzA2Mj"`), BadType, BadType},
		{"110 an ID token, by at_hash", s.ofAnotherKind(t, `"JWT"`, "at_hash", `"77QmUPtjPfzWtF2AnpK9RQ"`), BadType, BadType},
		{"110 an ID token without typ", s.ofAnotherKind(t, "", "nonce", `"n-0S6_WzA2Mj"`), BadType, BadType},
		{"110 an ID token of Keycloak's", s.ofAnotherKind(t, `"JWT"`, "typ", `"ID"`), BadType, BadType},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			site.Check(t, site.Probe, Bearer(s.Holder, row.token), row.want)
			lenient.Check(t, lenient.Probe, Bearer(s.Holder, row.token), row.ifLenient)
		})
	}
}

// ofAnotherKind is a token of the issuer's for this resource that is no access token.
func (s *suite) ofAnotherKind(t *testing.T, typ, claim, value string) string {
	t.Helper()
	return s.rawHeader(t, s.header().with("typ", typ).String(), s.members(s.Holder.Certificate).with(claim, value).String())
}

// headerKeys are rows 89 to 91: a header that brings a key along, or says where one is (RFC 8725 §3.10), on a good token
// and on the attacker's.
func (s *suite) headerKeys(t *testing.T, site site) {
	var asked atomic.Int64
	hostile := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(hostile.Close)
	attacker, err := bindingtest.NewSelfSignedCertificate("attacker")
	require.NoError(t, err)
	chain := quoted([]string{base64.StdEncoding.EncodeToString(attacker.Leaf.Raw)})
	key := signer{"ES256", attacker.PrivateKey.(crypto.Signer)}
	for _, row := range []struct{ name, member, value string }{
		{"89 the attacker's key as jwk", "jwk", key.jwk("").String()},
		{"90 jku", "jku", quoted(hostile.URL)},
		{"90 x5u", "x5u", quoted(hostile.URL)},
		{"90 jku to the cloud", "jku", `"http://169.254.169.254/"`},
		{"90 jku to a file", "jku", `"file:///dev/stdin"`},
		{"90 x5u by gopher", "x5u", `"gopher://127.0.0.1/"`},
		{"91 x5c of the attacker's", "x5c", chain},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			claims := s.members(s.Holder.Certificate)
			for _, kid := range []string{s.AS.KeyID(), "", "attacker"} {
				site.Check(t, site.Probe, Bearer(s.Holder, key.sign(key.header(kid).with(row.member, row.value), claims)), Unverifiable)
			}
			good := s.rawHeader(t, s.header().with(row.member, row.value).String(), claims.String())
			site.Check(t, site.Probe, Bearer(s.Holder, good), OK)
			assert.Zero(t, asked.Load(), "a request to where the header says")
		})
	}
}

// headerThumbprint is row 92: x5t#S256 of a JOSE header names the signer's certificate (RFC 7515 §4.1.8), not the client's.
func (s *suite) headerThumbprint(t *testing.T, site site) {
	t.Run("92 x5t#S256 of the thief's certificate in the header", func(t *testing.T) {
		t.Parallel()
		named := s.header().with("x5t#S256", quoted(bindingtest.Thumbprint(s.Other.Certificate.Leaf))).with("x5t", "1").String()
		bound := s.rawHeader(t, named, s.members(s.Holder.Certificate).String())
		site.Check(t, site.Probe, Bearer(s.Other, bound), OtherCertificate)
		site.Check(t, site.Probe, Bearer(s.Holder, bound), OK)
		unbound := s.rawHeader(t, named, s.members(nil).String())
		site.Check(t, site.Probe, Bearer(s.Other, unbound), Unbound)
	})
}

func unsigned(header string, claims object) string {
	return b64([]byte(header)) + "." + b64([]byte(claims.String())) + "."
}

func swapCase(text string) string {
	swapped := strings.ToUpper(text)
	if swapped == text {
		swapped = strings.ToLower(text)
	}
	return swapped
}
