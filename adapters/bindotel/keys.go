package bindotel

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/certbound/certbound/binding/introspection"
	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/jwks"
)

// ObserveKeys measures the fetches of a verifier: set it as Observe in
// [jwks.Config].
func (o *Observer) ObserveKeys(event jwks.Event) {
	ctx := context.Background() // a fetch is no request's
	issuer := issuerKey.String(o.issuers.of(event.Issuer))
	switch event.Kind {
	case jwks.KeysFetched:
		o.instruments.fetchDuration.Record(ctx, event.Duration.Seconds(), metric.WithAttributes(issuer))
		o.instruments.keysChanges.Add(ctx, int64(len(event.Added)), metric.WithAttributes(issuer, changeKey.String("added")))
		o.instruments.keysChanges.Add(ctx, int64(len(event.Removed)), metric.WithAttributes(issuer, changeKey.String("removed")))
	case jwks.KeysFailed:
		o.instruments.fetchDuration.Record(ctx, event.Duration.Seconds(), metric.WithAttributes(issuer, errorType(event.Err)))
	}
}

// ObserveIntrospection measures the calls of a verifier of opaque tokens: set
// it as Observe in [introspection.Config].
func (o *Observer) ObserveIntrospection(event introspection.Event) {
	attributes := []attribute.KeyValue{issuerKey.String(o.issuers.of(event.Issuer))}
	switch event.Kind {
	case introspection.TokenActive:
		attributes = append(attributes, outcomeKey.String("active"))
	case introspection.TokenInactive:
		attributes = append(attributes, outcomeKey.String("inactive"))
	case introspection.CredentialsRefused:
		attributes = append(attributes, outcomeKey.String("failed"), semconv.ErrorTypeKey.String(string(event.Kind)))
	case introspection.CallFailed:
		attributes = append(attributes, outcomeKey.String("failed"), errorType(event.Err))
	default:
		return
	}
	o.instruments.introspection.Record(context.Background(), event.Duration.Seconds(), metric.WithAttributes(attributes...))
}

// watch reads the verifier's Stats at each collection.
func (o *Observer) watch(verifier *jwks.Verifier) (metric.Registration, error) {
	issuer := issuerKey.String(o.issuers.of(verifier.Issuer()))
	of := metric.WithAttributeSet(attribute.NewSet(issuer))
	first := metric.WithAttributeSet(attribute.NewSet(issuer, seenKey.Bool(false)))
	again := metric.WithAttributeSet(attribute.NewSet(issuer, seenKey.Bool(true)))
	i := &o.instruments
	return o.meter.RegisterCallback(func(_ context.Context, observer metric.Observer) error {
		stats := verifier.Stats()
		observer.ObserveInt64(i.verifications, int64(stats.Verified), first)
		observer.ObserveInt64(i.verifications, int64(stats.Seen), again)
		observer.ObserveInt64(i.keysUsable, int64(stats.Keys), of)
		observer.ObserveInt64(i.fetchLimited, int64(stats.FetchLimited), of)
		if !stats.KeysAsOf.IsZero() {
			observer.ObserveFloat64(i.keysAge, time.Since(stats.KeysAsOf).Seconds(), of)
		}
		return nil
	}, i.verifications, i.keysUsable, i.keysAge, i.fetchLimited)
}

// errorType sorts the failures of a call by what somebody can do about them.
func errorType(err error) attribute.KeyValue {
	var status *metadata.StatusError
	var timeout net.Error
	switch {
	case errors.As(err, &status) && status.Status < 600:
		return semconv.ErrorTypeKey.String(strconv.Itoa(status.Status))
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return semconv.ErrorTypeKey.String("timeout")
	}
	return semconv.ErrorTypeOther
}
