package bindotel_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/adapters/bindotel"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// A meter collects by hand what an observer measures.
type meter struct {
	reader   *sdkmetric.ManualReader
	observer *bindotel.Observer
}

func newMeter(t *testing.T, config bindotel.Config) meter {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	t.Cleanup(func() { _ = provider.Shutdown(context.WithoutCancel(t.Context())) })
	config.MeterProvider = provider
	observer, err := bindotel.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, observer.Close()) })
	return meter{reader, observer}
}

// collect returns every value by its instrument and attributes; of a histogram it is the count.
func (m meter) collect(t *testing.T) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, m.reader.Collect(context.WithoutCancel(t.Context()), &all))
	values := make(map[string]float64)
	put := func(name string, attributes attribute.Set, value float64) {
		values[name+"{"+attributes.Encoded(attribute.DefaultEncoder())+"}"] = value
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			require.NotEmpty(t, m.Description, m.Name)
			require.NotEmpty(t, m.Unit, m.Name)
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				require.True(t, data.IsMonotonic, m.Name)
				for _, p := range data.DataPoints {
					put(m.Name, p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					put(m.Name, p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					put(m.Name, p.Attributes, p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					put(m.Name, p.Attributes, float64(p.Count))
				}
			default:
				t.Fatalf("%s is a %T", m.Name, data)
			}
		}
	}
	return values
}

// take removes and returns the values of an instrument.
func take(values map[string]float64, name string) map[string]float64 {
	taken := make(map[string]float64)
	for key, value := range values {
		if attributes, ok := strings.CutPrefix(key, name+"{"); ok {
			taken[strings.TrimSuffix(attributes, "}")] = value
			delete(values, key)
		}
	}
	return taken
}

// escaped is an issuer as the SDK's encoder writes it.
func escaped(issuer string) string { return strings.NewReplacer(",", `\,`, "=", `\=`).Replace(issuer) }

// A world is an authorization server, an API in front of it, and what is measured of both.
type world struct {
	meter
	as     *bindingtest.AuthorizationServer
	tokens *jwks.Verifier
	api    *httptest.Server
	spans  *tracetest.SpanRecorder
	client tls.Certificate
	thief  tls.Certificate
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{meter: newMeter(t, bindotel.Config{}), spans: tracetest.NewSpanRecorder()}
	var err error
	w.as, err = bindingtest.NewAuthorizationServer(bindingtest.Config{})
	require.NoError(t, err)
	t.Cleanup(w.as.Close)
	w.tokens, err = jwks.New(jwks.Config{
		Issuer: w.as.Issuer(), Audiences: []string{w.as.Audience()}, Transport: w.as.Transport(),
		Observe: w.observer.ObserveKeys,
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.tokens.Close() })
	require.NoError(t, w.observer.Watch(w.tokens))
	guard, err := binding.New(binding.Config{Tokens: w.tokens, Observe: w.observer.Observe})
	require.NoError(t, err)

	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(w.spans)).Tracer("test")
	guarded := bindhttp.Protect(guard)(bindhttp.RequireScopes("accounts")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	w.api = w.as.Serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		ctx, span := tracer.Start(r.Context(), "request")
		defer span.End()
		guarded.ServeHTTP(rw, r.WithContext(ctx))
	}))
	t.Cleanup(w.api.Close)
	w.client, err = w.as.NewClientCertificate("client")
	require.NoError(t, err)
	w.thief, err = w.as.NewClientCertificate("thief")
	require.NoError(t, err)
	return w
}

// send sends a request and returns the status of its answer and the attributes of its span.
func (w *world) send(t *testing.T, token string, certificates ...tls.Certificate) (status int, span map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.api.URL, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	client := w.as.HTTPClient(certificates...)
	defer client.CloseIdleConnections()
	response, err := client.Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	// The span ends after the answer is written.
	require.Eventually(t, func() bool { return len(w.spans.Ended()) > 0 }, time.Minute, time.Millisecond)
	span = make(map[string]any)
	for _, a := range w.spans.Ended()[0].Attributes() {
		span[string(a.Key)] = a.Value.AsInterface()
	}
	w.spans.Reset()
	return response.StatusCode, span
}

func must(t *testing.T) func(token string, err error) string {
	return func(token string, err error) string {
		t.Helper()
		require.NoError(t, err)
		return token
	}
}

func TestMetricsAndSpansOfAStolenToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	iss := w.as.Issuer()
	good := must(t)(w.as.Token(bindingtest.TokenSpec{Certificate: w.client.Leaf, Scopes: []string{"accounts"}}))
	scopeless := must(t)(w.as.Token(bindingtest.TokenSpec{Certificate: w.client.Leaf, Scopes: []string{"others"}}))
	expired := must(t)(w.as.Token(bindingtest.TokenSpec{Certificate: w.client.Leaf, Scopes: []string{"accounts"}, ExpiresIn: -time.Hour}))
	forged := must(t)(w.as.Token(bindingtest.TokenSpec{Certificate: w.thief.Leaf, Scopes: []string{"accounts"}, ForgedSignature: true}))
	canaries := []string{good, scopeless, expired, forged,
		base64.StdEncoding.EncodeToString(w.client.Leaf.Raw), base64.StdEncoding.EncodeToString(w.thief.Leaf.Raw)}
	var seen strings.Builder // all that anybody could read
	for _, request := range []struct {
		token        string
		certificates []tls.Certificate
		status       int
		span         map[string]any
	}{
		{good, []tls.Certificate{w.client}, 200, map[string]any{"certbound.outcome": "accepted", "certbound.issuer": iss, "certbound.client_id": "client", "certbound.bound": true, "certbound.binding": "certificate"}},
		{good, []tls.Certificate{w.client}, 200, map[string]any{"certbound.outcome": "accepted", "certbound.issuer": iss, "certbound.client_id": "client", "certbound.bound": true, "certbound.binding": "certificate"}},
		{good, []tls.Certificate{w.thief}, 401, map[string]any{"certbound.outcome": "refused", "certbound.reason": "thumbprint_mismatch", "certbound.issuer": iss, "certbound.client_id": "client", "certbound.bound": true, "certbound.binding": "certificate"}},
		{good, nil, 401, map[string]any{"certbound.outcome": "refused", "certbound.reason": "certificate_missing", "certbound.issuer": iss, "certbound.client_id": "client", "certbound.bound": true, "certbound.binding": "certificate"}},
		{scopeless, []tls.Certificate{w.client}, 403, map[string]any{"certbound.outcome": "refused", "certbound.reason": "scope_missing", "certbound.issuer": iss, "certbound.client_id": "client", "certbound.bound": true, "certbound.binding": "certificate"}},
		{expired, []tls.Certificate{w.client}, 401, map[string]any{"certbound.outcome": "refused", "certbound.reason": "token_expired"}},
		{forged, []tls.Certificate{w.thief}, 401, map[string]any{"certbound.outcome": "refused", "certbound.reason": "token_signature"}},
	} {
		status, span := w.send(t, request.token, request.certificates...)
		require.Equal(t, request.status, status)
		require.Equal(t, request.span, span)
		fmt.Fprintln(&seen, span)
	}

	values := w.collect(t)
	fmt.Fprintln(&seen, values)
	of := "certbound.issuer=" + escaped(iss)
	require.Equal(t, map[string]float64{
		"certbound.binding=certificate,certbound.bound=true,certbound.client_id=client," + of + ",certbound.outcome=accepted": 3, // and one of them lacks a scope:
		"certbound.client_id=client," + of + ",certbound.outcome=refused,error.type=scope_missing":                            1,
		"certbound.client_id=client," + of + ",certbound.outcome=refused,error.type=thumbprint_mismatch":                      1,
		"certbound.client_id=client," + of + ",certbound.outcome=refused,error.type=certificate_missing":                      1,
		"certbound.outcome=refused,error.type=token_expired":                                                                  1,
		"certbound.outcome=refused,error.type=token_signature":                                                                1,
	}, take(values, "certbound.decisions"))
	require.Equal(t, map[string]float64{"certbound.outcome=accepted": 3, "certbound.outcome=refused": 4},
		take(values, "certbound.decision.duration"), "what RequireScopes refuses has no duration")
	require.Equal(t, map[string]float64{of + ",certbound.seen=false": 2, of + ",certbound.seen=true": 3},
		take(values, "certbound.token.verifications"))
	require.Equal(t, map[string]float64{of: 1}, take(values, "certbound.keys.usable"))
	age := take(values, "certbound.keys.age")[of]
	require.Positive(t, age)
	require.Less(t, age, time.Hour.Seconds())
	require.Equal(t, map[string]float64{of: 0}, take(values, "certbound.keys.fetch.limited"))
	require.Equal(t, map[string]float64{of: 1}, take(values, "certbound.keys.fetch.duration"))
	require.Equal(t, map[string]float64{"certbound.change=added," + of: 1, "certbound.change=removed," + of: 0},
		take(values, "certbound.keys.changes"))
	require.Empty(t, values, "nothing else is measured")

	for _, canary := range canaries {
		for i := 0; i+24 <= len(canary); i += 12 {
			require.NotContains(t, seen.String(), canary[i:i+24])
		}
	}
}

// 503 is an error of the server's span, too.
func TestSpanOfOurOwnTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := must(t)(w.as.Token(bindingtest.TokenSpec{Certificate: w.client.Leaf, Scopes: []string{"accounts"}}))
	require.NoError(t, w.tokens.Close())
	status, span := w.send(t, token, w.client)
	require.Equal(t, 503, status)
	require.Equal(t, map[string]any{"certbound.outcome": "refused", "certbound.reason": "keys_unavailable", "error.type": "keys_unavailable"}, span)
	values := w.collect(t)
	require.Equal(t, map[string]float64{"certbound.issuer=" + escaped(w.as.Issuer()): 0}, take(values, "certbound.keys.usable"))
	require.Empty(t, take(values, "certbound.keys.age"), "no keys, no age")
	require.NoError(t, w.observer.Close())
	require.Empty(t, take(w.collect(t), "certbound.keys.usable"), "nothing is watched any more")
}

// Issuers come and go: a verifier that was closed is let go by the next.
func TestWatchLetsClosedVerifiersGo(t *testing.T) {
	t.Parallel()
	m := newMeter(t, bindotel.Config{})
	require.Error(t, m.observer.Watch(nil))
	for n := range 5 {
		tokens, err := jwks.New(jwks.Config{Issuer: fmt.Sprintf("https://127.0.0.1:1/tenant%d", n), Audiences: []string{"a"}})
		require.NoError(t, err)
		require.NoError(t, m.observer.Watch(tokens))
		require.Len(t, take(m.collect(t), "certbound.keys.usable"), 1)
		require.NoError(t, tokens.Close())
	}
}

// A refusal without a reason is answered 500, and is an error of the span.
func TestSpanOfARefusalWithoutAReason(t *testing.T) {
	t.Parallel()
	m := newMeter(t, bindotel.Config{})
	spans := tracetest.NewSpanRecorder()
	ctx, span := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("").Start(t.Context(), "request")
	m.observer.Observe(ctx, binding.Event{Err: &binding.Error{}})
	span.End()
	require.Contains(t, spans.Ended()[0].Attributes(), attribute.String("error.type", "_OTHER"))
}

// Requests at once: nothing is lost, nothing races, and no name slips in past the limit.
func TestObserveAtOnce(t *testing.T) {
	t.Parallel()
	const clients, requests, named = 32, 100, 20
	m := newMeter(t, bindotel.Config{MaxClients: named})
	start := make(chan struct{})
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() {
			<-start
			for j := range requests {
				m.observer.Observe(t.Context(), accepted(fmt.Sprintf("client-%d", (i*7+j)%50)))
			}
		})
	}
	close(start)
	running.Wait()
	sum := 0.0
	decisions := take(m.collect(t), "certbound.decisions")
	for _, n := range decisions {
		sum += n
	}
	require.Equal(t, float64(clients*requests), sum)
	require.Len(t, decisions, named+1)
}
