//go:debug x509usefallbackroots=1

package jwks_test

import (
	"crypto/x509"
	"testing"

	"go.uber.org/goleak"
)

// TestMain also makes the certificate of the fault tests the only root of this
// process, on every system, for the transport that New makes takes no other.
func TestMain(m *testing.M) {
	roots := x509.NewCertPool()
	roots.AddCert(faultCertificate().Leaf)
	x509.SetFallbackRoots(roots)
	goleak.VerifyTestMain(m)
}
