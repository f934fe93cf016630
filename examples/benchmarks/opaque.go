package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/examples/benchmarks/internal/measure"
	"github.com/certbound/certbound/examples/benchmarks/internal/report"
	"github.com/certbound/certbound/examples/benchmarks/internal/subject"
)

// What is promised of opaque tokens.
const (
	opaqueLimit       = 3.0 // per cent of bare ES256
	opaqueAllocations = 5
	opaqueMemory      = 45 // MiB
	servedInAFlood    = 99 // per cent

	floodClients = 10
	floodRate    = 4_000 // made-up tokens a second
	floodTakes   = 50 * time.Millisecond
)

// opaque measures tokens that the authorization server is asked about.
func (r *run) opaque() error {
	for _, part := range []func() error{r.rememberedOpaque, r.manyOpaque, r.opaqueInAFlood} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// rememberedOpaque: the guard has asked about every token before.
func (r *run) rememberedOpaque() error {
	return onProcessors(1, func() (err error) {
		defer r.begin("opaque tokens")()
		contest, err := subject.NewContest("ES256", r.count(pool))
		if err != nil {
			return err
		}
		defer closing(contest, &err)
		stream, err := subject.NewOpaqueStream(0)
		if err != nil {
			return err
		}
		defer closing(stream, &err)
		requests := make([]*http.Request, 64)
		for i := range requests {
			if requests[i], err = stream.Request(stream.Certificate, nil); err != nil {
				return err
			}
		}
		proven, next := false, 0
		handler := bindhttp.Protect(stream.Guard)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, proven = binding.TokenFromContext(r.Context())
		}))
		w := subject.NewWriter()
		remembered := measure.Work{Name: "remembered", Once: func() error {
			proven = false
			handler.ServeHTTP(w, requests[next%len(requests)])
			next++
			if !proven {
				return errors.New("the token was not proven")
			}
			return nil
		}}
		for range requests {
			if err := remembered.Once(); err != nil {
				return err
			}
		}
		allocations, err := measure.Allocations(remembered, r.count(10_000))
		if err != nil {
			return err
		}
		bare := workOf(contest.Contender(subject.BareName), r.count(pool))
		samples, err := r.plan(51, 20*time.Millisecond).Run([]measure.Work{bare, remembered}, r.round)
		if err != nil {
			return err
		}
		r.add(
			report.AtMost("opaque token, remembered, through bindhttp to the handler", "", "%.1f %% of bare ES256", opaqueLimit,
				100*measure.Ratio(samples[1], samples[0]).Median),
			report.AtMost("opaque token, remembered, through bindhttp: allocations", "", "%.0f", opaqueAllocations, float64(allocations)),
		)
		return nil
	})
}

// manyOpaque has answers remembered that are as long as any that are.
func (r *run) manyOpaque() (err error) {
	defer r.begin("many opaque tokens")()
	stream, err := subject.NewOpaqueStream(0)
	if err != nil {
		return err
	}
	defer closing(stream, &err)
	details := strings.Repeat("x", 31<<10)
	before := measure.Heap()
	for n := range r.count(10_000) {
		request, err := stream.Request(stream.Certificate, map[string]any{"authorization_details": details})
		if err != nil {
			return err
		}
		if _, err := stream.Check(request); err != nil {
			return err
		}
		stream.Forget(request)
		if n%500 == 0 {
			r.round(n)
		}
	}
	r.add(report.AtMost("10,000 opaque tokens whose answers are of 32 KiB: memory", "", "%.0f MiB", opaqueMemory,
		float64(max(0, measure.Heap()-before))/(1<<20)))
	return nil
}

// opaqueInAFlood: ten clients present a new token each tenth of a second, beside
// somebody with a certificate who makes tokens up.
func (r *run) opaqueInAFlood() (err error) {
	defer r.begin("opaque tokens in a flood")()
	stream, err := subject.NewOpaqueStream(floodTakes)
	if err != nil {
		return err
	}
	defer closing(stream, &err)
	ask := func(client *x509.Certificate) error {
		request, err := stream.Request(client, nil)
		if err == nil {
			_, err = stream.Check(request)
		}
		return err
	}
	clients := make([]*x509.Certificate, floodClients)
	for i := range clients {
		if clients[i], err = stream.NewCertificate(); err != nil {
			return err
		}
		if err := ask(clients[i]); err != nil {
			return err
		}
	}
	lasts := 20 * time.Second
	if r.once {
		lasts = 200 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), lasts)
	defer cancel()
	var all sync.WaitGroup
	var served, refused, flood atomic.Int64
	all.Go(func() {
		start := time.Now()
		for tick := time.NewTicker(5 * time.Millisecond); ctx.Err() == nil; <-tick.C {
			for due := int64(time.Since(start).Seconds() * floodRate); flood.Load() < due; flood.Add(1) {
				all.Go(func() { _, _ = stream.Check(stream.MadeUp(stream.Certificate)) })
			}
		}
	})
	for _, client := range clients {
		all.Go(func() {
			for ctx.Err() == nil {
				if ask(client) == nil {
					served.Add(1)
				} else {
					refused.Add(1)
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	all.Wait()
	share := 100 * float64(served.Load()) / float64(served.Load()+refused.Load())
	r.add(report.NewRow("honest opaque tokens that are served during 4,000 made-up ones a second, the server taking 50 ms", "at least 99 %", "",
		fmt.Sprintf("%%.1f %%%% of %d, beside %d", served.Load()+refused.Load(), flood.Load()), share, share >= servedInAFlood))
	return nil
}
