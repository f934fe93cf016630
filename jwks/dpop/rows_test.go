package dpop_test

import (
	"crypto/elliptic"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/dpop"
)

// The rows of section L of attacks.md that are this package's. Those about tokens, challenges and guards are the guard's.

const accepted = binding.Reason("")

func requireAnswer(t *testing.T, v *dpop.Verifier, r *http.Request, want binding.Reason) {
	t.Helper()
	if want == accepted {
		requireAccepted(t, v, r)
		return
	}
	requireRefused(t, v, r, want)
}

func TestField(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	proof := func() string { return es256().sign(es256().header().String(), goodClaims().String()) }
	one := proof()
	segment := func(n int, change func(string) string) string {
		segments := strings.Split(proof(), ".")
		segments[n] = change(segments[n])
		return strings.Join(segments, ".")
	}
	for name, test := range map[string]struct {
		fields []string
		want   binding.Reason
	}{
		"L/278 a good proof":                    {[]string{proof()}, accepted},
		"L/280 no field":                        {nil, binding.ReasonProofMissing},
		"L/280 an empty field":                  {[]string{""}, binding.ReasonProofMissing},
		"L/281 two fields":                      {[]string{proof(), proof()}, binding.ReasonProofAmbiguous},
		"L/281 two fields, alike":               {[]string{one, one}, binding.ReasonProofAmbiguous},
		"L/281 two fields, one empty":           {[]string{"", proof()}, binding.ReasonProofAmbiguous},
		"L/282 two proofs and a comma":          {[]string{proof() + ", " + proof()}, binding.ReasonProofMalformed},
		"L/282 a comma behind it":               {[]string{proof() + ","}, binding.ReasonProofMalformed},
		"L/283 in quotes":                       {[]string{`"` + proof() + `"`}, binding.ReasonProofMalformed},
		"L/283 in lower case":                   {[]string{strings.ToLower(proof())}, binding.ReasonProofMalformed},
		"L/283 a space in it":                   {[]string{segment(1, func(s string) string { return s[:4] + " " + s[4:] })}, binding.ReasonProofMalformed},
		"L/283 a tab in it":                     {[]string{segment(0, func(s string) string { return s[:4] + "\t" + s[4:] })}, binding.ReasonProofMalformed},
		"L/283 a line end in it":                {[]string{segment(2, func(s string) string { return s[:4] + "\n" + s[4:] })}, binding.ReasonProofMalformed},
		"L/283 a line end in the header":        {[]string{segment(0, func(s string) string { return s[:4] + "\r\n" + s[4:] })}, binding.ReasonProofMalformed},
		"L/284 8 KiB and a byte":                {[]string{strings.Repeat("a", 8<<10+1)}, binding.ReasonProofTooLong},
		"L/284 8 KiB":                           {[]string{strings.Repeat("a", 8<<10)}, binding.ReasonProofMalformed},
		"L/284 12 KB of jti":                    {[]string{es256().sign(es256().header().String(), goodClaims().with("jti", quote(strings.Repeat("j", 12_000))).String())}, binding.ReasonProofTooLong},
		"L/295 two parts":                       {[]string{"e30.e30"}, binding.ReasonProofMalformed},
		"L/295 four parts":                      {[]string{proof() + ".e30"}, binding.ReasonProofMalformed},
		"L/295 five parts, a JWE":               {[]string{proof() + ".e30.e30"}, binding.ReasonProofMalformed},
		"L/295 the JSON serialization":          {[]string{`{"protected":"e30","payload":"e30","signature":"AA"}`}, binding.ReasonProofMalformed},
		"L/296 no header":                       {[]string{segment(0, func(string) string { return "" })}, binding.ReasonProofMalformed},
		"L/296 no payload, detached":            {[]string{segment(1, func(string) string { return "" })}, binding.ReasonProofMalformed},
		"L/296 no signature":                    {[]string{segment(2, func(string) string { return "" })}, binding.ReasonProofMalformed},
		"L/297 a padded header":                 {[]string{segment(0, func(s string) string { return s + "=" })}, binding.ReasonProofMalformed},
		"L/297 a padded payload":                {[]string{segment(1, func(s string) string { return s + "=" })}, binding.ReasonProofMalformed},
		"L/297 a padded signature":              {[]string{segment(2, func(s string) string { return s + "==" })}, binding.ReasonProofMalformed},
		"L/297 the standard alphabet":           {[]string{segment(2, func(s string) string { return "+/" + s[2:] })}, binding.ReasonProofMalformed},
		"L/297 a last character, not canonical": {[]string{segment(2, func(s string) string { return s[:len(s)-1] + "B" })}, binding.ReasonProofMalformed},
		"L/298 a header that is not UTF-8":      {[]string{es256().sign(es256().header().and("\"x\":\"\xff\""), goodClaims().String())}, binding.ReasonProofMalformed},
		"L/298 a payload that is not UTF-8":     {[]string{es256().sign(es256().header().String(), goodClaims().and("\"x\":\"\xff\""))}, binding.ReasonProofMalformed},
		"L/298 a byte order mark":               {[]string{es256().sign("\ufeff"+es256().header().String(), goodClaims().String())}, binding.ReasonProofMalformed},
		"L/298 bytes behind the payload":        {[]string{es256().sign(es256().header().String(), goodClaims().String()+"{}")}, binding.ReasonProofMalformed},
		"L/298 the payload an array":            {[]string{es256().sign(es256().header().String(), "[]")}, binding.ReasonProofMalformed},
		"L/298 the payload a number":            {[]string{es256().sign(es256().header().String(), "1")}, binding.ReasonProofMalformed},
		"L/298 the payload null":                {[]string{es256().sign(es256().header().String(), "null")}, binding.ReasonProofMalformed},
		"L/298 the header an array":             {[]string{es256().sign("[]", goodClaims().String())}, binding.ReasonProofMalformed},
		"L/298 the header null":                 {[]string{es256().sign("null", goodClaims().String())}, binding.ReasonProofMalformed},
		"L/299 htu twice":                       {[]string{es256().sign(es256().header().String(), goodClaims().and(`"htu":"`+origin+`/accounts"`))}, binding.ReasonProofMalformed},
		"L/299 htu twice, by an escape":         {[]string{es256().sign(es256().header().String(), goodClaims().and(`"\u0068tu":"`+origin+`/accounts"`))}, binding.ReasonProofMalformed},
		"L/299 typ twice":                       {[]string{es256().sign(es256().header().and(`"typ":"dpop+jwt"`), goodClaims().String())}, binding.ReasonProofMalformed},
		"L/299 kty twice in jwk":                {[]string{es256().sign(es256().header().with("jwk", es256().jwk().and(`"kty":"EC"`)).String(), goodClaims().String())}, binding.ReasonProofMalformed},
		"L/300 1,000 members":                   {[]string{"e30." + strings.Repeat("A", 7000) + ".AA"}, binding.ReasonProofType},
		"L/300 many members of the payload":     {[]string{es256().sign(es256().header().String(), goodClaims().and(manyMembers(200)))}, binding.ReasonProofMalformed},
		"L/300 many members of the header":      {[]string{es256().sign(es256().header().and(manyMembers(200)), goodClaims().String())}, binding.ReasonProofMalformed},
		"L/300 deep":                            {[]string{es256().sign(es256().header().String(), strings.Repeat("[", 4000))}, binding.ReasonProofMalformed},
		"L/300 deep and closed":                 {[]string{es256().sign(es256().header().String(), `{"x":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+"}")}, binding.ReasonProofMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireAnswer(t, v, get(test.fields...), test.want)
		})
	}
	t.Run("L/279 the field's name in any case", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"DPOP", "dpop", "DPoP"} {
			r := get()
			r.Header.Set(name, proof())
			requireAccepted(t, v, r)
		}
	})
	t.Run("L/280 the proof in the query or a cookie", func(t *testing.T) {
		t.Parallel()
		r := request("GET", "/accounts?DPoP="+proof())
		r.AddCookie(&http.Cookie{Name: "DPoP", Value: proof()})
		requireRefused(t, v, r, binding.ReasonProofMissing)
	})
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"m%d":0`, i)
	}
	return b.String()
}

func TestHeader(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	fapi := newVerifier(t, func(c *dpop.Config) { c.Algorithms = dpop.FAPI2() })
	all := newVerifier(t, func(c *dpop.Config) {
		c.Algorithms = []string{"ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA", "Ed25519"}
	})
	good := es256().header()
	for name, test := range map[string]struct {
		v      *dpop.Verifier
		signer signer
		header object
		want   binding.Reason
	}{
		"L/301 typ: none":                       {v, es256(), good.with("typ", ""), binding.ReasonProofType},
		"L/301 typ JWT":                         {v, es256(), good.with("typ", `"JWT"`), binding.ReasonProofType},
		"L/301 typ at+jwt":                      {v, es256(), good.with("typ", `"at+jwt"`), binding.ReasonProofType},
		"L/301 typ dpop+jwt+wrongyousee":        {v, es256(), good.with("typ", `"dpop+jwt+wrongyousee"`), binding.ReasonProofType},
		"L/301 typ a number":                    {v, es256(), good.with("typ", `1`), binding.ReasonProofType},
		"L/301 typ an array":                    {v, es256(), good.with("typ", `["dpop+jwt"]`), binding.ReasonProofType},
		"L/301 typ null":                        {v, es256(), good.with("typ", `null`), binding.ReasonProofType},
		"L/302 typ application/dpop+jwt":        {v, es256(), good.with("typ", `"application/dpop+jwt"`), accepted},
		"L/302 typ DPoP+JWT":                    {v, es256(), good.with("typ", `"DPoP+JWT"`), accepted},
		"L/303 alg: none":                       {v, es256(), good.with("alg", ""), binding.ReasonProofAlgorithm},
		"L/303 alg none":                        {v, es256(), good.with("alg", `"none"`), binding.ReasonProofAlgorithm},
		"L/303 alg nOnE":                        {v, es256(), good.with("alg", `"nOnE"`), binding.ReasonProofAlgorithm},
		"L/303 alg HS256, an EC key":            {v, es256(), good.with("alg", `"HS256"`), binding.ReasonProofAlgorithm},
		"L/303 alg HS256, oct":                  {v, es256(), good.with("alg", `"HS256"`).with("jwk", `{"kty":"oct","k":"AAAA"}`), binding.ReasonProofAlgorithm},
		"L/303 alg es256":                       {v, es256(), good.with("alg", `"es256"`), binding.ReasonProofAlgorithm},
		"L/303 alg a number":                    {v, es256(), good.with("alg", `1`), binding.ReasonProofAlgorithm},
		"L/303 alg empty":                       {v, es256(), good.with("alg", `""`), binding.ReasonProofAlgorithm},
		"L/304 ES384":                           {v, es384(), es384().header(), binding.ReasonProofAlgorithm},
		"L/304 ES512":                           {v, es512(), es512().header(), binding.ReasonProofAlgorithm},
		"L/304 ES384, named":                    {all, es384(), es384().header(), accepted},
		"L/304 ES512, named":                    {all, es512(), es512().header(), accepted},
		"L/304 RS256":                           {v, rs256(), rs256().header(), accepted},
		"L/304 PS256":                           {v, rs256().as("PS256"), rs256().as("PS256").header(), accepted},
		"L/304 EdDSA":                           {v, edDSA(), edDSA().header(), accepted},
		"L/304 Ed25519":                         {v, edDSA().as("Ed25519"), edDSA().as("Ed25519").header(), accepted},
		"L/304 RS256 under FAPI2":               {fapi, rs256(), rs256().header(), binding.ReasonProofAlgorithm},
		"L/304 PS256 under FAPI2":               {fapi, rs256().as("PS256"), rs256().as("PS256").header(), accepted},
		"L/305 RS256, an EC key":                {v, es256(), good.with("alg", `"RS256"`), binding.ReasonProofKey},
		"L/305 ES256, P-384":                    {v, es384().as("ES256"), good.with("jwk", es384().jwk().String()), binding.ReasonProofKey},
		"L/305 ES256, RSA":                      {v, es256(), good.with("jwk", rs256().jwk().String()), binding.ReasonProofKey},
		"L/305 ES256, OKP":                      {v, es256(), good.with("jwk", edDSA().jwk().String()), binding.ReasonProofKey},
		"L/305 EdDSA, EC":                       {v, es256(), good.with("alg", `"EdDSA"`), binding.ReasonProofKey},
		"L/306 crit empty":                      {v, es256(), good.with("crit", `[]`), binding.ReasonProofHeader},
		"L/306 crit exp":                        {v, es256(), good.with("crit", `["exp"]`), binding.ReasonProofHeader},
		"L/306 crit unknown":                    {v, es256(), good.with("crit", `["x"]`).with("x", "1"), binding.ReasonProofHeader},
		"L/306 b64 true":                        {v, es256(), good.with("b64", `true`), binding.ReasonProofHeader},
		"L/306 b64 false":                       {v, es256(), good.with("b64", `false`), binding.ReasonProofHeader},
		"L/307 unknown parameters":              {v, es256(), good.with("tx_id", `"1"`).with("tx_id_key", `{}`), accepted},
		"L/308 kid, x5c, x5t, x5u, jku besides": {v, es256(), good.with("kid", "1").with("x5c", "[]").with("x5t", "null").with("x5u", `"https://evil.example"`).with("jku", `"https://evil.example"`), accepted},
		"L/309 jku in place of jwk":             {v, es256(), good.with("jwk", "").with("jku", `"https://evil.example"`), binding.ReasonProofKey},
		"L/309 x5u in place of jwk":             {v, es256(), good.with("jwk", "").with("x5u", `"https://evil.example"`), binding.ReasonProofKey},
		"L/309 kid in place of jwk":             {v, es256(), good.with("jwk", "").with("kid", `"1"`), binding.ReasonProofKey},
		"L/310 jwk: none":                       {v, es256(), good.with("jwk", ""), binding.ReasonProofKey},
		"L/310 jwk a string":                    {v, es256(), good.with("jwk", `"x"`), binding.ReasonProofKey},
		"L/310 jwk an array":                    {v, es256(), good.with("jwk", `[]`), binding.ReasonProofKey},
		"L/310 jwk null":                        {v, es256(), good.with("jwk", `null`), binding.ReasonProofKey},
		"L/310 jwk a number":                    {v, es256(), good.with("jwk", `1`), binding.ReasonProofKey},
		"L/310 jwk {}":                          {v, es256(), good.with("jwk", `{}`), binding.ReasonProofKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 2 { // the second time a header that was good is remembered
				requireAnswer(t, test.v, get(test.signer.sign(test.header.String(), goodClaims().String())), test.want)
			}
		})
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	decode := func(value string) []byte { return must(base64.RawURLEncoding.DecodeString(value[1 : len(value)-1])) }
	ec, rsaOf, okp := es256().jwk(), rs256().jwk(), edDSA().jwk()
	ofLength := func(jwk object, name string, change func([]byte) []byte) object {
		return jwk.with(name, quote(b64(change(decode(jwk[name])))))
	}
	zeroInFront := func(b []byte) []byte { return append([]byte{0}, b...) }
	modulus := func(bits int) object {
		n := new(big.Int).SetBit(big.NewInt(1), bits-1, 1)
		return rsaOf.with("n", quote(b64(n.Bytes())))
	}
	rows := map[string]struct {
		signer signer
		jwk    object
		want   binding.Reason
	}{
		"L/312 kty oct":                     {es256(), object{"kty": `"oct"`, "k": `"AAAA"`}, binding.ReasonProofKey},
		"L/312 kty ec":                      {es256(), ec.with("kty", `"ec"`), binding.ReasonProofKey},
		"L/312 kty AKP":                     {es256(), ec.with("kty", `"AKP"`), binding.ReasonProofKey},
		"L/312 kty: none":                   {es256(), ec.with("kty", ""), binding.ReasonProofKey},
		"L/312 kty a number":                {es256(), ec.with("kty", "1"), binding.ReasonProofKey},
		"L/313 crv: none":                   {es256(), ec.with("crv", ""), binding.ReasonProofKey},
		"L/313 crv secp256k1":               {es256(), ec.with("crv", `"secp256k1"`), binding.ReasonProofKey},
		"L/313 crv X25519":                  {edDSA(), okp.with("crv", `"X25519"`), binding.ReasonProofKey},
		"L/313 crv Ed448":                   {edDSA(), okp.with("crv", `"Ed448"`), binding.ReasonProofKey},
		"L/313 crv P-384, 32 bytes":         {es256(), ec.with("crv", `"P-384"`), binding.ReasonProofKey},
		"L/314 x with a zero in front":      {es256(), ofLength(ec, "x", zeroInFront), binding.ReasonProofKey},
		"L/314 y one byte short":            {es256(), ofLength(ec, "y", func(b []byte) []byte { return b[1:] }), binding.ReasonProofKey},
		"L/314 x padded":                    {es256(), ec.with("x", strings.TrimSuffix(ec["x"], `"`)+`="`), binding.ReasonProofKey},
		"L/314 x with a line end":           {es256(), ec.with("x", ec["x"][:5]+`\n`+ec["x"][5:]), binding.ReasonProofKey},
		"L/314 x with a line end in place":  {es256(), ec.with("x", ec["x"][:5]+`\n`+ec["x"][6:]), binding.ReasonProofKey},
		"L/314 y of 100 bytes":              {es256(), ofLength(ec, "y", func([]byte) []byte { return make([]byte, 100) }), binding.ReasonProofKey},
		"L/314 y a number":                  {es256(), ec.with("y", "1"), binding.ReasonProofKey},
		"L/315 off the curve":               {es256(), ec.with("y", ec["x"]), binding.ReasonProofKey},
		"L/315 (0,0)":                       {es256(), ec.with("x", quote(b64(make([]byte, 32)))).with("y", quote(b64(make([]byte, 32)))), binding.ReasonProofKey},
		"L/315 x beyond the field":          {es256(), ec.with("x", quote(b64([]byte(strings.Repeat("\xff", 32))))), binding.ReasonProofKey},
		"L/315 OKP of 31 bytes":             {edDSA(), ofLength(okp, "x", func(b []byte) []byte { return b[1:] }), binding.ReasonProofKey},
		"L/315 OKP of 33 bytes":             {edDSA(), ofLength(okp, "x", zeroInFront), binding.ReasonProofKey},
		"L/315 OKP of small order":          {edDSA(), okp.with("x", quote(b64(make([]byte, 32)))), binding.ReasonProofKey},
		"L/316 RSA of 1024 bits":            {rs256(), modulus(1024), binding.ReasonProofKey},
		"L/316 RSA of 2040 bits":            {rs256(), modulus(2040), binding.ReasonProofKey},
		"L/316 RSA of 4104 bits":            {rs256(), modulus(4104), binding.ReasonProofKey},
		"L/316 RSA of 16,384 bits":          {rs256(), modulus(16384), binding.ReasonProofKey},
		"L/316 RSA, n even":                 {rs256(), ofLength(rsaOf, "n", func(b []byte) []byte { b[len(b)-1] &^= 1; return b }), binding.ReasonProofKey},
		"L/317 RSA, n with a zero in front": {rs256(), ofLength(rsaOf, "n", zeroInFront), binding.ReasonProofKey},
		"L/317 RSA, e with a zero in front": {rs256(), rsaOf.with("e", `"AAEAAQ"`), binding.ReasonProofKey},
		"L/317 RSA, e 1":                    {rs256(), rsaOf.with("e", `"AQ"`), binding.ReasonProofKey},
		"L/317 RSA, e even":                 {rs256(), rsaOf.with("e", `"AQAA"`), binding.ReasonProofKey},
		"L/317 RSA, e above 2^31-1":         {rs256(), rsaOf.with("e", quote(b64([]byte{0x80, 0, 0, 1}))), binding.ReasonProofKey},
		"L/317 RSA, e of 5 bytes":           {rs256(), rsaOf.with("e", quote(b64([]byte{1, 0, 1, 0, 1}))), binding.ReasonProofKey},
		"L/317 RSA, e empty":                {rs256(), rsaOf.with("e", `""`), binding.ReasonProofKey},
		"L/318 optional members":            {es256(), ec.with("alg", `"RS256"`).with("use", `"enc"`).with("key_ops", `["sign"]`).with("kid", "1").with("ext", "true"), accepted},
		"L/318 an RSA key's e of 31 bits":   {rs256(), rsaOf, accepted},
	}
	for kty, of := range map[string]struct {
		signer
		jwk object
	}{"EC": {es256(), ec}, "RSA": {rs256(), rsaOf}, "OKP": {edDSA(), okp}} {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
			for _, value := range []string{`"AQAB"`, `null`, `1`, `[]`, `""`} {
				rows[fmt.Sprintf("L/311 %s with %s %s", kty, private, value)] = struct {
					signer signer
					jwk    object
					want   binding.Reason
				}{of.signer, of.jwk.with(private, value), binding.ReasonProofKey}
			}
		}
	}
	for name, test := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireAnswer(t, v, get(test.signer.sign(test.signer.header().with("jwk", test.jwk.String()).String(), goodClaims().String())), test.want)
		})
	}
	t.Run("L/318 the same thumbprint however the key is written", func(t *testing.T) {
		t.Parallel()
		for _, jwk := range []string{
			es256().jwk().String(), "{ \"y\" : " + ec["y"] + ", \"kty\":\t\"EC\",\"kid\":\"1\", \"x\":" + ec["x"] + ",\"crv\":\"P-25\\u0036\" }",
		} {
			proof, err := use(t, v, get(es256().sign(es256().header().with("jwk", jwk).String(), goodClaims().String())))
			require.NoError(t, err)
			require.Equal(t, es256().thumbprint(), proof.Key)
		}
	})
}

func TestClaims(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	at := func(d time.Duration) string { return fmt.Sprint(noon.Add(d).Unix()) }
	good := func(name, value string) string { return goodClaims().with(name, value).String() }
	rows := map[string]struct {
		claims string
		want   binding.Reason
	}{
		"L/307 unknown claims":               {goodClaims().with("tx_id", `"1"`).with("sub", "1").with("aud", `[]`).String(), accepted},
		"L/307 colons in a text":             {good("ctx", quote(strings.Repeat("a:[{", 300))), accepted},
		"L/307 64 parts in a claim":          {good("ctx", "["+strings.Repeat("[],", 62)+"1]"), accepted},
		"L/300 65 parts in a claim":          {good("ctx", "["+strings.Repeat("[],", 63)+"1]"), binding.ReasonProofMalformed},
		"L/333 a query with many colons":     {good("htu", quote(origin+"/accounts?"+strings.Repeat("a:", 300))), accepted},
		"L/321 jti of 256 bytes":             {good("jti", quote(strings.Repeat("j", 256))), accepted},
		"L/321 jti of 257 bytes":             {good("jti", quote(strings.Repeat("j", 257))), binding.ReasonProofClaims},
		"L/322 jti of one character":         {good("jti", `"1"`), accepted},
		"L/322 jti with NUL":                 {good("jti", `"\u0000a"`), accepted},
		"L/322 jti not ASCII":                {good("jti", `"é"`), accepted},
		"L/323 HTU":                          {goodClaims().with("htu", "").with("HTU", quote(origin+"/accounts")).String(), binding.ReasonProofClaims},
		"L/323 Htm":                          {goodClaims().with("htm", "").with("Htm", `"GET"`).String(), binding.ReasonProofClaims},
		"L/323 JTI":                          {goodClaims().with("jti", "").with("JTI", `"1"`).String(), binding.ReasonProofClaims},
		"L/324 iat a string":                 {good("iat", quote(at(0))), binding.ReasonProofClaims},
		"L/324 iat true":                     {good("iat", "true"), binding.ReasonProofClaims},
		"L/324 iat null":                     {good("iat", "null"), binding.ReasonProofClaims},
		"L/324 iat -1":                       {good("iat", "-1"), binding.ReasonProofClaims},
		"L/324 iat 1e400":                    {good("iat", "1e400"), binding.ReasonProofClaims},
		"L/324 iat in milliseconds":          {good("iat", fmt.Sprint(noon.UnixMilli())), binding.ReasonProofClaims},
		"L/324 iat of 30 digits":             {good("iat", strings.Repeat("9", 30)), binding.ReasonProofClaims},
		"L/324 iat a second beyond 9999":     {good("iat", "253402300800"), binding.ReasonProofClaims},
		"L/324 iat the last second of 9999":  {good("iat", "253402300799"), binding.ReasonProofNotYetValid},
		"L/324 a fraction beyond 9999":       {good("iat", "253402300799.5"), binding.ReasonProofClaims},
		"L/324 the last second, another way": {good("iat", "2.53402300799e11"), binding.ReasonProofNotYetValid},
		"L/325 iat with a fraction":          {good("iat", at(0)+".25"), accepted},
		"L/325 iat with an exponent":         {good("iat", fmt.Sprintf("%.9fe9", float64(noon.Unix())/1e9)), accepted},
		"L/325 iat old, with a fraction":     {good("iat", at(-61*time.Second)+".9"), binding.ReasonProofExpired},
		"L/326 exp an hour ago":              {good("exp", at(-time.Hour)), binding.ReasonProofExpired},
		"L/326 exp now and leeway":           {good("exp", at(-30*time.Second)), binding.ReasonProofExpired},
		"L/326 exp within leeway":            {good("exp", at(-29*time.Second)), accepted},
		"L/326 nbf in an hour":               {good("nbf", at(time.Hour)), binding.ReasonProofNotYetValid},
		"L/326 nbf within leeway":            {good("nbf", at(30*time.Second)), accepted},
		"L/326 exp 0":                        {good("exp", "0"), binding.ReasonProofExpired},
		"L/327 nbf now, exp in five minutes": {goodClaims().with("nbf", at(0)).with("exp", at(5*time.Minute)).String(), accepted},
		"L/328 exp a string":                 {good("exp", `"1"`), binding.ReasonProofClaims},
		"L/328 exp null":                     {good("exp", `null`), binding.ReasonProofClaims},
		"L/328 nbf a string":                 {good("nbf", `"1"`), binding.ReasonProofClaims},
		"L/328 nonce a number":               {good("nonce", "1"), binding.ReasonProofClaims},
		"L/328 nonce null":                   {good("nonce", "null"), binding.ReasonProofClaims},
		"L/330 htm get":                      {good("htm", `"get"`), binding.ReasonProofMethod},
		"L/330 htm Get":                      {good("htm", `"Get"`), binding.ReasonProofMethod},
		"L/330 htm with a space":             {good("htm", `"GET "`), binding.ReasonProofMethod},
		"L/330 htm an array":                 {good("htm", `["GET"]`), binding.ReasonProofClaims},
		"L/351 iat 10 s ago":                 {good("iat", at(-10*time.Second)), accepted},
		"L/351 iat 8 s ahead":                {good("iat", at(8*time.Second)), accepted},
		"L/351 iat 30 s ahead":               {good("iat", at(30*time.Second)), accepted},
		"L/352 iat 60 s ago":                 {good("iat", at(-60*time.Second)), accepted},
		"L/352 iat 61 s ago":                 {good("iat", at(-61*time.Second)), binding.ReasonProofExpired},
		"L/352 iat an hour ago":              {good("iat", at(-time.Hour)), binding.ReasonProofExpired},
		"L/352 iat 0":                        {good("iat", "0"), binding.ReasonProofExpired},
		"L/353 iat 31 s ahead":               {good("iat", at(31*time.Second)), binding.ReasonProofNotYetValid},
		"L/353 iat 40 s ahead":               {good("iat", at(40*time.Second)), binding.ReasonProofNotYetValid},
		"L/353 iat an hour ahead":            {good("iat", at(time.Hour)), binding.ReasonProofNotYetValid},
		"L/353 iat 1e10":                     {good("iat", "1e10"), binding.ReasonProofNotYetValid},
		"L/354 nonces off, a nonce":          {good("nonce", `"eyJ7S_zG.eyJH0-Z.HX4w-7v"`), accepted},
		"L/360 ath of another token":         {good("ath", quote(ath("another"))), binding.ReasonProofToken},
		"L/360 ath padded":                   {good("ath", quote(ath(token)+"=")), binding.ReasonProofToken},
		"L/360 ath hexadecimal":              {good("ath", quote(fmt.Sprintf("%x", must(base64.RawURLEncoding.DecodeString(ath(token)))))), binding.ReasonProofToken},
		"L/360 ath over the field's value":   {good("ath", quote(ath("DPoP "+token))), binding.ReasonProofToken},
		"L/360 ath not canonical":            {good("ath", quote(ath(token)[:42]+"p")), binding.ReasonProofToken},
	}
	for _, name := range []string{"jti", "htm", "htu", "iat", "ath"} {
		for what, value := range map[string]string{"without": "", "empty": `""`, "a number": `-5`, "an object": `{}`, "null": "null"} {
			rows["L/320 "+name+" "+what] = struct {
				claims string
				want   binding.Reason
			}{good(name, value), binding.ReasonProofClaims}
		}
	}
	for name, test := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireAnswer(t, v, get(es256().sign(es256().header().String(), test.claims)), test.want)
		})
	}
	t.Run("L/329 a proof for GET", func(t *testing.T) {
		t.Parallel()
		for _, method := range []string{"POST", "PUT", "HEAD"} {
			requireRefused(t, v, request(method, "/accounts", es256().sign(es256().header().String(), goodClaims().String())), binding.ReasonProofMethod)
		}
	})
}

func TestSignature(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	good := es256().sign(es256().header().String(), goodClaims().String())
	at := strings.LastIndex(good, ".") + 1
	forge := func(signature []byte) string { return good[:at] + b64(signature) }
	raw := must(base64.RawURLEncoding.DecodeString(good[at:]))
	changed := append([]byte(nil), raw...)
	changed[5] ^= 1
	der := append([]byte{0x30, 68, 2, 32}, append(append(append([]byte(nil), raw[:32]...), 2, 32), raw[32:]...)...)
	other := newEC("ES256", elliptic.P256())
	for name, proof := range map[string]string{
		"L/362 signed by another key": other.sign(es256().header().String(), goodClaims().String()),
		"L/362 a bit changed":         forge(changed),
		"L/362 DER":                   forge(der),
		"L/362 all zeros":             forge(make([]byte, 64)),
		"L/362 short":                 forge(raw[:63]),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, v, get(proof), binding.ReasonProofSignature)
		})
	}
	// A header that was forged with is read each time, and so is one of a good proof that another signs.
	requireAccepted(t, v, get(good))
}

// 4.2: what is written differently is the same proof for other reasons as well.
func TestProofIsAskedOnce(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, func(c *dpop.Config) { c.DangerouslyAcceptReplays = true })
	proof, err := v.ReadProof(get(es256().sign(es256().header().String(), goodClaims().String())), token)
	require.NoError(t, err)
	require.NoError(t, proof.Prove(t.Context()))
	for range 3 { // what it was read in may be another request's by now
		requireAccepted(t, v, get(es256().sign(es256().header().String(), goodClaims().String())))
		require.Equal(t, binding.ReasonProofReplayed, binding.AsError(proof.Prove(t.Context())).Reason)
	}
}

// Verify is about the signature alone: it uses nothing up, and Prove does not need it.
func TestVerifyUsesNothingUp(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	good := es256().sign(es256().header().String(), goodClaims().String())
	for range 3 {
		proof, err := v.ReadProof(get(good), token)
		require.NoError(t, err)
		require.NoError(t, proof.Verify())
		require.NoError(t, proof.Verify())
	}
	proof, err := v.ReadProof(get(good), token)
	require.NoError(t, err)
	require.NoError(t, proof.Verify())
	require.NoError(t, proof.Prove(t.Context()))
	require.Equal(t, binding.ReasonProofReplayed, binding.AsError(proof.Verify()).Reason, "it may be another request's by now")
	requireRefused(t, v, get(good), binding.ReasonProofReplayed)

	forged := good[:strings.LastIndex(good, ".")+1] + b64(make([]byte, 64))
	proof, err = v.ReadProof(get(forged), token)
	require.NoError(t, err)
	for range 2 {
		require.Equal(t, binding.ReasonProofSignature, binding.AsError(proof.Verify()).Reason)
	}
	require.Equal(t, binding.ReasonProofSignature, binding.AsError(proof.Prove(t.Context())).Reason)
}

func TestZeroVerifier(t *testing.T) {
	t.Parallel()
	var v dpop.Verifier
	requireRefused(t, &v, get(es256().sign(es256().header().String(), goodClaims().String())), binding.ReasonMisconfigured)
	require.Empty(t, v.Nonce())
	require.Empty(t, v.Algorithms())
	require.Zero(t, v.Stats())
}

// No text of ours holds anything of a proof.
func TestCausesHoldNothingOfAProof(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	const canary = "canary"
	for _, claims := range []object{
		goodClaims().with("htu", quote("https://"+canary+".example/accounts")), goodClaims().with("htu", quote(origin+"/"+canary)), goodClaims().with("jti", `["`+canary+`"]`),
		goodClaims().with("ath", quote(canary)), goodClaims().with("htm", quote(canary)), goodClaims().with("nonce", `["`+canary+`"]`), goodClaims().with("iat", quote(canary)),
	} {
		_, err := use(t, v, get(es256().sign(es256().header().String(), claims.String())))
		require.Error(t, err)
		for ; err != nil; err = unwrap(err) {
			require.NotContains(t, err.Error(), canary)
			require.NotContains(t, fmt.Sprintf("%+v", err), canary)
		}
	}
	_, err := use(t, v, get(es256().sign(es256().header().with("alg", quote(canary)).String(), goodClaims().String())))
	require.ErrorContains(t, binding.AsError(err).Cause, "ES256, EdDSA")
	require.NotContains(t, binding.AsError(err).Cause.Error(), canary)
}

// What is wrong with a proof, or with the configuration, is said where somebody can mend it.
func TestCausesSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	connect := request(http.MethodConnect, "api.example:443", signed(goodClaims().with("htm", quote(http.MethodConnect))))
	connect.RequestURI = "api.example:443"
	header := b64([]byte(es256().header().String()))
	for name, test := range map[string]struct {
		request *http.Request
		cause   string
	}{
		"two segments":            {get(header + ".e30"), "compact serialization"},
		"a header of one letter":  {get("A.e30.AA"), "compact serialization"},
		"another method":          {get(signed(goodClaims().with("htm", quote("get")))), "in capitals"},
		"another origin":          {get(proofFor("https://evil.example/accounts")), "Config.Origins: " + origin},
		"another path":            {get(proofFor(origin + "/payments")), "Config.PathPrefix"},
		"a target without a path": {connect, "no path"},
	} {
		_, err := use(t, v, test.request)
		require.Error(t, err, name)
		require.ErrorContains(t, binding.AsError(err).Cause, test.cause, name)
	}
}

func unwrap(err error) error {
	if refusal, ok := err.(*binding.Error); ok {
		return refusal.Cause
	}
	return nil
}
