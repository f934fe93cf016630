// Package measure takes times of which the ratios hold on a machine that others use too.
//
// What is compared is measured in turn, in slices so short that the machine is the same for all of them, and each round gives
// a ratio of its own; the median of those is the result. The time is the processor time of the process, which stands still
// while others have the processor. It includes what the garbage collector does.
package measure

import (
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// A Work is something that can be done again and again. It is for one goroutine.
type Work struct {
	Name string

	// Once does it. After an error there is no result.
	Once func() error

	// Prepare, if not nil, makes ready to do it n times. Its time does not count.
	Prepare func(n int) error

	// Most, if not 0, is how often it can be done after Prepare.
	Most int
}

// A Plan is how often and how long to measure.
type Plan struct {
	Rounds int           // at least 1
	Slice  time.Duration // that each work has in each round, about
}

// A Sample is what was measured of a work: nanoseconds of processor time, once in each round.
type Sample struct {
	Name  string
	Nanos []float64
}

// Median returns the median of the rounds.
func (s Sample) Median() float64 { return quantile(s.Nanos, 0.5) }

// Run measures the works, one after the other in each round, and every second round in the opposite order. It calls progress
// after each round, if that is not nil.
func (p Plan) Run(works []Work, progress func(round int)) ([]Sample, error) {
	samples := make([]Sample, len(works))
	counts := make([]int, len(works))
	for i, work := range works {
		var err error
		if counts[i], err = p.calibrate(work); err != nil {
			return nil, err
		}
		samples[i].Name = work.Name
	}
	for round := range p.Rounds {
		order := make([]int, len(works))
		for i := range order {
			order[i] = i
			if round%2 == 1 {
				order[i] = len(works) - 1 - i
			}
		}
		for _, i := range order {
			nanos, err := slice(works[i], counts[i])
			if err != nil {
				return nil, err
			}
			samples[i].Nanos = append(samples[i].Nanos, nanos)
		}
		if progress != nil {
			progress(round + 1)
		}
	}
	return samples, nil
}

// calibrate finds out how often the work can be done in a slice.
func (p Plan) calibrate(work Work) (int, error) {
	for n := 16; ; n *= 2 {
		if work.Most > 0 {
			n = min(n, work.Most)
		}
		nanos, err := slice(work, n)
		if err != nil {
			return 0, err
		}
		if total := nanos * float64(n); total > float64(p.Slice)/8 || n == work.Most {
			n = max(1, int(float64(p.Slice)/nanos))
			if work.Most > 0 {
				n = min(n, work.Most)
			}
			return n, nil
		}
	}
}

func slice(work Work, n int) (float64, error) {
	if work.Prepare != nil {
		if err := work.Prepare(n); err != nil {
			return 0, fmt.Errorf("%s: %w", work.Name, err)
		}
	}
	start := CPU()
	for range n {
		if err := work.Once(); err != nil {
			return 0, fmt.Errorf("%s: %w", work.Name, err)
		}
	}
	return max(1, float64(CPU()-start)) / float64(n), nil
}

// CPU returns the processor time that this process has had, user and system.
func CPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // the arguments are constants
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// Allocations returns how many allocations the work makes, on average and without the fraction, as testing.AllocsPerRun.
func Allocations(work Work, n int) (int, error) {
	if work.Prepare != nil {
		if err := work.Prepare(n); err != nil {
			return 0, err
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		if err := work.Once(); err != nil {
			return 0, fmt.Errorf("%s: %w", work.Name, err)
		}
	}
	runtime.ReadMemStats(&after)
	return int((after.Mallocs - before.Mallocs) / uint64(n)), nil
}

// Heap returns how many bytes of the heap are in use.
func Heap() int {
	runtime.GC()
	runtime.GC() // the first leaves what finalizers and pools hold
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

// A Spread is the median of ratios, and the quartiles.
type Spread struct{ Low, Median, High float64 }

// Ratio compares two samples of the same run, round by round.
func Ratio(of, to Sample) Spread {
	ratios := make([]float64, min(len(of.Nanos), len(to.Nanos)))
	for i := range ratios {
		ratios[i] = of.Nanos[i] / to.Nanos[i]
	}
	return Spread{quantile(ratios, 0.25), quantile(ratios, 0.5), quantile(ratios, 0.75)}
}

// quantile returns the value at or between the ranks that q names.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	rank := q * float64(len(sorted)-1)
	below := int(rank)
	if below+1 >= len(sorted) {
		return sorted[below]
	}
	return sorted[below] + (rank-float64(below))*(sorted[below+1]-sorted[below])
}
