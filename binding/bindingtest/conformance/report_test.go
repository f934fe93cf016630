package conformance_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/bindingtest/conformance"
)

func TestReport(t *testing.T) {
	t.Parallel()
	config := impatient
	config.Except = map[int]string{168: "no chains come here"}
	report := check(t, config, conformance.Handler(newLax("compares with any certificate of the chain", "echoes the token")))

	t.Run("an exception is reported and is no failure", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, []int{168}, report.Rows(conformance.Violates))
		for _, result := range report.Results {
			if result.Row == 168 {
				require.False(t, result.Failed, result)
				require.Equal(t, result.Verdict == conformance.Violates, result.Reason == "no chains come here", result)
			}
		}
		require.Positive(t, report.Summary.Failed, "the others count as before")
	})

	t.Run("as text", func(t *testing.T) {
		t.Parallel()
		var text bytes.Buffer
		require.NoError(t, report.WriteText(&text, false))
		require.Contains(t, text.String(), "violates     F/168 the token of the root\n"+
			"    got 200; must be refused; should be 401 invalid_token (RFC 8705 §3, CVE-2023-2422)\n"+
			"    not counted: no chains come here\n")
		require.NotContains(t, text.String(), "F/145")
		lines := strings.Split(strings.TrimSpace(text.String()), "\n")
		require.Equal(t, "conformance: "+report.Summary.String(), lines[len(lines)-1])
		requireNoSecrets(t, text.String())

		text.Reset()
		require.NoError(t, report.WriteText(&text, true))
		require.Contains(t, text.String(), "as expected  F/145 the right certificate: 200\n")
		require.GreaterOrEqual(t, strings.Count(text.String(), "\n"), len(report.Results))
		requireNoSecrets(t, text.String())
	})

	t.Run("as a table", func(t *testing.T) {
		t.Parallel()
		var text bytes.Buffer
		require.NoError(t, report.WriteMarkdown(&text))
		require.Contains(t, text.String(), "| F/168 | the token of the root | 200 | must be refused; should be 401 invalid_token (RFC 8705 §3, CVE-2023-2422) | violates (no chains come here) |\n")
		require.NotContains(t, text.String(), "F/145")
		requireNoSecrets(t, text.String())
	})

	t.Run("at the level must what fails is written", func(t *testing.T) {
		t.Parallel()
		must := *report
		must.Level = conformance.Must
		var text bytes.Buffer
		require.NoError(t, must.WriteText(&text, false))
		require.Contains(t, text.String(), "violates     F/168")
		must.Results = slices.DeleteFunc(slices.Clone(report.Results), func(r conformance.Result) bool { return r.Failed })
		text.Reset()
		require.NoError(t, must.WriteText(&text, false))
		require.NotContains(t, text.String(), "deviates")
		require.NotContains(t, text.String(), "skipped  ")
	})

	t.Run("as JSON", func(t *testing.T) {
		t.Parallel()
		text, err := json.Marshal(report)
		require.NoError(t, err)
		requireNoSecrets(t, string(text))
		var read struct {
			Level   string `json:"level"`
			Config  struct{ Path string }
			Began   time.Time
			Summary map[string]int `json:"summary"`
			Results []struct {
				Row                          int
				Section, Name, Must, Verdict string
				Failed                       bool
			} `json:"results"`
		}
		require.NoError(t, json.Unmarshal(text, &read))
		require.Equal(t, "should", read.Level)
		require.Equal(t, "/", read.Config.Path)
		require.False(t, read.Began.IsZero())
		require.Len(t, read.Results, len(report.Results))
		require.Equal(t, report.Summary.Rows, read.Summary["rows"])
		found := slices.IndexFunc(read.Results, func(r struct {
			Row                          int
			Section, Name, Must, Verdict string
			Failed                       bool
		}) bool {
			return r.Name == "another certificate"
		})
		require.Equal(t, 147, read.Results[found].Row)
		require.Equal(t, "F", read.Results[found].Section)
		require.Equal(t, "as expected", read.Results[found].Verdict)
		require.Equal(t, "401 invalid_token", read.Results[found].Must)
	})

	t.Run("the summary counts rows by their worst case", func(t *testing.T) {
		t.Parallel()
		s := report.Summary
		require.Equal(t, s.Rows, s.AsExpected+s.Deviating+s.Violating)
		require.Equal(t, 1, s.Violating)
		proofs := make(map[int]bool)
		for _, result := range report.Results {
			if result.Section == "L" {
				require.Equal(t, conformance.Skipped, result.Verdict)
				proofs[result.Row] = true
			}
		}
		require.Greater(t, len(proofs), 80)
		require.Equal(t, 6+len(proofs), s.Skipped,
			"33 and 245, which need a Config, 179 and 181, where certificates are verified, 393 and 394, of typ JWT, and section L, which needs DPoP")
		require.Greater(t, s.Cases, 400)
		require.Regexp(t, `^\d+ rows, \d+ as expected, \d+ deviating, 1 violating, \d+ skipped; \d+ cases, \d+ failed$`, s.String())
	})
}

// requireNoSecrets: every token begins with a header, every certificate with a
// sequence of two bytes of length.
func requireNoSecrets(t *testing.T, text string) {
	t.Helper()
	for _, sign := range []string{"eyJ", "MII", "-----BEGIN", "127.0.0.1"} {
		require.NotContains(t, text, sign)
	}
}

func TestCasesAreThoseThatAreAsked(t *testing.T) {
	t.Parallel()
	cases, err := impatient.Cases()
	require.NoError(t, err)
	report := check(t, impatient, conformance.Handler(newLax()))
	var asked []conformance.Case
	for _, result := range report.Results {
		if result.Row != 0 {
			asked = append(asked, result.Case)
		}
	}
	require.Equal(t, cases, asked)
	names := make(map[string]bool)
	for _, c := range cases {
		require.False(t, names[c.String()], "%v comes twice", c)
		names[c.String()] = true
		require.NotEmpty(t, c.Source, c)
		require.NotEmpty(t, c.Must, c)
		require.NotEmpty(t, c.Should, c)
		require.Regexp(t, `^[A-N]/\d+ \S`, c.String())
	}
}

func TestConfigReportsEveryMistake(t *testing.T) {
	t.Parallel()
	_, err := conformance.New(conformance.Config{
		Path: "accounts", ScopePath: "payments", ScopeMethod: "a method", Status: 401, StartWait: -1, KeyWait: -1, RemovedKeyAfter: -1, Timeout: -1, Level: 7,
		Except: map[int]string{1: "", 454: "x"},
	})
	for _, field := range []string{"Path", "ScopePath", "ScopeMethod", "Status", "KeyWait", "RemovedKeyAfter", "Timeout", "Level", "Except[1]", "Except[454]", "StartWait"} {
		require.ErrorContains(t, err, "conformance: "+field+":")
	}
	_, err = conformance.New(conformance.Config{Algorithm: "HS256"})
	require.ErrorContains(t, err, "Algorithm")
}

func newKit(t *testing.T, config conformance.Config) *conformance.Kit {
	t.Helper()
	kit, err := conformance.New(config)
	require.NoError(t, err)
	t.Cleanup(kit.Close)
	return kit
}

// A server that runs already is asked all but what needs another start.
func TestAServerThatRunsAlready(t *testing.T) {
	t.Parallel()
	kit := newKit(t, impatient)
	handler, err := newLax()(kit.AuthorizationServer())
	require.NoError(t, err)
	server := kit.AuthorizationServer().Serve(handler)
	t.Cleanup(server.Close)
	for range 2 { // a Kit checks as often as one likes
		report, err := kit.Check(t.Context(), conformance.Target{URL: server.URL + "/"})
		require.NoError(t, err)
		require.Empty(t, report.Rows(conformance.Violates))
		require.Contains(t, report.Rows(conformance.Skipped), 238)
		require.Contains(t, report.Rows(conformance.Skipped), 258)
		require.Contains(t, report.Rows(conformance.AsExpected), 244)
		require.Greater(t, report.Summary.Rows, 160)
	}
}

func TestATargetIsOneOfTwo(t *testing.T) {
	t.Parallel()
	kit := newKit(t, impatient)
	both := conformance.Handler(newLax())
	both.URL = "https://127.0.0.1:1"
	for _, target := range []conformance.Target{{}, both} {
		_, err := kit.Check(t.Context(), target)
		require.ErrorContains(t, err, "a URL or a Start")
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	t.Parallel()
	kit := newKit(t, impatient)
	ctx, cancel := context.WithCancel(t.Context())
	requests := 0
	lax, err := newLax()(kit.AuthorizationServer())
	require.NoError(t, err)
	report, err := kit.Check(ctx, conformance.Handler(func(*bindingtest.AuthorizationServer) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if requests++; requests == 50 {
				cancel()
			}
			lax.ServeHTTP(w, r)
		}), nil
	}))
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, len(report.Results), 60)
}

// A server that verifies client certificates refuses those of others in the
// handshake, or after it.
func TestAServerThatVerifiesClients(t *testing.T) {
	t.Parallel()
	config := impatient
	config.VerifiesClients = true
	report := check(t, config, conformance.Target{Start: func(_ context.Context, as *bindingtest.AuthorizationServer) (string, func(), error) {
		handler, err := guarded(t)(as)
		if err != nil {
			return "", nil, err
		}
		server := httptest.NewUnstartedServer(handler)
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.EnableHTTP2 = true
		server.TLS = &tls.Config{
			Certificates: []tls.Certificate{as.ServerCertificate()},
			ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: as.ClientCAs(),
			MinVersion: tls.VersionTLS12,
		}
		server.StartTLS()
		return server.URL, server.Close, nil
	}})
	require.Contains(t, report.Rows(conformance.AsExpected), 179)
	require.Contains(t, report.Rows(conformance.AsExpected), 181)
	require.Contains(t, report.Rows(conformance.AsExpected), 146)
	require.Empty(t, report.Rows(conformance.Violates))
	for _, result := range report.Results {
		if result.Row == 146 {
			require.Contains(t, result.Got, "no answer")
		}
	}
}
