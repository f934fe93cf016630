package jwks_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// FuzzVerifyToken signs whatever header and claims come, so that the signature
// stops nothing, and then puts splice into the token at a place. No input may
// panic, and what is accepted has to be good by another verifier as well.
func FuzzVerifyToken(f *testing.F) {
	keys := fuzzKeys()
	i := newIssuer(f, bindingtest.Config{})
	var set []json.RawMessage
	for id, key := range keys {
		set = append(set, key.key().with("kid", quote(id)).with("alg", quote(string(key.alg))).published())
	}
	i.publish(set...)
	// A port of its own in every process: the seeds name the issuer so.
	v := i.verifier(f, func(c *jwks.Config) { c.Issuer, c.URL = "https://issuer.example", i.JWKSURL() })
	requireAccepted(f, v, keys["es"].sign(keys["es"].header("es").String(), i.claims().with("iss", `"https://issuer.example"`).String()))

	claims := i.claims().with("iss", `"https://issuer.example"`)
	for id, key := range keys {
		f.Add(id, key.header(id).String(), claims.String(), "", uint16(0), uint16(0))
	}
	header := keys["ed"].header("ed")
	for _, text := range []string{
		header.and(`"alg":"none"`), header.and(`"\u0061lg":"none"`), header.with("kid", "").String(), header.with("crit", "[]").String(),
		header.with("b64", "false").String(), header.with("typ", `"JWT"`).String(), header.with("typ", `"application/AT+JWT"`).String(),
		header.with("alg", `"EdDSA"`).String(), header.with("alg", `"ES256"`).String(), header.with("odd", "\"\xff\"").String(),
		header.with("kid", `"rs"`).String(), header.with("odd", strings.Repeat("[", 99)+strings.Repeat("]", 99)).String(), "[]", "{}", "",
	} {
		f.Add("ed", text, claims.String(), "", uint16(0), uint16(0))
	}
	for _, text := range []string{
		claims.and(`"exp":1`), claims.and(`"EXP":1`), claims.with("exp", "1.7723667e9").String(), claims.with("exp", "1e400").String(),
		claims.with("exp", `"1"`).String(), claims.with("exp", "1772366399.999999999").String(), claims.with("nbf", "-0").String(),
		claims.with("aud", `["x","https://api.example"]`).String(), claims.with("aud", `[]`).String(), claims.with("sub", "").String(),
		claims.with("sub", `"\ud800\u0000\u2028"`).String(), claims.with("cnf", `{"x5t#S256":"`+strings.Repeat("A", 43)+`"}`).String(),
		claims.with("cnf", `{"jkt":"x"}`).String(), claims.with("cnf", `null`).String(), claims.with("scope", `"a  b"`).String(),
		claims.String() + "{}", "null", "", "\ufeff{}",
	} {
		f.Add("ed", header.String(), text, "", uint16(0), uint16(0))
	}
	for _, splice := range []string{"=", ".", "\n", "+", "AA", "eyJ"} {
		f.Add("es", keys["es"].header("es").String(), claims.String(), splice, uint16(5), uint16(0))
		f.Add("es", keys["es"].header("es").String(), claims.String(), splice, uint16(9999), uint16(1))
	}
	f.Fuzz(func(t *testing.T, id, header, claims, splice string, at, cut uint16) {
		key, known := keys[id]
		if !known || len(header)+len(claims)+len(splice) > 20_000 {
			t.Skip()
		}
		token := key.sign(header, claims)
		from := min(int(at), len(token))
		token = token[:from] + splice + token[min(from+int(cut), len(token)):]
		verified, err := v.VerifyToken(t.Context(), token)
		if err != nil {
			require.Nil(t, verified)
			refusal := binding.AsError(err)
			require.Equal(t, http.StatusUnauthorized, refusal.Status(), "%s", refusal.Reason)
			return
		}
		independent, err := independently(token, "https://issuer.example", keys)
		require.NoError(t, err, "accepted, and not by the other: %q", token)
		require.NoError(t, sameReading(verified, independent), "%q", token)
	})
}

// FuzzKeySet reads key sets: no input may panic, no set without a key that is
// used is accepted, and a good key in front of any other is always used.
func FuzzKeySet(f *testing.F) {
	good := signerOf(jwks.ES256).key().with("kid", `"good"`).String()
	rsaOf, ed := signerOf(jwks.RS256).key(), signerOf(jwks.EdDSA).key()
	for _, text := range []string{
		good, rsaOf.String(), ed.String(), "{}", "1", "null", "[]", "", `{"kty":"oct","k":"AAAA"}`, `{"kty":"AKP","alg":"ML-DSA-44"}`,
		rsaOf.with("e", `"AQ"`).String(), rsaOf.with("e", `"AQAAAAAAAQAB"`).String(), rsaOf.with("n", `""`).String(), rsaOf.with("n", `"?"`).String(),
		ed.with("x", `""`).String(), ed.with("x", quote(b64(make([]byte, 32)))).String(), ed.with("crv", `"X25519"`).String(),
		strings.Replace(good, "P-256", "P-521", 1), strings.Replace(good, `"x":"`, `"x":"AAAA`, 1), good + "," + good, `{"kty":"EC"}]}`,
		rsaOf.with("d", "1").String(), rsaOf.with("use", `"enc"`).String(), rsaOf.with("key_ops", `["verify"]`).String(), "\xff",
		rsaOf.with("kid", quote(strings.Repeat("k", 300))).String(), strings.Repeat("[", 10_000),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		used, _, err := jwks.ReadKeySet(text, 100)
		if err == nil {
			require.NotEmpty(t, used)
			for _, id := range used {
				require.LessOrEqual(t, len(id), 256)
			}
		}
		document := []byte(`{"keys":[` + good + "," + string(text) + `]}`)
		used, ignored, err := jwks.ReadKeySet(document, 100)
		if err != nil {
			require.Nil(t, used)
			return
		}
		require.Equal(t, "good", used[0])
		require.LessOrEqual(t, len(used)+ignored, 100)
	})
}
