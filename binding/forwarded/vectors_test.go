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
				requireNone(t, certificate, err)
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

// What arrived behind Envoy, in the set-ups that its documentation has and in
// those that it warns of.
func TestVectorsOfEnvoy(t *testing.T) {
	t.Parallel()
	vectors := vectorsOf(t, "xfcc-captured.json")
	require.Len(t, vectors, 89)
	for _, v := range vectors {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			for _, value := range v.Values {
				header.Add(v.Header, value)
			}
			config := forwarded.Config{Format: forwarded.Format(v.Format), Header: http.CanonicalHeaderKey(v.Header), MaxBytes: 256 << 10}
			certificate, err := newSource(t, config).ClientCertificate(requestWith(header))
			if v.Expect.Result == "cert" {
				require.NoError(t, err)
				require.Equal(t, v.Expect.Thumbprint, certificate.Thumbprint.String())
				return
			}
			require.Zero(t, certificate)
			if v.Format == "istio" && len(v.Values) == 1 && strings.Count(v.Values[0], "Hash=") == 1 {
				v.Expect.Kind = "absent" // N/444: nobody wrote of a client
			}
			requireReason(t, map[string]binding.Reason{
				"absent": binding.ReasonCertificateMissing, "ambiguous": binding.ReasonForwardedAmbiguous, "malformed": binding.ReasonForwardedMalformed,
			}[v.Expect.Kind], err)
		})
	}
}

// Where Envoy wrote JSON, and the operator named it.
func TestVectorsOfEnvoyInJSON(t *testing.T) {
	t.Parallel()
	source, found := newSource(t, forwarded.Config{Format: forwarded.XFCCJSON}), map[string]int{}
	for _, v := range vectorsOf(t, "xfcc-captured.json") {
		if len(v.Values) != 1 || !strings.HasPrefix(v.Values[0], "[") {
			continue
		}
		mode := strings.Split(v.ID, "/")[1]
		found[mode]++
		certificate, err := source.ClientCertificate(requestWith(http.Header{"X-Forwarded-Client-Cert": {v.Values[0]}}))
		if mode == "SANITIZE_SET" {
			require.NoError(t, err, v.ID)
			require.NotEmpty(t, certificate.DER)
			continue
		}
		requireReason(t, binding.ReasonForwardedAmbiguous, err) // the client's object in front of Envoy's
	}
	require.Equal(t, map[string]int{"SANITIZE_SET": 2, "APPEND_FORWARD": 3}, found)
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
				require.Equal(t, v.Expect.Result == "cert", err == nil, v.ID)
				if v.Expect.Kind == "absent" {
					requireReason(t, binding.ReasonCertificateMissing, err)
				}
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
