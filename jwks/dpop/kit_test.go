package dpop_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/dpop"
)

const (
	origin = "https://api.example"
	token  = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// A clock is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: noon} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// A signer makes proofs by a key.
type signer struct {
	alg     string
	private crypto.Signer
}

// Keys that tests share: to make one takes long.
var (
	es256 = sync.OnceValue(func() signer { return newEC("ES256", elliptic.P256()) })
	es384 = sync.OnceValue(func() signer { return newEC("ES384", elliptic.P384()) })
	es512 = sync.OnceValue(func() signer { return newEC("ES512", elliptic.P521()) })
	rs256 = sync.OnceValue(func() signer { return signer{"RS256", must(rsa.GenerateKey(rand.Reader, 2048))} })
	edDSA = sync.OnceValue(func() signer {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return must(signer{"EdDSA", private}, err)
	})
)

func newEC(alg string, curve elliptic.Curve) signer {
	return signer{alg, must(ecdsa.GenerateKey(curve, rand.Reader))}
}

func (s signer) as(alg string) signer { return signer{alg, s.private} }

// jwk is the public key.
func (s signer) jwk() object {
	switch public := s.private.Public().(type) {
	case *ecdsa.PublicKey:
		point := must(public.Bytes())
		x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
		return object{"kty": `"EC"`, "crv": quote(public.Curve.Params().Name), "x": quote(b64(x)), "y": quote(b64(y))}
	case *rsa.PublicKey:
		return object{"kty": `"RSA"`, "n": quote(b64(public.N.Bytes())), "e": quote(b64(big.NewInt(int64(public.E)).Bytes()))}
	case ed25519.PublicKey:
		return object{"kty": `"OKP"`, "crv": `"Ed25519"`, "x": quote(b64(public))}
	}
	panic("a key of another type")
}

// thumbprint is RFC 7638's, by hand.
func (s signer) thumbprint() binding.KeyThumbprint {
	return binding.KeyThumbprint(sha256.Sum256([]byte(s.jwk().String())))
}

// sign makes a compact JWS of texts as they stand.
func (s signer) sign(header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	return input + "." + b64(s.signature([]byte(input)))
}

func (s signer) signature(input []byte) []byte {
	hash := crypto.SHA256
	digest := sha256.Sum256(input)
	sum := digest[:]
	switch s.alg {
	case "ES384":
		d := sha512.Sum384(input)
		sum, hash = d[:], crypto.SHA384
	case "ES512":
		d := sha512.Sum512(input)
		sum, hash = d[:], crypto.SHA512
	}
	switch private := s.private.(type) {
	case *ecdsa.PrivateKey:
		size := (private.Curve.Params().BitSize + 7) / 8
		r, t, err := ecdsa.Sign(rand.Reader, private, sum)
		signature := make([]byte, 2*size)
		must(r, err).FillBytes(signature[:size])
		t.FillBytes(signature[size:])
		return signature
	case *rsa.PrivateKey:
		if s.alg == "PS256" {
			return must(rsa.SignPSS(rand.Reader, private, hash, sum, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		}
		return must(rsa.SignPKCS1v15(rand.Reader, private, hash, sum))
	case ed25519.PrivateKey:
		return ed25519.Sign(private, input)
	}
	panic("a key of another type")
}

// An object is a JSON object of raw values, written in the order of its names.
type object map[string]string

func (o object) String() string {
	var b bytes.Buffer
	b.WriteByte('{')
	for n, name := range slices.Sorted(maps.Keys(o)) {
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s:%s", quote(name), o[name])
	}
	b.WriteByte('}')
	return b.String()
}

// with returns the object with another member, or without it if the value is "".
func (o object) with(name, value string) object {
	other := maps.Clone(o)
	if value == "" {
		delete(other, name)
	} else {
		other[name] = value
	}
	return other
}

// and returns the object's text with members behind it.
func (o object) and(members string) string {
	return strings.TrimSuffix(o.String(), "}") + "," + members + "}"
}

func quote(text string) string { return string(must(json.Marshal(text))) }

// header is that of a good proof.
func (s signer) header() object {
	return object{"typ": `"dpop+jwt"`, "alg": quote(s.alg), "jwk": s.jwk().String()}
}

var jtis atomic.Int64

// goodClaims are those of a good proof for GET https://api.example/accounts at noon, with a jti of their own.
func goodClaims() object {
	return object{
		"jti": quote(fmt.Sprint("jti-", jtis.Add(1))), "htm": `"GET"`, "htu": quote(origin + "/accounts"),
		"iat": fmt.Sprint(noon.Unix()), "ath": quote(ath(token)),
	}
}

func ath(token string) string {
	hash := sha256.Sum256([]byte(token))
	return b64(hash[:])
}

// get is a request for /accounts as a server gets it, with proofs.
func get(proofs ...string) *http.Request { return request(http.MethodGet, "/accounts", proofs...) }

func request(method, target string, proofs ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for _, proof := range proofs {
		r.Header.Add("DPoP", proof)
	}
	return r
}

// newVerifier is one for https://api.example at noon.
func newVerifier(tb testing.TB, change ...func(*dpop.Config)) *dpop.Verifier {
	tb.Helper()
	config := dpop.Config{Origins: []string{origin}, Clock: newClock().Now}
	for _, c := range change {
		c(&config)
	}
	v, err := dpop.New(config)
	require.NoError(tb, err)
	return v
}

// use reads the proof of a request and proves it, as a guard does.
func use(tb testing.TB, v *dpop.Verifier, r *http.Request) (binding.Proof, error) {
	tb.Helper()
	proof, err := v.ReadProof(r, token)
	if err != nil {
		require.Equal(tb, binding.KeyThumbprint{}, proof.Key)
		require.Nil(tb, proof.Prove)
		return proof, err
	}
	return proof, proof.Prove(tb.Context())
}

func requireAccepted(tb testing.TB, v *dpop.Verifier, r *http.Request) {
	tb.Helper()
	_, err := use(tb, v, r)
	require.NoError(tb, err)
}

func requireRefused(tb testing.TB, v *dpop.Verifier, r *http.Request, reason binding.Reason) {
	tb.Helper()
	_, err := use(tb, v, r)
	require.Error(tb, err)
	require.Equal(tb, reason, binding.AsError(err).Reason, "%v", binding.AsError(err).Cause)
}
