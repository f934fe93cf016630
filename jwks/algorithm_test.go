package jwks_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// flip changes one bit of a segment's bytes.
func flip(token string, segment, at int) string {
	segments := strings.Split(token, ".")
	bytes := unb64(segments[segment])
	if at < 0 {
		at += len(bytes)
	}
	bytes[at] ^= 1
	segments[segment] = b64(bytes)
	return strings.Join(segments, ".")
}

// Every algorithm over a key set that came by HTTPS, signed by jwx.
func TestEveryAlgorithm(t *testing.T) {
	t.Parallel()
	for _, alg := range everyAlgorithm {
		t.Run(string(alg), func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, bindingtest.Config{Algorithm: string(alg)})
			v := i.verifier(t)
			// odd has the bit that is changed where the text stays a good one: b becomes c.
			header, claims := i.header().with("alg", quote(string(alg))).with("odd", `"b"`), i.claims().with("odd", `"b"`)
			good := i.sign(t, header.String(), claims.String())
			requireAccepted(t, v, good)
			bit := func(segment int, object raw) string {
				return flip(good, segment, strings.Index(object.String(), `"b"`)+1)
			}
			requireRefused(t, v, bit(0, header), binding.ReasonTokenSignature)
			requireRefused(t, v, bit(1, claims), binding.ReasonTokenSignature)
			signature := len(unb64(strings.Split(good, ".")[2]))
			for _, at := range []int{0, 1, signature/2 - 1, signature / 2, signature - 1} {
				requireRefused(t, v, flip(good, 2, at), binding.ReasonTokenSignature)
			}
			requireRefused(t, v, forgedWith(t, i, header, claims), binding.ReasonTokenSignature)
			for _, other := range everyAlgorithm {
				if other == alg || isEd(other) && isEd(alg) {
					continue
				}
				token := i.sign(t, header.with("alg", quote(string(other))).String(), claims.String())
				requireRefused(t, v, token, binding.ReasonTokenKeyUnknown)
			}
		})
	}
}

func forgedWith(t *testing.T, i issuer, header, claims raw) string {
	t.Helper()
	segments := strings.Split(forged(t, i), ".")
	return b64([]byte(header.String())) + "." + b64([]byte(claims.String())) + "." + segments[2]
}

func isEd(alg jwks.Algorithm) bool { return alg == jwks.EdDSA || alg == jwks.Ed25519 }

// A key of one kind, signing as well as it can, under each algorithm's name.
func TestKeysFitAlgorithms(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	fit := map[string][]jwks.Algorithm{
		"RSA":     {jwks.RS256, jwks.RS384, jwks.RS512, jwks.PS256, jwks.PS384, jwks.PS512},
		"P-256":   {jwks.ES256},
		"P-384":   {jwks.ES384},
		"P-521":   {jwks.ES512},
		"Ed25519": {jwks.EdDSA, jwks.Ed25519},
	}
	keys := map[string]crypto.Signer{
		"RSA": rsaKey(), "P-256": p256Key(), "P-384": p384Key(), "P-521": p521Key(), "Ed25519": edKey(),
	}
	var set []json.RawMessage
	publish := func(kind, alg string) string {
		id := kind + " for " + alg
		key := signer{private: keys[kind]}.key().with("kid", quote(id))
		if alg != "any" {
			key = key.with("alg", quote(alg))
		}
		set = append(set, key.published())
		return id
	}
	type row struct {
		token    string
		accepted bool
	}
	rows := make(map[string]row)
	for kind, key := range keys {
		for _, published := range append([]jwks.Algorithm{"any"}, fit[kind]...) {
			id := publish(kind, string(published))
			for _, alg := range everyAlgorithm {
				// Where the key cannot follow the algorithm, it does what it can.
				able := alg
				if _, ok := key.(*ecdsa.PrivateKey); ok && (alg[0] != 'E' || len(alg) != 5 || isEd(alg)) {
					able = jwks.ES256
				} else if _, ok := key.(*rsa.PrivateKey); ok && alg[1] != 'S' || isEd(alg) {
					able = jwks.RS256
				}
				s := signer{alg, key}
				input := b64([]byte(s.header(id).String())) + "." + b64([]byte(i.claims().String()))
				fits := contains(fit[kind], alg) &&
					(published == "any" || published == alg || isEd(published) && isEd(alg))
				rows["C/76 C/78 C/87 "+id+", used as "+string(alg)] = row{input + "." + b64(s.signature(able, input)), fits}
			}
		}
	}
	i.publish(set...)
	v := i.verifier(t)
	accepted := 0
	for name, test := range rows {
		if test.accepted {
			accepted++
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.accepted {
				requireAccepted(t, v, test.token)
				return
			}
			requireRefused(t, v, test.token, binding.ReasonTokenKeyUnknown)
		})
	}
	require.Equal(t, (6+6)+(1+1)*3+(2+2*2), accepted)
}

func contains(list []jwks.Algorithm, alg jwks.Algorithm) bool {
	for _, one := range list {
		if one == alg {
			return true
		}
	}
	return false
}

func TestAlgorithmsNarrow(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	var set []json.RawMessage
	for _, alg := range everyAlgorithm {
		set = append(set, signerOf(alg).key().with("kid", quote(string(alg))).with("alg", quote(string(alg))).published())
	}
	i.publish(set...)
	for name, allowed := range map[string][]jwks.Algorithm{
		"C/77 nil is all":      nil,
		"C/77 one":             {jwks.ES384},
		"C/77 EdDSA alone":     {jwks.EdDSA},
		"C/87 Ed25519 alone":   {jwks.Ed25519},
		"C/77 FAPI 2.0":        jwks.FAPI2(),
		"C/77 RS256 and PS256": {jwks.RS256, jwks.PS256},
	} {
		v := i.verifier(t, func(c *jwks.Config) { c.Algorithms = allowed })
		for _, alg := range everyAlgorithm {
			t.Run(name+": "+string(alg), func(t *testing.T) {
				t.Parallel()
				s := signerOf(alg)
				token := s.sign(s.header(string(alg)).String(), i.claims().String())
				if allowed == nil || contains(allowed, alg) {
					requireAccepted(t, v, token)
					return
				}
				requireRefused(t, v, token, binding.ReasonTokenAlgorithm)
			})
		}
	}
}

func TestFAPI2IsACopy(t *testing.T) {
	t.Parallel()
	want := []jwks.Algorithm{"PS256", "ES256", "EdDSA", "Ed25519"}
	first := jwks.FAPI2()
	require.Equal(t, want, first)
	first[0] = jwks.RS256
	require.Equal(t, want, jwks.FAPI2())
}

func TestSymmetricAndNone(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	secret := []byte("0123456789abcdef0123456789abcdef")
	rsaPublic, ecPublic := rsaKey().Public().(*rsa.PublicKey), p256Key().Public().(*ecdsa.PublicKey)
	rsaSigner, ecSigner := signerOf(jwks.RS256), signerOf(jwks.ES256)
	rsaJWK := rsaSigner.key().with("kid", `"rsa"`)
	ecJWK := ecSigner.key().with("kid", `"ec"`)
	oct := raw{"kty": `"oct"`, "k": quote(b64(secret)), "kid": `"oct"`}
	i.publish(rsaJWK.published(), ecJWK.published(), oct.published(), oct.with("kid", "").published())
	v := i.verifier(t)
	claims := i.claims().String()
	requireAccepted(t, v, rsaSigner.sign(rsaSigner.header("rsa").String(), claims))
	requireAccepted(t, v, ecSigner.sign(ecSigner.header("ec").String(), claims))

	pkix := must(x509.MarshalPKIXPublicKey(rsaPublic))
	point := must(ecPublic.ECDH()).Bytes()
	mac := func(alg, kid string, secret []byte) string {
		header := raw{"alg": quote(alg), "typ": `"at+jwt"`, "kid": quote(kid)}
		return hs256(secret, header.String(), claims)
	}
	segments := strings.Split(ecSigner.sign(raw{"alg": `"none"`, "typ": `"at+jwt"`}.String(), claims), ".")
	for name, test := range map[string]struct {
		token  string
		reason binding.Reason
	}{
		"C/66 alg none, no signature":          {segments[0] + "." + segments[1] + ".", binding.ReasonTokenMalformed},
		"C/66 alg none, any signature":         {segments[0] + "." + segments[1] + ".AAAA", binding.ReasonTokenAlgorithm},
		"C/68 alg none, signed by ES256":       {strings.Join(segments, "."), binding.ReasonTokenAlgorithm},
		"C/73 HS256 with the RSA key's PEM":    {mac("HS256", "rsa", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix})), binding.ReasonTokenAlgorithm},
		"C/73 HS256 with the RSA key's DER":    {mac("HS256", "rsa", pkix), binding.ReasonTokenAlgorithm},
		"C/73 HS256 with the RSA key's PKCS#1": {mac("HS256", "rsa", x509.MarshalPKCS1PublicKey(rsaPublic)), binding.ReasonTokenAlgorithm},
		"C/73 HS256 with the RSA key's JWK":    {mac("HS256", "rsa", rsaJWK.published()), binding.ReasonTokenAlgorithm},
		"C/73 HS256 with the RSA modulus":      {mac("HS256", "rsa", rsaPublic.N.Bytes()), binding.ReasonTokenAlgorithm},
		"C/74 HS256 with the EC point":         {mac("HS256", "ec", point), binding.ReasonTokenAlgorithm},
		"C/75 HS256 with a published oct key":  {mac("HS256", "oct", secret), binding.ReasonTokenAlgorithm},
		"C/75 I/241 oct key under alg ES256":   {mac("ES256", "oct", secret), binding.ReasonTokenKeyUnknown},
		"C/75 I/241 oct key under alg RS256":   {mac("RS256", "oct", secret), binding.ReasonTokenKeyUnknown},
		"C/73 HMAC under alg RS256":            {mac("RS256", "rsa", pkix), binding.ReasonTokenSignature},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, v, test.token, test.reason)
		})
	}
	t.Run("HMAC can not be configured", func(t *testing.T) {
		t.Parallel()
		for _, alg := range []jwks.Algorithm{"HS256", "HS384", "HS512", "none", "", "ES256K", "es256"} {
			_, err := jwks.New(jwks.Config{Issuer: i.Issuer(), Audiences: []string{audience}, Algorithms: []jwks.Algorithm{alg}})
			require.Equal(t, []string{"Algorithms"}, mistakesOf(err))
		}
	})
}
