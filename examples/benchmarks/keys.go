package main

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/certbound/certbound/examples/benchmarks/internal/measure"
	"github.com/certbound/certbound/examples/benchmarks/internal/report"
	"github.com/certbound/certbound/examples/benchmarks/internal/subject"
)

// leastNoise is the difference of two equal things that nobody would call one.
const leastNoise = 0.02

// keys measures a first-time check with 1 and with 100 keys in the set, and with 1 key again: what differs between the two
// that are alike is noise.
func (r *run) keys() error {
	return onProcessors(1, func() (err error) {
		defer r.begin("keys")()
		var works []measure.Work
		for i, keys := range []int{1, 100, 1} {
			stream, err := subject.NewStream("ES256", keys-1)
			if err != nil {
				return err
			}
			defer closing(stream, &err)
			works = append(works, firstTime(fmt.Sprintf("%d: %d keys", i, keys), stream))
		}
		samples, err := r.plan(25, 30*time.Millisecond).Run(works, r.round)
		if err != nil {
			return err
		}
		growth, noise := measure.Ratio(samples[1], samples[0]), measure.Ratio(samples[2], samples[0])
		r.add(flat("first time, 100 keys in the set instead of 1", growth, noise))
		return nil
	})
}

// flat makes a row of a ratio that should be 1, as far as can be told: what is alike differs by as much.
func flat(work string, growth, noise measure.Spread) report.Row {
	allowed := max(leastNoise, math.Abs(noise.Median-1), noise.High-noise.Median)
	allowed = math.Ceil(100*allowed) / 100
	return report.NewRow(work, "1.00 × within the noise", "", fmt.Sprintf("%%.2f ×, noise %.0f %%%%", 100*allowed),
		growth.Median, growth.Median <= 1+allowed)
}

var errSpent = errors.New("no request is left")

// firstTime is the check of tokens that were not there before.
func firstTime(name string, stream *subject.Stream) measure.Work {
	var requests []*http.Request
	return measure.Work{
		Name: name,
		Prepare: func(n int) (err error) {
			requests, err = stream.Requests(n)
			return err
		},
		Once: func() error {
			if len(requests) == 0 {
				return errSpent
			}
			_, err := stream.Check(requests[0])
			requests = requests[1:]
			return err
		},
	}
}
