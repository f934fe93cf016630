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

// Observe measures a decision of a guard: give it to [binding.Config].
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
	accepted, bound        bool // bound: of an accepted one alone
	reason, issuer, client string
}

type decisionAttributes struct {
	of         []metric.AddOption
	ofDuration []metric.RecordOption
}

// maxMade is how many are remembered.
const maxMade = 4096

func (d *decisions) attributes(event binding.Event) decisionAttributes {
	key := decisionKey{accepted: event.Accepted(), issuer: d.issuers.of(event.Issuer)}
	if key.accepted {
		key.bound = event.Bound
	} else {
		if key.reason = d.reasons.of(string(event.Reason)); key.reason == "" {
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
	all := []attribute.KeyValue{outcomeKey.String(outcome(k.accepted))}
	duration := metric.WithAttributeSet(attribute.NewSet(all...))
	if k.accepted {
		all = append(all, boundKey.Bool(k.bound))
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

func outcome(accepted bool) string {
	if accepted {
		return "accepted"
	}
	return "refused"
}

// spanAttributes need no bound in number, only in length.
func spanAttributes(event binding.Event) []attribute.KeyValue {
	attributes := []attribute.KeyValue{outcomeKey.String(outcome(event.Accepted()))}
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
	if event.Issuer != "" {
		attributes = append(attributes, boundKey.Bool(event.Bound))
	}
	if !event.Accepted() {
		put(reasonKey, string(event.Reason))
		if event.Err.Status() >= 500 {
			put(semconv.ErrorTypeKey, cmp.Or(string(event.Reason), other))
		}
	}
	return attributes
}
