package suite

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// certificateHeaders is a guard whose CertificateSource reads header fields,
// alone and with another inside it. What a proxy may say and who may say it is
// package forwarded's; here it is that the fields are gone when a handler runs.
func (s *suite) certificateHeaders(t *testing.T) {
	source, another := &fromHeader{"X-Client-Cert"}, &fromHeader{"X-Client-Cert"}
	outer := Protect(s.Guard(t, binding.Config{Certificates: source}))
	same := Protect(s.Guard(t, binding.Config{Certificates: source, Scopes: []string{"payments"}}))
	elsewhere := Protect(s.Guard(t, binding.Config{Certificates: another}))
	onConnection := Protect(s.Guard(t, binding.Config{}))
	accepting := Protect(s.Guard(t, binding.Config{Certificates: source, Policy: binding.DangerouslyAcceptUnbound}))

	good := s.Good(t)
	right, wrong := inHeader(s.Holder), inHeader(s.Other)
	for _, row := range []struct {
		name   string
		steps  []Step
		client *Client // of the connection
		header http.Header
		token  string
		want   Answer
	}{
		{"the right certificate", []Step{outer}, s.Nobody, right, good, OK},
		{"the right one, through a proxy with a certificate", []Step{outer}, s.Other, right, good, OK},
		{"another", []Step{outer}, s.Nobody, wrong, good, OtherCertificate},
		{"another, and the right one on the connection", []Step{outer}, s.Holder, wrong, good, OtherCertificate},
		{"none, and the right one on the connection", []Step{outer}, s.Holder, nil, good, NoCertificate},
		{"unreadable", []Step{outer}, s.Holder, http.Header{"X-Client-Cert": {"%"}}, good, UnreadableHeader},
		{"an unbound token", []Step{accepting}, s.Nobody, right, s.Token(t, bindingtest.TokenSpec{}), OK},
		{"a bound token", []Step{accepting}, s.Nobody, wrong, good, OtherCertificate},

		{"two guards with one source", []Step{outer, same}, s.Nobody, right, good, OK},
		{"two guards with one source, another certificate", []Step{outer, same}, s.Nobody, wrong, good, OtherCertificate},
		{"two guards with one source, none", []Step{outer, same}, s.Holder, nil, good, NoCertificate},
		{"three guards with one source", []Step{outer, accepting, same}, s.Nobody, right, good, OK},
		{"one source, and the connection between", []Step{outer, onConnection, same}, s.Holder, right, good, OK},
		{"the connection's inside, without a certificate", []Step{outer, onConnection}, s.Nobody, right, good, NoCertificate},
		{"the connection's inside, the proxy's certificate", []Step{outer, onConnection}, s.Other, right, good, OtherCertificate},
		{"the connection's outside", []Step{onConnection, outer}, s.Holder, right, good, OK},
		{"the connection's outside, and the header is another's", []Step{onConnection, outer}, s.Holder, wrong, good, OtherCertificate},
		{"M/420 another source of the same fields inside", []Step{outer, elsewhere}, s.Nobody, right, good, OK},
		{"M/420 another source of the same fields inside, another certificate", []Step{accepting, elsewhere}, s.Holder, wrong, good, OtherCertificate},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			site := s.serve(t, row.steps...)
			request := Bearer(row.client, row.token)
			request.Header = http.Header{
				"X_client_cert":           {"look-alike"},
				"x.client-CERT":           {"look-alike"},
				"X-Client_Cert":           {"look-alike"},
				"X-Client-Cert-Chain":     {"also the source's"},
				"X-Client-Cert-Other":     {"another's"},
				"X-Forwarded-Client-Cert": {"another's"},
			}
			for name, values := range row.header {
				request.Header[name] = values
			}
			for _, visit := range site.Check(t, site.Probe, request, row.want) {
				for name := range visit.Header {
					assert.NotContains(t, []string{"look-alike", "also the source's"}, visit.Header.Get(name), name)
				}
				assert.NotContains(t, visit.Header, "X-Client-Cert")
				assert.Equal(t, "another's", visit.Header.Get("X-Client-Cert-Other"), "a field of nobody's concern")
				assert.Equal(t, "another's", visit.Header.Get("X-Forwarded-Client-Cert"), "a field of nobody's concern")
				assert.NotEmpty(t, visit.Header.Get("Authorization"))
			}
		})
	}

	t.Run("OnError sees no certificate", func(t *testing.T) {
		t.Parallel()
		site := s.guarded(t, binding.Config{
			Certificates: source,
			OnError: func(w http.ResponseWriter, r *http.Request, _ *binding.Error) {
				_, _ = io.WriteString(w, "certificate: "+r.Header.Get("X-Client-Cert"))
			},
		})
		request := Bearer(s.Holder, good)
		request.Header = wrong
		response, body := site.Get(t, request)
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
		require.Equal(t, "certificate: ", body)
	})
}

// fromHeader is a CertificateSource that reads a header field: what a proxy
// writes, here DER in base64.
type fromHeader struct{ name string }

func (f *fromHeader) Headers() []string { return []string{f.name, f.name + "-Chain"} }

func (f *fromHeader) ClientCertificate(r *http.Request) (binding.Certificate, error) {
	fields := r.Header[f.name]
	if len(fields) == 0 {
		return binding.Certificate{}, nil
	}
	der, err := base64.StdEncoding.DecodeString(fields[0])
	if err != nil {
		return binding.Certificate{}, err
	}
	return binding.Certificate{Thumbprint: sha256.Sum256(der), DER: der}, nil
}

func inHeader(client *Client) http.Header {
	return http.Header{"X-Client-Cert": {base64.StdEncoding.EncodeToString(client.Certificate.Leaf.Raw)}}
}
