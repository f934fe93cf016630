package forwarded_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

// Auth0's customer edge: three headers, and each is needed.
func TestAuth0(t *testing.T) {
	t.Parallel()
	victim := newIdentity(t, "victim", nil, nil)
	edge := []forwarded.Trust{forwarded.TrustSharedSecret("Cname-Api-Key", secret)}
	cert := escape(pemText(victim.cert.Raw))
	lenient := serve(t, forwarded.Config{Format: forwarded.Auth0, Trust: edge})
	strict := serve(t, forwarded.Config{Format: forwarded.Auth0, Trust: edge, VerifyValues: []string{"SUCCESS"}})
	send := func(s *server, cert, key string, verified ...string) outcome {
		return s.send(t, s.peer(t), victim.thumbprint(), http.Header{
			"client-certificate": {cert}, "client-certificate-ca-verified": verified, "cname-api-key": {key}})
	}

	for _, s := range []*server{lenient, strict} {
		send(s, cert, secret, "SUCCESS").requireAccepted(t)
		for _, verified := range []string{"", "NONE", "NONE:x", "success", "failed", "FAILURE", "FAILED reason", "SUCCESS:x", " ", "GENEROUS"} {
			send(s, cert, secret, verified).requireRefused(t, binding.ReasonForwardedUnverified)
		}
		send(s, cert, secret).requireRefused(t, binding.ReasonForwardedUnverified)
		send(s, cert, secret, "SUCCESS", "FAILED").requireRefused(t, binding.ReasonForwardedAmbiguous)
		send(s, cert, "another key, as long as it").requireRefused(t, binding.ReasonForwardedUntrusted)
		send(s, "", secret, "NONE").requireRefused(t, binding.ReasonCertificateMissing)
		send(s, cert+escape(pemText(victim.cert.Raw)), secret, "SUCCESS").requireRefused(t, binding.ReasonForwardedMalformed)
		send(s, strings.Repeat("A", 4096), secret, "SUCCESS").requireRefused(t, binding.ReasonForwardedMalformed)
		send(s, strings.Repeat("A", 4097), secret, "SUCCESS").requireRefused(t, binding.ReasonForwardedTooLong)
	}
	// A self-signed certificate is as good for the binding, unless configured.
	for _, verified := range []string{"FAILED", "FAILED:self signed certificate", "FAILED:"} {
		send(lenient, cert, secret, verified).requireAccepted(t)
		send(strict, cert, secret, verified).requireRefused(t, binding.ReasonForwardedUnverified)
	}

	_, err := forwarded.New(forwarded.Config{Format: forwarded.Auth0, Trust: trustTest(), MaxBytes: 4097})
	require.ErrorContains(t, err, `Trust: auth0 requires TrustSharedSecret("Cname-Api-Key", ...)`)
	require.ErrorContains(t, err, "MaxBytes: 4097 is not within 0 and 4096")
	require.Equal(t, []string{"Client-Certificate", "Client-Certificate-Ca-Verified", "Cname-Api-Key"},
		newSource(t, forwarded.Config{Format: forwarded.Auth0, Trust: edge}).Headers())
}
