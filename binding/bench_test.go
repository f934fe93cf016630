package binding_test

import (
	"testing"

	"github.com/certbound/certbound/binding"
)

func BenchmarkParseToken(b *testing.B) {
	payload := claims(b, boundTo(newCertificate(b, "client-1").Leaf))
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := binding.ParseToken(payload); err != nil {
			b.Fatal(err)
		}
	}
}
