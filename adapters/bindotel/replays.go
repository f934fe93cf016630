package bindotel

import (
	"context"
	"reflect"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/dpop"
)

// Replays returns a store that does what the given one does, and measures how
// long it takes: give it to [dpop.Config]. Nil is returned as it is.
func (o *Observer) Replays(store dpop.ReplayStore) dpop.ReplayStore {
	if v := reflect.ValueOf(store); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return store // dpop.New judges it
	}
	return replays{store, o.instruments.replays}
}

type replays struct {
	store    dpop.ReplayStore
	duration metric.Float64Histogram
}

func (r replays) Remember(ctx context.Context, id [32]byte, ttl time.Duration) (first bool, err error) {
	began := time.Now()
	first, err = r.store.Remember(ctx, id, ttl)
	r.duration.Record(ctx, time.Since(began).Seconds(), attributesOfReplay(ctx, first, err))
	return first, err
}

// Those of an answer are made once: it stands in the way of a request.
var (
	ofFirst    = metric.WithAttributeSet(attribute.NewSet(outcomeKey.String("first")))
	ofReplayed = metric.WithAttributeSet(attribute.NewSet(outcomeKey.String("replayed")))
)

func attributesOfReplay(ctx context.Context, first bool, err error) metric.RecordOption {
	switch {
	case err == nil && first:
		return ofFirst
	case err == nil:
		return ofReplayed
	case ctx.Err() != nil: // the request ended, which says nothing of the store
		return metric.WithAttributes(outcomeKey.String("failed"), semconv.ErrorTypeKey.String(string(binding.ReasonCanceled)))
	}
	return metric.WithAttributes(outcomeKey.String("failed"), errorType(err))
}
