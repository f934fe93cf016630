package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/examples/benchmarks/internal/measure"
	"github.com/certbound/certbound/examples/benchmarks/internal/report"
	"github.com/certbound/certbound/examples/benchmarks/internal/subject"
)

// A flood is requests of one kind that a guard refuses, no two of them alike.
type flood struct {
	name   string
	limit  float64 // times a first-time check
	reason binding.Reason
	next   func(good string) string
}

var floods = []flood{
	{"garbage", 0.1, binding.ReasonTokenMalformed, func(good string) string {
		return text(len(good))
	}},
	{"garbage in three parts", 0.1, binding.ReasonTokenMalformed, func(good string) string {
		return text(len(good)/3) + "." + text(len(good)/3) + "." + text(len(good)/3)
	}},
	{"garbage behind a good header", 0.1, binding.ReasonTokenMalformed, func(good string) string {
		header, rest, _ := strings.Cut(good, ".")
		return header + "." + text(len(rest)-87) + "." + text(86)
	}},
	{"expired", 1, binding.ReasonTokenExpired, nil},
	{"forged", 1, binding.ReasonTokenSignature, func(good string) string {
		return good[:strings.LastIndexByte(good, '.')+1] + text(85) + "A" // 64 bytes, the last two bits of them 0
	}},
}

// text returns that many characters of base64url that were not there before.
func text(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(rand.Text())
	}
	return b.String()[:n]
}

// refused measures what it costs to say no.
func (r *run) refused() error {
	return onProcessors(1, func() (err error) {
		defer r.begin("refused requests")()
		stream, err := subject.NewStream("ES256", 0)
		if err != nil {
			return err
		}
		defer closing(stream, &err)
		works := []measure.Work{firstTime("first time", stream)}
		for _, f := range floods {
			works = append(works, f.work(stream))
		}
		samples, err := r.plan(25, 20*time.Millisecond).Run(works, r.round)
		if err != nil {
			return err
		}
		for i, f := range floods {
			ratio := measure.Ratio(samples[i+1], samples[0]).Median
			// Half a per cent is less than can be told apart.
			r.add(report.NewRow("a refused request", fmt.Sprintf("at most %.2f × a first time", f.limit), f.name,
				"%.2f ×", ratio, ratio < f.limit+0.005))
		}
		return r.kept(stream, works[1:])
	})
}

// kept measures what the heap keeps of refused requests. The first of each kind may fill what has a bound.
func (r *run) kept(stream *subject.Stream, works []measure.Work) error {
	each := r.count(2 * cacheBound)
	see := func() error {
		for _, work := range works {
			for range each / 1000 {
				if err := work.Prepare(1000); err != nil {
					return err
				}
				for range 1000 {
					if err := work.Once(); err != nil {
						return err
					}
				}
			}
			r.round(0)
		}
		return nil
	}
	forget := func() error { // the last requests
		for _, work := range works {
			if err := work.Prepare(0); err != nil {
				return err
			}
		}
		return nil
	}
	var heap [2]int
	for i := range heap {
		if err := see(); err != nil {
			return err
		}
		if err := forget(); err != nil {
			return err
		}
		heap[i] = measure.Heap()
	}
	perRequest := float64(heap[1]-heap[0]) / float64(each*len(works))
	r.add(report.AtMost("a refused request: what each of 100,000 leaves on the heap", "", "%.1f bytes", 1, max(0, perRequest)))
	return nil
}

// work is the refusal of requests that were not there before.
func (f flood) work(stream *subject.Stream) measure.Work {
	var requests []*http.Request
	return measure.Work{
		Name: f.name,
		Prepare: func(n int) (err error) {
			if f.next == nil {
				requests, err = stream.Expired(n)
				return err
			}
			good, err := stream.Token()
			if err != nil {
				return err
			}
			requests = requests[:0]
			for range n {
				requests = append(requests, stream.Request(f.next(good)))
			}
			return nil
		},
		Once: func() error {
			if len(requests) == 0 {
				return errSpent
			}
			_, err := stream.Check(requests[0])
			requests = requests[1:]
			var refusal *binding.Error
			if !errors.As(err, &refusal) || refusal.Reason != f.reason {
				return fmt.Errorf("not refused as %s: %w", f.reason, err)
			}
			return nil
		},
	}
}
