package main

import (
	"fmt"
	"math"
	"net/http"
	"runtime"
	"time"

	"github.com/certbound/certbound/examples/benchmarks/internal/measure"
	"github.com/certbound/certbound/examples/benchmarks/internal/report"
	"github.com/certbound/certbound/examples/benchmarks/internal/subject"
)

// Issuers: of how many the tokens of a server are, of how many they may be, and
// how many the function knows.
const (
	manyIssuers   = 1_000
	activeIssuers = 100
	knownIssuers  = 10_000
)

// issuers measures what other issuers cost the tokens of one.
func (r *run) issuers() error {
	tenants, err := subject.NewTenants()
	if err != nil {
		return err
	}
	defer tenants.Close()
	for _, way := range []struct {
		name string
		make func(count int) (*subject.TenantsGuard, error)
	}{{"ByIssuer", tenants.ByIssuer}, {"ByIssuerFunc", tenants.ByIssuerFunc}} {
		if err := r.seenOfManyIssuers(tenants, way.name, way.make); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
	}
	return r.idleIssuers(tenants)
}

// seenOfManyIssuers compares a seen token with 1,000 issuers that have one to
// that with a single issuer.
func (r *run) seenOfManyIssuers(tenants *subject.Tenants, name string, guard func(count int) (*subject.TenantsGuard, error)) error {
	return onProcessors(1, func() (err error) {
		defer r.begin("issuers " + name)()
		var works []measure.Work
		for i, count := range []int{1, r.count(manyIssuers), 1} {
			guard, err := guard(count)
			if err != nil {
				return err
			}
			defer closing(guard, &err)
			requests, err := tenants.Requests(count)
			if err != nil {
				return err
			}
			if err := pass(guard, requests); err != nil {
				return err
			}
			first := requests[:1] // one token in all: more of them are a matter of the processor's caches
			works = append(works, measure.Work{Name: fmt.Sprintf("%d: %d issuers", i, count), Once: func() error { return pass(guard, first) }})
		}
		samples, err := r.plan(51, 20*time.Millisecond).Run(works, r.round)
		if err != nil {
			return err
		}
		growth, noise := measure.Ratio(samples[1], samples[0]), measure.Ratio(samples[2], samples[0])
		row := flat("seen token, 1,000 issuers instead of 1", growth, noise)
		row.Results[0].Of = name
		r.add(row)
		return nil
	})
}

func pass(guard *subject.TenantsGuard, requests []*http.Request) error {
	for _, request := range requests {
		if _, err := guard.Check(request); err != nil {
			return err
		}
	}
	return nil
}

// idleIssuers compares 100 issuers of a function that knows 10,000 with the same
// of one that knows no more.
func (r *run) idleIssuers(tenants *subject.Tenants) (err error) {
	defer r.begin("idle issuers")()
	requests, err := tenants.Requests(r.count(activeIssuers))
	if err != nil {
		return err
	}
	var heaps, goroutines []int
	for _, known := range []int{activeIssuers, knownIssuers} {
		guard, err := tenants.ByIssuerFuncFetching(known)
		if err != nil {
			return err
		}
		defer closing(guard, &err)
		heap, running := measure.Heap(), runtime.NumGoroutine()
		if err := pass(guard, requests); err != nil {
			return err
		}
		heaps = append(heaps, measure.Heap()-heap)
		goroutines = append(goroutines, runtime.NumGoroutine()-running)
	}
	const work = "100 active issuers, 10,000 known to the function instead of 100"
	growth := float64(heaps[1]) / float64(heaps[0])
	r.add(
		report.NewRow(work, "heap of each the same within 5 %", "", fmt.Sprintf("%.0f KiB and %%.0f KiB", float64(heaps[0])/float64(len(requests))/1024),
			float64(heaps[1])/float64(len(requests))/1024, math.Abs(growth-1) <= 0.05),
		report.NewRow(work, "goroutines of each the same within 5 %", "", fmt.Sprintf("%.1f and %%.1f", float64(goroutines[0])/float64(len(requests))),
			float64(goroutines[1])/float64(len(requests)), math.Abs(float64(goroutines[1])/float64(goroutines[0])-1) <= 0.05),
	)
	return nil
}
