package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/teststorage"
	"github.com/stretchr/testify/require"
)

// A promServer scrapes the endpoint of the metrics, at times of its own, and evaluates queries.
type promServer struct {
	*teststorage.TestStorage
	engine *promql.Engine
	target string
	now    time.Time
	bodies bytes.Buffer // all that came
}

// between is the time between two scrapes.
const between = 15 * time.Second

func newPromServer(t *testing.T, target string) *promServer {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 1_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, EnableNegativeOffset: true, EnableAtModifier: true,
	})
	t.Cleanup(func() { _ = engine.Close() })
	return &promServer{TestStorage: teststorage.New(t), engine: engine, target: target, now: storyBegins}
}

// get asks an endpoint.
func (p *promServer) get(t *testing.T, target string) (body []byte, contentType string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	body, err = io.ReadAll(response.Body)
	require.NoError(t, err)
	p.bodies.Write(body)
	return body, response.Header.Get("Content-Type")
}

// await asks until a series is there. A verifier tells of a fetch later than it answers, and repeats one that failed when it
// is due: both in a time that is not ours to set.
func (p *promServer) await(t *testing.T, series string) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		body, _ := p.get(t, p.target)
		if strings.Contains(string(body), series) {
			return
		}
		require.True(t, time.Now().Before(deadline), "there is no %s", series)
		time.Sleep(10 * time.Millisecond)
	}
}

// scrape does what a server does every few seconds.
func (p *promServer) scrape(t *testing.T) {
	t.Helper()
	p.now = p.now.Add(between)
	p.take(t, p.target)
}

// take keeps what an endpoint says now, with more labels for each series.
func (p *promServer) take(t *testing.T, target string, more ...labels.Label) {
	t.Helper()
	body, contentType := p.get(t, target)
	parser, err := textparse.New(body, contentType, labels.NewSymbolTable(), textparse.ParserOptions{})
	require.NoError(t, err)
	appender := p.Appender(t.Context())
	for {
		entry, err := parser.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		if entry != textparse.EntrySeries {
			continue
		}
		var series labels.Labels
		parser.Labels(&series)
		_, _, value := parser.Series()
		labelled := labels.NewBuilder(series)
		for _, label := range more {
			labelled.Set(label.Name, label.Value)
		}
		_, err = appender.Append(0, labelled.Labels(), p.now.UnixMilli(), value)
		require.NoError(t, err)
	}
	require.NoError(t, appender.Commit())
}

// query evaluates a query as of now.
func (p *promServer) query(t *testing.T, text string) promql.Vector {
	t.Helper()
	query, err := p.engine.NewInstantQuery(t.Context(), p, nil, text, p.now)
	require.NoError(t, err, text)
	defer query.Close()
	result := query.Exec(t.Context())
	require.NoError(t, result.Err, text)
	require.Empty(t, result.Warnings)
	vector, err := result.Vector()
	require.NoError(t, err)
	return slices.Clone(vector) // Close takes its own back
}

// series is what a query says: the labels of each series that it finds.
func (p *promServer) series(t *testing.T, text string) (found []string) {
	t.Helper()
	for _, sample := range p.query(t, text) {
		require.False(t, math.IsNaN(sample.F), "%s: %s is no number", text, sample.Metric)
		found = append(found, sample.Metric.String())
	}
	return found
}

// A question of queries.md, and its query.
type question struct{ text, query string }

func questions(t *testing.T) (all []question) {
	t.Helper()
	page, err := os.ReadFile("queries.md")
	require.NoError(t, err)
	heading := ""
	for _, match := range regexp.MustCompile("(?m)^## (.+)$|(?s)```promql\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if match[1] != "" {
			heading = match[1]
			continue
		}
		all = append(all, question{heading, match[2]})
	}
	require.Equal(t, strings.Count(string(page), "```promql"), len(all))
	return all
}

// A storyClock stands between two rounds.
type storyClock struct{ ahead atomic.Int64 }

func (c *storyClock) now() time.Time { return storyBegins.Add(time.Duration(c.ahead.Load())) }

func (c *storyClock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

var storyBegins = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// What each query of the page says on a good day and on the day of the story, in their order: the series that it finds, by
// their labels, and no other. The story is the one that the command tells.
func TestQueries(t *testing.T) {
	t.Parallel()
	var clock storyClock
	w, err := newWorld("127.0.0.1:0", "", slog.New(slog.NewTextHandler(io.Discard, nil)), clock.now)
	require.NoError(t, err)
	t.Cleanup(w.close)
	iss := w.as.Issuer()
	of := func(attributes ...string) string {
		return "{" + strings.Join(attributes, ", ") + "}"
	}
	issuer := `certbound_issuer="` + iss + `"`
	client := func(id string) string { return `certbound_client_id="` + id + `"` }
	because := func(reason string) string { return `error_type="` + reason + `"` }
	accepted, refused := `certbound_outcome="accepted"`, `certbound_outcome="refused"`

	answers := []struct {
		question     string
		quiet, story []string
	}{
		{"How many requests are accepted and refused?", []string{of(accepted)}, []string{of(accepted), of(refused)}},
		{"Who is refused, and why?", nil, []string{
			of(client(budget), because("certificate_missing")), of(client(budget), because("thumbprint_mismatch")),
			of(client(budget), because("token_unbound")), of(client(payroll), because("thumbprint_mismatch")),
			of(client(wallet), because("proof_replayed")), of(client(wallet), because("replays_unavailable")),
			of(because("keys_unavailable")), of(because("token_expired")), of(because("token_signature")),
		}},
		{"Is somebody using a stolen token?", nil, []string{of(client(budget), issuer)}},
		{"Does a client renew its certificate badly?", nil, []string{of(client(payroll), issuer)}},
		{"Is a captured proof used?", nil, []string{of(client(wallet), issuer)}},
		{"How often does a client have to fetch a nonce?", nil, nil}, // not in the story: TestNoncesRefused has it
		{"Does somebody forge tokens?", nil, []string{of(because("token_signature"))}},
		{"Does the authorization server issue tokens that are not bound, or wrongly?", nil, []string{of(client(budget), because("token_unbound"))}},
		{"Which clients still come with tokens that are not bound?", nil, []string{of(client(reports), issuer)}},
		{"Do clients let their tokens expire?", nil, []string{of()}},
		{"Are requests refused through our own fault?", nil, []string{of(because("keys_unavailable")), of(because("replays_unavailable"))}},
		{"Are the keys fresh?", []string{of(issuer)}, []string{of(issuer)}},
		{"Are the keys fresh?", []string{of(issuer)}, []string{of(issuer)}},
		{"Can the issuer be reached?", nil, []string{of(issuer, because("502"))}},
		{"Can the store of used proofs be asked?", nil, []string{of(because("_OTHER"))}},
		{"Can the store of used proofs be asked?", []string{of(`certbound_outcome="first"`)}, []string{of(`certbound_outcome="first"`), of(`certbound_outcome="replayed"`)}},
		{"Did the issuer rotate its keys?", nil, []string{of(`certbound_change="added"`, issuer)}},
		{"How long does a decision take?", []string{of(accepted)}, []string{of(accepted), of(refused)}},
		{"Are tokens verified again and again?", []string{of(issuer)}, []string{of(issuer)}},
	}
	all := questions(t)
	require.Len(t, all, len(answers))

	p := newPromServer(t, w.scraped)
	keysAdded := func(n int) string {
		return fmt.Sprintf("certbound_keys_changes_total{certbound_change=%q,%s} %d\n", "added", issuer, n)
	}
	p.await(t, keysAdded(1))

	round := 0
	require.NoError(t, w.tell(t.Context(), func() bool {
		switch round {
		case rotation:
			p.await(t, keysAdded(2))
		case outage:
			p.await(t, because("502"))
			p.await(t, keysAdded(3))
		}
		clock.advance(between)
		p.scrape(t)
		switch round {
		case troubled - 1:
			for i, a := range answers {
				require.Equal(t, a.question, all[i].text)
				require.ElementsMatch(t, a.quiet, p.series(t, all[i].query), "on a good day: %s", a.question)
			}
		case troubled:
			require.Equal(t, 2.0, p.query(t, all[2].query)[0].F, "the thief came twice, and never before")
		}
		round++
		return round <= outage
	}))
	for i, a := range answers {
		require.ElementsMatch(t, a.story, p.series(t, all[i].query), "with the thief: %s", a.question)
	}

	// An hour later it is history.
	for range 65 * time.Minute / between {
		require.NoError(t, w.play(t.Context(), w.ordinary()))
		p.scrape(t)
	}
	for i, a := range answers {
		if a.quiet == nil {
			require.Empty(t, p.series(t, all[i].query), "an hour later: %s", a.question)
		}
	}
	for _, secret := range []string{w.budgetToken, w.payrollToken, w.forgedToken, w.unboundToken, w.reportsToken, w.walletToken} {
		require.NotContains(t, p.bodies.String(), secret[len(secret)-40:])
		require.NotContains(t, p.bodies.String(), secret[:40])
	}
}

// Days later its clients are served and its thief is refused as on the first.
func TestStoryThatGoesOn(t *testing.T) {
	t.Parallel()
	var clock storyClock
	w, err := newWorld("127.0.0.1:0", "", slog.New(slog.NewTextHandler(io.Discard, nil)), clock.now)
	require.NoError(t, err)
	t.Cleanup(w.close)
	rounds := 0
	require.NoError(t, w.tell(t.Context(), func() bool {
		clock.advance(9 * time.Hour)
		rounds++
		return rounds < outage
	}))
	require.Equal(t, outage, rounds)
}
