package bindotel

import (
	"cmp"
	"context"
	"maps"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/certbound/certbound/binding"
)

// maxReasons is more than there are: a verifier of the application's may make up
// its own.
const maxReasons = 100

// Observe measures a decision of a guard: set it as Observe in
// [binding.Config].
func (o *Observer) Observe(ctx context.Context, event binding.Event) {
	attributes := o.decisions.attributes(event)
	o.instruments.decisions.Add(ctx, 1, attributes.of...)
	if event.Duration > 0 {
		o.instruments.decisionDuration.Record(ctx, event.Duration.Seconds(), attributes.ofDuration...)
	}
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(spanAttributes(event)...)
	}
}

// decisions remembers the attributes of decisions that were made before: an
// accepted request makes none anew.
type decisions struct {
	reasons, issuers, clients *names

	mu   sync.Mutex // for who adds
	made atomic.Pointer[map[decisionKey]decisionAttributes]
}

// A decisionKey holds names, of which there are not many.
type decisionKey struct {
	outcome, binding       string // binding: of an accepted one alone
	reason, issuer, client string
}

type decisionAttributes struct {
	of         []metric.AddOption
	ofDuration []metric.RecordOption
}

// maxMade is how many are remembered.
const maxMade = 4096

func (d *decisions) attributes(event binding.Event) decisionAttributes {
	key := decisionKey{outcome: outcome(event), issuer: d.issuers.of(event.Issuer)}
	if event.Accepted() {
		key.binding = event.Binding
	} else {
		if key.reason = d.reasons.of(string(event.Reason())); key.reason == "" {
			key.reason = other
		}
	}
	key.client = d.client(key.issuer, event.ClientID)
	made := d.made.Load()
	if made != nil {
		if attributes, ok := (*made)[key]; ok {
			return attributes
		}
	}
	attributes := key.attributes()
	d.mu.Lock()
	defer d.mu.Unlock()
	if made = d.made.Load(); made == nil {
		made = &map[decisionKey]decisionAttributes{}
	}
	if len(*made) < maxMade {
		more := maps.Clone(*made)
		more[key] = attributes
		d.made.Store(&more)
	}
	return attributes
}

// client returns the client's name. One whose issuer is among the others has none:
// its client_id may be another's elsewhere. (A verified token without an issuer is
// an introspection response, of the one server that was asked.)
func (d *decisions) client(issuer, client string) string {
	if issuer == other && client != "" {
		return other
	}
	return d.clients.of(client)
}

func (k decisionKey) attributes() decisionAttributes {
	all := []attribute.KeyValue{outcomeKey.String(k.outcome)}
	duration := metric.WithAttributeSet(attribute.NewSet(all...))
	if k.binding != "" {
		all = append(all, bindingKey.String(k.binding), boundKey.Bool(isBound(k.binding)))
	}
	if k.reason != "" {
		all = append(all, semconv.ErrorTypeKey.String(k.reason))
	}
	if k.issuer != "" {
		all = append(all, issuerKey.String(k.issuer))
	}
	if k.client != "" {
		all = append(all, clientIDKey.String(k.client))
	}
	return decisionAttributes{
		of:         []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(all...))},
		ofDuration: []metric.RecordOption{duration},
	}
}

// outcome counts a client that is told the nonce apart: it is everyday traffic,
// and no error (RFC 9449 §9).
func outcome(event binding.Event) string {
	switch reason := event.Reason(); {
	case event.Accepted():
		return "accepted"
	case reason == binding.ReasonProofNonce, reason == binding.ReasonProofNonceMissing:
		return "nonce"
	}
	return "refused"
}

func isBound(to string) bool { return to != "none" }

// spanAttributes need no bound in number, only in length.
func spanAttributes(event binding.Event) []attribute.KeyValue {
	attributes := []attribute.KeyValue{outcomeKey.String(outcome(event))}
	put := func(key attribute.Key, value string) {
		switch {
		case value == "":
		case isNameable(value):
			attributes = append(attributes, key.String(value))
		default:
			attributes = append(attributes, key.String(other))
		}
	}
	put(issuerKey, event.Issuer)
	put(clientIDKey, event.ClientID)
	if event.Binding != "" {
		attributes = append(attributes, bindingKey.String(event.Binding), boundKey.Bool(isBound(event.Binding)))
	}
	if !event.Accepted() {
		put(reasonKey, string(event.Reason()))
		if event.Err.StatusCode() >= 500 {
			put(semconv.ErrorTypeKey, cmp.Or(string(event.Reason()), other))
		}
	}
	return attributes
}
