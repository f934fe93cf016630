package binding_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// A logBook keeps records as slog's JSON handler writes them.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: level}))
}

// records returns what was written, and begins anew.
func (b *logBook) records(t *testing.T) (records []members) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	decoder := json.NewDecoder(&b.text)
	for {
		var record members
		if err := decoder.Decode(&record); err != nil {
			require.ErrorIs(t, err, io.EOF)
			return records
		}
		records = append(records, record)
	}
}

func refusedFor(reason binding.Reason, client string) binding.Event {
	event := binding.Event{Err: &binding.Error{Reason: reason}}
	if client != "" {
		event.Issuer, event.ClientID = issuer, client
	}
	return event
}

var acceptedEvent = binding.Event{Issuer: issuer, ClientID: "client-1", Binding: "certificate", Duration: time.Millisecond}

func TestLogOfDecisions(t *testing.T) {
	t.Parallel()
	mismatch := refusedFor(binding.ReasonThumbprintMismatch, "client-1")
	mismatch.Binding, mismatch.Duration = "certificate", time.Millisecond
	mismatch.Err.Expected, mismatch.Err.Presented = binding.Thumbprint{1}, binding.Thumbprint{2}
	keys := refusedFor(binding.ReasonKeysUnavailable, "")
	keys.Err.Cause = errors.New("status 500")
	for name, test := range map[string]struct {
		event binding.Event
		want  members
	}{
		"accepted": {acceptedEvent, members{
			"level": "DEBUG", "msg": "request accepted", "iss": issuer, "client_id": "client-1", "binding": "certificate", "duration": 1e6,
		}},
		"nobody is named before the token is verified": {refusedFor(binding.ReasonTokenExpired, ""), members{
			"level": "INFO", "msg": "request refused", "reason": "token_expired", "status": 401.0, "duration": 0.0,
		}},
		"both thumbprints of a mismatch": {mismatch, members{
			"level": "WARN", "msg": "request refused", "reason": "thumbprint_mismatch", "status": 401.0, "iss": issuer, "client_id": "client-1",
			"expected": mismatch.Err.Expected.String(), "presented": mismatch.Err.Presented.String(), "duration": 1e6,
		}},
		"the cause": {keys, members{
			"level": "ERROR", "msg": "request refused", "reason": "keys_unavailable", "status": 503.0, "cause": "status 500", "duration": 0.0,
		}},
		"a refusal without a reason": {refusedFor("", ""), members{
			"level": "ERROR", "msg": "request refused", "reason": "", "status": 500.0, "duration": 0.0,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var book logBook
			logger := book.logger(slog.LevelDebug)
			binding.LogEvents(logger)(t.Context(), test.event)
			logger.Info("mine", "event", test.event)
			records := book.records(t)
			require.Len(t, records, 2)
			delete(records[0], "time")
			require.Equal(t, test.want, records[0])

			value := maps.Clone(test.want)
			delete(value, "level")
			delete(value, "msg")
			require.Equal(t, map[string]any(value), records[1]["event"])
		})
	}
}

// Every reason of the list has a level, and a new one does not get one by chance.
func TestLevelOfEveryReason(t *testing.T) {
	t.Parallel()
	levels := map[string]string{
		"DEBUG": `proof_nonce_missing proof_nonce`,
		"INFO": `proof_missing proof_ambiguous proof_too_long proof_malformed proof_header proof_type proof_algorithm proof_claims proof_method proof_expired proof_not_yet_valid
			credentials_missing credentials_unsupported credentials_ambiguous credentials_malformed
			token_malformed token_too_long token_header token_algorithm token_type token_claims token_issuer token_audience
			token_expired token_not_yet_valid token_lifetime token_key_unknown token_inactive token_invalid
			authentication_insufficient scope_missing forbidden canceled`,
		"WARN": `token_scheme token_binding proof_key proof_uri proof_token proof_key_mismatch proof_signature proof_replayed
			token_signature token_revoked token_unbound token_bound key_fetch_limited
			confirmation_malformed confirmation_unsupported confirmation_dpop
			thumbprint_malformed thumbprint_hex thumbprint_padded thumbprint_standard_alphabet thumbprint_sha1 thumbprint_mismatch
			certificate_missing certificate_unreadable
			forwarded_untrusted forwarded_ambiguous forwarded_malformed forwarded_too_long forwarded_unverified`,
		"ERROR": `replays_unavailable keys_unavailable unavailable misconfigured panicked`,
	}
	var tested []string
	for level, reasons := range levels {
		for _, reason := range strings.Fields(reasons) {
			var book logBook
			binding.LogEvents(book.logger(slog.LevelDebug))(t.Context(), refusedFor(binding.Reason(reason), ""))
			require.Equal(t, level, book.records(t)[0]["level"], reason)
			tested = append(tested, reason)
		}
	}
	require.ElementsMatch(t, reasonsOfTheList(t), tested)
}

// A nonce that has only grown old is everyday traffic. One that comes with a cause is to be seen, as is the count of those that
// are like it, also in a flood, and once a minute.
func TestLogOfNonces(t *testing.T) {
	t.Parallel()
	old, strange := refusedFor(binding.ReasonProofNonce, ""), refusedFor(binding.ReasonProofNonce, "")
	missing := refusedFor(binding.ReasonProofNonceMissing, "")
	strange.Err.Cause = errors.New("of another key")
	missing.Err.Cause = errors.New("of the verifier's own")
	for name, test := range map[string]struct {
		level slog.Level
		flood int // of other refusals before
		want  []string
	}{
		"at Info": {slog.LevelInfo, 0, []string{"INFO request refused of another key", "INFO more requests refused of another key"}},
		"at Debug": {slog.LevelDebug, 0, []string{
			"DEBUG request refused <nil>", "INFO request refused of another key", "DEBUG request refused of the verifier's own",
			"DEBUG more requests refused <nil>", "INFO more requests refused of another key", "DEBUG more requests refused of the verifier's own",
			"DEBUG request accepted <nil>",
		}},
		"at Info, in a flood": {slog.LevelInfo, 128, []string{"INFO request refused of another key", "INFO more requests refused <nil>"}},
		"at Warn":             {slog.LevelWarn, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var book logBook
				observe := binding.LogEvents(book.logger(test.level))
				for n := range test.flood {
					observe(t.Context(), refusedFor(binding.ReasonScopeMissing, fmt.Sprint("client-", n)))
				}
				require.Len(t, book.records(t), test.flood)
				for range 100 {
					for _, event := range []binding.Event{old, strange, missing} {
						observe(t.Context(), event)
					}
				}
				time.Sleep(time.Minute)
				observe(t.Context(), acceptedEvent)
				var told []string
				for _, r := range book.records(t) {
					told = append(told, fmt.Sprint(r["level"], " ", r["msg"], " ", r["cause"]))
				}
				require.Equal(t, test.want, told)
			})
		})
	}
}

// reasonsOfTheList reads the constants of reason.go.
func reasonsOfTheList(t *testing.T) (reasons []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		reason, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		reasons = append(reasons, reason)
		return true
	})
	return reasons
}

// What a client or an issuer chose comes cut and on one line, also through a handler that quotes nothing.
func TestLogOfHostileText(t *testing.T) {
	t.Parallel()
	for name, hostile := range map[string]string{
		"a second record":   "x\r\nlevel=INFO msg=\"request accepted\"",
		"a terminal's code": "\x1b[2J\x1b]0;owned\a",
		"right to left":     "moc.\u202eelpmaxe",
		"no UTF-8":          "\xff\xfe",
		"1 MiB":             strings.Repeat("A", 1<<20),
		"1 MiB of escapes":  strings.Repeat("\x00", 1<<20),
		"cut in a letter":   strings.Repeat("A", 199) + "é" + strings.Repeat("A", 398) + "é" + strings.Repeat("A", 99),
		"a separator":       "a\u2028b",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			event := refusedFor(binding.ReasonForbidden, hostile)
			event.Issuer = hostile
			event.Method, event.Path, event.Peer = hostile, hostile, hostile
			event.Err.Reason = binding.Reason(hostile)
			event.Err.Cause = errors.New(hostile)
			var handler bareHandler
			logger := slog.New(&handler)
			observe := binding.LogEvents(logger)
			synctest.Test(t, func(t *testing.T) {
				observe(t.Context(), event)
				observe(t.Context(), event)
				time.Sleep(time.Minute)
				observe(t.Context(), acceptedEvent)
			})
			event.Route = hostile // it is written in place of the path
			logger.Info("mine", "event", event)
			require.Len(t, handler.lines, 3, "and the suppressed one")
			for _, line := range handler.lines {
				require.Less(t, len(line), 8_000)
				require.NotContains(t, line, hostile)
				for _, r := range line {
					require.True(t, strconv.IsPrint(r), "%q", line)
				}
				require.NotContains(t, line, "\ufffd")
			}
		})
	}
	t.Run("what is printable comes as it is", func(t *testing.T) {
		t.Parallel()
		var handler bareHandler
		binding.LogEvents(slog.New(&handler))(t.Context(), refusedFor(binding.ReasonForbidden, `Bücher & "Söhne"`))
		require.Contains(t, handler.lines[0], `client_id=Bücher & "Söhne" `)
	})
}

// A bareHandler writes what it is given without quoting anything.
type bareHandler struct{ lines []string }

func (h *bareHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level > slog.LevelDebug
}
func (h *bareHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *bareHandler) WithGroup(string) slog.Handler      { return h }
func (h *bareHandler) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.Key + "=" + a.Value.Resolve().String()
		return true
	})
	h.lines = append(h.lines, line)
	return nil
}

func TestLogOfAPanicSaysWhere(t *testing.T) {
	t.Parallel()
	leaf := newCertificate(t, "client-1").Leaf
	bearerToken := bearer(claims(t, boundTo(leaf)))
	var book logBook
	guard := newGuard(t, binding.Config{
		Observe:   binding.LogEvents(book.logger(slog.LevelInfo)),
		Authorize: func(context.Context, *binding.Token, binding.Certificate) error { return deepPanic(100) },
	})
	_, err := guard.Check(request(bearerToken, leaf))
	requireRefused(t, err, binding.ReasonPanicked, 500)
	records := book.records(t)
	require.Len(t, records, 1)
	require.Equal(t, "ERROR", records[0]["level"])
	require.Contains(t, records[0]["stack"], "log_test.go")
	require.LessOrEqual(t, len(records[0]["stack"].(string)), 4096)
	require.NotContains(t, fmt.Sprint(records), "canary", "the value may be anything")
	require.NotContains(t, fmt.Sprint(records), bearerToken)
}

func deepPanic(depth int) error {
	if depth == 0 {
		panic("canary")
	}
	return deepPanic(depth - 1)
}

// A guard that logs writes no token and no certificate, for whatever reason it refuses.
func TestLogHoldsNoTokenAndNoCertificate(t *testing.T) {
	t.Parallel()
	leaf, another := newCertificate(t, "client-1").Leaf, newCertificate(t, "client-2").Leaf
	var book logBook
	var canaries []string
	for _, changes := range []members{
		boundTo(leaf), nil, {"exp": 1}, {"scope": nil, "cnf": boundTo(leaf)["cnf"]}, {"cnf": null}, {"iss": "https://canary.example"},
	} {
		accessToken := bearer(claims(t, changes))
		canaries = append(canaries, accessToken[20:60], accessToken[len(accessToken)-40:])
		for _, r := range []*http.Request{request(accessToken), request(accessToken, leaf), request(accessToken, another)} {
			// A guard and an observer for each, so that nothing is suppressed.
			guard := newGuard(t, binding.Config{Scopes: []string{"accounts"}, Observe: binding.LogEvents(book.logger(slog.LevelDebug))})
			r.URL.Path = "/" + accessToken // a client may put it anywhere
			for _, value := range [][]string{{"Bearer " + accessToken}, {"Bearer " + accessToken + ", x"}, {"Basic " + accessToken}, {"Bearer " + accessToken, "Bearer"}} {
				r.Header["Authorization"] = value
				_, _ = guard.Check(r)
			}
		}
	}
	written := book.text.String()
	require.Len(t, book.records(t), 72)
	for _, reason := range []string{"thumbprint_mismatch", "credentials_malformed", "scope_missing", "request accepted"} {
		require.Contains(t, written, reason)
	}
	for _, canary := range append(canaries, "canary", base64Of(leaf)[40:80], base64Of(another)[40:80], "alice") {
		require.NotContains(t, written, canary)
	}
}

// While nobody reads Debug, an accepted request costs no allocation, also when refusals wait to be told.
func TestLogOfAcceptedCostsNothing(t *testing.T) {
	observe := binding.LogEvents(slog.New(slog.NewJSONHandler(io.Discard, nil)))
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() { observe(ctx, acceptedEvent) }))
	for range 10 {
		observe(ctx, refusedFor(binding.ReasonTokenExpired, ""))
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { observe(ctx, acceptedEvent) }))
}

func TestLogOfALevelThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var book logBook
		observe := binding.LogEvents(book.logger(slog.LevelWarn))
		for range 5 {
			observe(t.Context(), refusedFor(binding.ReasonTokenExpired, ""))
			observe(t.Context(), refusedFor(binding.ReasonTokenSignature, ""))
		}
		time.Sleep(time.Minute)
		observe(t.Context(), refusedFor(binding.ReasonTokenExpired, ""))
		records := book.records(t)
		require.Len(t, records, 2)
		require.Equal(t, 4.0, records[1]["suppressed"])
		require.False(t, slices.ContainsFunc(records, func(r members) bool { return r["reason"] == "token_expired" }))
	})
}

func TestLogByDefault(t *testing.T) {
	var book logBook
	before := slog.Default()
	slog.SetDefault(book.logger(slog.LevelInfo))
	t.Cleanup(func() { slog.SetDefault(before) })
	binding.LogEvents(nil)(t.Context(), refusedFor(binding.ReasonForbidden, ""))
	require.Len(t, book.records(t), 1)
}
