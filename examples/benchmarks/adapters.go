package main

import (
	"errors"
	"net/http"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/examples/benchmarks/internal/measure"
	"github.com/certbound/certbound/examples/benchmarks/internal/report"
	"github.com/certbound/certbound/examples/benchmarks/internal/subject"
)

// adapterAllocations are allowed above those of the framework itself.
const adapterAllocations = 3

// adapters counts what bindecho and bindgin allocate. (What bindhttp does is a row of verify.)
func (r *run) adapters() (err error) {
	defer r.begin("adapters")()
	stream, err := subject.NewStream("ES256", 0)
	if err != nil {
		return err
	}
	defer closing(stream, &err)
	requests, err := stream.Requests(64)
	if err != nil {
		return err
	}
	if err := stream.Pass(requests); err != nil {
		return err
	}

	var served, proven bool
	frameworks := subject.Frameworks(stream.Guard.Guard, func(r *http.Request) {
		served = true
		_, proven = binding.TokenFromContext(r.Context())
	})
	for _, framework := range frameworks {
		if framework.Name == "net-http" {
			continue
		}
		count := func(handler http.Handler, guarded bool) (int, error) {
			w, next := subject.NewWriter(), 0
			return measure.Allocations(measure.Work{Name: framework.Name, Once: func() error {
				served, proven = false, false
				handler.ServeHTTP(w, requests[next%len(requests)])
				next++
				if !served || proven != guarded {
					return errors.New("the handler did not see what it should")
				}
				return nil
			}}, 10_000)
		}
		bare, err := count(framework.Bare, false)
		if err != nil {
			return err
		}
		guarded, err := count(framework.Guarded, true)
		if err != nil {
			return err
		}
		r.add(report.AtMost("seen token, through the adapter: allocations above the framework's own", framework.Name, "%.0f",
			adapterAllocations, float64(guarded-bare)))
	}
	return nil
}
