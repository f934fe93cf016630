package jwks_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks"
)

// textLogger writes to a buffer, without the time.
func textLogger(level slog.Level) (*slog.Logger, *bytes.Buffer) {
	var written bytes.Buffer
	return slog.New(slog.NewTextHandler(&written, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})), &written
}

func TestLogOfKeys(t *testing.T) {
	t.Parallel()
	const iss = "https://issuer.example"
	for name, test := range map[string]struct {
		event jwks.Event
		want  string
	}{
		"the first": {jwks.Event{Kind: jwks.KeysFetched, Keys: 2, Added: []string{"a", ""}, Usable: true},
			`level=INFO msg="keys fetched" iss=https://issuer.example keys=2 added="[a ]" duration=1s`},
		"nothing new": {jwks.Event{Kind: jwks.KeysFetched, Keys: 2, Usable: true},
			`level=DEBUG msg="keys fetched, and none changed" iss=https://issuer.example keys=2 duration=1s`},
		"a rotation, and a key that is not used": {jwks.Event{Kind: jwks.KeysFetched, Keys: 1, Added: []string{"b"}, Removed: []string{"a"}, Usable: true,
			Ignored: []jwks.IgnoredKey{{KeyID: "odd", Problem: errors.New("symmetric")}}},
			`level=INFO msg="keys fetched" iss=https://issuer.example keys=1 added=[b] removed=[a] ignored="[odd: symmetric]" duration=1s`},
		"metadata that is away, and its key set is not": {jwks.Event{Kind: jwks.KeysFetched, Keys: 2, Unread: errors.New("status 503"), Usable: true},
			`level=WARN msg="keys fetched from where they were: the metadata was not read" iss=https://issuer.example keys=2 error="status 503" duration=1s`},
		"a failure while keys serve": {jwks.Event{Kind: jwks.KeysFailed, Err: errors.New("status 500"), Usable: true},
			`level=WARN msg="keys not fetched" iss=https://issuer.example error="status 500" usable=true duration=1s`},
		"a failure while stale keys serve": {jwks.Event{Kind: jwks.KeysFailed, Err: errors.New("no"), Usable: true, StaleSince: faultNoon, Lost: 3},
			`level=WARN msg="keys not fetched" iss=https://issuer.example error=no usable=true stale_since=2030-06-01T12:00:00.000Z duration=1s lost=3`},
		"a failure, and how long the keys serve": {jwks.Event{Kind: jwks.KeysFailed, Err: errors.New("no"), Usable: true, ServeUntil: faultNoon},
			`level=WARN msg="keys not fetched" iss=https://issuer.example error=no usable=true serve_until=2030-06-01T12:00:00.000Z duration=1s`},
		"the end of an outage": {jwks.Event{Kind: jwks.KeysFetched, Keys: 2, Usable: true, Outage: time.Hour},
			`level=INFO msg="keys fetched, after fetches had failed" iss=https://issuer.example keys=2 outage=1h0m0s duration=1s`},
		"a failure without keys": {jwks.Event{Kind: jwks.KeysFailed, Err: errors.New("no")},
			`level=ERROR msg="keys not fetched, and none serve" iss=https://issuer.example error=no usable=false duration=1s`},
		"unknown keys that nobody looks for": {jwks.Event{Kind: jwks.KeyFetchLimited, Tokens: 7, Usable: true},
			`level=WARN msg="unknown keys not looked for: the issuer was asked as often as is permitted" iss=https://issuer.example tokens=7`},
		"tokens that are not bound": {jwks.Event{Kind: jwks.TokensNotBound, Usable: true},
			`level=WARN msg="the issuer does not say that it binds tokens to certificates" iss=https://issuer.example`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.event.Issuer, test.event.Duration = iss, time.Second
			logger, written := textLogger(slog.LevelDebug)
			jwks.LogEvents(logger)(test.event)
			require.Equal(t, test.want+"\n", written.String())
		})
	}
}

func TestLogOfAHostileIssuer(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 1<<20)
	event := jwks.Event{Kind: jwks.KeysFetched, Issuer: "https://issuer.example", Keys: 100}
	for range 100 {
		event.Added = append(event.Added, long)
		event.Removed = append(event.Removed, "\x1b[2J\r\nlevel=INFO\u202e")
		event.Ignored = append(event.Ignored, jwks.IgnoredKey{KeyID: long, Problem: errors.New(long)})
	}
	for name, log := range map[string]func(*slog.Logger){
		"LogEvents": func(logger *slog.Logger) { jwks.LogEvents(logger)(event) },
		"LogValue":  func(logger *slog.Logger) { logger.Info("mine", "event", event) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			logger, written := textLogger(slog.LevelDebug)
			log(logger)
			require.Less(t, written.Len(), 20_000)
			require.Equal(t, 1, strings.Count(written.String(), "\n"))
			require.NotContains(t, written.String(), "\x1b")
			require.NotContains(t, written.String(), "\u202e")
			require.Contains(t, written.String(), "and 90 more")
		})
	}
}

func TestLogOfAHostileError(t *testing.T) {
	t.Parallel()
	for _, hostile := range []string{strings.Repeat("x", 1<<20), "\x1b[2J\r\nlevel=INFO", "\xff"} {
		// The handler that quotes nothing is the strictest: what it is given is on the screen.
		value := jwks.Event{Kind: jwks.KeysFailed, Issuer: "https://issuer.example", Err: errors.New(hostile)}.LogValue()
		require.Less(t, len(value.String()), 1_000)
		for _, part := range []string{hostile, "\x1b", "\n", "\xff"} {
			require.NotContains(t, value.String(), part)
		}
	}
}

// Of failures for the same reason one a minute is written, with how many were not; another reason is written at once.
func TestLogOfFailuresThatRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, written := textLogger(slog.LevelInfo)
		observe := jwks.LogEvents(logger)
		fails := func(cause string) string {
			written.Reset()
			observe(jwks.Event{Kind: jwks.KeysFailed, Issuer: "https://issuer.example", Err: errors.New(cause), Usable: true})
			return written.String()
		}
		require.Contains(t, fails("away"), "error=away")
		require.Empty(t, fails("away"))
		time.Sleep(time.Minute - time.Nanosecond)
		require.Empty(t, fails("away"))
		time.Sleep(time.Nanosecond)
		require.Contains(t, fails("away"), "repeated=2")
		time.Sleep(time.Minute)
		require.NotContains(t, fails("away"), "repeated")
		require.Contains(t, fails("empty"), "error=empty")
		require.Contains(t, fails("away"), "error=away")
	})
}

// One observer may be that of many verifiers: what is told of one issuer is not counted as another's, nor written for it anew.
func TestLogOfFailuresOfSeveralIssuers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, written := textLogger(slog.LevelInfo)
		observe := jwks.LogEvents(logger)
		fails := func(issuer int) string {
			written.Reset()
			observe(jwks.Event{Kind: jwks.KeysFailed, Issuer: fmt.Sprintf("https://%d.example", issuer), Err: fmt.Errorf("no answer of %d", issuer)})
			return written.String()
		}
		for issuer := range 1_000 {
			require.Contains(t, fails(issuer), "no answer")
		}
		for issuer := range 1_000 {
			require.Empty(t, fails(issuer))
			require.Empty(t, fails(issuer%3))
		}
		time.Sleep(time.Minute)
		require.Contains(t, fails(999), "repeated=1")
		require.Empty(t, fails(999))
		require.Contains(t, fails(1_000), "no answer")
		require.Contains(t, fails(999), "no answer", "beyond a thousand they are told anew")
		require.Empty(t, fails(999))
	})
}

// Keys that come or go are written each time, whether or not the metadata was read.
func TestLogOfFetchesThatRepeat(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		event   jwks.Event
		written int
	}{
		"keys that come":                    {jwks.Event{Kind: jwks.KeysFetched, Added: []string{"a"}}, 3},
		"keys that come, without metadata":  {jwks.Event{Kind: jwks.KeysFetched, Added: []string{"a"}, Unread: errors.New("away")}, 3},
		"keys that go, without metadata":    {jwks.Event{Kind: jwks.KeysFetched, Removed: []string{"a"}, Unread: errors.New("away")}, 3},
		"nothing changes, without metadata": {jwks.Event{Kind: jwks.KeysFetched, Unread: errors.New("away")}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			logger, written := textLogger(slog.LevelInfo)
			observe := jwks.LogEvents(logger)
			for range 3 {
				observe(test.event)
			}
			require.Equal(t, test.written, strings.Count(written.String(), "\n"))
		})
	}
}

// A failure that the logger's level keeps out is not the last that was written.
func TestLogOfFailuresBelowTheLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, written := textLogger(slog.LevelError)
		observe := jwks.LogEvents(logger)
		fails := func(usable bool) {
			observe(jwks.Event{Kind: jwks.KeysFailed, Err: errors.New("away"), Usable: usable})
		}
		fails(false)
		fails(true)
		fails(false)
		require.Equal(t, 1, strings.Count(written.String(), "\n"), "one in a minute")
		time.Sleep(time.Minute)
		fails(false)
		require.Contains(t, written.String(), "repeated=1")
	})
}

// What is as long as may be is written whole.
func TestLogOfTheLongest(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("k", 200)
	event := jwks.Event{Kind: jwks.KeysFetched, Issuer: longest, Added: slices.Repeat([]string{"a"}, 10)}
	require.Contains(t, event.LogValue().String(), "iss="+longest+" ")
	require.NotContains(t, event.LogValue().String(), "more")
	event.Issuer += "k"
	event.Added = append(event.Added, "b")
	require.Contains(t, event.LogValue().String(), `iss="`+longest+`"... `)
	require.Contains(t, event.LogValue().String(), "a and 1 more")
}

func TestLogWithoutALogger(t *testing.T) {
	t.Parallel()
	require.NotPanics(t, func() { jwks.LogEvents(nil)(jwks.Event{Kind: jwks.KeysFetched}) }) // at Debug
}

// A day with an issuer: what somebody reads who left the level at Info.
func TestLogOfADay(t *testing.T) {
	a, b := newFaultKey("a"), newFaultKey("b")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		logger, written := textLogger(slog.LevelInfo)
		v := newFaultVerifier(t, issuer, network.transport(t), func(c *jwks.Config) { c.Observe = jwks.LogEvents(logger) })
		v.accepts(t, a.token(issuer.url))
		time.Sleep(6 * time.Hour)
		issuer.publish(b)
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		lines := strings.Split(strings.TrimSpace(written.String()), "\n")
		require.Len(t, lines, 2, "the fetches that brought nothing new are not told")
		require.Contains(t, lines[0], "added=[a]")
		require.Contains(t, lines[1], "added=[b] removed=[a]")

		written.Reset()
		issuer.answer(status(http.StatusInternalServerError, "c2VjcmV0"))
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		require.Contains(t, written.String(), `level=WARN msg="keys not fetched"`)
		require.Contains(t, written.String(), `level=ERROR msg="keys not fetched, and none serve"`)
		require.NotContains(t, written.String(), "c2VjcmV0")
		require.Less(t, strings.Count(written.String(), "\n"), 25*60+10, "one in a minute")
		require.Contains(t, written.String(), "repeated=")
	}, a)
}
