package jwks

import (
	"fmt"
	"io"
)

// What is printed in any verb names an issuer and nothing else: a Transport of the
// application's may hold secrets, and a verifier has seen tokens.

// Format writes the verifier's issuer and nothing else, for every verb.
func (v *Verifier) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "jwks.Verifier of "+v.issuer) // fmt writes <nil> for a nil Verifier
}

// Format prints the name of the type.
func (i *Issuers) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "jwks.Issuers") }

// Format prints the name of the type.
func (d *DynamicIssuers) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "jwks.DynamicIssuers") }

// Format writes the issuer and nothing else, for every verb.
func (c Config) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "jwks.Config of "+c.Issuer)
}
