package wycheproof

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// TestVerifier publishes the keys of the vectors over HTTPS, for a verifier as
// an application makes it. It refuses every token of the files: none is an access
// token. And it accepts an access token that is signed with the private key of
// a group, which the files have too, if and only if a vector of the group is
// accepted.
func TestVerifier(t *testing.T) {
	t.Parallel()
	issuer, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	require.NoError(t, err)
	t.Cleanup(issuer.Close)
	own := ownKey(t)
	for name, row := range tokenFiles {
		accepting, tokens := 0, 0
		for n, group := range read[tokenGroup](t, name).TestGroups {
			t.Run(fmt.Sprintf("%s/%d %s", name, n, group.Comment), func(t *testing.T) {
				v := newVerifier(t, issuer, group.keySet(t, own.published))
				requireAccepted(t, v, own.sign(t, issuer.Issuer())) // the set was read
				for n, test := range group.Tests {
					token, err := v.VerifyToken(t.Context(), group.token(n))
					require.Error(t, err, "vector %d", test.ID)
					require.Nil(t, token)
					require.Equal(t, http.StatusUnauthorized, binding.AsError(err).StatusCode(), "vector %d", test.ID)
					tokens++
				}
				key, ok := group.privateKey(t)
				if !ok {
					return
				}
				token, err := v.VerifyToken(t.Context(), key.sign(t, issuer.Issuer()))
				if group.accepts(row.reasons) {
					require.NoError(t, err)
					require.Equal(t, issuer.Issuer(), token.Issuer())
					accepting++
					return
				}
				require.Error(t, err)
				require.Nil(t, token)
				require.Equal(t, binding.ReasonTokenKeyUnknown, binding.AsError(err).Reason)
			})
		}
		require.Equal(t, row.want.sum(), tokens, name)
		require.Equal(t, row.keys, accepting, name)
	}
}

// accepts reports whether a vector of the group is accepted.
func (g tokenGroup) accepts(reasons map[string][]int) bool {
	refused := make(map[int]bool)
	for _, ids := range reasons {
		for _, id := range ids {
			refused[id] = true
		}
	}
	for _, test := range g.Tests {
		if test.Result == valid && !refused[test.ID] {
			return true
		}
	}
	return false
}

// newVerifier returns a verifier of the issuer, whose keys these are.
func newVerifier(t *testing.T, issuer *bindingtest.AuthorizationServer, keys []byte) *jwks.Verifier {
	t.Helper()
	issuer.Handle(bindingtest.JWKSPath, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(keys) }))
	v, err := jwks.New(jwks.Config{
		Issuer:       issuer.Issuer(),
		Audiences:    []string{"https://api.example"},
		Transport:    issuer.Transport(),
		FetchTimeout: time.Minute,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, v.Close()) })
	return v
}

func requireAccepted(t *testing.T, v *jwks.Verifier, token string) {
	t.Helper()
	_, err := v.VerifyToken(t.Context(), token)
	require.NoError(t, err)
}

// A privateKey signs as its JWK says, however bad the key is.
type privateKey struct {
	published json.RawMessage
	jwk       map[string]string
	alg       string
}

func ownKey(t *testing.T) privateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	d, err := key.Bytes()
	require.NoError(t, err)
	point, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	jwk := map[string]string{"kty": "EC", "crv": "P-256", "kid": "own", "x": base64URL(point[1:33]), "y": base64URL(point[33:])}
	published, err := json.Marshal(jwk)
	require.NoError(t, err)
	jwk["d"] = base64URL(d)
	return privateKey{published, jwk, "ES256"}
}

// privateKey returns the group's key, if it is one that signs and is published
// without its private part.
func (g tokenGroup) privateKey(t *testing.T) (privateKey, bool) {
	t.Helper()
	if g.Public == nil || g.Tests[0].JWS == nil {
		return privateKey{}, false
	}
	var private struct {
		Keys []json.RawMessage
	}
	require.NoError(t, json.Unmarshal(g.Private, &private))
	text := g.Private
	if private.Keys != nil {
		text = private.Keys[0]
	}
	var members map[string]any
	require.NoError(t, json.Unmarshal(text, &members))
	key := privateKey{published: g.Public, jwk: make(map[string]string)}
	for name, value := range members {
		key.jwk[name], _ = value.(string)
	}
	// The algorithm is that of the group's first token: the key's may be odd.
	first, _, _ := strings.Cut(g.token(0), ".")
	decoded, err := base64.RawURLEncoding.DecodeString(first)
	require.NoError(t, err)
	var header struct{ Alg string }
	require.NoError(t, json.Unmarshal(decoded, &header))
	key.alg = header.Alg
	return key, true
}

// sign makes an access token.
func (k privateKey) sign(t *testing.T, issuer string) string {
	t.Helper()
	now := time.Now().Unix()
	input := base64URL(fmt.Appendf(nil, `{"alg":%q,"kid":%q,"typ":"at+jwt"}`, k.alg, k.jwk["kid"])) + "." +
		base64URL(fmt.Appendf(nil, `{"iss":%q,"aud":"https://api.example","sub":"alice","client_id":"app","jti":"1","iat":%d,"exp":%d}`, issuer, now, now+300))
	hash, digest := digestOf(t, k.alg, input)
	switch k.alg[:2] {
	case "ES":
		curve := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES512": elliptic.P521()}[k.alg]
		private, err := ecdsa.ParseRawPrivateKey(curve, k.number(t, "d").FillBytes(make([]byte, (curve.Params().BitSize+7)/8)))
		require.NoError(t, err)
		r, s, err := ecdsa.Sign(rand.Reader, private, digest)
		require.NoError(t, err)
		half := (curve.Params().BitSize + 7) / 8
		return input + "." + base64URL(append(r.FillBytes(make([]byte, half)), s.FillBytes(make([]byte, half))...))
	case "PS":
		private := &rsa.PrivateKey{
			PublicKey: rsa.PublicKey{N: k.number(t, "n"), E: int(k.number(t, "e").Int64())},
			D:         k.number(t, "d"), Primes: []*big.Int{k.number(t, "p"), k.number(t, "q")},
		}
		private.Precompute()
		signature, err := rsa.SignPSS(rand.Reader, private, hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		require.NoError(t, err)
		return input + "." + base64URL(signature)
	case "RS":
		// By hand: crypto/rsa would not sign with some of these keys.
		n := k.number(t, "n")
		size := (n.BitLen() + 7) / 8
		info := append(digestInfo[hash], digest...)
		padded := append([]byte{0, 1}, strings.Repeat("\xff", size-len(info)-3)...)
		padded = append(append(padded, 0), info...)
		signature := new(big.Int).Exp(new(big.Int).SetBytes(padded), k.number(t, "d"), n)
		return input + "." + base64URL(signature.FillBytes(make([]byte, size)))
	}
	require.FailNow(t, "an algorithm that nobody signs with", k.alg)
	return ""
}

// digestInfo begins a PKCS #1 v1.5 signature (RFC 8017 §9.2, note 1).
var digestInfo = map[crypto.Hash][]byte{
	crypto.SHA256: []byte("\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"),
	crypto.SHA384: []byte("\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30"),
	crypto.SHA512: []byte("\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"),
}

func digestOf(t *testing.T, alg, input string) (crypto.Hash, []byte) {
	t.Helper()
	switch alg[2:] {
	case "256":
		digest := sha256.Sum256([]byte(input))
		return crypto.SHA256, digest[:]
	case "384":
		digest := sha512.Sum384([]byte(input))
		return crypto.SHA384, digest[:]
	}
	require.Equal(t, "512", alg[2:])
	digest := sha512.Sum512([]byte(input))
	return crypto.SHA512, digest[:]
}

func (k privateKey) number(t *testing.T, name string) *big.Int {
	t.Helper()
	decoded, err := base64.RawURLEncoding.DecodeString(k.jwk[name])
	require.NoError(t, err)
	return new(big.Int).SetBytes(decoded)
}
