package bindotel

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

// Config is the configuration of an [Observer]. The zero Config works.
type Config struct {
	// MeterProvider makes the instruments. Nil means otel.GetMeterProvider().
	MeterProvider metric.MeterProvider

	// MaxIssuers is how many issuers appear in an attribute by their name. 0
	// means 16, a negative value none.
	MaxIssuers int

	// MaxClients is how many clients, of all issuers together, appear in an
	// attribute by their client_id. 0 means 100, a negative value none. Each
	// client may have as many series as there are reasons to refuse it, and an
	// SDK has a limit of its own: by default, 2000 series for each instrument.
	MaxClients int
}

const (
	defaultIssuers = 16
	defaultClients = 100
)

// An Observer measures. Make one with [New] for as many guards and verifiers as
// there are. It is safe for concurrent use. The zero Observer is not usable.
type Observer struct {
	meter       metric.Meter
	instruments instruments
	decisions   decisions
	issuers     *names

	mu       sync.Mutex
	watched  []watched
	ofProofs metric.Registration // once there are any

	proofs atomic.Pointer[[]*dpop.Verifier] // written with mu held; a collection takes no lock of ours
}

const scope = "github.com/certbound/certbound/adapters/bindotel"

// New returns an observer, or the errors of the MeterProvider.
func New(config Config) (*Observer, error) {
	if config.MeterProvider == nil {
		config.MeterProvider = otel.GetMeterProvider()
	}
	if config.MaxIssuers == 0 {
		config.MaxIssuers = defaultIssuers
	}
	if config.MaxClients == 0 {
		config.MaxClients = defaultClients
	}
	o := &Observer{meter: config.MeterProvider.Meter(scope), issuers: newNames(config.MaxIssuers)}
	o.decisions = decisions{reasons: newNames(maxReasons), issuers: o.issuers, clients: newNames(config.MaxClients)}
	if err := o.instruments.make(o.meter); err != nil {
		return nil, fmt.Errorf("bindotel: %w", err)
	}
	return o, nil
}

// Watch measures a verifier's keys, and how many tokens it verified or had seen
// before, whenever metrics are collected. A closed verifier has no keys; the
// next Watch stops measuring it. The error is the MeterProvider's, or says that
// verifier is nil.
func (o *Observer) Watch(verifier *jwks.Verifier) error {
	if verifier == nil {
		return errors.New("bindotel: there is no verifier to watch")
	}
	registration, err := o.watch(verifier)
	if err != nil {
		return fmt.Errorf("bindotel: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var failures []error
	o.watched = slices.DeleteFunc(o.watched, func(w watched) bool {
		if isClosed(w.verifier) {
			failures = append(failures, w.registration.Unregister())
			return true
		}
		return false
	})
	o.watched = append(o.watched, watched{verifier, registration})
	return errors.Join(failures...)
}

// watched is a verifier and what measures it.
type watched struct {
	verifier     *jwks.Verifier
	registration metric.Registration
}

func isClosed(verifier *jwks.Verifier) bool { return errors.Is(verifier.Ready(), jwks.ErrClosed) }

// Close ends what Watch and WatchProofs began. Events are still measured after
// it.
func (o *Observer) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var failures []error
	for _, w := range o.watched {
		failures = append(failures, w.registration.Unregister())
	}
	if o.ofProofs != nil {
		failures = append(failures, o.ofProofs.Unregister())
	}
	o.watched, o.ofProofs = nil, nil
	o.proofs.Store(nil)
	return errors.Join(failures...)
}
