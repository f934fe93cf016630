package jwks_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/internal/keyset"
)

// fuzzIssuer is the issuer of all tokens: a port of its own in every process
// would not do for seeds.
const fuzzIssuer = "https://issuer.example"

// A rig holds a token against every way through the package. None may accept what
// the others refuse.
type rig struct {
	keys    map[string]signer
	minutes atomic.Int64 // of the clock, past noon

	direct  *jwks.Verifier // remembers no token
	seen    *jwks.Verifier
	issuers *jwks.Issuers  // two verifiers of their own, of the issuer and of another
	other   *jwks.Verifier // the other issuer's, with the same keys
	lenient *jwks.Verifier // takes every typ that can be taken
}

func newRig(f *testing.F) *rig {
	f.Helper()
	r := &rig{keys: fuzzKeys()}
	var set []json.RawMessage
	for id, key := range r.keys {
		set = append(set, key.key().with("kid", quote(id)).with("alg", quote(string(key.alg))).published())
	}
	// Keys that are fetched would be asked for once more for a key that is not there, until too many were: 503.
	keys := must(json.Marshal(map[string]any{"keys": set}))
	verifier := func(change func(*jwks.Config)) *jwks.Verifier {
		config := jwks.Config{Issuer: fuzzIssuer, Audiences: []string{audience}, Keys: keys, Clock: r.now}
		change(&config)
		return must(jwks.New(config))
	}
	r.direct = verifier(func(c *jwks.Config) { c.SeenTokens = -1 })
	r.seen = verifier(func(*jwks.Config) {})
	r.lenient = verifier(func(c *jwks.Config) { c.TokenTypes = []string{"at+jwt", "JWT", jwks.TypeAbsent} })
	another := func(c *jwks.Config) { c.Issuer = "https://other.example" }
	r.other = verifier(another)
	r.issuers = must(jwks.ByIssuer(verifier(another), verifier(func(*jwks.Config) {})))
	for _, key := range r.keys { // the keys are there, and good
		token := key.sign(key.header("").String(), fuzzClaims().String())
		for _, v := range []binding.TokenVerifier{r.direct, r.seen, r.lenient, r.issuers} {
			requireAccepted(f, v, token)
		}
		requireAccepted(f, r.other, key.sign(key.header("").String(), fuzzClaims().with("iss", `"https://other.example"`).String()))
	}
	return r
}

func (r *rig) now() time.Time { return noon.Add(time.Duration(r.minutes.Load()) * time.Minute) }

// fuzzClaims are those of a good token.
func fuzzClaims() raw {
	return raw{
		"iss": quote(fuzzIssuer), "aud": quote(audience), "sub": `"alice"`, "client_id": `"app"`, "jti": `"1"`,
		"iat": seconds(noon), "exp": seconds(noon.Add(5 * time.Minute)),
	}
}

// judge verifies a token at noon and some minutes later, by which time it has
// been seen.
func (r *rig) judge(t *testing.T, token string, later uint8) {
	t.Helper()
	for _, minutes := range []int64{0, int64(later)} {
		r.minutes.Store(minutes)
		want, refused := r.verify(t, r.direct, token, "at+jwt")
		for range 2 { // the second time at the latest, a good one has been seen
			got, err := r.seen.VerifyToken(t.Context(), token)
			requireSameAnswer(t, want, refused, got, err)
		}
		if _, err := r.verify(t, r.lenient, token, "at+jwt", "jwt", ""); refused == nil {
			require.NoError(t, err)
		}
		if refused != nil {
			want, refused = r.verify(t, r.other, token, "at+jwt")
		}
		for range 2 {
			got, err := r.issuers.VerifyToken(t.Context(), token)
			require.Equal(t, refused == nil, err == nil, "with several issuers: %v", err)
			require.Equal(t, want, got)
		}
	}
}

// verify verifies a token, and what is accepted once more with the independent
// verifier.
func (r *rig) verify(t *testing.T, v *jwks.Verifier, token string, types ...string) (*binding.Token, error) {
	t.Helper()
	verified, err := v.VerifyToken(t.Context(), token)
	if err != nil {
		require.Nil(t, verified)
		refusal := binding.AsError(err)
		require.Equal(t, http.StatusUnauthorized, refusal.StatusCode(), "%s", refusal.Reason)
		return nil, err
	}
	claims, err := independent{v.Issuer(), types, r.keys, r.now()}.verify(token)
	require.NoError(t, err, "accepted, and not by the other: %q", token)
	require.NoError(t, sameReading(verified, claims), "%q", token)
	return verified, nil
}

func requireSameAnswer(t *testing.T, want *binding.Token, refused error, got *binding.Token, err error) {
	t.Helper()
	if refused != nil {
		require.Error(t, err)
		require.Nil(t, got)
		require.Equal(t, binding.AsError(refused).Reason, binding.AsError(err).Reason)
		return
	}
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// FuzzVerifyToken signs whatever header and claims come, so that the signature
// stops nothing, and then puts splice into the token at a place.
func FuzzVerifyToken(f *testing.F) {
	r := newRig(f)
	keys := r.keys
	claims := fuzzClaims()
	for id, key := range keys {
		f.Add(id, key.header(id).String(), claims.String(), "", uint16(0), uint16(0), uint8(6))
	}
	header := keys["ed"].header("ed")
	for _, text := range []string{
		header.and(`"alg":"none"`), header.and(`"\u0061lg":"none"`), header.with("kid", "").String(), header.with("crit", "[]").String(),
		header.with("b64", "false").String(), header.with("typ", `"JWT"`).String(), header.with("typ", `"application/AT+JWT"`).String(),
		header.with("alg", `"EdDSA"`).String(), header.with("alg", `"ES256"`).String(), header.with("odd", "\"\xff\"").String(),
		header.with("kid", `"rs"`).String(), header.with("odd", strings.Repeat("[", 99)+strings.Repeat("]", 99)).String(), "[]", "{}", "",
	} {
		f.Add("ed", text, claims.String(), "", uint16(0), uint16(0), uint8(6))
	}
	for _, text := range []string{
		claims.and(`"exp":1`), claims.and(`"EXP":1`), claims.with("exp", "1.7723667e9").String(), claims.with("exp", "1e400").String(),
		claims.with("exp", `"1"`).String(), claims.with("exp", "1772366399.999999999").String(), claims.with("nbf", "-0").String(),
		claims.with("aud", `["x","https://api.example"]`).String(), claims.with("aud", `[]`).String(), claims.with("sub", "").String(),
		claims.with("sub", `"\ud800\u0000\u2028"`).String(), claims.with("cnf", `{"x5t#S256":"`+strings.Repeat("A", 43)+`"}`).String(),
		claims.with("cnf", `{"jkt":"x"}`).String(), claims.with("cnf", `null`).String(), claims.with("scope", `"a  b"`).String(),
		claims.String() + "{}", "null", "", "\ufeff{}",
	} {
		f.Add("ed", header.String(), text, "", uint16(0), uint16(0), uint8(6))
	}
	for _, splice := range []string{"=", ".", "\n", "+", "AA", "eyJ"} {
		f.Add("es", keys["es"].header("es").String(), claims.String(), splice, uint16(5), uint16(0), uint8(6))
		f.Add("es", keys["es"].header("es").String(), claims.String(), splice, uint16(9999), uint16(1), uint8(6))
	}
	f.Fuzz(func(t *testing.T, id, header, claims, splice string, at, cut uint16, later uint8) {
		key, known := keys[id]
		if !known || len(header)+len(claims)+len(splice) > 20_000 {
			t.Skip()
		}
		token := key.sign(header, claims)
		from := min(int(at), len(token))
		r.judge(t, token[:from]+splice+token[min(from+int(cut), len(token)):], later)
	})
}

// FuzzMembers changes one member of the header and one of the claims of a good
// token, which is far more often still a token than what FuzzVerifyToken makes.
func FuzzMembers(f *testing.F) {
	r := newRig(f)
	f.Add("", "", false, "", "", false, uint8(0))
	for _, member := range []struct{ name, value string }{
		{"alg", `"none"`}, {"alg", `"EdDSA"`}, {"alg", `"ES256"`}, {"alg", `"HS256"`}, {"kid", `"es"`}, {"kid", `null`}, {"kid", `""`}, {"typ", `"JWT"`}, {"typ", `"application/at+JWT"`},
		{"typ", `"absent"`}, {"typ", `""`}, {"typ", ""}, {"kid", ""}, {"crit", `[]`}, {"b64", `true`}, {"jwk", `{}`}, {"cty", `"JWT"`}, {"zip", `"DEF"`}, {"x", `{"a":1,"a":2}`},
	} {
		f.Add(member.name, member.value, false, "", "", false, uint8(0))
		f.Add(member.name, member.value, true, "", "", false, uint8(0))
	}
	for _, member := range []struct{ name, value string }{
		{"iss", `"https://other.example"`}, {"iss", `"https://issuer.example/"`}, {"iss", `["https://issuer.example"]`}, {"ISS", `"x"`}, {"aud", `["x","https://api.example"]`}, {"aud", `[]`}, {"aud", `["https://api.example",1]`},
		{"exp", "1772366399.999999999"}, {"exp", "1.772366400e9"}, {"exp", "1e400"}, {"exp", "-0"}, {"exp", `"1772366400"`}, {"exp", "1772366400.5"}, {"EXP", "1"}, {"exp", "253402300800"}, {"exp", "null"},
		{"nbf", "1772366400"}, {"nbf", "1772366460.000001"}, {"nbf", "null"}, {"nbf", "0"}, {"iat", "1772366461"}, {"iat", "-1"}, {"iat", "1e-400"},
		{"sub", `""`}, {"sub", `"\ud800\u0000\u2028"`}, {"sub", ""}, {"client_id", `null`}, {"azp", `"x"`}, {"client_id", ""}, {"scope", `"a b"`}, {"scope", `"a  b"`}, {"scope", `["a","b"]`}, {"scope", `""`}, {"scope", `["a b"]`}, {"scope", "[]"},
		{"cnf", `{"x5t#S256":"` + strings.Repeat("A", 43) + `"}`}, {"cnf", `{"x5t#S256":"` + strings.Repeat("A", 42) + `B"}`}, {"cnf", `{"jkt":"x"}`}, {"cnf", `null`}, {"cnf", `{}`}, {"cnf", `{"x5t#S256":"` + strings.Repeat("A", 43) + `","x":{"y":1,"y":2}}`},
		{"nonce", `"n"`}, {"at_hash", `"h"`}, {"events", `{}`}, {"typ", `"ID"`}, {"typ", `"Bearer"`}, {"token_use", `"id"`}, {"x", "[[[[1]]]]"}, {"x", `{"a":1,"a":2}`},
	} {
		f.Add("", "", false, member.name, member.value, false, uint8(6))
		f.Add("typ", `"JWT"`, false, member.name, member.value, true, uint8(5))
	}
	f.Fuzz(func(t *testing.T, headerName, headerValue string, headerTwice bool, claimName, claimValue string, claimTwice bool, later uint8) {
		if len(headerName)+len(headerValue)+len(claimName)+len(claimValue) > 10_000 {
			t.Skip()
		}
		key := r.keys["ed"]
		r.judge(t, key.sign(changed(key.header("ed"), headerName, headerValue, headerTwice), changed(fuzzClaims(), claimName, claimValue, claimTwice)), later)
	})
}

// changed returns an object with the member in place of that of its name, or
// beside it, or without that if the value is "".
func changed(object raw, name, value string, twice bool) string {
	if !twice {
		return object.with(name, value).String()
	}
	return object.and(quote(name) + ":" + value)
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
		set, err := keyset.Read(text, 100)
		if err == nil {
			require.NotEmpty(t, set.Keys)
			for _, k := range set.Keys {
				require.LessOrEqual(t, len(k.ID), 256)
			}
		}
		document := []byte(`{"keys":[` + good + "," + string(text) + `]}`)
		set, err = keyset.Read(document, 100)
		if err != nil {
			require.Nil(t, set)
			return
		}
		require.Equal(t, "good", set.Keys[0].ID)
		require.LessOrEqual(t, len(set.Keys)+len(set.Ignored), 100)
	})
}
