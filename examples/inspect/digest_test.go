package main_test

import (
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/stretchr/testify/require"
)

func sha1Of(b []byte) []byte   { d := sha1.Sum(b); return d[:] }
func sha256Of(b []byte) []byte { d := sha256.Sum256(b); return d[:] }
func sha512Of(b []byte) []byte { d := sha512.Sum512(b); return d[:] }

func inBase64URL(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// withColons is how openssl x509 -fingerprint writes a digest.
func withColons(digest []byte) string {
	var parts []string
	for _, b := range digest {
		parts = append(parts, strings.ToUpper(hex.EncodeToString([]byte{b})))
	}
	return strings.Join(parts, ":")
}

// jwkThumbprint is RFC 7638's, by another implementation than the inspector's.
func jwkThumbprint(t *testing.T, certificate *x509.Certificate) string {
	t.Helper()
	key, err := jwk.FromRaw(certificate.PublicKey)
	require.NoError(t, err)
	digest, err := key.Thumbprint(crypto.SHA256)
	require.NoError(t, err)
	return inBase64URL(digest)
}
