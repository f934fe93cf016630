package main

import (
	"time"

	"github.com/certbound/certbound/examples/benchmarks/internal/measure"
	"github.com/certbound/certbound/examples/benchmarks/internal/report"
	"github.com/certbound/certbound/examples/benchmarks/internal/subject"
)

const (
	grpcLimit       = 1.25
	grpcAllocations = 40 // more than bare
)

// grpc measures a guarded unary call beside a bare one, client and server in this process.
func (r *run) grpc() (err error) {
	defer r.begin("gRPC over mutual TLS")()
	calls, err := subject.NewCalls()
	if err != nil {
		return err
	}
	defer closing(calls, &err)
	guarded, bare := measure.Work{Name: "guarded", Once: calls.Guarded}, measure.Work{Name: "bare", Once: calls.Bare}
	allocations := make([]int, 2)
	for i, work := range []measure.Work{guarded, bare} {
		if err := work.Once(); err != nil { // the connection, and a token that was seen
			return err
		}
		if allocations[i], err = measure.Allocations(work, r.count(5000)); err != nil {
			return err
		}
	}
	samples, err := r.plan(41, 100*time.Millisecond).Run([]measure.Work{guarded, bare}, r.round)
	if err != nil {
		return err
	}
	r.add(
		report.AtMost("gRPC over mutual TLS, seen token: processor time of client and server", "unary", "%.2f × bare", grpcLimit,
			measure.Ratio(samples[0], samples[1]).Median),
		report.AtMost("gRPC over mutual TLS, seen token: allocations more than bare", "unary", "%.0f", grpcAllocations,
			float64(allocations[0]-allocations[1])),
	)
	return nil
}
