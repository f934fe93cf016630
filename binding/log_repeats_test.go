package binding_test

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// What was suppressed is said once, with the next decision after the minute, whatever it is.
func TestRepeatedRefusalsAreCounted(t *testing.T) {
	thief, other := refusedFor(binding.ReasonThumbprintMismatch, "client-1"), refusedFor(binding.ReasonThumbprintMismatch, "client-2")
	stale := refusedFor(binding.ReasonTokenExpired, "")
	type told struct {
		msg, reason, client string
		suppressed          float64
	}
	const first, more = "request refused", "more requests refused"
	for name, test := range map[string]struct {
		next binding.Event
		want []told
	}{
		"another of its kind": {thief, []told{
			{more, "thumbprint_mismatch", "client-1", 99}, {more, "thumbprint_mismatch", "client-2", 1}, {more, "token_expired", "", 9}, {first, "thumbprint_mismatch", "client-1", 0}}},
		"another kind": {refusedFor(binding.ReasonScopeMissing, "client-3"), []told{
			{more, "thumbprint_mismatch", "client-1", 99}, {more, "thumbprint_mismatch", "client-2", 1}, {more, "token_expired", "", 9}, {first, "scope_missing", "client-3", 0}}},
		"a pass": {acceptedEvent, []told{
			{more, "thumbprint_mismatch", "client-1", 99}, {more, "thumbprint_mismatch", "client-2", 1}, {more, "token_expired", "", 9}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var book logBook
				observe := binding.LogEvents(book.logger(slog.LevelInfo))
				tell := func() (all []told) {
					for _, r := range book.records(t) {
						reason, _ := r["reason"].(string)
						client, _ := r["client_id"].(string)
						suppressed, _ := r["suppressed"].(float64)
						all = append(all, told{r["msg"].(string), reason, client, suppressed})
						if suppressed > 0 {
							since, err := time.Parse(time.RFC3339Nano, r["since"].(string))
							require.NoError(t, err)
							require.Equal(t, "2000-01-01T00:00:00Z", since.UTC().Format(time.RFC3339Nano))
						}
					}
					return all
				}
				for range 100 {
					observe(t.Context(), thief)
				}
				observe(t.Context(), other)
				observe(t.Context(), other)
				for range 10 {
					observe(t.Context(), stale)
				}
				require.Equal(t, []told{
					{first, "thumbprint_mismatch", "client-1", 0}, {first, "thumbprint_mismatch", "client-2", 0}, {first, "token_expired", "", 0},
				}, tell())

				time.Sleep(time.Minute - time.Nanosecond)
				observe(t.Context(), acceptedEvent)
				require.Empty(t, tell(), "the minute is not over")
				time.Sleep(time.Nanosecond)
				observe(t.Context(), test.next)
				require.Equal(t, test.want, tell())
				time.Sleep(time.Hour)
				observe(t.Context(), acceptedEvent)
				require.Empty(t, tell(), "said once")
			})
		})
	}
}

// A flood of clients, which no attacker has without tokens for them, costs neither memory nor records without end, and hides
// no other reason.
func TestFloodOfClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var book logBook
		observe := binding.LogEvents(book.logger(slog.LevelInfo))
		const clients = 5_000
		for i := range clients {
			observe(t.Context(), refusedFor(binding.ReasonScopeMissing, fmt.Sprintf("client-%d", i)))
		}
		observe(t.Context(), refusedFor(binding.ReasonThumbprintMismatch, "victim"))
		for i := range clients { // reasons that are in no list: a verifier's mistake
			observe(t.Context(), refusedFor(binding.Reason(fmt.Sprintf("reason %d", i)), ""))
		}
		time.Sleep(time.Hour)
		observe(t.Context(), acceptedEvent)
		records := book.records(t)
		require.Less(t, len(records), 500)
		written, suppressed, mismatches := 0, 0.0, 0
		for _, r := range records {
			if n, ok := r["suppressed"].(float64); ok {
				suppressed += n
				continue
			}
			written++
			if r["reason"] == "thumbprint_mismatch" {
				mismatches++
			}
		}
		require.Equal(t, 1, mismatches)
		require.Equal(t, 2*clients+1, written+int(suppressed), "nothing is lost")
	})
}

func TestNothingIsLostBetweenRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var book logBook
		observe := binding.LogEvents(book.logger(slog.LevelInfo))
		const clients, requests = 20, 200
		var running sync.WaitGroup
		for i := range clients {
			running.Go(func() {
				for range requests {
					observe(t.Context(), refusedFor(binding.ReasonTokenExpired, ""))
					time.Sleep(time.Duration(i+1) * time.Second / 2)
				}
			})
		}
		running.Wait()
		time.Sleep(time.Minute)
		observe(t.Context(), acceptedEvent)
		told := 0
		for _, r := range book.records(t) {
			if n, ok := r["suppressed"].(float64); ok {
				told += int(n)
			} else {
				told++
			}
		}
		require.Equal(t, clients*requests, told)
	})
}

// What tells an operator something new is no repeat: another certificate, another cause.
func TestAnotherCauseOrCertificateIsNoRepeat(t *testing.T) {
	t.Parallel()
	mismatch := func(presented byte) binding.Event {
		event := refusedFor(binding.ReasonThumbprintMismatch, "client-1")
		event.Err.Expected, event.Err.Presented = binding.Thumbprint{9}, binding.Thumbprint{presented}
		return event
	}
	caused := func(cause string) binding.Event {
		event := refusedFor(binding.ReasonForwardedUntrusted, "client-1")
		event.Err.Cause = errors.New(cause)
		return event
	}
	synctest.Test(t, func(t *testing.T) {
		var book logBook
		observe := binding.LogEvents(book.logger(slog.LevelInfo))
		for range 2 {
			for _, event := range []binding.Event{mismatch(1), mismatch(2), caused("one"), caused("other"), refusedFor(binding.ReasonForwardedUntrusted, "client-1")} {
				observe(t.Context(), event)
			}
		}
		require.Len(t, book.records(t), 5)
		time.Sleep(time.Minute)
		observe(t.Context(), acceptedEvent)
		var told []string
		for _, record := range book.records(t) {
			require.Equal(t, "more requests refused", record["msg"])
			require.EqualValues(t, 1, record["suppressed"])
			told = append(told, fmt.Sprint(record["presented"], " ", record["cause"]))
		}
		require.ElementsMatch(t, []string{
			binding.Thumbprint{1}.String() + " <nil>", binding.Thumbprint{2}.String() + " <nil>", "<nil> one", "<nil> other", "<nil> <nil>",
		}, told)
	})
}

// Two thieves with keys of their own are two lines, as two certificates are.
func TestPresentedKeysAreToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var book logBook
		observe := binding.LogEvents(book.logger(slog.LevelInfo))
		for _, owner := range []string{"mallory", "eve", "mallory"} {
			mismatch := refusedFor(binding.ReasonProofKeyMismatch, "client-1")
			mismatch.Err.ExpectedKey, mismatch.Err.PresentedKey = keyOf("alice"), keyOf(owner)
			observe(t.Context(), mismatch)
		}
		records := book.records(t)
		require.Len(t, records, 2)
		require.Equal(t, keyOf("alice").String(), records[0]["expected_key"])
		require.Equal(t, keyOf("mallory").String(), records[0]["presented_key"])
		require.Equal(t, keyOf("eve").String(), records[1]["presented_key"])
	})
}
