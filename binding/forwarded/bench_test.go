package forwarded_test

import (
	"net/http"
	"testing"
)

// The certificate of a P-256 client as each encoding carries it, in a request
// with the headers of an ordinary one.
func BenchmarkForwarded(b *testing.B) {
	victim := newIdentity(b, "client.example", nil, nil)
	for _, encoding := range encodings() {
		b.Run(string(encoding), func(b *testing.B) {
			source := sourceOf(b, encoding)
			r := requestWith(http.Header{
				"Accept": {"*/*"}, "Accept-Encoding": {"gzip"}, "Authorization": {"Bearer x"}, "Content-Type": {"application/json"},
				"User-Agent": {"x"}, "X-Forwarded-For": {"203.0.113.1"}, "X-Forwarded-Proto": {"https"}, "X-Request-Id": {"x"},
				"X-Test-Cert": {encodeCert(encoding, victim.cert)},
			})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := source.ClientCertificate(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
