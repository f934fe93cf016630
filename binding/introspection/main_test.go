package introspection_test

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/introspection"
)

// TestMain has the process trust the certificate of httptest's servers, for
// Transports that know no roots.
func TestMain(m *testing.M) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	server.Close()
	dir, err := os.MkdirTemp("", "roots")
	if err != nil {
		panic(err)
	}
	file := filepath.Join(dir, "roots.pem")
	if err := errors.Join(os.WriteFile(file, certificate, 0o600), os.Setenv("SSL_CERT_FILE", file), os.Setenv("SSL_CERT_DIR", dir)); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

const (
	issuer   = "https://auth.example"
	endpoint = "https://auth.example/introspect"
	audience = "https://api.example"
	secret   = "s3cr3t: 100%+"
	canary   = "canary-token-that-is-never-shown"
)

// A server is an authorization server without a network, for schedules in testing/synctest.
type server struct {
	mu     sync.Mutex
	tokens []string // that were asked about
	paths  []string // that were asked for, the endpoint's left out
	answer func(r *http.Request, token string) (*http.Response, error)
	other  func(r *http.Request) (*http.Response, error) // metadata
	refuse bool                                          // connections
	gone   string                                        // a URL whose host refuses connections
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	refuse := s.refuse || s.gone == r.URL.String()
	s.mu.Unlock()
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
		trace.GetConn(r.URL.Host)
		if !refuse {
			trace.GotConn(httptrace.GotConnInfo{})
		}
	}
	if r.Method == http.MethodGet {
		s.mu.Lock()
		s.paths = append(s.paths, r.URL.Path)
		other := s.other
		s.mu.Unlock()
		return other(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.tokens = append(s.tokens, form.Get("token"))
	answer := s.answer
	s.mu.Unlock()
	if refuse {
		return nil, errors.New("connection refused")
	}
	return answer(r, form.Get("token"))
}

func (s *server) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tokens)
}

// set changes how the server answers from now on.
func (s *server) set(change func(*server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func reply(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(strings.NewReader(body)),
	}
}

func always(status int, body string) func(*http.Request, string) (*http.Response, error) {
	return func(*http.Request, string) (*http.Response, error) { return reply(status, body), nil }
}

type members = map[string]any

// good is an answer about an active token, with changes; a nil value removes a member.
func good(changes members) members {
	answer := members{
		"active": true, "iss": issuer, "aud": audience, "sub": "alice", "client_id": "app", "scope": "accounts",
		"token_type": "Bearer", "exp": time.Now().Add(5 * time.Minute).Unix(), "iat": time.Now().Unix(),
		"cnf": members{"x5t#S256": thumbprint},
	}
	maps.Copy(answer, changes)
	maps.DeleteFunc(answer, func(_ string, value any) bool { return value == nil })
	return answer
}

const thumbprint = "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0" // RFC 8705 §3.1's, with a canonical last character

func text(m members) string {
	encoded, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

// config asks a server without a network.
func config(s *server) introspection.Config {
	return introspection.Config{
		Issuer: issuer, Audiences: []string{audience}, URL: endpoint,
		ClientID: "api", AuthMethod: introspection.ClientSecretBasic, ClientSecret: secret,
		Transport: s,
	}
}

func newVerifier(t *testing.T, config introspection.Config) *introspection.Verifier {
	t.Helper()
	v, err := introspection.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, v.Close()) })
	return v
}

func requireReason(t *testing.T, err error, reason binding.Reason) *binding.Error {
	t.Helper()
	var refusal *binding.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, reason, refusal.Reason, "%v", refusal.Cause)
	return refusal
}

// events collects what an observer is told.
type events struct {
	mu   sync.Mutex
	list []introspection.Event
}

func (e *events) observe(event introspection.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, event)
}

func (e *events) all() []introspection.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]introspection.Event(nil), e.list...)
}

func (e *events) kinds() []introspection.EventKind {
	var kinds []introspection.EventKind
	for _, event := range e.all() {
		kinds = append(kinds, event.Kind)
	}
	return kinds
}

// await returns when there are that many of a kind: a queue brings them.
func (e *events) await(t *testing.T, kind introspection.EventKind, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return e.count(kind) >= n }, time.Minute, time.Millisecond, "%s", kind)
}

func (e *events) count(kind introspection.EventKind) int { return len(e.of(kind)) }

func (e *events) of(kind introspection.EventKind) []introspection.Event {
	return slices.DeleteFunc(e.all(), func(event introspection.Event) bool { return event.Kind != kind })
}

func newAuthorizationServer(t *testing.T, config bindingtest.Config) *bindingtest.AuthorizationServer {
	t.Helper()
	as, err := bindingtest.NewAuthorizationServer(config)
	require.NoError(t, err)
	t.Cleanup(as.Close)
	return as
}

// secretClient is how the API authenticates where a test is not about that.
var secretClient = bindingtest.Client{ID: "api", AuthMethod: bindingtest.ClientSecretBasic, Secret: secret}

// configFor asks the kit's server, found by its metadata. No test of it is about
// time, and a busy machine is slow.
func configFor(as *bindingtest.AuthorizationServer) introspection.Config {
	return introspection.Config{
		Issuer: as.Issuer(), Audiences: []string{audience},
		ClientID: "api", AuthMethod: introspection.ClientSecretBasic, ClientSecret: secret,
		Transport: as.Transport(),
		Timeout:   time.Minute, ActiveFor: 5 * time.Minute,
	}
}

func opaqueToken(t *testing.T, as *bindingtest.AuthorizationServer, spec bindingtest.TokenSpec) string {
	t.Helper()
	token, err := as.OpaqueToken(spec)
	require.NoError(t, err)
	return token
}

func selfSigned(t *testing.T, commonName string) tls.Certificate {
	t.Helper()
	certificate, err := bindingtest.NewSelfSignedCertificate(commonName)
	require.NoError(t, err)
	return certificate
}
