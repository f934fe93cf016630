package dpop

import (
	"fmt"
	"io"
	"strings"
)

// What is printed in any verb names the origins and nothing else: keys of nonces
// are secret.

// Format prints the origins.
func (c Config) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "dpop.Config of "+strings.Join(c.Origins, ", "))
}

// Format prints the origins.
func (v *Verifier) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "dpop.Verifier of "+strings.Join(v.origins, ", "))
}
