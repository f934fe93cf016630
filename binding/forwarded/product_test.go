package forwarded_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

// Every product: its encoding, the header as its documentation writes it, and a
// certificate through it.
func TestProducts(t *testing.T) {
	t.Parallel()
	victim := newIdentity(t, "victim", nil, nil)
	products := map[forwarded.Format]struct {
		encoding forwarded.Format
		header   string
	}{
		forwarded.Nginx:              {forwarded.URLPEM, "X-SSL-Client-Cert"},
		forwarded.Envoy:              {forwarded.XFCC, "x-forwarded-client-cert"},
		forwarded.Istio:              {forwarded.XFCC, "x-forwarded-client-cert"},
		forwarded.HAProxy:            {forwarded.RFC9440, "client-cert"},
		forwarded.Traefik:            {forwarded.Traefik, "X-Forwarded-Tls-Client-Cert"},
		forwarded.Caddy:              {forwarded.RFC9440, "Client-Cert"},
		forwarded.Apache:             {forwarded.PEMSpaces, "X-SSL-Client-Cert"},
		forwarded.AWSALBVerify:       {forwarded.URLPEM, "X-Amzn-Mtls-Clientcert-Leaf"},
		forwarded.AWSALBPassthrough:  {forwarded.URLPEMChain, "X-Amzn-Mtls-Clientcert"},
		forwarded.CloudFront:         {forwarded.URLPEM, "CloudFront-Viewer-Cert-Pem"},
		forwarded.GCP:                {forwarded.RFC9440, "X-Client-Cert-Leaf"},
		forwarded.AzureAppService:    {forwarded.Base64DER, "X-ARR-ClientCert"},
		forwarded.AzureContainerApps: {forwarded.XFCC, "X-Forwarded-Client-Cert"},
		forwarded.Cloudflare:         {forwarded.RFC9440, "Client-Cert"},
		forwarded.Kong:               {forwarded.URLPEM, "X-Client-Cert"},
		forwarded.Fastly:             {forwarded.Base64PEM, "X-SSL-Client-Cert"},
		forwarded.F5:                 {forwarded.Base64DER, "X-SSL-Client-Cert"},
		forwarded.CloudFoundry:       {forwarded.Base64DER, "X-Forwarded-Client-Cert"},
		forwarded.Auth0:              {forwarded.URLPEM, "client-certificate"},
	}
	require.Len(t, products, len(forwarded.Formats())-len(encodings())+1) // Traefik is both
	for product, want := range products {
		t.Run(string(product), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want.encoding, product.Encoding())
			require.Equal(t, http.CanonicalHeaderKey(want.header), product.Header())

			config, header := forwarded.Config{Format: product}, http.Header{}
			header.Set(want.header, encodeCert(want.encoding, victim.cert))
			switch product {
			case forwarded.Istio:
				header.Set(want.header, header.Get(want.header)+",By=spiffe://mesh/gateway;Hash="+hexOf(newIdentity(t, "gateway", nil, nil)))
			case forwarded.Auth0:
				config.Trust = []forwarded.Trust{forwarded.TrustSharedSecret("Cname-Api-Key", secret)}
				header.Set("cname-api-key", secret)
				header.Set("client-certificate-ca-verified", "SUCCESS")
			}
			certificate, err := newSource(t, config).ClientCertificate(requestWith(header))
			require.NoError(t, err)
			require.Equal(t, binding.ThumbprintOf(victim.cert), certificate.Thumbprint)
		})
	}
}
