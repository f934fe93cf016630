package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/certbound/certbound/examples/benchmarks/internal/measure"
	"github.com/certbound/certbound/examples/benchmarks/internal/subject"
)

// A target is what issue by issue was promised of an algorithm.
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
	contest, err := subject.NewContest(t.algorithm, pool)
	if err != nil {
		return err
	}
	defer closing(contest, &err)

	var works []measure.Work
	allocations := make(map[string]float64)
	for _, contender := range contest.Contenders {
		work := workOf(contender)
		works = append(works, work)
		n, err := measure.Allocations(work, pool)
		if err != nil {
			return err
		}
		allocations[contender.Name] = float64(n)
	}
	samples, err := measure.Plan{Rounds: 25, Slice: 50 * time.Millisecond}.Run(works, r.round)
	if err != nil {
		return err
	}
	s := standing{t.algorithm, samples}
	r.standings = append(r.standings, s)

	bare, first, seen := s.of(subject.BareName), s.of(subject.FirstName), s.of(subject.SeenName)
	firstName, seenName := "first time, "+t.algorithm, "seen token, "+t.algorithm
	r.add(
		atMost(firstName, "%.2f × bare", t.first, measure.Ratio(first, bare).Median),
		atMost(firstName+": allocations more than bare", "%.0f", firstAllocations,
			allocations[subject.FirstName]-allocations[subject.BareName]),
	)
	if t.seen > 0 {
		r.add(atMost(seenName+", through bindhttp to the handler", "%.1f %% of bare", t.seen, 100*measure.Ratio(seen, bare).Median))
	}
	r.add(atMost(seenName+": allocations", "%.0f", seenAllocations, allocations[subject.SeenName]))
	peer, times := s.fastestPeer(subject.FirstName)
	r.add(faster(fmt.Sprintf("fastest peer, %s (%s): to a first time", t.algorithm, peer), times))
	_, times = s.fastestPeer(subject.SeenName)
	r.add(atLeast(fmt.Sprintf("fastest peer, %s (%s): to a seen token", t.algorithm, peer), "%.0f ×", 25, math.Floor(times)))
	return nil
}

// faster makes a row of how many times the time of ours the other's is.
func faster(work string, times float64) row {
	return row{work, "more than 1.00 ×", fmt.Sprintf("%.2f ×", times), times > 1}
}

func workOf(contender *subject.Contender) measure.Work {
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
