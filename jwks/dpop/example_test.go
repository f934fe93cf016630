package dpop_test

import (
	"fmt"
	"net/http"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/dpop"
)

func ExampleNew() {
	proofs, err := dpop.New(dpop.Config{
		// As clients write it, also behind a proxy.
		Origins: []string{"https://api.bank.example"},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(proofs.Algorithms())
	// Output: [ES256 EdDSA Ed25519 PS256 RS256]
}

// Behind a proxy that takes /v1 off the path.
func ExampleConfig_pathPrefix() {
	_, err := dpop.New(dpop.Config{
		Origins:    []string{"https://api.bank.example"},
		PathPrefix: "/v1",
	})
	fmt.Println(err)
	// Output: <nil>
}

// Replicas that give out nonces need the same keys. To replace a key, put the new
// one second everywhere, then first.
func ExampleConfig_nonces() {
	oldKey, newKey := make([]byte, 32), []byte("32 bytes or more that are random")
	_, err := dpop.New(dpop.Config{
		Origins:      []string{"https://api.bank.example"},
		RequireNonce: true,
		NonceKeys:    [][]byte{newKey, oldKey},
	})
	fmt.Println(err)
	// Output: <nil>
}

// The origin is no URL of an endpoint, and it is https.
func ExampleNew_wrong() {
	_, err := dpop.New(dpop.Config{Origins: []string{"https://api.bank.example/v1", "http://api.bank.example"}})
	for mistake := range binding.ConfigErrors(err) {
		fmt.Println(mistake.Field, mistake.Problem)
	}
	// Output:
	// Origins number 1 must not have a user, a path, a query or a fragment
	// Origins number 2 must be https (or http with DangerouslyAllowHTTP)
}

// A guard does this for you. A proof that was read is not yet proven: its key is
// only what the proof says until Prove has verified the signature, and it must
// be the token's.
func ExampleVerifier_ReadProof() {
	proofs, err := dpop.New(dpop.Config{Origins: []string{"https://api.bank.example"}})
	if err != nil {
		panic(err)
	}
	isBoundTo := func(key binding.KeyThumbprint) bool { return false } // what the token's cnf says
	handler := func(w http.ResponseWriter, r *http.Request) {
		proof, err := proofs.ReadProof(r, "the access token")
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		// Wrong: to go on here. Anybody can write any key into a proof.
		if !isBoundTo(proof.Key) || proof.Prove(r.Context()) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintln(w, "hello")
	}
	_ = handler
	// Output:
}
