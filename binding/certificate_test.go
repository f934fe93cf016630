package binding_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// Only the connection's leaf, after a completed handshake, is a certificate whose key the client has.
func TestCertificateOfTheConnection(t *testing.T) {
	t.Parallel()
	leaf, intermediate := newCertificate(t, "client-1").Leaf, newCertificate(t, "intermediate").Leaf
	for name, test := range map[string]struct {
		change func(*http.Request)
		want   binding.Reason
	}{
		"F/145 leaf":                    {func(*http.Request) {}, ""},
		"G/175 plain HTTP":              {func(r *http.Request) { r.TLS = nil }, binding.ReasonCertificateMissing},
		"G/176 no certificate":          {func(r *http.Request) { r.TLS.PeerCertificates = nil }, binding.ReasonCertificateMissing},
		"G/195 handshake not completed": {func(r *http.Request) { r.TLS.HandshakeComplete = false }, binding.ReasonCertificateMissing},
		"F/168 not as the second": {func(r *http.Request) {
			r.TLS.PeerCertificates = []*x509.Certificate{intermediate, leaf}
		}, binding.ReasonThumbprintMismatch},
		"F/168 not in a verified chain": {func(r *http.Request) {
			r.TLS.PeerCertificates = nil
			r.TLS.VerifiedChains = [][]*x509.Certificate{{leaf}}
		}, binding.ReasonCertificateMissing},
		"a leaf without bytes": {func(r *http.Request) {
			r.TLS.PeerCertificates = []*x509.Certificate{{}, leaf}
		}, binding.ReasonCertificateMissing},
		"G/192 HTTP/3, whose listener asked for none": {func(r *http.Request) {
			r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/3.0", 3, 0
			r.TLS.PeerCertificates = nil
		}, binding.ReasonCertificateMissing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := request(bearer(claims(t, boundTo(leaf))), leaf, intermediate)
			test.change(r)
			_, err := newGuard(t, binding.Config{}).Check(r)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			requireRefused(t, err, test.want, 401)
		})
	}
}

// A guard remembers thumbprints of certificates by a byte of theirs: never one for another, in whatever order and at once.
func TestThumbprintsThatAreRememberedAreTheCertificates(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, binding.Config{})
	byEnd := make(map[byte][]*x509.Certificate)
	var alike []*x509.Certificate // at least two that share a place
	for n := 0; len(alike) < 2; n++ {
		leaf := newCertificate(t, fmt.Sprint("client-", n)).Leaf
		end := leaf.Raw[len(leaf.Raw)-1]
		byEnd[end] = append(byEnd[end], leaf)
		alike = byEnd[end]
	}
	copied := *alike[0] // of another connection
	alike = append(alike, &copied)
	check := func(t *testing.T, presented, bound *x509.Certificate) {
		_, err := guard.Check(request(bearer(claims(t, boundTo(bound))), presented))
		if presented.Equal(bound) {
			assert.NoError(t, err)
			return
		}
		refusal := binding.AsError(err)
		if assert.NotNil(t, refusal) {
			assert.Equal(t, binding.ReasonThumbprintMismatch, refusal.Reason)
			assert.Equal(t, binding.ThumbprintOf(presented), refusal.Presented)
		}
	}
	for range 3 {
		for _, presented := range alike {
			for _, bound := range alike {
				check(t, presented, bound)
				check(t, presented, bound)
			}
		}
	}
	var all sync.WaitGroup
	for n := range 32 {
		all.Go(func() {
			for i := range 50 {
				check(t, alike[n%len(alike)], alike[(n+i)%len(alike)])
			}
		})
	}
	all.Wait()
}

// Middleware may fill in r.TLS, and the same struct for every request: what counts is the certificate that is in it now.
func TestThumbprintIsThatOfTheBytes(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, binding.Config{})
	raw := newCertificate(t, "client-1").Leaf.Raw
	first, second := bytes.Clone(raw), bytes.Clone(raw)
	second[0] ^= 1 // and the end, where it is looked for, is the same
	shared := &x509.Certificate{Raw: first}
	token := bearer(claims(t, boundTo(&x509.Certificate{Raw: raw})))
	_, err := guard.Check(request(token, shared))
	require.NoError(t, err)
	shared.Raw = second
	_, err = guard.Check(request(token, shared))
	requireRefused(t, err, binding.ReasonThumbprintMismatch, 401)
	copy(shared.Raw, raw)
	_, err = guard.Check(request(token, shared))
	require.NoError(t, err)
}

// Of a certificate that came, accepted or not, a guard keeps nothing that grows with what came.
func TestAGuardKeepsNoCertificate(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, binding.Config{})
	bound := newCertificate(t, "client-1").Leaf
	token := bearer(claims(t, boundTo(bound)))
	for name, length := range map[string]int{"usual": 0, "huge": 100 << 10} {
		message := append(bytes.Clone(newCertificate(t, "client-2").Leaf.Raw), make([]byte, length)...) // of a handshake
		leaf := &x509.Certificate{Raw: message}
		kept := weak.Make(&message[0])
		_, err := guard.Check(request(token, leaf))
		requireRefused(t, err, binding.ReasonThumbprintMismatch, 401)
		message, leaf = nil, nil
		runtime.GC()
		require.Nil(t, kept.Value(), name)
	}
	runtime.KeepAlive(guard)
}

// A certificate of up to 4 KiB is hashed once as long as nothing else takes its place, and what is longer is not copied: that
// a copy is made shows in what is allocated. Not parallel, for that is counted of the whole process.
func TestLongestCertificateThatIsRemembered(t *testing.T) {
	guard := newGuard(t, binding.Config{})
	token := bearer(claims(t, boundTo(newCertificate(t, "client-1").Leaf)))
	const times = 50
	allocations := func(length, different int) float64 {
		var requests []*http.Request
		for i := range different {
			requests = append(requests, request(token, &x509.Certificate{Raw: bytes.Repeat([]byte{byte(i + 1)}, length)}))
		}
		next := 0
		check := func() {
			_, _ = guard.Check(requests[next%different])
			next++
		}
		least := testing.AllocsPerRun(1, check) // which checks twice
		for range times - 1 {
			least = min(least, testing.AllocsPerRun(1, check))
		}
		return least
	}
	first, known := allocations(4<<10, 2*times), allocations(4<<10, 1)
	require.Equal(t, known+2, first, "the copy, and what it is kept in")
	require.Equal(t, known, allocations(4<<10+1, 2*times))
	require.Equal(t, known, allocations(4<<10+1, 1))
}

func TestCertificateX509(t *testing.T) {
	t.Parallel()
	leaf := newCertificate(t, "client-1").Leaf
	parsed, err := binding.Certificate{DER: leaf.Raw}.X509()
	require.NoError(t, err)
	require.True(t, leaf.Equal(parsed))
	_, err = binding.Certificate{Thumbprint: binding.ThumbprintOf(leaf)}.X509()
	require.ErrorIs(t, err, binding.ErrCertificateNotForwarded)
	_, err = binding.Certificate{DER: leaf.Raw[:40]}.X509()
	require.Error(t, err)
	require.NotErrorIs(t, err, binding.ErrCertificateNotForwarded)
}
