package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/certbound/certbound/examples/benchmarks/internal/measure"
	"github.com/certbound/certbound/examples/benchmarks/internal/report"
	"github.com/certbound/certbound/examples/benchmarks/internal/subject"
)

// A target is what is promised of an algorithm.
type target struct {
	algorithm string
	first     float64 // times bare
	seen      float64 // per cent of bare; 0: no promise
}

var targets = []target{
	{"ES256", 1.10, 2.5},
	{"EdDSA", 1.10, 0},
	{"RS256", 1.15, 5},
	{"PS256", 1.15, 0},
}

// Allocations that are allowed.
const (
	firstAllocations = 40 // more than bare
	seenAllocations  = 4
)

// seenTimesFaster is how many times the time of a seen token the fastest of the other libraries takes.
const seenTimesFaster = 25

// pool is how many tokens there are for the contenders, all different. The fewer, the smaller the heap and the shorter
// a collection, of which several should fit into a slice.
const pool = 1024

// A standing is what was measured for one algorithm.
type standing struct {
	algorithm string
	samples   []measure.Sample // by contender
}

func (s standing) of(name string) measure.Sample {
	i := slices.IndexFunc(s.samples, func(sample measure.Sample) bool { return sample.Name == name })
	return s.samples[i]
}

// fastestPeer returns the peer that comes closest to a contender, and how many times its time that is.
func (s standing) fastestPeer(name string) (string, float64) {
	fastest, times := "", math.Inf(1)
	for _, peer := range subject.Peers() {
		if ratio := measure.Ratio(s.of(peer.Name), s.of(name)).Median; ratio < times {
			fastest, times = peer.Name, ratio
		}
	}
	return fastest, times
}

// verify measures the work itself, on one processor.
func (r *run) verify() error {
	return onProcessors(1, func() error {
		for _, t := range targets {
			if err := r.contest(t); err != nil {
				return fmt.Errorf("%s: %w", t.algorithm, err)
			}
		}
		return nil
	})
}

func (r *run) contest(t target) (err error) {
	done := r.begin("verify " + t.algorithm)
	defer done()
	contest, err := subject.NewContest(t.algorithm, r.count(pool))
	if err != nil {
		return err
	}
	defer closing(contest, &err)

	var works []measure.Work
	allocations := make(map[string]float64)
	for _, contender := range contest.Contenders {
		work := workOf(contender, r.count(pool))
		works = append(works, work)
		n, err := measure.Allocations(work, r.count(pool))
		if err != nil {
			return err
		}
		allocations[contender.Name] = float64(n)
	}
	samples, err := r.plan(25, 50*time.Millisecond).Run(works, r.round)
	if err != nil {
		return err
	}
	s := standing{t.algorithm, samples}

	bare, first, seen := s.of(subject.BareName), s.of(subject.FirstName), s.of(subject.SeenName)
	r.add(
		report.AtMost("first time", t.algorithm, "%.2f × bare", t.first, measure.Ratio(first, bare).Median),
		report.AtMost("first time: allocations more than bare", t.algorithm, "%.0f", firstAllocations,
			allocations[subject.FirstName]-allocations[subject.BareName]),
	)
	if t.seen > 0 {
		r.add(report.AtMost("seen token, through bindhttp to the handler", t.algorithm, "%.1f %% of bare", t.seen,
			100*measure.Ratio(seen, bare).Median))
	}
	r.add(report.AtMost("seen token, through bindhttp: allocations", t.algorithm, "%.0f", seenAllocations, allocations[subject.SeenName]))
	peer, times := s.fastestPeer(subject.FirstName)
	r.add(report.NewRow("fastest of the other libraries, to a first time", "more than 1.00 ×", t.algorithm,
		"%.2f × ("+peer+")", times, times > 1))
	peer, times = s.fastestPeer(subject.SeenName)
	r.add(report.NewRow("fastest of the other libraries, to a seen token", fmt.Sprintf("at least %d ×", seenTimesFaster), t.algorithm,
		"%.1f × ("+peer+")", times, times >= seenTimesFaster))
	return nil
}

func workOf(contender *subject.Contender, pool int) measure.Work {
	work := measure.Work{Name: contender.Name, Once: contender.Once}
	if contender.Left() <= pool {
		work.Most = pool
		work.Prepare = func(n int) error {
			if contender.Left() >= n {
				return nil
			}
			return contender.Renew()
		}
	}
	return work
}
