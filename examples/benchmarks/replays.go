package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/certbound/certbound/examples/benchmarks/internal/measure"
	"github.com/certbound/certbound/examples/benchmarks/internal/report"
	"github.com/certbound/certbound/examples/benchmarks/internal/subject"
	"github.com/certbound/certbound/jwks/dpop"
)

// storeLimit is how many times the processor time of a request may be with a store instead of the memory in the process.
const storeLimit = 1.3

// replays measures the memory of used proofs that replicas share, in a real redis-server.
func (r *run) replays() (err error) {
	defer r.begin("used proofs in Redis")()
	redis, err := subject.StartRedis()
	if err != nil {
		return err
	}
	defer closing(redis, &err)
	ours, err := subject.NewBindredis(redis.Address)
	if err != nil {
		return err
	}
	defer closing(ours, &err)
	theirs := subject.NewGoRedis(redis.Address)
	defer closing(theirs, &err)
	for _, goroutines := range []int{1, 16, 64} {
		if err := r.rate(ours, theirs, goroutines); err != nil {
			return err
		}
	}
	return r.withStore(ours)
}

// rate measures how many proofs a second two stores remember, in turn, by the clock on the wall: the server's work counts.
func (r *run) rate(ours, theirs dpop.ReplayStore, goroutines int) error {
	var our, their measure.Sample // nanoseconds, each proof
	each := r.count(8000)
	for round := range r.plan(11, 0).Rounds {
		r.round(round)
		order := []dpop.ReplayStore{ours, theirs}
		if round%2 == 1 {
			order[0], order[1] = order[1], order[0]
		}
		for _, store := range order {
			start := time.Now()
			if err := remember(store, each, goroutines); err != nil {
				return err
			}
			nanos := float64(time.Since(start)) / float64(each)
			if store == ours {
				our.Nanos = append(our.Nanos, nanos)
			} else {
				their.Nanos = append(their.Nanos, nanos)
			}
		}
	}
	ratio := measure.Ratio(their, our).Median
	r.add(report.NewRow("used proofs remembered in Redis, a second, to go-redis", "at least 1.00 ×", goroutinesName(goroutines),
		fmt.Sprintf("%.0f (%.2f ×)", 1e9/our.Median(), ratio), ratio >= 0.995))
	return nil
}

func goroutinesName(n int) string {
	if n == 1 {
		return "1 goroutine"
	}
	return fmt.Sprintf("%d goroutines", n)
}

// remember has a store remember that many proofs that are all new.
func remember(store dpop.ReplayStore, count, goroutines int) error {
	return together(count, goroutines, func(int) error {
		var id [32]byte
		_, _ = rand.Read(id[:])
		switch first, err := store.Remember(context.Background(), id, time.Minute); {
		case err != nil:
			return err
		case !first:
			return errors.New("a new proof is called used")
		}
		return nil
	})
}

// together does something so often, by that many goroutines.
func together(count, goroutines int, do func(i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, goroutines)
	for g := range goroutines {
		wg.Go(func() {
			for i := g; i < count && errs[g] == nil; i += goroutines {
				errs[g] = do(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// withStore measures the processor time of this process for a request with a new proof, behind the store and behind the memory.
func (r *run) withStore(store dpop.ReplayStore) (err error) {
	var guards [2]*subject.ProofStream // with the store; without
	for i, store := range []dpop.ReplayStore{store, nil} {
		if guards[i], err = subject.NewProofStream(store); err != nil {
			return err
		}
		defer closing(guards[i], &err)
	}
	for _, goroutines := range []int{1, 16, 64} {
		var samples [2]measure.Sample
		for round := range r.plan(25, 0).Rounds {
			r.round(round)
			for n := range guards {
				i := (n + round) % 2
				requests, err := guards[i].Requests(r.count(1000))
				if err != nil {
					return err
				}
				nanos, err := checked(guards[i], requests, goroutines)
				if err != nil {
					return err
				}
				samples[i].Nanos = append(samples[i].Nanos, nanos)
			}
		}
		r.add(report.AtMost("DPoP, seen token, new proof, remembered in Redis: processor time of a request", goroutinesName(goroutines),
			"%.2f × remembered in the process", storeLimit, measure.Ratio(samples[0], samples[1]).Median))
	}
	return nil
}

// checked returns the nanoseconds of processor time of a check.
func checked(stream *subject.ProofStream, requests []*http.Request, goroutines int) (float64, error) {
	start := measure.CPU()
	err := together(len(requests), goroutines, func(i int) error {
		_, err := stream.Guard.Check(requests[i])
		return err
	})
	return float64(measure.CPU()-start) / float64(len(requests)), err
}
