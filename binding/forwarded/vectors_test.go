package forwarded_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

// What real proxies sent.
func TestVectors(t *testing.T) {
	t.Parallel()
	vectors := loadVectors(t)
	require.Len(t, vectors, 151)
	for _, v := range vectors {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			name := http.CanonicalHeaderKey(v.Header)
			header := http.Header{}
			for _, value := range v.Values {
				header.Add(name, value)
			}
			format := forwarded.Format(v.Format)
			switch v.Format {
			case "pem-folded": // net/http unfolds it
				format, header = forwarded.PEMSpaces, throughHTTP(t, v)
			case "pem-raw-newlines": // net/http answers 400, and if it did not:
				format = forwarded.PEMSpaces
				if len(v.Values) > 0 {
					_, err := http.ReadRequest(bufio.NewReader(strings.NewReader(wire(v))))
					require.ErrorContains(t, err, "malformed MIME header")
				}
			}
			source := newSource(t, forwarded.Config{Format: format, Header: name})
			certificate, err := source.ClientCertificate(requestWith(header))

			switch v.Expect.Result + " " + v.Expect.Kind {
			case "cert ":
				require.NoError(t, err)
				require.Equal(t, v.Expect.Thumbprint, certificate.Thumbprint.String())
				require.NoError(t, decide(t, source, v.Expect.Thumbprint, requestWith(header.Clone())))
			case "no-cert absent":
				require.NoError(t, err)
				require.Zero(t, certificate)
				requireReason(t, binding.ReasonCertificateMissing, decide(t, source, someThumbprint, requestWith(header.Clone())))
			case "no-cert ambiguous":
				requireReason(t, binding.ReasonForwardedAmbiguous, err)
				require.Zero(t, certificate)
			case "no-cert malformed":
				requireReason(t, binding.ReasonForwardedMalformed, err)
				require.Zero(t, certificate)
			default:
				t.Fatalf("the vector expects %+v", v.Expect)
			}
			for _, value := range v.Values {
				if len(value) > 2 {
					require.NotContains(t, errorTexts(err), value)
				}
			}
		})
	}
}

const someThumbprint = "ydEI_QZwAoebldVrCIraLJ0o_W1G6HbnSpwlMPr6_V0"

// The products, by the vectors of the products.
func TestVectorsByProduct(t *testing.T) {
	t.Parallel()
	for product, prefix := range map[forwarded.Format]string{
		forwarded.Nginx:           "nginx-1.22.1/A/",
		forwarded.HAProxy:         "haproxy-2.6.12/B/",
		forwarded.Apache:          "apache-2.4.71/A/",
		forwarded.Caddy:           "caddy-2.6.2/C/",
		forwarded.Traefik:         "traefik-harness-3.7.13/A/",
		forwarded.Envoy:           "derived/envoy/",
		forwarded.AWSALBVerify:    "derived/aws-alb/",
		forwarded.CloudFront:      "derived/cloudfront/",
		forwarded.GCP:             "derived/gcp/leaf/",
		forwarded.AzureAppService: "derived/azure-app-service/",
		forwarded.Kong:            "derived/kong",
	} {
		t.Run(string(product), func(t *testing.T) {
			t.Parallel()
			source, count := newSource(t, forwarded.Config{Format: product}), 0
			for _, v := range loadVectors(t) {
				if !strings.HasPrefix(v.ID, prefix) {
					continue
				}
				count++
				header := http.Header{}
				for _, value := range v.Values {
					header.Add(v.Header, value)
				}
				certificate, err := source.ClientCertificate(requestWith(header))
				require.Equal(t, v.Expect.Result == "cert" || v.Expect.Kind == "absent", err == nil, v.ID)
				if v.Expect.Result == "cert" {
					require.Equal(t, v.Expect.Thumbprint, certificate.Thumbprint.String(), v.ID)
				} else {
					require.Zero(t, certificate, v.ID)
				}
			}
			require.NotZero(t, count)
		})
	}
}

func wire(v vector) string {
	return "GET / HTTP/1.1\r\nHost: api.example\r\n" + v.Header + ": " + strings.Join(v.Values, "\r\n"+v.Header+": ") + "\r\n\r\n"
}

func throughHTTP(t *testing.T, v vector) http.Header {
	t.Helper()
	if len(v.Values) == 0 {
		return http.Header{}
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(wire(v))))
	require.NoError(t, err)
	return r.Header
}
