package jwks_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks"
)

// 3.4: what an issuer may answer in place of a key set, over real sockets. Each
// costs no token with a known key, and none of another key is blamed for it.

// brokenIssuer is an issuer with a network that may be at fault as well.
type brokenIssuer struct {
	*faultIssuer
	transport *switchable
	other     *httptest.Server // a stranger with a key set of his own
	plain     *httptest.Server // the same without TLS
	forged    faultKey         // the stranger's key
	strangers atomic.Int64     // requests that reached one of the two
}

func newBrokenIssuer(t *testing.T, keys ...faultKey) *brokenIssuer {
	t.Helper()
	issuer, _ := loopback(t, keys...)
	b := &brokenIssuer{faultIssuer: issuer, forged: newFaultKey("forged")}
	stranger := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		b.strangers.Add(1)
		body(jwkSetOf(b.forged))(w, nil)
	})
	b.other = loopbackServer(t, stranger, nil)
	b.plain = httptest.NewServer(stranger)
	t.Cleanup(b.plain.Close)
	b.transport = &switchable{}
	b.transport.use(trusting(t))
	return b
}

// switchable is a transport that changes while it is in use. It looks at what
// is read of the answers, decoded, and at where connections go.
type switchable struct {
	mu      sync.Mutex
	now     http.RoundTripper
	longest int64
}

func (s *switchable) use(transport http.RoundTripper) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = transport
}

func (s *switchable) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	now := s.now
	s.mu.Unlock()
	response, err := now.RoundTrip(r)
	if err == nil {
		response.Body = &countedBody{ReadCloser: response.Body, to: s}
	}
	return response, err
}

func (s *switchable) most() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.longest
}

type countedBody struct {
	io.ReadCloser
	to *switchable
	n  int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	b.to.mu.Lock()
	b.to.longest = max(b.to.longest, b.n)
	b.to.mu.Unlock()
	return n, err
}

// transportFault makes the fault one of the network's.
func transportFault(change func(*http.Transport)) func(*testing.T, *brokenIssuer, string) {
	return func(t *testing.T, b *brokenIssuer, _ string) {
		transport := trusting(t)
		change(transport)
		b.transport.use(transport)
	}
}

// answering makes it one of the answer's, which is made of a good one.
func answering(change func(good string) http.HandlerFunc) func(*testing.T, *brokenIssuer, string) {
	return func(_ *testing.T, b *brokenIssuer, good string) { b.answer(change(good)) }
}

func bodyFault(change func(good string) string) func(*testing.T, *brokenIssuer, string) {
	return answering(func(good string) http.HandlerFunc { return body(change(good)) })
}

func statusFault(code int) func(*testing.T, *brokenIssuer, string) {
	return answering(func(good string) http.HandlerFunc { return status(code, good) })
}

func redirectTo(where func(*brokenIssuer) string) func(*testing.T, *brokenIssuer, string) {
	return func(_ *testing.T, b *brokenIssuer, good string) {
		b.answer(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/again") {
				b.strangers.Add(1)
				body(good)(w, r)
				return
			}
			http.Redirect(w, r, where(b), http.StatusFound)
		})
	}
}

func gzipped(text string) http.HandlerFunc {
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, _ = writer.Write([]byte(text))
	_ = writer.Close()
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	}
}

const decodedLimit = 512 << 10

func padTo(length int) func(string) string {
	return func(good string) string { return good + strings.Repeat(" ", length-len(good)) }
}

// crowd is the set with more keys, to a number of them.
func crowd(good string, keys int) string {
	entry := strings.TrimSuffix(strings.TrimPrefix(good, `{"keys":[`), `]}`)
	entries := strings.Count(good, `"kid"`)
	for n := entries; n < keys; n++ {
		entry += "," + newFaultKey(fmt.Sprint("more ", n)).jwk()
	}
	return jwkSet(entry)
}

var errNoSuchName = &net.DNSError{Err: "no such host", IsNotFound: true}

// A fault has the name of its case, a part of the error that its event tells of,
// and what brings it about.
type answerFault struct {
	name   string
	cause  string
	breaks func(t *testing.T, b *brokenIssuer, good string)
}

var networkFaults = []answerFault{
	{"3.4 I/224 refused connection", "connection refused", transportFault(func(tr *http.Transport) {
		tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:1")
		}
	})},
	{"3.4 I/224 DNS failure", "no such host", transportFault(func(tr *http.Transport) {
		resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errNoSuchName
		}}
		tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Resolver: resolver}).DialContext(ctx, network, "issuer.invalid:443")
		}
	})},
	{"3.4 I/226 TLS: wrong CA", "certificate", transportFault(func(tr *http.Transport) {
		tr.TLSClientConfig.RootCAs = x509.NewCertPool()
	})},
	{"3.4 I/226 TLS: wrong name", "certificate", transportFault(func(tr *http.Transport) {
		tr.TLSClientConfig.ServerName = "bank.example"
	})},
	{"3.4 TLS: old version", "version", transportFault(func(tr *http.Transport) {
		tr.TLSClientConfig.MinVersion, tr.TLSClientConfig.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	})},
}

var answerFaults = []answerFault{
	{"3.4 I/227 500 with a good body", "status 500", statusFault(500)},
	{"3.4 I/227 502 with a good body", "status 502", statusFault(502)},
	{"3.4 I/227 404 with a good body", "status 404", statusFault(404)},
	{"3.4 I/227 401 with a good body", "status 401", statusFault(401)},
	{"3.4 I/227 204", "status 204", answering(func(string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }
	})},
	{"3.4 I/227 201 with a good body", "status 201", statusFault(201)},
	{"3.4 I/227 206 with a good body", "status 206", statusFault(206)},
	{"3.4 I/227 203 with a good body", "status 203", statusFault(203)},
	{"3.4 I/233 HTML", "not a JSON object", bodyFault(func(string) string { return "<!doctype html><p>Log in" })},
	{"3.4 I/233 empty body", "not a JSON object", bodyFault(func(string) string { return "" })},
	{"3.4 I/233 empty object", "not a JSON object", bodyFault(func(string) string { return "{}" })},
	{"3.4 I/233 keys null", "not a JSON object", bodyFault(func(string) string { return `{"keys":null}` })},
	{"3.4 I/233 keys an object", "not a JSON object", bodyFault(func(string) string { return `{"keys":{}}` })},
	{"3.4 I/233 keys in other case", "not a JSON object", bodyFault(func(good string) string {
		return strings.Replace(good, "keys", "Keys", 1)
	})},
	{"3.4 keys twice", "twice", bodyFault(func(good string) string {
		return strings.TrimSuffix(good, "}") + `,"keys":[]}`
	})},
	{"3.4 I/233 a single JWK", "not a JSON object", bodyFault(func(good string) string {
		return strings.TrimSuffix(strings.TrimPrefix(good, `{"keys":[`), `]}`)
	})},
	{"3.4 I/232 truncated JSON", "not a JSON object", bodyFault(func(good string) string { return good[:len(good)-1] })},
	{"3.4 I/232 Content-Length mismatch", "unexpected EOF", answering(func(good string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(good)+1))
			_, _ = w.Write([]byte(good))
		}
	})},
	{"3.4 I/232 cut connection", "EOF", answering(func(good string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(good))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	})},
	{"3.4 I/235 trailing bytes", "not a JSON object", bodyFault(func(good string) string { return good + "{}" })},
	{"3.4 I/234 empty set", "no key that can be used", bodyFault(func(string) string { return `{"keys":[]}` })},
	{"3.4 I/234 no usable key", "no key that can be used", bodyFault(func(string) string {
		return jwkSet(`{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}`, `{}`, `null`, `7`)
	})},
	{"3.4 I/237 one key over 100", "too many keys", bodyFault(func(good string) string { return crowd(good, 101) })},
	{"3.4 I/237 10,000 keys", "too many keys", bodyFault(func(good string) string {
		return strings.TrimSuffix(good, "]}") + strings.Repeat(",{}", 10_000) + "]}"
	})},
	{"3.4 I/230 one byte over 512 KiB", "too long", bodyFault(padTo(decodedLimit + 1))},
	{"3.4 I/230 513 KiB", "too long", bodyFault(padTo(513 << 10))},
	{"3.4 I/231 a 40 MiB gzip bomb", "too long", answering(func(good string) http.HandlerFunc {
		return gzipped(padTo(40 << 20)(good))
	})},
	{"3.4 gzip that is none", "gzip", answering(func(good string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte(good))
		}
	})},
	{"3.4 I/228 redirect to another host", "status 302", redirectTo(func(b *brokenIssuer) string { return b.other.URL })},
	{"3.4 I/228 redirect to http", "status 302", redirectTo(func(b *brokenIssuer) string { return b.plain.URL })},
	{"3.4 I/228 redirect to itself", "status 302", redirectTo(func(b *brokenIssuer) string { return b.url + "/jwks/again" })},
	{"3.4 I/228 redirect to itself for ever", "status 302", redirectTo(func(b *brokenIssuer) string { return b.keySetURL() })},
	{"3.4 I/228 redirect to the local network", "status 302", redirectTo(func(*brokenIssuer) string { return "https://169.254.169.254/" })},
}

func TestFaultyAnswer(t *testing.T) {
	key, newer, stranger := newFaultKey("1"), newFaultKey("2"), newFaultKey("3")
	for _, fault := range slices.Concat(networkFaults, answerFaults) {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			b := newBrokenIssuer(t, key)
			v := newFaultVerifier(t, b.faultIssuer, b.transport)
			seen := key.token(b.url)
			v.accepts(t, seen)

			fault.breaks(t, b, jwkSetOf(key, stranger))
			before := b.fetches()
			v.lacks(t, stranger.token(b.url)) // which causes a fetch
			v.accepts(t, seen)
			v.accepts(t, key.token(b.url, "jti", "another"))
			require.NoError(t, v.Ready())
			event := v.log.lastOf(t, jwks.KeysFailed)
			require.ErrorContains(t, event.Err, fault.cause)
			require.True(t, event.Usable)
			require.Equal(t, b.url, event.Issuer)
			require.LessOrEqual(t, b.fetches()-before, 3, "one, and what the schedule made meanwhile")

			// Whoever starts now has no keys: nobody's token is to blame.
			late := newFaultVerifier(t, b.faultIssuer, b.transport)
			late.lacks(t, seen)
			require.ErrorIs(t, late.Ready(), jwks.ErrNotReady)
			late.lacks(t, b.forged.token(b.url))

			require.Zero(t, b.strangers.Load(), "nobody else was asked")
			require.LessOrEqual(t, b.transport.most(), int64(decodedLimit+1))

			b.publish(newer)
			b.transport.use(trusting(t))
			await(t, "recovery", func() bool { return v.err(t, newer.token(b.url)) == nil })
		})
	}
}

// The limits are no lower than they are said to be.
func TestLargestSets(t *testing.T) {
	key := newFaultKey("1")
	for name, answer := range map[string]http.HandlerFunc{
		"512 KiB":          body(padTo(decodedLimit)(jwkSetOf(key))),
		"512 KiB, gzipped": gzipped(padTo(decodedLimit)(jwkSetOf(key))),
		"100 keys":         body(crowd(jwkSetOf(key), 100)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBrokenIssuer(t)
			b.answer(answer)
			v := newFaultVerifier(t, b.faultIssuer, b.transport)
			v.accepts(t, key.token(b.url))
		})
	}
	for _, contentType := range []string{"text/html", "application/octet-stream", "application/jwk-set+json", "nonsense"} {
		t.Run("I/236 "+contentType, func(t *testing.T) {
			t.Parallel()
			b := newBrokenIssuer(t)
			b.answer(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", contentType)
				body(jwkSetOf(key))(w, r)
			})
			v := newFaultVerifier(t, b.faultIssuer, b.transport)
			v.accepts(t, key.token(b.url))
		})
	}
}
