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

const (
	storeLimit  = 1.3 // times the processor time of a request with the memory in the process
	socketLimit = 1.1 // times that of a request that writes the command to a connection, and reads the answer
)

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
	if err := r.withStore(ours); err != nil {
		return err
	}
	socket, err := subject.NewSocket(redis.Address)
	if err != nil {
		return err
	}
	defer closing(socket, &err)
	return r.oneByOne(ours, socket)
}

// One at a time, the processors have nothing to do until the server has answered, and what a request then takes is what Go and the
// system take to fall asleep and to wake. It is twice as much where the server runs on another processor, and the system decides
// that anew after some hundred requests. So what is compared takes turns that are shorter.
const (
	turn  = 100
	turns = 400
)

// rate measures how many proofs a second two stores remember, in turn, by the clock on the wall: the server's work counts.
func (r *run) rate(ours, theirs dpop.ReplayStore, goroutines int) error {
	var our, their measure.Sample // nanoseconds, each proof
	each, rounds := r.count(8000), 11
	if goroutines == 1 {
		each, rounds = turn, turns
	}
	for round := range r.plan(rounds, 0).Rounds {
		if round%(rounds/11) == 0 {
			r.round(round)
		}
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
		fmt.Sprintf("%%.2f ×, %.0f", 1e9/our.Median()), ratio, ratio >= 0.995))
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
	for _, goroutines := range []int{16, 64} {
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

// oneByOne measures the processor time of this process for a request with a new proof, one request at a time: behind the store,
// behind the same command over a connection by hand, and behind the memory.
func (r *run) oneByOne(store, socket dpop.ReplayStore) (err error) {
	var guards [3]*subject.ProofStream
	for i, store := range []dpop.ReplayStore{store, socket, nil} {
		if guards[i], err = subject.NewProofStream(store); err != nil {
			return err
		}
		defer closing(guards[i], &err)
	}
	var samples [3]measure.Sample
	for round := range r.plan(turns, 0).Rounds {
		if round%(turns/11) == 0 {
			r.round(round)
		}
		for n := range guards {
			i := (n + round) % len(guards)
			requests, err := guards[i].Requests(turn)
			if err != nil {
				return err
			}
			nanos, err := checked(guards[i], requests, 1)
			if err != nil {
				return err
			}
			samples[i].Nanos = append(samples[i].Nanos, nanos)
		}
	}
	ratio := measure.Ratio(samples[0], samples[1]).Median
	r.add(report.NewRow("DPoP, seen token, new proof, remembered in Redis: processor time of a request",
		fmt.Sprintf("at most %.2f × the same over a bare connection", socketLimit), "1 goroutine",
		fmt.Sprintf("%%.2f × it, %.2f × remembered in the process", measure.Ratio(samples[0], samples[2]).Median), ratio, ratio <= socketLimit))
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
