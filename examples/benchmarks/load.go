package main

import (
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/certbound/certbound/examples/benchmarks/internal/server"
)

// The load: requests come at their own pace, however long the answers take, as from clients that know nothing of each other.
const (
	loadRate        = 1000 // requests each second
	loadSlice       = 3 * time.Second
	loadRounds      = 5
	loadConnections = 32
)

// A loaded route is what came of the load on it.
type loaded struct {
	vegeta.Metrics
	cpu time.Duration // of the server's process
}

// load has vegeta drive the server over mutual TLS, the guarded route and the bare one in turn.
func (r *run) load(stdout io.Writer) (err error) {
	child, err := server.Start()
	if err != nil {
		return err
	}
	defer closing(child, &err)
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "HTTP\troute\trequests\tp50\tp90\tp99\tmost\tprocessor time of a request\t")
	for _, version := range []int{1, 2} {
		routes, err := r.loadRoutes(child, version)
		if err != nil {
			return err
		}
		for _, route := range []struct{ name, path string }{{"guarded", server.Guarded}, {"bare", server.Bare}} {
			m := routes[route.path]
			fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%.1f µs\t\n", protocol(version), route.name, m.Requests,
				short(m.Latencies.P50), short(m.Latencies.P90), short(m.Latencies.P99), short(m.Latencies.Max),
				float64(m.cpu.Microseconds())/float64(m.Requests))
		}
	}
	fmt.Fprintf(stdout, "%d requests each second over %d connections of mutual TLS on the loopback interface, tokens seen before;\n"+
		"guarded and bare in turn, %s at a time\n\n", loadRate, loadConnections, loadSlice)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "\n%s\n%s\n", machine(), versions())
	return err
}

func short(latency time.Duration) string { return latency.Round(10 * time.Microsecond).String() }

func (r *run) loadRoutes(child *server.Child, version int) (map[string]*loaded, error) {
	defer r.begin("load, " + protocol(version))()
	client := child.Client(version, loadConnections)
	defer client.CloseIdleConnections()
	routes := map[string]*loaded{server.Guarded: {}, server.Bare: {}}
	for path := range routes { // handshakes and first times are over
		if err := child.Get(client, version, path, 20*loadConnections, loadConnections); err != nil {
			return nil, err
		}
	}
	for round := range r.plan(loadRounds, 0).Rounds {
		order := []string{server.Guarded, server.Bare}
		if round%2 == 1 {
			order[0], order[1] = order[1], order[0]
		}
		for _, path := range order {
			if err := routes[path].attack(child, client, path); err != nil {
				return nil, err
			}
		}
		r.round(round)
	}
	for path, m := range routes {
		m.Close()
		if m.Success != 1 {
			return nil, fmt.Errorf("load: %s: not every answer is 200: %v", path, m.StatusCodes)
		}
	}
	return routes, nil
}

// attack is one slice.
func (m *loaded) attack(child *server.Child, client *http.Client, path string) error {
	var targets []vegeta.Target
	for _, token := range child.Tokens {
		targets = append(targets, vegeta.Target{
			Method: http.MethodGet, URL: child.URL + path, Header: http.Header{"Authorization": {"Bearer " + token}},
		})
	}
	attacker := vegeta.NewAttacker(vegeta.Client(client), vegeta.Workers(loadConnections), vegeta.MaxWorkers(4*loadConnections))
	before, err := child.CPU()
	if err != nil {
		return err
	}
	rate := vegeta.Rate{Freq: loadRate, Per: time.Second}
	for result := range attacker.Attack(vegeta.NewStaticTargeter(targets...), rate, loadSlice, path) {
		m.Add(result)
	}
	after, err := child.CPU()
	m.cpu += after - before
	return err
}
