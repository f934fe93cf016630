package suite

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks/dpop"
)

// fuzzedProofs is row 383: no proof makes a framework panic, or answer with 500.
// There are too many for sockets.
func (s *suite) fuzzedProofs(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	token := s.Token(t, bindingtest.TokenSpec{Key: key.Public()})
	spec := bindingtest.ProofSpec{Key: key, URL: Audience + "/", Token: token, IssuedAt: s.now()}
	proofs, err := dpop.New(dpop.Config{Origins: []string{Audience}, Clock: s.now})
	require.NoError(t, err)
	guard, err := binding.New(binding.Config{Tokens: s.Tokens, Proofs: proofs, Observe: func(context.Context, binding.Event) {}})
	require.NoError(t, err)
	handler := s.build(io.Discard, Route{Path: "/", Steps: []Step{Protect(guard)}, Handler: new(Probe)})
	send := func(proof string) int {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.Header.Set("Authorization", "DPoP "+token)
		request.Header["Dpop"] = []string{proof}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		return recorder.Code
	}
	good, err := bindingtest.NewProof(spec)
	require.NoError(t, err)

	t.Run("L/383 10,000 fuzzed proofs", func(t *testing.T) {
		random := mathrand.New(mathrand.NewPCG(1, 2))
		for range 10_000 {
			proof := fuzzed(random, good)
			if status := send(proof); proof != good {
				require.Equal(t, http.StatusUnauthorized, status, proof)
			}
		}
	})
	t.Run("L/383 header members of every JSON type", func(t *testing.T) {
		for _, name := range []string{"typ", "alg", "jwk", "crit", "b64"} {
			for _, value := range []any{0, -1.5, true, "", "x", []any{}, []any{1}, map[string]any{}, map[string]any{"kty": 1, "crv": nil, "x": []int{}}} {
				wrong := spec
				wrong.Header = map[string]any{name: value}
				proof, err := bindingtest.NewProof(wrong)
				require.NoError(t, err)
				require.Equal(t, http.StatusUnauthorized, send(proof), "%s %v", name, value)
			}
		}
	})
	fresh, err := bindingtest.NewProof(spec)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, send(fresh), "the good proof is good")
}

// fuzzed changes some bytes: of the text, or of what a part of it stands for.
func fuzzed(random *mathrand.Rand, proof string) string {
	const marks = `"{}[],:0e-\`
	change := func(b []byte) []byte {
		for range 1 + random.IntN(3) {
			at := random.IntN(len(b))
			switch random.IntN(3) {
			case 0:
				b[at] = byte(random.Uint32())
			case 1:
				b[at] = marks[random.IntN(len(marks))]
			case 2:
				b = append(b[:at:at], b[min(len(b), at+1+random.IntN(8)):]...)
				if len(b) == 0 {
					return []byte{'0'}
				}
			}
		}
		return b
	}
	if random.IntN(4) == 0 {
		return string(change([]byte(proof)))
	}
	parts := strings.Split(proof, ".")
	part := random.IntN(len(parts))
	decoded, err := base64.RawURLEncoding.DecodeString(parts[part])
	if err != nil {
		return proof
	}
	parts[part] = base64.RawURLEncoding.EncodeToString(change(decoded))
	return strings.Join(parts, ".")
}
