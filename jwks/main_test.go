package jwks_test

import (
	"encoding/pem"
	"log"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// TestMain also makes the certificate of the fault tests a root of this process,
// for the transport that New makes takes no other: crypto/x509 reads
// SSL_CERT_FILE once, at its first use.
func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "jwks-test-")
	if err != nil {
		log.Fatal(err)
	}
	roots := filepath.Join(folder, "roots.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: faultCertificate().Leaf.Raw})
	if err := os.WriteFile(roots, text, 0o600); err != nil {
		log.Fatal(err)
	}
	if err := os.Setenv("SSL_CERT_FILE", roots); err != nil {
		log.Fatal(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(folder)
		os.Exit(code)
	}))
}
