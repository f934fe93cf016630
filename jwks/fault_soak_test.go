package jwks_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// TestSoak runs examples/server against an issuer that has faults, rotates its
// keys and is not alone in sending tokens, all by chance. No bad token is
// accepted, no good one refused whose key the server has, and memory is flat.
func TestSoak(t *testing.T) {
	setting := os.Getenv("CERTBOUND_SOAK")
	if setting == "" {
		t.Skip("set CERTBOUND_SOAK=1m to run the soak for a minute, as .ci/run does; CERTBOUND_SOAK_SEED repeats its choices")
	}
	length, err := time.ParseDuration(setting)
	require.NoError(t, err, "CERTBOUND_SOAK")
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("CERTBOUND_SOAK_SEED"); text != "" {
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "CERTBOUND_SOAK_SEED")
	}
	fmt.Printf("soak: %v, CERTBOUND_SOAK_SEED=%d\n", length, seed) // also if it hangs

	s := newSoak(t, seed)
	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	var actors sync.WaitGroup
	act := func(n int, once func(context.Context, *rand.Rand)) {
		for range n {
			random := s.random()
			actors.Go(func() {
				for ctx.Err() == nil {
					once(ctx, random)
				}
			})
		}
	}
	act(4, s.good)
	act(3, s.bad)
	act(1, s.newest)
	act(2, s.flood)
	act(1, s.rotate)
	act(1, s.fault)

	warm := time.NewTimer(length / 4)
	<-warm.C
	before := s.server.residentMiB(t)
	actors.Wait()
	after := s.server.residentMiB(t)

	s.calm(t)
	s.server.stop(t)
	t.Logf("%d fetches, %d of metadata, %d rotations, %d faults; memory %d MiB, then %d MiB",
		s.issuer.fetches(), s.issuer.metadataReads(), s.rotations.Load(), s.faults.Load(), before, after)
	for _, line := range slices.Sorted(maps.Keys(s.count)) {
		t.Logf("%s: %d", line, s.count[line])
	}
	require.Empty(t, s.wrong)
	require.LessOrEqual(t, after, 2*before+64, "memory grows")
	require.LessOrEqual(t, s.issuer.fetches(), 2*int(length.Seconds())+30, "fetches")
	require.Positive(t, s.count["good: 200"])
	require.Positive(t, s.rotations.Load())
}

// soak is a run of it.
type soak struct {
	issuer        *brokenIssuer
	server        *soakServer
	client, thief *http.Client
	nobody        *http.Client // without a certificate
	thumbprint    string       // of the client's certificate
	rotations     atomic.Int64
	faults        atomic.Int64

	seeds *rand.Rand
	mu    sync.Mutex
	count map[string]int
	wrong []string

	// Whoever sends a token that must be accepted holds the lock for reading, so
	// that its key is not withdrawn meanwhile.
	keys    sync.RWMutex
	fresh   *faultKey  // published, and not yet seen to be known to the server
	known   []faultKey // published, and the server has accepted a token of each
	retired []faultKey // published no more
	broken  bool       // guarded by keys: the issuer is told to fail
}

const soakFresh = 2 * time.Second

func newSoak(t *testing.T, seed uint64) *soak {
	t.Helper()
	first := newFaultKey("0")
	s := &soak{
		issuer: newBrokenIssuer(t, first),
		seeds:  rand.New(rand.NewPCG(seed, 0)),
		count:  make(map[string]int),
		fresh:  &first,
	}
	s.server = startSoakServer(t, s.issuer.url, "-jwks-refresh", soakFresh.String())
	own, err := bindingtest.NewSelfSignedCertificate("client")
	require.NoError(t, err)
	other, err := bindingtest.NewSelfSignedCertificate("thief")
	require.NoError(t, err)
	s.thumbprint = bindingtest.Thumbprint(own.Leaf)
	s.client, s.thief, s.nobody = s.party(t, own), s.party(t, other), s.party(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the server's log:\n%s", s.server.log)
		}
	})
	await(t, "the first key", func() bool { return s.learn(t.Context()) })
	return s
}

func (s *soak) party(t *testing.T, certificates ...tls.Certificate) *http.Client {
	transport := trusting(t)
	transport.TLSClientConfig.Certificates = certificates
	transport.MaxIdleConnsPerHost = 16
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

func (s *soak) random() *rand.Rand { return rand.New(rand.NewPCG(s.seeds.Uint64(), s.seeds.Uint64())) }

// send returns the status of the answer, or 0 if there was none. What is no
// allowed one is wrong.
func (s *soak) send(ctx context.Context, who string, client *http.Client, token string, allowed ...int) int {
	code := 0
	request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, s.server.url+"/whoami", nil)
	if err == nil {
		request.Header.Set("Authorization", "Bearer "+token)
		var response *http.Response
		if response, err = client.Do(request); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			code = response.StatusCode
			if code == http.StatusServiceUnavailable && response.Header.Get("Retry-After") == "" {
				err = fmt.Errorf("503 without Retry-After")
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[fmt.Sprintf("%s: %d", who, code)]++
	if (err != nil || !slices.Contains(allowed, code)) && len(s.wrong) < 20 {
		s.wrong = append(s.wrong, fmt.Sprintf("%s: status %d, want one of %v (%v)", who, code, allowed, err))
	}
	return code
}

// token signs one that is good now, for the client.
func (s *soak) token(k faultKey, changes ...any) string {
	now := time.Now()
	return k.token(s.issuer.url, append([]any{
		"iat", now.Unix(), "exp", now.Add(time.Hour).Unix(), "jti", fmt.Sprint(rand.Uint64()), "cnf", map[string]any{"x5t#S256": s.thumbprint},
	}, changes...)...)
}

// good sends a token of a key that the server knows: nothing may refuse it.
func (s *soak) good(ctx context.Context, random *rand.Rand) {
	s.keys.RLock()
	defer s.keys.RUnlock()
	token := s.token(s.known[random.IntN(len(s.known))])
	for range 1 + random.IntN(3) { // the second time it has been seen before
		s.send(ctx, "good", s.client, token, http.StatusOK)
	}
}

// bad sends a token that nothing may accept.
func (s *soak) bad(ctx context.Context, random *rand.Rand) {
	s.keys.RLock()
	key := s.known[random.IntN(len(s.known))]
	s.keys.RUnlock()
	refused := []int{http.StatusUnauthorized, http.StatusServiceUnavailable}
	token := s.token(key)
	parts := strings.Split(token, ".")
	forger := faultKey{id: key.id, private: s.issuer.forged.private}
	now := time.Now()
	switch random.IntN(9) {
	case 0:
		s.send(ctx, "bad, stolen", s.thief, token, refused...)
	case 1:
		s.send(ctx, "bad, stolen, no certificate", s.nobody, token, refused...)
	case 2:
		s.send(ctx, "bad, forged", s.client, s.token(forger), refused...)
	case 3:
		s.send(ctx, "bad, the stranger's key", s.client, s.token(s.issuer.forged), refused...)
	case 4:
		s.send(ctx, "bad, unbound", s.client, s.token(key, "cnf", nil), refused...)
	case 5:
		s.send(ctx, "bad, expired", s.client, s.token(key, "exp", now.Add(-time.Hour).Unix()), refused...)
	case 6:
		s.send(ctx, "bad, another audience", s.client, s.token(key, "aud", "https://other.example"), refused...)
	case 7:
		none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`))
		s.send(ctx, "bad, not signed", s.client, none+"."+parts[1]+"."+parts[2], refused...)
	case 8:
		_, altered, _ := strings.Cut(s.token(key, "client_id", "admin"), ".")
		payload, _, _ := strings.Cut(altered, ".")
		s.send(ctx, "bad, altered", s.client, parts[0]+"."+payload+"."+parts[2], refused...)
	}
}

// newest sends tokens of the newest key until the server knows it: whether it
// may, the flood and the faults say.
func (s *soak) newest(ctx context.Context, random *rand.Rand) {
	s.learn(ctx)
	pause(ctx, time.Duration(random.IntN(100))*time.Millisecond)
}

func (s *soak) learn(ctx context.Context) bool {
	s.keys.RLock()
	key := s.fresh
	s.keys.RUnlock()
	if key == nil {
		return true
	}
	code := s.send(ctx, "new key", s.client, s.token(*key),
		http.StatusOK, http.StatusUnauthorized, http.StatusServiceUnavailable)
	if code != http.StatusOK {
		return false
	}
	s.keys.Lock()
	defer s.keys.Unlock()
	s.known, s.fresh = append(s.known, *key), nil
	return true
}

// flood sends tokens of keys that nobody has.
func (s *soak) flood(ctx context.Context, random *rand.Rand) {
	g := newGarbage(s.issuer.url)
	_, g.payload, _ = strings.Cut(s.token(faultKey{private: ed25519.NewKeyFromSeed(make([]byte, 32))}), ".")
	g.payload, _, _ = strings.Cut(g.payload, ".")
	for range random.IntN(500) {
		if ctx.Err() != nil {
			return
		}
		s.send(ctx, "flood", s.client, g.token(random.Int()), http.StatusUnauthorized, http.StatusServiceUnavailable)
	}
	pause(ctx, time.Duration(random.IntN(1_000))*time.Millisecond)
}

// rotate publishes a new key, once the last is known, and withdraws an old one.
func (s *soak) rotate(ctx context.Context, random *rand.Rand) {
	pause(ctx, 500*time.Millisecond+time.Duration(random.IntN(2_000))*time.Millisecond)
	s.keys.Lock()
	defer s.keys.Unlock()
	if s.fresh != nil {
		return
	}
	key := newFaultKey(fmt.Sprint("rotated ", s.rotations.Add(1)))
	s.fresh = &key
	if len(s.known) > 2 {
		s.retired, s.known = append(s.retired, s.known[0]), slices.Clone(s.known[1:])
	}
	if !s.broken {
		s.issuer.publish(append(slices.Clone(s.known), key)...)
	}
}

// fault breaks the issuer for a while, and mends it.
func (s *soak) fault(ctx context.Context, random *rand.Rand) {
	pause(ctx, time.Duration(random.IntN(8_000))*time.Millisecond)
	s.faults.Add(1)
	s.keys.Lock()
	s.broken = true
	good := jwkSetOf(s.known...)
	switch n := random.IntN(len(answerFaults) + 3); n {
	case 0:
		s.issuer.answer(hang)
	case 1:
		s.issuer.answer(aByteASecond(good))
	case 2:
		s.issuer.answerMetadata(status(http.StatusBadGateway, ""))
	default:
		answerFaults[n-3].breaks(nil, s.issuer, good)
	}
	s.keys.Unlock()
	pause(ctx, time.Duration(random.IntN(3_000))*time.Millisecond)
	s.mend()
}

func (s *soak) mend() {
	s.keys.Lock()
	defer s.keys.Unlock()
	s.broken = false
	keys := slices.Clone(s.known)
	if s.fresh != nil {
		keys = append(keys, *s.fresh)
	}
	s.issuer.answerMetadata(s.issuer.goodMetadata)
	s.issuer.publish(keys...)
}

// calm is what must be so when the faults and the flood are over.
func (s *soak) calm(t *testing.T) {
	t.Helper()
	s.mend()
	// The flood has used up the budget, and the back-off is at its longest.
	require.Eventually(t, func() bool { return s.learn(t.Context()) }, 3*time.Minute, 100*time.Millisecond, "the newest key")
	for _, key := range s.known {
		s.send(t.Context(), "calm, good", s.client, s.token(key), http.StatusOK)
	}
	ready, err := s.nobody.Get(s.server.url + "/readyz")
	require.NoError(t, err)
	require.NoError(t, ready.Body.Close())
	require.Equal(t, http.StatusOK, ready.StatusCode)
	// What was withdrawn is refused once the server has asked again.
	fetches := s.issuer.fetches()
	await(t, "two more fetches", func() bool { return s.issuer.fetches() >= fetches+2 })
	issued := time.Now().Add(-10 * time.Minute).Unix() // before the keys in hand were asked for
	for _, key := range s.retired {
		s.send(t.Context(), "calm, withdrawn", s.client, s.token(key, "iat", issued), http.StatusUnauthorized)
	}
	require.Zero(t, s.issuer.strangers.Load(), "nobody but the issuer was asked")
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
