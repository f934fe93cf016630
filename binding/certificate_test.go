package binding_test

import (
	"crypto/x509"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// Only the connection's leaf, after a completed handshake, is a certificate whose key the client has.
func TestCertificateOfTheConnection(t *testing.T) {
	t.Parallel()
	leaf, intermediate := newCertificate(t, "client-1").Leaf, newCertificate(t, "intermediate").Leaf
	for name, test := range map[string]struct {
		change func(*http.Request)
		want   binding.Reason
	}{
		"F/145 leaf":                    {func(*http.Request) {}, ""},
		"G/175 plain HTTP":              {func(r *http.Request) { r.TLS = nil }, binding.ReasonCertificateMissing},
		"G/176 no certificate":          {func(r *http.Request) { r.TLS.PeerCertificates = nil }, binding.ReasonCertificateMissing},
		"G/195 handshake not completed": {func(r *http.Request) { r.TLS.HandshakeComplete = false }, binding.ReasonCertificateMissing},
		"F/168 not as the second": {func(r *http.Request) {
			r.TLS.PeerCertificates = []*x509.Certificate{intermediate, leaf}
		}, binding.ReasonThumbprintMismatch},
		"F/168 not in a verified chain": {func(r *http.Request) {
			r.TLS.PeerCertificates = nil
			r.TLS.VerifiedChains = [][]*x509.Certificate{{leaf}}
		}, binding.ReasonCertificateMissing},
		"a leaf without bytes": {func(r *http.Request) {
			r.TLS.PeerCertificates = []*x509.Certificate{{}, leaf}
		}, binding.ReasonCertificateMissing},
		"G/192 HTTP/3, whose listener asked for none": {func(r *http.Request) {
			r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/3.0", 3, 0
			r.TLS.PeerCertificates = nil
		}, binding.ReasonCertificateMissing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := request(bearer(claims(t, boundTo(leaf))), leaf, intermediate)
			test.change(r)
			_, err := newGuard(t, binding.Config{}).Check(r)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			requireRefused(t, err, test.want, 401)
		})
	}
}

func TestCertificateX509(t *testing.T) {
	t.Parallel()
	leaf := newCertificate(t, "client-1").Leaf
	parsed, err := binding.Certificate{DER: leaf.Raw}.X509()
	require.NoError(t, err)
	require.True(t, leaf.Equal(parsed))
	_, err = binding.Certificate{Thumbprint: binding.ThumbprintOf(leaf)}.X509()
	require.ErrorIs(t, err, binding.ErrCertificateNotForwarded)
	_, err = binding.Certificate{DER: leaf.Raw[:40]}.X509()
	require.Error(t, err)
	require.NotErrorIs(t, err, binding.ErrCertificateNotForwarded)
}
