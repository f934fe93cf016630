package bindotel_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/certbound/certbound/adapters/bindotel"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/introspection"
	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/jwks"
)

const issuer = "https://auth.example"

func accepted(client string) binding.Event {
	return binding.Event{Issuer: issuer, ClientID: client, Binding: "certificate", Duration: time.Millisecond}
}

func refused(reason binding.Reason, issuer, client string) binding.Event {
	return binding.Event{Err: &binding.Error{Reason: reason}, Issuer: issuer, ClientID: client, Duration: time.Millisecond}
}

// However many clients, issuers and reasons there are, the series are not more, and nothing is lost.
func TestCardinalityIsBounded(t *testing.T) {
	t.Parallel()
	const flood = 3_000
	for name, test := range map[string]struct {
		config bindotel.Config
		event  func(i int) binding.Event
		series int
		other  string // the series of the rest
	}{
		"clients":         {bindotel.Config{}, func(i int) binding.Event { return accepted(fmt.Sprint(i)) }, 101, "certbound.binding=certificate,certbound.bound=true,certbound.client_id=_OTHER,certbound.issuer=https://auth.example,certbound.outcome=accepted"},
		"clients, three":  {bindotel.Config{MaxClients: 3}, func(i int) binding.Event { return accepted(fmt.Sprint(i)) }, 4, "certbound.binding=certificate,certbound.bound=true,certbound.client_id=_OTHER,certbound.issuer=https://auth.example,certbound.outcome=accepted"},
		"no client":       {bindotel.Config{MaxClients: -1}, func(i int) binding.Event { return accepted(fmt.Sprint(i)) }, 1, "certbound.binding=certificate,certbound.bound=true,certbound.client_id=_OTHER,certbound.issuer=https://auth.example,certbound.outcome=accepted"},
		"issuers":         {bindotel.Config{}, func(i int) binding.Event { return refused("scope_missing", fmt.Sprint(i), "") }, 17, "certbound.issuer=_OTHER,certbound.outcome=refused,error.type=scope_missing"},
		"both":            {bindotel.Config{}, func(i int) binding.Event { return refused("forbidden", fmt.Sprint(i), fmt.Sprint(i)) }, 17, "certbound.client_id=_OTHER,certbound.issuer=_OTHER,certbound.outcome=refused,error.type=forbidden"},
		"no issuer":       {bindotel.Config{MaxIssuers: -1}, func(i int) binding.Event { return accepted(fmt.Sprint(i)) }, 1, "certbound.binding=certificate,certbound.bound=true,certbound.client_id=_OTHER,certbound.issuer=_OTHER,certbound.outcome=accepted"},
		"made-up reasons": {bindotel.Config{}, func(i int) binding.Event { return refused(binding.Reason(fmt.Sprint(i)), "", "") }, 101, "certbound.outcome=refused,error.type=_OTHER"},
		"no reason":       {bindotel.Config{}, func(int) binding.Event { return refused("", "", "") }, 1, "certbound.outcome=refused,error.type=_OTHER"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMeter(t, test.config)
			for i := range flood {
				m.observer.Observe(t.Context(), test.event(i))
			}
			decisions := take(m.collect(t), "certbound.decisions")
			require.Len(t, decisions, test.series)
			require.Equal(t, float64(flood-test.series+1), decisions[test.other])
			sum := 0.0
			for _, n := range decisions {
				sum += n
			}
			require.Equal(t, float64(flood), sum)
		})
	}
}

// Whether a token is bound is measured where it was accepted: there it says who has still to change over.
func TestBound(t *testing.T) {
	t.Parallel()
	m := newMeter(t, bindotel.Config{})
	unbound := accepted("old")
	unbound.Binding = "none"
	for _, event := range []binding.Event{accepted("new"), unbound, unbound, refused("scope_missing", issuer, "old")} {
		m.observer.Observe(t.Context(), event)
	}
	require.Equal(t, map[string]float64{
		"certbound.binding=certificate,certbound.bound=true,certbound.client_id=new,certbound.issuer=https://auth.example,certbound.outcome=accepted": 1,
		"certbound.binding=none,certbound.bound=false,certbound.client_id=old,certbound.issuer=https://auth.example,certbound.outcome=accepted":       2,
		"certbound.client_id=old,certbound.issuer=https://auth.example,certbound.outcome=refused,error.type=scope_missing":                            1,
	}, take(m.collect(t), "certbound.decisions"))
}

// What is long, or more than text to a terminal, has no name.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	m := newMeter(t, bindotel.Config{})
	for _, hostile := range []string{strings.Repeat("x", 201), "a\r\nb", "\x1b[2J", "moc.\u202eelpmaxe", "\xff", "\u2028"} {
		m.observer.Observe(t.Context(), accepted(hostile))
	}
	m.observer.Observe(t.Context(), accepted(strings.Repeat("x", 200)))
	require.Equal(t, map[string]float64{
		"certbound.binding=certificate,certbound.bound=true,certbound.client_id=_OTHER,certbound.issuer=https://auth.example,certbound.outcome=accepted":                           6,
		"certbound.binding=certificate,certbound.bound=true,certbound.client_id=" + strings.Repeat("x", 200) + ",certbound.issuer=https://auth.example,certbound.outcome=accepted": 1,
	}, take(m.collect(t), "certbound.decisions"))
}

func TestHostileNamesInASpan(t *testing.T) {
	t.Parallel()
	m := newMeter(t, bindotel.Config{})
	spans := tracetest.NewSpanRecorder()
	ctx, span := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test").Start(t.Context(), "request")
	m.observer.Observe(ctx, refused(binding.Reason(strings.Repeat("x", 1<<20)), "\x1b[2J", "a\r\nb"))
	span.End()
	attributes := spans.Ended()[0].Attributes()
	require.Len(t, attributes, 5)
	for _, a := range attributes[1:3] {
		require.Equal(t, "_OTHER", a.Value.AsString(), a.Key)
	}
	require.Less(t, len(fmt.Sprint(attributes)), 1000)
}

// A request that its client gave up is counted like any other.
func TestDecisionOfACanceledRequest(t *testing.T) {
	t.Parallel()
	m := newMeter(t, bindotel.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m.observer.Observe(ctx, refused(binding.ReasonCanceled, "", ""))
	values := m.collect(t)
	require.Equal(t, map[string]float64{"certbound.outcome=refused,error.type=canceled": 1}, take(values, "certbound.decisions"))
	require.Equal(t, map[string]float64{"certbound.outcome=refused": 1}, take(values, "certbound.decision.duration"))
}

// timeout is what net/http gives for a deadline, as far as errors.As sees.
var timeout = &url.Error{Op: "Get", URL: issuer, Err: os.ErrDeadlineExceeded}

func TestKeysThatAreNotFetched(t *testing.T) {
	t.Parallel()
	m := newMeter(t, bindotel.Config{})
	for _, err := range []error{
		fmt.Errorf("metadata: %w", &metadata.StatusError{Status: 503}), &metadata.StatusError{Status: 999},
		context.DeadlineExceeded, timeout, errors.New("secret-1"), errors.New("secret-2"), nil,
	} {
		m.observer.ObserveKeys(jwks.Event{Kind: jwks.KeysFailed, Issuer: issuer, Err: err, Duration: time.Second})
	}
	m.observer.ObserveKeys(jwks.Event{Kind: jwks.TokensNotBound, Issuer: issuer})
	m.observer.ObserveKeys(jwks.Event{Kind: jwks.KeysFetched, Issuer: issuer, Added: []string{"a", "b"}, Removed: []string{"c"}})
	values := m.collect(t)
	require.Equal(t, map[string]float64{
		"certbound.issuer=https://auth.example":                    1,
		"certbound.issuer=https://auth.example,error.type=503":     1,
		"certbound.issuer=https://auth.example,error.type=timeout": 2,
		"certbound.issuer=https://auth.example,error.type=_OTHER":  4,
	}, take(values, "certbound.keys.fetch.duration"))
	require.Equal(t, map[string]float64{
		"certbound.change=added,certbound.issuer=https://auth.example":   2,
		"certbound.change=removed,certbound.issuer=https://auth.example": 1,
	}, take(values, "certbound.keys.changes"), "the number of keys, and not their names")
	require.Empty(t, values)
}

func TestIntrospection(t *testing.T) {
	t.Parallel()
	m := newMeter(t, bindotel.Config{})
	for _, event := range []introspection.Event{
		{Kind: introspection.TokenActive}, {Kind: introspection.TokenActive}, {Kind: introspection.TokenInactive},
		{Kind: introspection.CallFailed, Err: &metadata.StatusError{Status: 500}}, {Kind: introspection.CallFailed, Err: errors.New("secret")},
		{Kind: introspection.CredentialsRefused, Err: &metadata.StatusError{Status: 401}},
		{Kind: introspection.BreakerOpened, Err: errors.New("secret")}, {Kind: introspection.BreakerClosed},
		{Kind: introspection.MetadataRead}, {Kind: introspection.MetadataFailed, Err: errors.New("secret")}, {Kind: introspection.TokensNotBound},
	} {
		event.Issuer = issuer
		m.observer.ObserveIntrospection(event)
	}
	values := m.collect(t)
	require.Equal(t, map[string]float64{
		"certbound.issuer=https://auth.example,certbound.outcome=active":                                2,
		"certbound.issuer=https://auth.example,certbound.outcome=inactive":                              1,
		"certbound.issuer=https://auth.example,certbound.outcome=failed,error.type=500":                 1,
		"certbound.issuer=https://auth.example,certbound.outcome=failed,error.type=_OTHER":              1,
		"certbound.issuer=https://auth.example,certbound.outcome=failed,error.type=credentials_refused": 1,
	}, take(values, "certbound.introspection.duration"))
	require.Empty(t, values)
}

// The way of every accepted request: nothing is made anew.
func TestObserveAllocations(t *testing.T) {
	m := newMeter(t, bindotel.Config{})
	event, ctx := accepted("client"), t.Context()
	m.observer.Observe(ctx, event)
	require.Zero(t, testing.AllocsPerRun(100, func() { m.observer.Observe(ctx, event) }))
}

func BenchmarkObserve(b *testing.B) {
	observer, err := bindotel.New(bindotel.Config{})
	require.NoError(b, err)
	event := accepted("client")
	b.ReportAllocs()
	for b.Loop() {
		observer.Observe(b.Context(), event)
	}
}
