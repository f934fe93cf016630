package bindotel

import (
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// The attributes that no semantic convention has.
const (
	outcomeKey  = attribute.Key("certbound.outcome")
	reasonKey   = attribute.Key("certbound.reason") // of a span
	issuerKey   = attribute.Key("certbound.issuer")
	clientIDKey = attribute.Key("certbound.client_id")
	boundKey    = attribute.Key("certbound.bound")
	bindingKey  = attribute.Key("certbound.binding")
	seenKey     = attribute.Key("certbound.seen")
	changeKey   = attribute.Key("certbound.change")
)

type instruments struct {
	decisions        metric.Int64Counter
	decisionDuration metric.Float64Histogram

	verifications metric.Int64ObservableCounter
	keysUsable    metric.Int64ObservableGauge
	keysAge       metric.Float64ObservableGauge
	fetchLimited  metric.Int64ObservableCounter

	keysChanges   metric.Int64Counter
	fetchDuration metric.Float64Histogram
	introspection metric.Float64Histogram
	replays       metric.Float64Histogram

	proofs         metric.Int64ObservableCounter
	proofsHeld     metric.Int64ObservableGauge
	proofsCapacity metric.Int64ObservableGauge
	proofsWindow   metric.Float64ObservableGauge
}

// A decision takes microseconds for a token that was seen before, and seconds if
// it waits for keys.
var decisionBuckets = []float64{0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.01, 0.1, 1, 5}

// A store in the same network answers in less than a millisecond, and is given up
// after 250 ms where nobody says otherwise.
var replayBuckets = []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5}

// Those of the semantic conventions for HTTP.
var callBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

func (i *instruments) make(meter metric.Meter) error {
	var failures [14]error
	i.decisions, failures[0] = meter.Int64Counter("certbound.decisions",
		metric.WithUnit("{decision}"), metric.WithDescription("Decisions of guards about requests."))
	i.decisionDuration, failures[1] = meter.Float64Histogram("certbound.decision.duration",
		metric.WithUnit("s"), metric.WithDescription("How long a decision took, waiting for keys included."),
		metric.WithExplicitBucketBoundaries(decisionBuckets...))
	i.verifications, failures[2] = meter.Int64ObservableCounter("certbound.token.verifications",
		metric.WithUnit("{token}"), metric.WithDescription("Tokens that a verifier found good, by their signature or because it had seen them before."))
	i.keysUsable, failures[3] = meter.Int64ObservableGauge("certbound.keys.usable",
		metric.WithUnit("{key}"), metric.WithDescription("Keys of the issuer that tokens are verified with."))
	i.keysAge, failures[4] = meter.Float64ObservableGauge("certbound.keys.age",
		metric.WithUnit("s"), metric.WithDescription("Time since the issuer was asked for the keys that came last."))
	i.keysChanges, failures[5] = meter.Int64Counter("certbound.keys.changes",
		metric.WithUnit("{key}"), metric.WithDescription("Keys that the issuer added to its set or removed from it."))
	i.fetchDuration, failures[6] = meter.Float64Histogram("certbound.keys.fetch.duration",
		metric.WithUnit("s"), metric.WithDescription("How long a fetch of the issuer's keys took."),
		metric.WithExplicitBucketBoundaries(callBuckets...))
	i.introspection, failures[7] = meter.Float64Histogram("certbound.introspection.duration",
		metric.WithUnit("s"), metric.WithDescription("How long a call about an opaque token took."),
		metric.WithExplicitBucketBoundaries(callBuckets...))
	i.fetchLimited, failures[8] = meter.Int64ObservableCounter("certbound.keys.fetch.limited",
		metric.WithUnit("{token}"), metric.WithDescription("Tokens whose unknown key was not looked for, because the issuer had been asked as often as is permitted."))
	i.replays, failures[9] = meter.Float64Histogram("certbound.replays.duration",
		metric.WithUnit("s"), metric.WithDescription("How long the store of used DPoP proofs took to answer."),
		metric.WithExplicitBucketBoundaries(replayBuckets...))
	i.proofs, failures[10] = meter.Int64ObservableCounter("certbound.proofs",
		metric.WithUnit("{proof}"), metric.WithDescription("DPoP proofs with a good signature, by whether they had been used before."))
	i.proofsHeld, failures[11] = meter.Int64ObservableGauge("certbound.proofs.held",
		metric.WithUnit("{proof}"), metric.WithDescription("Used DPoP proofs that this process remembers."))
	i.proofsCapacity, failures[12] = meter.Int64ObservableGauge("certbound.proofs.capacity",
		metric.WithUnit("{proof}"), metric.WithDescription("Used DPoP proofs that this process has room to remember."))
	i.proofsWindow, failures[13] = meter.Float64ObservableGauge("certbound.proofs.window",
		metric.WithUnit("s"), metric.WithDescription("How long a DPoP proof that is made now is good."))
	return errors.Join(failures[:]...)
}
