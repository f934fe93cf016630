package bindotel

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/metric"

	"github.com/certbound/certbound/jwks/dpop"
)

// WatchProofs measures a verifier's memory of used DPoP proofs, whenever metrics
// are collected: a window that gets shorter says that the memory is too small.
// Of several verifiers that are watched the figures are added up, and the window
// is the shortest. Close ends it. The error is the MeterProvider's, or says that
// verifier is nil.
func (o *Observer) WatchProofs(verifier *dpop.Verifier) error {
	if verifier == nil {
		return errors.New("bindotel: there is no verifier to watch")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var watched []*dpop.Verifier
	if known := o.proofs.Load(); known != nil {
		watched = *known
	}
	if o.ofProofs == nil {
		registration, err := o.watchProofs()
		if err != nil {
			return fmt.Errorf("bindotel: %w", err)
		}
		o.ofProofs = registration
	}
	if !slices.Contains(watched, verifier) {
		watched = append(slices.Clone(watched), verifier)
		o.proofs.Store(&watched)
	}
	return nil
}

func (o *Observer) watchProofs() (metric.Registration, error) {
	i := &o.instruments
	first := metric.WithAttributes(outcomeKey.String("first"))
	replayed := metric.WithAttributes(outcomeKey.String("replayed"))
	return o.meter.RegisterCallback(func(_ context.Context, observer metric.Observer) error {
		watched := o.proofs.Load()
		if watched == nil {
			return nil
		}
		var all dpop.Stats
		for n, verifier := range *watched {
			stats := verifier.Stats()
			all.Held += stats.Held
			all.Capacity += stats.Capacity
			all.Remembered += stats.Remembered
			all.Replayed += stats.Replayed
			if n == 0 || stats.Window < all.Window {
				all.Window = stats.Window
			}
		}
		observer.ObserveInt64(i.proofs, int64(all.Remembered), first)
		observer.ObserveInt64(i.proofs, int64(all.Replayed), replayed)
		observer.ObserveInt64(i.proofsHeld, int64(all.Held))
		observer.ObserveInt64(i.proofsCapacity, int64(all.Capacity))
		observer.ObserveFloat64(i.proofsWindow, all.Window.Seconds())
		return nil
	}, i.proofs, i.proofsHeld, i.proofsCapacity, i.proofsWindow)
}
