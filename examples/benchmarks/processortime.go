package main

import (
	"net/http"

	"github.com/certbound/certbound/examples/benchmarks/internal/measure"
	"github.com/certbound/certbound/examples/benchmarks/internal/report"
	"github.com/certbound/certbound/examples/benchmarks/internal/server"
)

const (
	serverRounds      = 41
	requestsPerSlice  = 2000
	serverConnections = 8
	serverLimit       = 1.05
)

// server measures the processor time of a server's process for a request over mutual TLS, with a guard and without in turn.
func (r *run) server() (err error) {
	defer r.begin("server over mutual TLS")()
	child, err := server.Start()
	if err != nil {
		return err
	}
	defer closing(child, &err)
	for _, version := range []int{1, 2} {
		client := child.Client(version, serverConnections)
		guarded, bare, err := r.serve(child, client, version)
		client.CloseIdleConnections()
		if err != nil {
			return err
		}
		ratio := measure.Ratio(guarded, bare).Median
		r.add(report.AtMost("server over mutual TLS, seen tokens: processor time of a request", protocol(version), "%.3f × bare", serverLimit, ratio))
	}
	return nil
}

func protocol(version int) string {
	if version == 1 {
		return "HTTP/1.1"
	}
	return "HTTP/2"
}

func (r *run) serve(child *server.Child, client *http.Client, version int) (guarded, bare measure.Sample, err error) {
	slice := func(path string) (float64, error) {
		before, err := child.CPU()
		if err != nil {
			return 0, err
		}
		if err := child.Get(client, version, path, r.count(requestsPerSlice), serverConnections); err != nil {
			return 0, err
		}
		after, err := child.CPU()
		return float64(after-before) / float64(r.count(requestsPerSlice)), err
	}
	for _, path := range []string{server.Guarded, server.Bare} { // connections and tokens, so that both are old
		if _, err := slice(path); err != nil {
			return guarded, bare, err
		}
	}
	for round := range r.plan(serverRounds, 0).Rounds {
		first, second := server.Guarded, server.Bare
		if round%2 == 1 {
			first, second = second, first
		}
		for _, path := range []string{first, second} {
			nanos, err := slice(path)
			if err != nil {
				return guarded, bare, err
			}
			if path == server.Guarded {
				guarded.Nanos = append(guarded.Nanos, nanos)
			} else {
				bare.Nanos = append(bare.Nanos, nanos)
			}
		}
		r.round(round)
	}
	return guarded, bare, nil
}
