package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	"github.com/google/pprof/profile"

	"github.com/certbound/certbound/examples/benchmarks/internal/measure"
	"github.com/certbound/certbound/examples/benchmarks/internal/report"
	"github.com/certbound/certbound/examples/benchmarks/internal/subject"
)

const (
	library   = "github.com/certbound/certbound/"
	ourselves = library + "examples/"
)

// goroutines runs 1, 8 and 64 goroutines on two processors, a guard for all of them, and looks for locks.
func (r *run) goroutines() error {
	return onProcessors(2, func() (err error) {
		defer r.begin("goroutines")()
		stream, err := subject.NewStream("ES256", 0)
		if err != nil {
			return err
		}
		defer closing(stream, &err)
		seen, err := stream.Requests(64)
		if err != nil {
			return err
		}
		if err := stream.Pass(seen); err != nil {
			return err
		}
		for _, traffic := range []struct {
			name     string
			requests func() ([]*http.Request, error)
			times    int // that each request is sent
		}{
			{"seen tokens", func() ([]*http.Request, error) { return seen, nil }, r.count(2000)},
			{"first times", func() ([]*http.Request, error) { return stream.Requests(r.count(4096)) }, 1},
		} {
			var one, most, waited, took measure.Sample
			var where string
			for i := range r.plan(9, 0).Rounds {
				r.round(i)
				for _, goroutines := range []int{1, 64} {
					requests, err := traffic.requests()
					if err != nil {
						return err
					}
					m, err := crowd(stream, requests, traffic.times, goroutines)
					if err != nil {
						return err
					}
					if goroutines == 1 {
						one.Nanos = append(one.Nanos, m.nanos)
						continue
					}
					most.Nanos = append(most.Nanos, m.nanos)
					waited.Nanos = append(waited.Nanos, float64(m.waited))
					took.Nanos = append(took.Nanos, float64(m.took))
					if m.where != "" {
						where = m.where
					}
				}
			}
			// The median: a thread that loses its processor to another program while it holds a lock is no fault of the lock.
			locks := report.AtMost("64 goroutines on 2 processors: waiting for locks of the library's", traffic.name,
				"%.1f %% of the processor time", 1, 100*measure.Ratio(waited, took).Median)
			if !locks.Met() {
				locks.Results[0].Format += ", in " + where
			}
			r.add(locks, report.AtMost("64 goroutines instead of 1: processor time of a check", traffic.name, "%.2f ×", 1.1,
				measure.Ratio(most, one).Median))
		}
		return nil
	})
}

// A crossing is what it took many goroutines to do the work together.
type crossing struct {
	nanos        float64 // of processor time, each check
	took, waited time.Duration
	where        string // most was waited
}

// crowd has that many goroutines check the requests, each of which is sent so often, as fast as they can.
func crowd(stream *subject.Stream, requests []*http.Request, times, goroutines int) (crossing, error) {
	waitedBefore, _, err := lockTime()
	if err != nil {
		return crossing{}, err
	}
	var wg sync.WaitGroup
	errs := make([]error, goroutines)
	defer runtime.SetMutexProfileFraction(runtime.SetMutexProfileFraction(1))
	start := measure.CPU()
	for g := range goroutines {
		wg.Go(func() {
			for t := range times {
				for i := (g + t) % goroutines; i < len(requests); i += goroutines {
					if _, err := stream.Check(requests[i]); err != nil {
						errs[g] = err
						return
					}
				}
			}
		})
	}
	wg.Wait()
	took := measure.CPU() - start
	waited, where, err := lockTime()
	return crossing{
		nanos: float64(took) / float64(times*len(requests)),
		took:  took, waited: waited - waitedBefore, where: where,
	}, errors.Join(append(errs, err)...)
}

// lockTime returns for how long goroutines have waited for locks below a function of the library's, by the mutex profile so
// far, and where for the longest time.
func lockTime() (total time.Duration, where string, err error) {
	var b bytes.Buffer
	if err := pprof.Lookup("mutex").WriteTo(&b, 0); err != nil {
		return 0, "", err
	}
	p, err := profile.Parse(&b)
	if err != nil {
		return 0, "", fmt.Errorf("mutex profile: %w", err)
	}
	var longest int64
	for _, sample := range p.Sample {
		ours, top := false, ""
		for _, location := range sample.Location {
			for _, line := range location.Line {
				name := line.Function.Name
				if top == "" && !strings.HasPrefix(name, "sync.") && !strings.HasPrefix(name, "internal/sync.") {
					top = name
				}
				ours = ours || strings.HasPrefix(name, library) && !strings.HasPrefix(name, ourselves)
			}
		}
		if strings.HasPrefix(top, "runtime.") {
			continue // the scheduler's and the allocator's own
		}
		if nanos := sample.Value[1]; ours {
			total += time.Duration(nanos)
			if nanos > longest {
				longest, where = nanos, top
			}
		}
	}
	return total, where, nil
}
