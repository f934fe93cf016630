package jwks_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// What the fault tests share: an issuer that misbehaves as it is told, its keys
// and tokens, the verifier under test with a log of its events. fault_net_test.go
// puts the issuer on a network.

const faultAudience = "https://api.example"

// faultNoon is when all tokens here are judged: they never grow old, however
// many days go by.
var faultNoon = time.Date(2030, time.June, 1, 12, 0, 0, 0, time.UTC)

// faultKey is a signing key of an issuer.
type faultKey struct {
	id      string
	private ed25519.PrivateKey
}

func newFaultKey(id string) faultKey {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	return faultKey{id: id, private: private}
}

func (k faultKey) jwk() string {
	return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":%q,"x":%q}`,
		k.id, base64.RawURLEncoding.EncodeToString(k.private.Public().(ed25519.PublicKey)))
}

// token signs a good token. Changes to its claims come in pairs of name and
// value; a nil value removes the claim.
func (k faultKey) token(issuer string, changes ...any) string {
	claims := map[string]any{
		"iss": issuer, "sub": "client", "aud": faultAudience, "client_id": "client",
		"iat": faultNoon.Unix(), "exp": faultNoon.Add(time.Hour).Unix(),
	}
	for i := 0; i < len(changes); i += 2 {
		claims[changes[i].(string)] = changes[i+1]
	}
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return k.sign(fmt.Sprintf(`{"alg":"EdDSA","typ":"at+jwt","kid":%q}`, k.id), string(payload))
}

func (k faultKey) sign(header, payload string) string {
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(header)) + "." + encode([]byte(payload))
	return input + "." + encode(ed25519.Sign(k.private, []byte(input)))
}

func jwkSet(jwks ...string) string { return `{"keys":[` + strings.Join(jwks, ",") + `]}` }

func jwkSetOf(keys ...faultKey) string {
	var texts []string
	for _, k := range keys {
		texts = append(texts, k.jwk())
	}
	return jwkSet(texts...)
}

// faultIssuer is an authorization server: its metadata and its key set.
type faultIssuer struct {
	url string // the issuer identifier

	mu       sync.Mutex
	keys     http.HandlerFunc // answers for the key set
	metadata http.HandlerFunc // answers for the metadata
	asked    []time.Time      // when the key set was asked for
	read     []time.Time      // and the metadata
}

func newFaultIssuer(address string, keys ...faultKey) *faultIssuer {
	i := &faultIssuer{url: address}
	i.metadata = i.goodMetadata
	i.publish(keys...)
	return i
}

func (i *faultIssuer) keySetURL() string { return i.url + "/jwks" }

func (i *faultIssuer) goodMetadata(w http.ResponseWriter, _ *http.Request) {
	_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"tls_client_certificate_bound_access_tokens":true}`, i.url, i.keySetURL())
}

// ServeHTTP notes the request before it answers.
func (i *faultIssuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	answer := i.keys
	if strings.HasPrefix(r.URL.Path, "/.well-known/") {
		answer = i.metadata
		i.read = append(i.read, time.Now())
	} else {
		i.asked = append(i.asked, time.Now())
	}
	i.mu.Unlock()
	answer(w, r)
}

// answer says how the key set is answered for from now on.
func (i *faultIssuer) answer(handler http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = handler
}

func (i *faultIssuer) answerMetadata(handler http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.metadata = handler
}

func (i *faultIssuer) publish(keys ...faultKey) { i.answer(body(jwkSetOf(keys...))) }

// fetches is how often the key set was asked for.
func (i *faultIssuer) fetches() int { return len(i.times()) }

func (i *faultIssuer) times() []time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]time.Time(nil), i.asked...)
}

func (i *faultIssuer) metadataReads() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.read)
}

func body(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

func status(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(text))
	}
}

// hang answers nothing until the client goes away.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// after answers late.
func after(delay time.Duration, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(delay):
			answer(w, r)
		case <-r.Context().Done():
		}
	}
}

// held answers when the channel is closed.
func held(until <-chan struct{}, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-until:
			answer(w, r)
		case <-r.Context().Done():
		}
	}
}

// eventLog is an observer that remembers.
type eventLog struct {
	mu     sync.Mutex
	events []jwks.Event
}

func (l *eventLog) observe(e jwks.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *eventLog) all() []jwks.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]jwks.Event(nil), l.events...)
}

func (l *eventLog) last(t *testing.T) jwks.Event {
	t.Helper()
	all := l.all()
	require.NotEmpty(t, all, "events")
	return all[len(all)-1]
}

// lastOf waits for an event of the kind and returns the last of them.
func (l *eventLog) lastOf(t *testing.T, kind jwks.EventKind) (last jwks.Event) {
	t.Helper()
	await(t, "an event: "+string(kind), func() bool {
		for _, e := range l.all() {
			if e.Kind == kind {
				last = e
			}
		}
		return last.Kind == kind
	})
	return last
}

// faultVerifier is the verifier under test.
type faultVerifier struct {
	*jwks.Verifier
	log *eventLog
}

// newFaultVerifier makes a verifier of the issuer's tokens, by its metadata,
// and closes it in the end.
func newFaultVerifier(t *testing.T, issuer *faultIssuer, transport http.RoundTripper, changes ...func(*jwks.Config)) faultVerifier {
	t.Helper()
	log := &eventLog{}
	config := jwks.Config{
		Issuer:    issuer.url,
		Audiences: []string{faultAudience},
		Transport: transport,
		Clock:     func() time.Time { return faultNoon },
		Observe:   log.observe,
	}
	for _, change := range changes {
		change(&config)
	}
	v, err := jwks.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, v.Close()) })
	return faultVerifier{Verifier: v, log: log}
}

func (v faultVerifier) accepts(t *testing.T, token string) {
	t.Helper()
	_, err := v.VerifyToken(t.Context(), token)
	require.NoError(t, err, "cause: %v", errorCause(err))
}

func (v faultVerifier) refuses(t *testing.T, token string, reason binding.Reason) {
	t.Helper()
	requireRefusal(t, v.err(t, token), reason)
}

// lacks: the issuer's fault, and not the token's. It returns the refusal.
func (v faultVerifier) lacks(t *testing.T, token string) *binding.Error {
	t.Helper()
	return requireUnavailable(t, v.err(t, token))
}

func (v faultVerifier) err(t *testing.T, token string) error {
	t.Helper()
	_, err := v.VerifyToken(t.Context(), token)
	return err
}

func requireRefusal(t *testing.T, err error, reason binding.Reason) {
	t.Helper()
	require.Error(t, err)
	refusal := binding.AsError(err)
	require.Equal(t, reason, refusal.Reason, "cause: %v", refusal.Cause)
	require.Equal(t, http.StatusUnauthorized, refusal.StatusCode())
	header := make(http.Header)
	refusal.SetHeader(header)
	require.NotEmpty(t, header.Get("WWW-Authenticate"))
	require.Empty(t, header.Get("Retry-After"))
}

func requireUnavailable(t *testing.T, err error) *binding.Error {
	t.Helper()
	require.Error(t, err)
	refusal := binding.AsError(err)
	require.Equal(t, binding.ReasonKeysUnavailable, refusal.Reason, "cause: %v", refusal.Cause)
	require.Equal(t, http.StatusServiceUnavailable, refusal.StatusCode())
	header := make(http.Header)
	refusal.SetHeader(header)
	require.Empty(t, header.Get("WWW-Authenticate"))
	require.NotEmpty(t, header.Get("Retry-After"))
	require.GreaterOrEqual(t, refusal.RetryAfter, time.Second)
	require.LessOrEqual(t, refusal.RetryAfter, time.Minute, "no back-off is longer")
	return refusal
}

// requireLimited: 503, for nobody may look for the token's key at present.
func requireLimited(t *testing.T, err error) *binding.Error {
	t.Helper()
	require.Error(t, err)
	refusal := binding.AsError(err)
	require.Equal(t, binding.ReasonKeyFetchLimited, refusal.Reason, "cause: %v", refusal.Cause)
	require.ErrorContains(t, refusal.Cause, "asked for new keys as often as is permitted")
	require.Equal(t, http.StatusServiceUnavailable, refusal.StatusCode())
	header := make(http.Header)
	refusal.SetHeader(header)
	require.Empty(t, header.Get("WWW-Authenticate"))
	require.NotEmpty(t, header.Get("Retry-After"))
	require.GreaterOrEqual(t, refusal.RetryAfter, time.Second)
	require.LessOrEqual(t, refusal.RetryAfter, 5*time.Second)
	return refusal
}

func errorCause(err error) error {
	if err == nil {
		return nil
	}
	return binding.AsError(err).Cause
}
