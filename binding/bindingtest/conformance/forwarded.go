package conformance

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// forwarded is what section H has for a server that ends TLS itself, and for
// one behind a proxy that must let nothing of this kind pass: the client writes
// the holder's certificate into a header field. To fall for it is to check no
// binding at all.
//
// Not here: the other rows of the section, which need a proxy that the server
// trusts.
func (s *session) forwarded() []check {
	good := s.good(s.holder)
	leaf := s.holder.certificate.Leaf
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}))
	escaped := url.PathEscape(text)
	plain := base64.StdEncoding.EncodeToString(leaf.Raw)
	digest := must(base64.RawURLEncoding.DecodeString(s.holder.thumbprint()))
	hash := hex.EncodeToString(digest)
	verified := http.Header{
		"X-SSL-Client-Verify": {"SUCCESS"}, "Ssl-Client-Verify": {"SUCCESS"}, "X-Client-Verify": {"SUCCESS"},
	}
	formats := []struct {
		name   string
		header http.Header
	}{
		{"Client-Cert (RFC 9440)", http.Header{"Client-Cert": {":" + plain + ":"}}},
		{"X-SSL-Client-Cert, escaped PEM", http.Header{"X-SSL-Client-Cert": {escaped}}},
		{"SSL-Client-Cert, escaped PEM", http.Header{"Ssl-Client-Cert": {escaped}}},
		{"X-Client-Cert, escaped PEM", http.Header{"X-Client-Cert": {escaped}}},
		{"X-Client-Cert, base64", http.Header{"X-Client-Cert": {plain}}},
		{"X-Forwarded-Client-Cert, Cert", http.Header{"X-Forwarded-Client-Cert": {`Hash=` + hash + `;Cert="` + escaped + `"`}}},
		{"X-Forwarded-Client-Cert, Hash alone", http.Header{"X-Forwarded-Client-Cert": {"Hash=" + hash}}},
		{"X-Forwarded-Tls-Client-Cert", http.Header{"X-Forwarded-Tls-Client-Cert": {plain}}},
		{"X-Amzn-Mtls-Clientcert-Leaf", http.Header{"X-Amzn-Mtls-Clientcert-Leaf": {escaped}, "X-Amzn-Mtls-Clientcert": {escaped}}},
		{"X-ARR-ClientCert", http.Header{"X-ARR-ClientCert": {plain}}},
		{"X-SSL-CERT, one line", http.Header{"X-SSL-CERT": {strings.ReplaceAll(strings.TrimSpace(text), "\n", " ")}}},
		{"Cf-Client-Cert", http.Header{"Cf-Client-Cert-Der-Base64": {plain}, "Cf-Client-Cert-Sha256": {hash}}},
		{"X-Client-Cert-Thumbprint", http.Header{"X-Client-Cert-Thumbprint": {s.holder.thumbprint()}}},
	}
	var nobody, other []check
	for _, format := range formats {
		header := format.header.Clone()
		for name, values := range verified {
			header[name] = values
		}
		nobody = append(nobody, s.probe(format.name+" without a certificate", request{
			client: s.nobody, authorization: []string{"Bearer " + good}, header: header,
		}))
		other = append(other, s.probe(format.name+" with another certificate", request{
			client: s.other, authorization: []string{"Bearer " + good}, header: header,
		}))
	}
	for _, checks := range [][]check{nobody, other} {
		for i := range checks {
			checks[i] = checks[i].when(func() bool { return !s.bindsNobody }, "the server checks no binding (rows 146 and 147)")
		}
	}
	return slices.Concat(
		rule(197, "RFC 9440 §4", refused, invalidToken.or(noAnswer), nobody...),
		rule(203, "RFC 9440 §4", refused, invalidToken.or(noAnswer), other...),
	)
}
