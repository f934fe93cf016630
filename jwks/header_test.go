package jwks_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// Section C of attacks.md: the JOSE header, but for algorithms and keys. Every
// token here is signed by the issuer over the very header that is shown, so that
// the header alone refuses it; the first test is the twin of all.

func TestHeaderText(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	v := i.verifier(t)
	good, claims := i.header(), i.claims().String()
	requireAccepted(t, v, i.sign(t, good.String(), claims))
	for name, header := range map[string]string{
		"C/57 no JSON":                  "alg",
		"C/57 an array":                 "[" + good.String() + "]",
		"C/57 a string":                 quote(good.String()),
		"C/57 a number":                 "1",
		"C/57 null":                     "null",
		"C/57 cut short":                good.String()[:len(good.String())-1],
		"C/58 trailing bytes":           good.String() + "x",
		"C/58 trailing NUL":             good.String() + "\x00",
		"C/58 trailing brace":           good.String() + "}",
		"C/58 a second object":          good.String() + good.String(),
		"C/59 a BOM":                    "\ufeff" + good.String(),
		"C/60 invalid UTF-8 in a value": good.with("odd", "\"\xff\"").String(),
		"C/60 invalid UTF-8 in a name":  good.and("\"\xc3\x28\":1"),
		"C/60 a surrogate in UTF-8":     good.with("odd", "\"\xed\xa0\x80\"").String(),
		"C/62 alg twice, none first":    good.and(`"alg":"none"`),
		"C/62 alg twice, the same":      good.and(`"alg":"ES256"`),
		"C/62 alg twice, none last":     strings.TrimSuffix(good.String(), "}") + `,"alg":"none"}`,
		"C/62 alg twice, one escaped":   good.and(`"\u0061lg":"none"`),
		"C/63 kid twice":                good.and(`"kid":"another"`),
		"C/63 typ twice":                good.and(`"typ":"JWT"`),
		"C/63 an unknown name twice":    good.and(`"x":1,"x":1`),
		"C/61 nested 5,000 deep":        good.with("x", strings.Repeat("[", 5_000)+strings.Repeat("]", 5_000)).String(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, v, i.sign(t, header, claims), binding.ReasonTokenMalformed)
		})
	}
	for name, header := range map[string]string{
		"space around everything":               " {\r\n\t\"alg\" : \"ES256\" , \"typ\":\"at+jwt\",\"kid\":" + good["kid"] + "} \n",
		"C/65 an escaped name":                  good.with("alg", "").and(`"\u0061lg":"ES256"`),
		"C/65 an escaped value":                 good.with("alg", `"\u0045S256"`).String(),
		"C/61 an unknown member nested 60 deep": good.with("x", strings.Repeat("[", 60)+strings.Repeat("]", 60)).String(), // nobody looks into it
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireAccepted(t, v, i.sign(t, header, claims))
		})
	}
	t.Run("C/61 nested 20,000 deep", func(t *testing.T) {
		t.Parallel()
		deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
		requireRefused(t, v, i.token(t, good.with("x", deep)), binding.ReasonTokenTooLong)
		requireRefused(t, v, i.tokenWith(t, i.claims().with("x", deep)), binding.ReasonTokenTooLong)
	})
	t.Run("C/61 nested 10,001 deep and cut off", func(t *testing.T) {
		t.Parallel()
		requireRefused(t, v, i.sign(t, strings.Repeat("[", 10_001), "{}"), binding.ReasonTokenMalformed)
	})
}

func TestHeaderMembers(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	v := i.verifier(t)
	requireAccepted(t, v, i.goodToken(t))
	type row struct {
		name, text string
		reason     binding.Reason
	}
	for name, test := range map[string]row{
		"C/64 ALG in capitals":      {"alg", "", binding.ReasonTokenAlgorithm},
		"C/69 alg missing":          {"alg", "", binding.ReasonTokenAlgorithm},
		"C/69 alg empty":            {"alg", `""`, binding.ReasonTokenAlgorithm},
		"C/69 alg null":             {"alg", `null`, binding.ReasonTokenAlgorithm},
		"C/69 alg a number":         {"alg", `256`, binding.ReasonTokenAlgorithm},
		"C/69 alg an array":         {"alg", `["ES256"]`, binding.ReasonTokenAlgorithm},
		"C/68 alg none, signed":     {"alg", `"none"`, binding.ReasonTokenAlgorithm},
		"C/67 alg NONE, signed":     {"alg", `"NONE"`, binding.ReasonTokenAlgorithm},
		"C/67 alg nOnE, signed":     {"alg", `"nOnE"`, binding.ReasonTokenAlgorithm},
		"C/70 alg es256":            {"alg", `"es256"`, binding.ReasonTokenAlgorithm},
		"C/70 alg with a space":     {"alg", `"ES256 "`, binding.ReasonTokenAlgorithm},
		"C/70 alg with a NUL":       {"alg", `"ES256\u0000"`, binding.ReasonTokenAlgorithm},
		"C/71 alg unknown":          {"alg", `"XX999"`, binding.ReasonTokenAlgorithm},
		"C/72 alg HS256, by ES256":  {"alg", `"HS256"`, binding.ReasonTokenAlgorithm},
		"C/72 alg ES384, by ES256":  {"alg", `"ES384"`, binding.ReasonTokenKeyUnknown},
		"C/72 alg RS256, by ES256":  {"alg", `"RS256"`, binding.ReasonTokenKeyUnknown},
		"C/72 alg EdDSA, by ES256":  {"alg", `"EdDSA"`, binding.ReasonTokenKeyUnknown},
		"C/88 alg ES256K":           {"alg", `"ES256K"`, binding.ReasonTokenAlgorithm},
		"C/88 alg ES256K-R":         {"alg", `"ES256K-R"`, binding.ReasonTokenAlgorithm},
		"C/88 alg Ed448":            {"alg", `"Ed448"`, binding.ReasonTokenAlgorithm},
		"C/95 kid empty":            {"kid", `""`, binding.ReasonTokenHeader},
		"C/95 kid a number":         {"kid", `1`, binding.ReasonTokenHeader},
		"C/95 kid an array":         {"kid", `["a"]`, binding.ReasonTokenHeader},
		"C/95 kid an object":        {"kid", `{}`, binding.ReasonTokenHeader},
		"C/95 kid null":             {"kid", `null`, binding.ReasonTokenHeader},
		"C/96 kid of 257 bytes":     {"kid", quote(strings.Repeat("k", 257)), binding.ReasonTokenHeader},
		"C/96 kid of 10,000 bytes":  {"kid", quote(strings.Repeat("k", 10_000)), binding.ReasonTokenHeader},
		"C/97 kid with CR LF":       {"kid", `"a\r\nb"`, binding.ReasonTokenHeader},
		"C/97 kid with a NUL":       {"kid", `"a\u0000"`, binding.ReasonTokenHeader},
		"C/97 kid with an escape":   {"kid", `"\u001b[31m"`, binding.ReasonTokenHeader},
		"C/97 kid with a DEL":       {"kid", `"a\u007f"`, binding.ReasonTokenHeader},
		"C/100 crit, unknown":       {"crit", `["exp"]`, binding.ReasonTokenHeader},
		"C/101 crit, absent header": {"crit", `["nobody"]`, binding.ReasonTokenHeader},
		"C/101 crit, registered":    {"crit", `["alg"]`, binding.ReasonTokenHeader},
		"C/101 crit, twice":         {"crit", `["typ","typ"]`, binding.ReasonTokenHeader},
		"C/102 crit, empty":         {"crit", `[]`, binding.ReasonTokenHeader},
		"C/102 crit null":           {"crit", `null`, binding.ReasonTokenHeader},
		"C/102 crit a string":       {"crit", `"b64"`, binding.ReasonTokenHeader},
		"C/102 crit an object":      {"crit", `{}`, binding.ReasonTokenHeader},
		"C/104 b64 false, no crit":  {"b64", `false`, binding.ReasonTokenHeader},
		"C/104 b64 true, no crit":   {"b64", `true`, binding.ReasonTokenHeader},
		"C/104 b64 null, no crit":   {"b64", `null`, binding.ReasonTokenHeader},
		"C/109 typ a number":        {"typ", `1`, binding.ReasonTokenHeader},
		"C/109 typ an array":        {"typ", `["at+jwt"]`, binding.ReasonTokenHeader},
		"C/109 typ null":            {"typ", `null`, binding.ReasonTokenHeader},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := i.header().with(test.name, test.text)
			if test.text == "" {
				header = header.with(strings.ToUpper(test.name), i.header()[test.name])
			}
			requireRefused(t, v, i.token(t, header), test.reason)
		})
	}
	t.Run("C/105 b64 true with crit", func(t *testing.T) {
		t.Parallel()
		header := i.header().with("b64", "true").with("crit", `["b64"]`)
		requireRefused(t, v, i.token(t, header), binding.ReasonTokenHeader)
		require.ErrorContains(t, refusalOf(t, v, i.token(t, header)).Cause, "b64", "the log says which")
	})
	t.Run("C/103 b64 false with crit, the payload as it is", func(t *testing.T) {
		t.Parallel()
		// The payload is in the alphabet, but no base64url of an object (RFC 7797 §5.2).
		header := i.header().with("b64", "false").with("crit", `["b64"]`)
		segments := strings.Split(i.token(t, header), ".")
		requireRefused(t, v, segments[0]+".payload."+segments[2], binding.ReasonTokenMalformed)
		requireRefused(t, v, strings.Join(segments, "."), binding.ReasonTokenHeader)
	})
	for name, header := range map[string]raw{
		"C/91 x5c that is not base64":        i.header().with("x5c", `["?"]`),
		"C/92 x5t#S256 in the header":        i.header().with("x5t#S256", `"x"`).with("x5t", "1"),
		"C/93 no kid":                        i.header().with("kid", ""),
		"C/64 KID in capitals is no kid":     i.header().with("kid", "").with("KID", `"another"`),
		"C/64 KID in capitals beside kid":    i.header().with("KID", `"another"`),
		"C/100 CRIT in capitals is no crit":  i.header().with("CRIT", `["x"]`),
		"C/111 zip":                          i.header().with("zip", `"DEF"`),
		"B/44 cty, and no JWT inside":        i.header().with("cty", `"JWT"`),
		"an unknown member":                  i.header().with("odd", `{"a":[1,{}]}`),
		"C/108 iss and aud, as a JWE may do": i.header().with("iss", `"x"`).with("aud", `1`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireAccepted(t, v, i.token(t, header))
		})
	}
	t.Run("C/64 kid unknown, KID the good one", func(t *testing.T) {
		t.Parallel()
		header := i.header().with("kid", `"another"`).with("KID", i.header()["kid"])
		requireRefused(t, v, i.token(t, header), binding.ReasonTokenKeyUnknown)
	})
}

func TestKeyIDIsAName(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	signer := signerOf("ES256")
	longest := strings.Repeat("k", 256)
	var keys []json.RawMessage
	for _, id := range []string{longest, "Key", "../../../dev/null", "caf\u00e9"} {
		keys = append(keys, signer.key().with("kid", quote(id)).published())
	}
	i.publish(append(keys, json.RawMessage(i.JWKS()))...)
	v := i.verifier(t)
	claims := i.claims().String()
	for _, id := range []string{"Key", longest, "../../../dev/null", "caf\u00e9"} {
		requireAccepted(t, v, signer.sign(signer.header(id).String(), claims))
	}
	for name, id := range map[string]string{
		"C/97 a path":        "../../../../dev/null",
		"C/97 a URL":         i.URL(bindingtest.JWKSPath),
		"C/97 SQL":           "'; DROP TABLE keys; --",
		"C/97 %00":           "Key%00",
		"C/98 another case":  "key",
		"a prefix":           "Ke",
		"a space more":       "Key ",
		"in decomposed form": "cafe\u0301",
		"cut":                longest[:255],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, i.verifier(t), signer.sign(signer.header(id).String(), claims), binding.ReasonTokenKeyUnknown)
		})
	}
}

func TestHeaderNeverNamesAKey(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	hostile := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(hostile.Close)
	i := newIssuer(t, bindingtest.Config{})
	attacker := signer{"ES256", newEC()}
	for name, member := range map[string]raw{
		"C/89 jwk":                     {"jwk": attacker.key().String()},
		"C/90 jku":                     {"jku": quote(hostile.URL)},
		"C/90 x5u":                     {"x5u": quote(hostile.URL)},
		"C/90 jku to the cloud":        {"jku": `"http://169.254.169.254/"`},
		"C/90 jku to a file":           {"jku": `"file:///dev/stdin"`},
		"C/90 x5u by gopher":           {"x5u": `"gopher://127.0.0.1/"`},
		"C/91 x5c of the attacker":     {"x5c": `["` + b64([]byte("certificate")) + `"]`},
		"C/91 all of them, misspelled": {"jwk": "1", "jku": "[]", "x5u": "null", "x5c": `""`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			with := func(header raw) raw {
				for name, text := range member {
					header = header.with(name, text)
				}
				return header
			}
			claims := i.claims().String()
			v := i.verifier(t)
			requireAccepted(t, v, i.sign(t, with(i.header()).String(), claims))
			requireRefused(t, v, attacker.sign(with(attacker.header(i.KeyID())).String(), claims), binding.ReasonTokenSignature)
			requireRefused(t, v, attacker.sign(with(attacker.header("")).String(), claims), binding.ReasonTokenSignature)
			requireRefused(t, v, attacker.sign(with(attacker.header("attacker")).String(), claims), binding.ReasonTokenKeyUnknown)
			require.Zero(t, asked.Load())
		})
	}
}
