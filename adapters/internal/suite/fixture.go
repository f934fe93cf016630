package suite

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// Whom the tokens of the tests are about, and for whom.
const (
	Audience = "https://api.example"
	Subject  = "alice"
	ClientID = "client-1"
)

// A Fixture is an authorization server, a verifier of its tokens and clients
// with certificates.
type Fixture struct {
	AS     *bindingtest.AuthorizationServer
	Tokens *jwks.Verifier

	// Holder is the client whose tokens they are, Other one with another
	// certificate, Nobody one without.
	Holder, Other, Nobody *Client

	// Log is everything that anybody writes: the servers, the frameworks, the
	// observers of the guards. When the test is over it must hold no token and
	// no certificate (rows 265 and 266).
	Log *Log

	start time.Time    // the clock stands still
	ahead atomic.Int64 // and is put forward, in nanoseconds
	cases atomic.Int64

	dialed dialed
}

// NewFixture makes a Fixture that ends with the test.
func NewFixture(t *testing.T) *Fixture {
	t.Helper()
	f := &Fixture{Log: new(Log), start: time.Now()}
	t.Cleanup(func() { f.Log.check(t) })
	t.Cleanup(f.dialed.end)
	var err error
	f.AS, err = bindingtest.NewAuthorizationServer(bindingtest.Config{Audience: Audience, Clock: f.now})
	require.NoError(t, err)
	t.Cleanup(f.AS.Close)
	f.Tokens = f.Verifier(t)
	f.Holder = f.client(t, "holder")
	f.Other = f.client(t, "other")
	f.Nobody = f.newClient(nil)
	return f
}

func (f *Fixture) now() time.Time { return f.start.Add(time.Duration(f.ahead.Load())) }

// advance puts the clock of issuer and verifier forward.
func (f *Fixture) advance(d time.Duration) { f.ahead.Add(int64(d)) }

// Verifier makes one more verifier of the authorization server's tokens, its
// Config changed.
func (f *Fixture) Verifier(t *testing.T, changes ...func(*jwks.Config)) *jwks.Verifier {
	t.Helper()
	config := jwks.Config{
		Issuer:       f.AS.Issuer(),
		Audiences:    []string{Audience},
		Transport:    f.transport(nil, false),
		Clock:        f.now,
		FetchTimeout: time.Minute,
	}
	for _, change := range changes {
		change(&config)
	}
	tokens, err := jwks.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, tokens.Close()) })
	return tokens
}

func (f *Fixture) client(t *testing.T, name string) *Client {
	t.Helper()
	certificate, err := f.AS.NewClientCertificate(name)
	require.NoError(t, err)
	f.Log.secret(base64.StdEncoding.EncodeToString(certificate.Leaf.Raw))
	return f.newClient(&certificate)
}

// Guard makes a guard. Its tokens are the Fixture's if the Config names none,
// and its events go to the Log.
func (f *Fixture) Guard(t *testing.T, config binding.Config) *binding.Guard {
	t.Helper()
	if config.Tokens == nil {
		config.Tokens = f.Tokens
	}
	observe := config.Observe
	config.Observe = func(ctx context.Context, event binding.Event) {
		f.Log.event(event)
		if observe != nil {
			observe(ctx, event)
		}
	}
	guard, err := binding.New(config)
	require.NoError(t, err)
	return guard
}

// Token signs a token. Unless the spec says otherwise it is Subject's, for
// ClientID, with the scopes accounts and payments.
func (f *Fixture) Token(t *testing.T, spec bindingtest.TokenSpec) string {
	t.Helper()
	if spec.Subject == "" {
		spec.Subject = Subject
	}
	if spec.ClientID == "" {
		spec.ClientID = ClientID
	}
	if spec.Scopes == nil {
		spec.Scopes = []string{"accounts", "payments"}
	}
	token, err := f.AS.Token(spec)
	require.NoError(t, err)
	return token
}

// Good signs a token that is bound to the Holder's certificate.
func (f *Fixture) Good(t *testing.T, scopes ...string) string {
	t.Helper()
	return f.Token(t, bindingtest.TokenSpec{Certificate: f.Holder.Certificate.Leaf, Scopes: scopes})
}

// Confirmed signs a token with this cnf, as it stands.
func (f *Fixture) Confirmed(t *testing.T, cnf string) string {
	t.Helper()
	return f.Token(t, bindingtest.TokenSpec{Claims: map[string]any{"cnf": json.RawMessage(cnf)}})
}

// A Log is a buffer for many writers that knows what must not be in it.
type Log struct {
	mu      sync.Mutex
	text    bytes.Buffer
	secrets map[string]struct{}
}

func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// String returns what was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// event writes an event in every way that an observer might.
func (l *Log) event(event binding.Event) {
	_, _ = fmt.Fprintf(l, "%v %+v %#v\n", event, event, event)
	if event.Err != nil {
		_, _ = fmt.Fprintf(l, "%v %+v %#v %v\n", event.Err, event.Err, *event.Err, event.Err.Cause)
	}
	slog.New(slog.NewJSONHandler(l, nil)).Info("decision", "event", event, "err", event.Err)
}

// secret adds what must not be in the log: a token or a certificate. Of a token
// its signature and its claims are secret too.
func (l *Log) secret(value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.secrets == nil {
		l.secrets = make(map[string]struct{})
	}
	for _, s := range secretsIn(value) {
		l.secrets[s] = struct{}{}
	}
}

// shortestSecret is the length from which a text is not in a log by chance.
const shortestSecret = 24

// secretsIn returns the parts of a token, or of anything else, that nobody
// could know: their ends, for every token begins with the same claims. A JOSE
// header is the same in all.
func secretsIn(value string) []string {
	const header = "eyJhbGciOi" // {"alg":
	var secrets []string
	for field := range strings.FieldsFuncSeq(value, func(c rune) bool { return c == ' ' || c == ',' }) {
		parts := strings.Split(field, ".")
		if len(parts) > 1 {
			parts = parts[1:] // a JOSE header, or what stands for one
		}
		for _, part := range parts {
			if len(part) >= shortestSecret && !strings.Contains(part, header) {
				secrets = append(secrets, part[max(0, len(part)-4*shortestSecret):])
			}
		}
	}
	return secrets
}

// check shows of the log only the line that must not be there.
func (l *Log) check(t *testing.T) {
	t.Helper()
	l.mu.Lock() // other tests still write
	text := l.text.String()
	beginnings := make(map[string][]string, len(l.secrets)) // one pass for thousands of secrets
	for secret := range l.secrets {
		beginnings[secret[:shortestSecret]] = append(beginnings[secret[:shortestSecret]], secret)
	}
	l.mu.Unlock()
	for line := range strings.Lines(text) {
		for at := range max(0, len(line)-shortestSecret+1) {
			for _, secret := range beginnings[line[at:at+shortestSecret]] {
				if strings.HasPrefix(line[at:], secret) {
					t.Errorf("a token, a proof or a certificate is in a log: %.1000s", line)
				}
			}
		}
		for _, sign := range []string{"-----BEGIN", "Bearer ey"} {
			if strings.Contains(line, sign) {
				t.Errorf("%q is in a log: %.1000s", sign, line)
			}
		}
	}
}
