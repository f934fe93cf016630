package bindredis_test

import (
	"fmt"
	"log"

	"github.com/valkey-io/valkey-go"

	"github.com/certbound/certbound/adapters/bindredis"
	"github.com/certbound/certbound/jwks/dpop"
)

// Every replica has a store like this one. It connects when the first proof is used.
func ExampleNew() {
	replays, err := bindredis.New(bindredis.Config{
		Client: valkey.ClientOption{InitAddress: []string{"redis.internal:6379"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer replays.Close()
	proofs, err := dpop.New(dpop.Config{Origins: []string{"https://api.bank.example"}, Replays: replays})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(proofs.Algorithms())
	// Output: [ES256 EdDSA Ed25519 PS256 RS256]
}

// Incorrect: replicas whose prefixes differ share nothing, so that a proof is good once at each of them. Nothing reports it.
func ExampleNew_incorrect() {
	for _, replica := range []string{"a", "b"} {
		replays, err := bindredis.New(bindredis.Config{
			Client: valkey.ClientOption{InitAddress: []string{"redis.internal:6379"}},
			Prefix: replica + ":dpop:", // leave it out
		})
		if err != nil {
			log.Fatal(err)
		}
		replays.Close()
	}
	fmt.Println("no error")
	// Output: no error
}
