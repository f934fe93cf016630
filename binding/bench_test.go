package binding_test

import (
	"testing"

	"github.com/certbound/certbound/binding"
)

func BenchmarkParseClaims(b *testing.B) {
	payload := claims(b, boundTo(newCertificate(b, "client-1").Leaf))
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := binding.ParseClaims(payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	parsed := mustParse(b, claims(b, boundTo(newCertificate(b, "client-1").Leaf)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parsed.Validate(good); err != nil {
			b.Fatal(err)
		}
	}
}
