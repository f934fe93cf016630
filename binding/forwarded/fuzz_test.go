package forwarded_test

import (
	"crypto/sha256"
	"encoding/asn1"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

func FuzzRFC9440(f *testing.F)         { fuzz(f, forwarded.RFC9440) }
func FuzzURLPEM(f *testing.F)          { fuzz(f, forwarded.URLPEM) }
func FuzzURLPEMChain(f *testing.F)     { fuzz(f, forwarded.URLPEMChain) }
func FuzzPEMSpaces(f *testing.F)       { fuzz(f, forwarded.PEMSpaces) }
func FuzzBase64DER(f *testing.F)       { fuzz(f, forwarded.Base64DER) }
func FuzzBase64PEM(f *testing.F)       { fuzz(f, forwarded.Base64PEM) }
func FuzzTraefik(f *testing.F)         { fuzz(f, forwarded.Traefik) }
func FuzzXFCC(f *testing.F)            { fuzz(f, forwarded.XFCC) }
func FuzzSHA256Hex(f *testing.F)       { fuzz(f, forwarded.SHA256Hex) }
func FuzzSHA256Base64(f *testing.F)    { fuzz(f, forwarded.SHA256Base64) }
func FuzzSHA256Base64URL(f *testing.F) { fuzz(f, forwarded.SHA256Base64URL) }

// fuzz has an encoding read anything. What it accepts is one certificate, or
// the digest of one, and written anew as a proxy writes it, it is the same.
func fuzz(f *testing.F, encoding forwarded.Format) {
	var der []byte
	vectors := loadVectors(f)
	for _, v := range vectors {
		for _, value := range v.Values {
			f.Add(value)
		}
		if v.ID == "derived/azure-app-service/ecdsa" {
			certificate, err := read(sourceOf(f, forwarded.Base64DER), v.Values[0])
			require.NoError(f, err)
			der = certificate.DER
		}
	}
	for _, value := range malformed(der)[encoding] {
		f.Add(value)
	}
	source := sourceOf(f, encoding)
	f.Fuzz(func(t *testing.T, value string) {
		certificate, err := read(source, value)
		if err != nil {
			var refusal *binding.Error
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, 401, refusal.Status())
			require.Zero(t, certificate)
			return
		}
		if certificate.Thumbprint == (binding.Thumbprint{}) {
			require.Nil(t, certificate.DER)
			return // a placeholder
		}
		if certificate.DER != nil {
			require.Equal(t, binding.Thumbprint(sha256.Sum256(certificate.DER)), certificate.Thumbprint)
			var outer asn1.RawValue
			rest, err := asn1.Unmarshal(certificate.DER, &outer)
			require.NoError(t, err)
			require.Empty(t, rest)
			require.True(t, outer.IsCompound && outer.Class == asn1.ClassUniversal && outer.Tag == asn1.TagSequence)
		}
		again, err := read(source, encode(encoding, certificate.DER, certificate.Thumbprint))
		if len(value) < 16<<10 { // written in full it may be longer than is read
			require.NoError(t, err)
		}
		if err == nil {
			require.Equal(t, certificate, again)
		}
	})
}
