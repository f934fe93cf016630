package bindgrpc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/certbound/certbound/adapters/bindgrpc"
	"github.com/certbound/certbound/adapters/internal/suite"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks/dpop"
)

const origin = "https://api.example"

// algs are those of dpop.Config's zero value, as a challenge lists them.
const algs = `algs="ES256 EdDSA Ed25519 PS256 RS256"`

// dpopRefusal is a refusal under the scheme DPoP.
func dpopRefusal(reason, message string) refusal {
	return refusal{
		code: codes.Unauthenticated, message: message, reason: reason,
		challenges: []string{`DPoP error="` + reason + `", error_description="` + message + `", ` + algs},
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func proofOf(t *testing.T, spec bindingtest.ProofSpec) string {
	t.Helper()
	proof, err := bindingtest.NewProof(spec)
	require.NoError(t, err)
	return proof
}

func proofs(t *testing.T, config dpop.Config) *dpop.Verifier {
	t.Helper()
	config.Origins = []string{origin}
	verifier, err := dpop.New(config)
	require.NoError(t, err)
	return verifier
}

func TestDPoP(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	key, thief := newKey(t), newKey(t)
	token := f.Token(t, bindingtest.TokenSpec{Key: key.Public()})
	good := func(method string) bindingtest.ProofSpec {
		return bindingtest.ProofSpec{Key: key, Method: "POST", URL: origin + method, Token: token}
	}
	for name, test := range map[string]struct {
		scheme string
		proof  func(method string) []bindingtest.ProofSpec
		want   *refusal
	}{
		"L/278 the owner": {"DPoP ", func(m string) []bindingtest.ProofSpec { return []bindingtest.ProofSpec{good(m)} }, nil},
		"L/280 no proof":  {"DPoP ", func(string) []bindingtest.ProofSpec { return nil }, ptr(dpopRefusal("invalid_dpop_proof", "the request carries no DPoP proof"))},
		"L/281 two proofs": {"DPoP ", func(m string) []bindingtest.ProofSpec { return []bindingtest.ProofSpec{good(m), good(m)} },
			ptr(dpopRefusal("invalid_dpop_proof", "the request must carry exactly one DPoP field"))},
		"L/285 as a bearer token": {"Bearer ", func(m string) []bindingtest.ProofSpec { return []bindingtest.ProofSpec{good(m)} }, &refusal{
			code: codes.Unauthenticated, reason: "invalid_token", message: "the access token is bound to a DPoP key and must be sent under the DPoP scheme, with a proof",
			challenges: []string{`Bearer error="invalid_token", error_description="the access token is bound to a DPoP key and must be sent under the DPoP scheme, with a proof"`, `DPoP ` + algs}}},
		"L/361 a thief": {"DPoP ", func(m string) []bindingtest.ProofSpec {
			spec := good(m)
			spec.Key = thief
			return []bindingtest.ProofSpec{spec}
		}, ptr(dpopRefusal("invalid_token", "the access token is bound to another DPoP key"))},
		"L/329 for GET": {"DPoP ", func(m string) []bindingtest.ProofSpec {
			spec := good(m)
			spec.Method = "GET"
			return []bindingtest.ProofSpec{spec}
		}, ptr(dpopRefusal("invalid_dpop_proof", "the DPoP proof is for another method"))},
		"L/331 for another method": {"DPoP ", func(string) []bindingtest.ProofSpec { return []bindingtest.ProofSpec{good(emptyMethod)} },
			ptr(dpopRefusal("invalid_dpop_proof", "the DPoP proof is for another URI"))},
		"L/336 for it in another case": {"DPoP ", func(string) []bindingtest.ProofSpec {
			return []bindingtest.ProofSpec{good("/grpc.testing.testservice/unarycall")}
		},
			ptr(dpopRefusal("invalid_dpop_proof", "the DPoP proof is for another URI"))},
		"L/360 for another token": {"DPoP ", func(m string) []bindingtest.ProofSpec {
			spec := good(m)
			spec.Token = "another"
			return []bindingtest.ProofSpec{spec}
		}, ptr(dpopRefusal("invalid_dpop_proof", "the DPoP proof is for another access token"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := protected(t, f, f.Guard(t, binding.Config{Proofs: proofs(t, dpop.Config{})}))
			connection := site.as(t, f.Nobody)
			for kind, method := range kinds {
				pairs := []string{"authorization", test.scheme + token, "x-other", "stays"}
				for _, spec := range test.proof(method) {
					pairs = append(pairs, "dpop", proofOf(t, spec))
				}
				a := call(t, connection, kind, pairs...)
				if test.want != nil {
					site.refused(t, a, *test.want)
					continue
				}
				fields, _ := metadata.FromIncomingContext(site.accepted(t, a))
				require.NotContains(t, fields, "dpop", "a proof is for one call")
				require.Equal(t, []string{"stays"}, fields["x-other"])
				require.Contains(t, fields, "authorization")
				site.refused(t, call(t, connection, kind, pairs...), dpopRefusal("invalid_dpop_proof", "the DPoP proof was used before")) // L/370
			}
		})
	}
	t.Run("L/281 a binary proof is none", func(t *testing.T) {
		t.Parallel()
		site := protected(t, f, f.Guard(t, binding.Config{Proofs: proofs(t, dpop.Config{})}))
		for kind, method := range kinds {
			a := call(t, site.as(t, f.Nobody), kind, "authorization", "DPoP "+token, "dpop-bin", proofOf(t, good(method)))
			site.refused(t, a, dpopRefusal("invalid_dpop_proof", "the request carries no DPoP proof"))
		}
	})
}

// The nonce is in the trailer, once, of a refusal and of an answer.
func TestNonces(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	key := newKey(t)
	token := f.Token(t, bindingtest.TokenSpec{Key: key.Public()})
	verifier := &newerNonce{Verifier: proofs(t, dpop.Config{RequireNonce: true})}
	site := protected(t, f, f.Guard(t, binding.Config{Proofs: verifier}))
	connection := site.as(t, f.Nobody)
	for kind, method := range kinds {
		ask := func(nonce string) answered {
			proof := proofOf(t, bindingtest.ProofSpec{Key: key, Method: "POST", URL: origin + method, Token: token, Nonce: nonce})
			return call(t, connection, kind, "authorization", "DPoP "+token, "dpop", proof)
		}
		a := ask("")
		site.refused(t, a, dpopRefusal("use_dpop_nonce", "the DPoP proof must hold the nonce of this resource server")) // L/355
		require.Len(t, a.trailer["dpop-nonce"], 1)
		nonce := a.trailer["dpop-nonce"][0]

		a = ask(nonce)
		site.accepted(t, a)
		require.Empty(t, a.trailer["dpop-nonce"], "it is the newest")

		verifier.stale = true
		a = ask(nonce)
		site.accepted(t, a)
		require.Len(t, a.trailer["dpop-nonce"], 1) // L/359

		site.api.then = func(ctx context.Context) error { return bindgrpc.CheckScopes(ctx, "none") }
		a = ask(nonce)
		require.Equal(t, codes.PermissionDenied, a.Code())
		require.Len(t, a.trailer["dpop-nonce"], 1, "RFC 9449 §8: one")
		site.api.then, verifier.stale = nil, false
		site.api.visited()
	}
}

// newerNonce says of every nonce that there is a newer one.
type newerNonce struct {
	*dpop.Verifier
	stale bool
}

func (n *newerNonce) ReadProof(r *http.Request, token string) (binding.Proof, error) {
	proof, err := n.Verifier.ReadProof(r, token)
	proof.Stale = n.stale
	return proof, err
}

// A proof is used once, whichever guards of a chain ask for one.
func TestProofsInAChain(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	key := newKey(t)
	token := f.Token(t, bindingtest.TokenSpec{Key: key.Public()})
	shared := proofs(t, dpop.Config{})
	for name, inner := range map[string]*dpop.Verifier{"L/379 of one verifier": shared, "of another verifier": proofs(t, dpop.Config{})} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outerUnary, outerStream := bindgrpc.Protect(f.Guard(t, binding.Config{Proofs: shared}))
			innerUnary, innerStream := bindgrpc.Protect(f.Guard(t, binding.Config{Proofs: inner}))
			site := serve(t, f, grpc.ChainUnaryInterceptor(outerUnary, innerUnary), grpc.ChainStreamInterceptor(outerStream, innerStream))
			for kind, method := range kinds {
				proof := proofOf(t, bindingtest.ProofSpec{Key: key, Method: "POST", URL: origin + method, Token: token})
				ctx := site.accepted(t, call(t, site.as(t, f.Nobody), kind, "authorization", "DPoP "+token, "dpop", proof))
				fields, _ := metadata.FromIncomingContext(ctx)
				require.NotContains(t, fields, "dpop")
			}
		})
	}
}
