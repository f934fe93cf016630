package suite

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/certbound/certbound/binding"
)

// certificates is what of section G no handshake shows: a request without one,
// or with one that is not over.
func (s *suite) certificates(t *testing.T) {
	guard := s.Guard(t, binding.Config{})
	site := s.serve(t, Protect(guard))
	good := s.Good(t)

	t.Run("175 plain HTTP", func(t *testing.T) {
		t.Parallel()
		plain := s.servePlain(t, site.Handler)
		plain.check(t, site.Probe, Bearer(s.Holder, good), NoCertificate, 1)
	})

	t.Run("195 handshake not complete", func(t *testing.T) {
		t.Parallel()
		request := httptest.NewRequest(http.MethodGet, "https://api.example/", nil)
		request.Header.Set("Authorization", "Bearer "+good)
		request.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{s.Holder.Certificate.Leaf}}
		site.checkDirectly(t, site.Probe, request.Clone(t.Context()), NoCertificate)
		request.TLS.HandshakeComplete = true
		site.checkDirectly(t, site.Probe, request.Clone(t.Context()), OK)
		request.TLS.PeerCertificates = []*x509.Certificate{{}}
		site.checkDirectly(t, site.Probe, request, NoCertificate)
	})
}
