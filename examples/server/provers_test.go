package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// A prover is a client with a DPoP key.
type prover struct {
	key *ecdsa.PrivateKey
	jkt string
}

func newProver(t *testing.T) prover {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	jkt, err := bindingtest.KeyThumbprint(key.Public())
	require.NoError(t, err)
	return prover{key, jkt}
}

// token is bound to the key and, if there is one, to the certificate.
func (p prover) token(t *testing.T, as *bindingtest.AuthorizationServer, certificate *party, scopes ...string) string {
	t.Helper()
	spec := bindingtest.TokenSpec{Scopes: scopes, Key: p.key.Public()}
	if certificate != nil {
		spec.Certificate = certificate.certificate.Leaf
	}
	token, err := as.Token(spec)
	require.NoError(t, err)
	return token
}

// proof is for one GET of the path at the origin, with changed claims.
func (p prover) proof(t *testing.T, path, token string, changes map[string]any) string {
	t.Helper()
	proof, err := bindingtest.NewProof(bindingtest.ProofSpec{Key: p.key, URL: audience + path, Token: token, Claims: changes})
	require.NoError(t, err)
	return proof
}

// withProof is a request under the scheme DPoP; without a proof, if that is "".
func withProof(t *testing.T, client *http.Client, url, token, proof string) answer {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "DPoP "+token)
	if proof != "" {
		request.Header.Set("DPoP", proof)
	}
	return do(t, client, request)
}
