package main

import (
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write dashboard.json anew")

// alerts reads the rules with Prometheus' own parser, which judges them.
func alerts(t *testing.T) []rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.ParseFile("alerts.yml", false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	require.Empty(t, errs)
	require.Len(t, groups.Groups, 1)
	return groups.Groups[0].Rules
}

// An alarm is what Prometheus makes of a rule: it begins when the query has found a series for as long as the rule says, and
// ends when it finds it no more.
type alarm struct {
	rule  rulefmt.Rule
	since map[string]time.Time // when a series was found first, by its labels
}

// fires evaluates the rule once. It returns the labels for which there is an alarm.
func (a *alarm) fires(t *testing.T, p *promServer) (labels []string) {
	t.Helper()
	found := p.series(t, a.rule.Expr)
	for series := range a.since {
		if !slices.Contains(found, series) {
			delete(a.since, series)
		}
	}
	for _, series := range found {
		if _, known := a.since[series]; !known {
			a.since[series] = p.now
		}
		if p.now.Sub(a.since[series]) >= time.Duration(a.rule.For) {
			labels = append(labels, series)
		}
	}
	return labels
}

// Each alert keeps still on a good day, fires for what the story has, and ends. Those that the story cannot show, because its
// keys are not twenty minutes old and never away for good, are shown by what a Prometheus would have scraped.
func TestAlerts(t *testing.T) {
	t.Parallel()
	var clock storyClock
	w, err := newWorld("127.0.0.1:0", "", slog.New(slog.NewTextHandler(io.Discard, nil)), clock.now)
	require.NoError(t, err)
	t.Cleanup(w.close)
	p := newPromServer(t, w.scraped)
	p.await(t, `certbound_keys_changes_total{certbound_change="added"`)

	alarms := make(map[string]*alarm)
	for _, rule := range alerts(t) {
		require.Contains(t, []string{"page", "ticket"}, rule.Labels["severity"], rule.Alert)
		require.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
		alarms[rule.Alert] = &alarm{rule, make(map[string]time.Time)}
	}
	const missing = `error_type="502"`
	fired := make(map[string][]string) // by the alert, for whom
	evaluate := func() (now []string) {
		for name, a := range alarms {
			if of := a.fires(t, p); len(of) > 0 {
				now = append(now, name)
				for _, series := range of {
					if !slices.Contains(fired[name], series) {
						fired[name] = append(fired[name], series)
					}
				}
			}
		}
		return now
	}

	round := 0
	require.NoError(t, w.tell(t.Context(), func() bool {
		if round == outage {
			p.await(t, missing)
		}
		clock.advance(between)
		p.scrape(t)
		now := evaluate()
		if round < troubled {
			require.Empty(t, now, "a good day")
		}
		round++
		return round <= outage
	}))
	for name, who := range map[string]string{
		"CertboundRefusesThroughOurFault":  "replays_unavailable",
		"CertboundIssuerAway":              "502",
		"CertboundStoreOfProofsAway":       "_OTHER",
		"CertboundTokenStolen":             budget,
		"CertboundProofCaptured":           wallet,
		"CertboundTokensForged":            "{}",
		"CertboundIssuerBindsWrongly":      budget,
		"CertboundCertificateRenewedBadly": payroll,
	} {
		require.Contains(t, strings.Join(fired[name], " "), who, name)
	}
	require.NotContains(t, strings.Join(fired["CertboundTokenStolen"], " "), payroll, "who renewed a certificate is no thief")

	// What the story cannot show, for an issuer of its own.
	refused := 0.0
	scraped := func(usable, age float64) {
		p.scrape(t)
		appender := p.Appender(t.Context())
		refused += 10
		_, err := appender.Append(0, labels.FromStrings("__name__", "certbound_decisions_total", "certbound_issuer", "https://away.example",
			"certbound_client_id", "any", "certbound_outcome", "refused", "error_type", "forwarded_malformed"), p.now.UnixMilli(), refused)
		require.NoError(t, err)
		for name, value := range map[string]float64{"certbound_keys_usable": usable, "certbound_keys_age_seconds": age} {
			_, err := appender.Append(0, labels.FromStrings("__name__", name, "certbound_issuer", "https://away.example"), p.now.UnixMilli(), value)
			require.NoError(t, err)
		}
		require.NoError(t, appender.Commit())
	}
	for n := range 6 * int(time.Minute/between) {
		scraped(0, 1201)
		now := evaluate()
		require.Equal(t, n >= int(time.Minute/between), slices.Contains(now, "CertboundNoKeys"), "after %d", n)
		require.Equal(t, n >= 5*int(time.Minute/between), slices.Contains(now, "CertboundKeysOld"), "after %d", n)
	}
	require.Contains(t, evaluate(), "CertboundNobodyAccepted")
	scraped(2, 10)
	require.NotContains(t, evaluate(), "CertboundNoKeys")
	require.NotContains(t, evaluate(), "CertboundKeysOld")
	for _, name := range shownByReplicas {
		require.NotContains(t, fired, name)
		delete(alarms, name)
	}
	require.Len(t, fired, len(alarms), "an alert that nothing has shown")

	// With good days behind it each has ended.
	for range 65 * time.Minute / between {
		require.NoError(t, w.play(t.Context(), w.ordinary()))
		p.scrape(t)
	}
	require.Empty(t, evaluate())
}

// The dashboard shows what queries.md asks, and nothing else: those queries are tested.
func TestDashboard(t *testing.T) {
	t.Parallel()
	drawn, err := json.MarshalIndent(newDashboard(questions(t)), "", "  ")
	require.NoError(t, err)
	drawn = append(drawn, '\n')
	if *update {
		require.NoError(t, os.WriteFile("dashboard.json", drawn, 0o644))
	}
	kept, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	require.Equal(t, string(kept), string(drawn), "go test -run Dashboard -update .")
}

// newDashboard is one for Grafana, with a panel for each question. Its variable is the data source.
func newDashboard(all []question) map[string]any {
	source := map[string]any{"type": "prometheus", "uid": "${source}"}
	var panels []any
	for i, q := range all {
		unit := "short"
		switch {
		case strings.Contains(q.query, "_seconds") && !strings.Contains(q.query, "_count"):
			unit = "s"
		case strings.Contains(q.query, "verifications"):
			unit = "percentunit"
		}
		panels = append(panels, map[string]any{
			"id": i + 1, "type": "timeseries", "title": q.text, "datasource": source,
			"gridPos":     map[string]int{"x": 12 * (i % 2), "y": 8 * (i / 2), "w": 12, "h": 8},
			"fieldConfig": map[string]any{"defaults": map[string]any{"unit": unit, "min": 0}, "overrides": []any{}},
			"targets":     []any{map[string]any{"refId": "A", "datasource": source, "expr": strings.TrimSpace(q.query)}},
		})
	}
	return map[string]any{
		"uid": "certbound", "title": "Certbound", "schemaVersion": 39, "editable": true, "refresh": "30s",
		"time": map[string]string{"from": "now-3h", "to": "now"},
		"templating": map[string]any{"list": []any{map[string]any{
			"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus",
		}}},
		"panels": panels,
	}
}
