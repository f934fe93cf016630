package main_test

import (
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/examples/benchmarks/internal/subject"
)

// BenchmarkVerify is everything from the Authorization value to a proven token, and the bare signature check beside it.
//
// For certbound-first every token is new: a pool of different tokens, made beforehand, goes through a guard with the default
// cache, and a new guard takes over when all have been seen. So it pays for remembering them, and never gains by it.
func BenchmarkVerify(b *testing.B) {
	for _, algorithm := range subject.Algorithms() {
		b.Run(algorithm, func(b *testing.B) {
			contest := contestFor(b, algorithm)
			for _, contender := range contest.Contenders {
				b.Run(contender.Name, func(b *testing.B) {
					require.NoError(b, contender.Renew())
					b.ReportAllocs()
					for b.Loop() {
						if contender.Left() == 0 {
							b.StopTimer()
							require.NoError(b, contender.Renew())
							b.StartTimer()
						}
						if err := contender.Once(); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}

// BenchmarkAdapter is one request with a token seen before through a router to a handler that does nothing.
func BenchmarkAdapter(b *testing.B) {
	stream, err := subject.NewStream("ES256", 0)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, stream.Close()) })
	requests, err := stream.Requests(64)
	require.NoError(b, err)
	require.NoError(b, stream.Pass(requests))
	var served, proven int
	for _, framework := range subject.Frameworks(stream.Guard.Guard, func(r *http.Request) {
		served++
		if _, ok := binding.TokenFromContext(r.Context()); ok {
			proven++
		}
	}) {
		run := func(handler http.Handler, guarded bool) func(*testing.B) {
			return func(b *testing.B) {
				w := subject.NewWriter()
				served, proven = 0, 0
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					handler.ServeHTTP(w, requests[i%len(requests)])
				}
				require.Equal(b, b.N, served)
				require.Equal(b, guarded, proven == served)
			}
		}
		b.Run(framework.Name+"/bare", run(framework.Bare, false))
		b.Run(framework.Name+"/guarded", run(framework.Guarded, true))
	}
}

// BenchmarkForwarded is the reading of a client certificate from the header that a proxy set.
func BenchmarkForwarded(b *testing.B) {
	client, err := subject.NewClientCertificate()
	require.NoError(b, err)
	for _, encoding := range subject.Encodings() {
		b.Run(string(encoding), func(b *testing.B) {
			r, source, err := subject.Forward(encoding, client)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if certificate, err := source.ClientCertificate(r); err != nil || certificate.Thumbprint == (binding.Thumbprint{}) {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkKeys is a first-time check where the issuer's set has that many keys.
func BenchmarkKeys(b *testing.B) {
	for _, keys := range []int{1, 10, 100} {
		b.Run(strconv.Itoa(keys), func(b *testing.B) {
			stream, err := subject.NewStream("ES256", keys-1)
			require.NoError(b, err)
			b.Cleanup(func() { require.NoError(b, stream.Close()) })
			firstTime(b, stream)
		})
	}
}

// BenchmarkTokens is a first-time check by a guard that has seen that many different tokens, and the size of the heap then.
func BenchmarkTokens(b *testing.B) {
	for _, tokens := range []int{1_000, 10_000, 100_000} {
		b.Run(strconv.Itoa(tokens), func(b *testing.B) {
			stream := filled(b, tokens)
			firstTime(b, stream)
			b.ReportMetric(heap(), "heap-B")
		})
	}
}

// firstTime checks tokens that are made while the clock stands.
func firstTime(b *testing.B, stream *subject.Stream) {
	var requests []*http.Request
	b.ReportAllocs()
	for b.Loop() {
		if len(requests) == 0 {
			b.StopTimer()
			var err error
			requests, err = stream.Requests(1024)
			require.NoError(b, err)
			b.StartTimer()
		}
		if _, err := stream.Check(requests[0]); err != nil {
			b.Fatal(err)
		}
		requests = requests[1:]
	}
}

// heap returns how many bytes are in use, after two collections: the second takes what finalizers kept.
func heap() float64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc)
}

// The pools are made once, however often the testing package calls a benchmark.
var (
	contestsMu sync.Mutex
	contests   = map[string]*subject.Contest{}
)

func contestFor(tb testing.TB, algorithm string) *subject.Contest {
	tb.Helper()
	contestsMu.Lock()
	defer contestsMu.Unlock()
	if contest, ok := contests[algorithm]; ok {
		return contest
	}
	pool := 4096
	if algorithm == "RS256" || algorithm == "PS256" {
		pool = 1024 // they take long to sign
	}
	contest, err := subject.NewContest(algorithm, pool)
	require.NoError(tb, err)
	contests[algorithm] = contest
	return contest
}

// filled returns a stream of EdDSA tokens, the cheapest to make, that many of which have been seen.
func filled(b *testing.B, tokens int) *subject.Stream {
	b.Helper()
	stream, err := subject.NewStream("EdDSA", 0)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, stream.Close()) })
	for left := tokens; left > 0; left -= 1000 {
		requests, err := stream.Requests(min(left, 1000))
		require.NoError(b, err)
		require.NoError(b, stream.Pass(requests))
	}
	return stream
}
