package main

import (
	"net/http"
	"time"

	"github.com/certbound/certbound/examples/benchmarks/internal/measure"
	"github.com/certbound/certbound/examples/benchmarks/internal/report"
	"github.com/certbound/certbound/examples/benchmarks/internal/subject"
)

const (
	cacheBound = 10_000 // tokens that a guard remembers by default
	many       = 1_000_000
)

// tokens has one guard see a million different tokens, and compares it with one that has seen just enough to fill its cache.
func (r *run) tokens() (err error) {
	defer r.begin("tokens")()
	few, all := r.count(2*cacheBound), r.count(2*cacheBound)+r.count(many-2*cacheBound)
	old, err := subject.NewStream("EdDSA", 0) // the cheapest to sign
	if err != nil {
		return err
	}
	defer closing(old, &err)
	if err := r.see(old, few); err != nil {
		return err
	}
	before := measure.Heap()
	if err := r.see(old, all-few); err != nil {
		return err
	}
	after := measure.Heap()
	perToken := float64(after-before) / float64(all-few)
	r.add(report.AtMost("a million different tokens: what each leaves on the heap, the cache being full", "", "%.1f bytes", 1, max(0, perToken)))

	return onProcessors(1, func() (err error) {
		var works []measure.Work
		works = append(works, firstTime("after", old))
		for _, name := range []string{"before", "before, again"} {
			young, err := subject.NewStream("EdDSA", 0)
			if err != nil {
				return err
			}
			defer closing(young, &err)
			if err := r.see(young, few); err != nil {
				return err
			}
			works = append(works, firstTime(name, young))
		}
		samples, err := r.plan(25, 30*time.Millisecond).Run(works, r.round)
		if err != nil {
			return err
		}
		growth, noise := measure.Ratio(samples[0], samples[1]), measure.Ratio(samples[2], samples[1])
		r.add(flat("first time, after a million different tokens instead of 20,000", growth, noise))
		return nil
	})
}

// see shows the stream's guard that many new tokens. They are signed by one goroutine while another checks them.
func (r *run) see(stream *subject.Stream, count int) error {
	const batch = 1000
	batches := make(chan []*http.Request, 2)
	signed := make(chan error, 1)
	stop := make(chan struct{})
	go func() {
		defer close(batches)
		for left := count; left > 0; left -= batch {
			requests, err := stream.Requests(min(left, batch))
			if err != nil {
				signed <- err
				return
			}
			select {
			case batches <- requests:
			case <-stop:
				signed <- nil
				return
			}
		}
		signed <- nil
	}()
	var err error
	for n := 1; err == nil; n++ {
		requests, ok := <-batches
		if !ok {
			break
		}
		err = stream.Pass(requests)
		if n%50 == 0 {
			r.round(n)
		}
	}
	close(stop)
	if signErr := <-signed; err == nil {
		err = signErr
	}
	return err
}
