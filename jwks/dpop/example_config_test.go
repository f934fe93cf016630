package dpop_test

import (
	"fmt"
	"log"

	"github.com/certbound/certbound/jwks/dpop"
)

// A resource server of FAPI 2.0, behind a proxy that takes /v1 off the path.
func ExampleFAPI2() {
	proofs, err := dpop.New(dpop.Config{
		Origins:    []string{"https://api.bank.example"}, // the proxy's
		PathPrefix: "/v1",
		Algorithms: dpop.FAPI2(),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(proofs.Algorithms())
	// Output: [PS256 ES256 EdDSA Ed25519]
}

// Incorrect: behind a proxy this names the address that the proxy calls. Clients write the proxy's own, and every proof
// is refused (proof_uri). New cannot know.
func ExampleNew_incorrect() {
	_, err := dpop.New(dpop.Config{Origins: []string{"https://10.0.0.7:8443"}})
	fmt.Println(err)
	// Output: <nil>
}
