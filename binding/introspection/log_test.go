package introspection_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/introspection"
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

func TestLogWithoutALogger(t *testing.T) {
	t.Parallel()
	require.NotPanics(t, func() { introspection.LogEvents(nil)(introspection.Event{Kind: introspection.TokenActive}) }) // at Debug
}

func TestLogOfEvents(t *testing.T) {
	t.Parallel()
	no := errors.New("status 400")
	for _, test := range []struct {
		event introspection.Event
		want  string
	}{
		{introspection.Event{Kind: introspection.TokenActive, Duration: time.Second},
			`level=DEBUG msg="token introspected" kind=token_active iss=https://auth.example duration=1s`},
		{introspection.Event{Kind: introspection.TokenInactive},
			`level=DEBUG msg="token introspected" kind=token_inactive iss=https://auth.example`},
		{introspection.Event{Kind: introspection.CallFailed, Err: no},
			`level=ERROR msg="introspection failed" kind=call_failed iss=https://auth.example error="status 400"`},
		{introspection.Event{Kind: introspection.CredentialsRefused, Err: no},
			`level=ERROR msg="the authorization server refuses our credentials" kind=credentials_refused iss=https://auth.example error="status 400"`},
		{introspection.Event{Kind: introspection.BreakerOpened, Err: no, RetryAfter: time.Minute},
			`level=ERROR msg="the authorization server is away" kind=breaker_opened iss=https://auth.example error="status 400" retry_after=1m0s`},
		{introspection.Event{Kind: introspection.CallFailed, Err: no, Lost: 3},
			`level=ERROR msg="introspection failed" kind=call_failed iss=https://auth.example error="status 400" lost=3`},
		{introspection.Event{Kind: introspection.BreakerClosed},
			`level=INFO msg="the authorization server is back" kind=breaker_closed iss=https://auth.example`},
		{introspection.Event{Kind: introspection.MetadataRead},
			`level=INFO msg="metadata read" kind=metadata_read iss=https://auth.example`},
		{introspection.Event{Kind: introspection.MetadataRead, Usable: true, Outage: time.Minute},
			`level=INFO msg="metadata read, after fetches had failed" kind=metadata_read iss=https://auth.example outage=1m0s`},
		{introspection.Event{Kind: introspection.MetadataFailed, Usable: true, Err: no, RetryAfter: time.Second},
			`level=WARN msg="metadata not read" kind=metadata_failed iss=https://auth.example error="status 400" retry_after=1s`},
		{introspection.Event{Kind: introspection.MetadataFailed, Err: no, RetryAfter: time.Second},
			`level=ERROR msg="metadata not read, and no endpoint to ask" kind=metadata_failed iss=https://auth.example error="status 400" retry_after=1s`},
		{introspection.Event{Kind: introspection.TokensNotBound},
			`level=WARN msg="the issuer does not say that it binds tokens to certificates" kind=tokens_not_bound iss=https://auth.example`},
		{introspection.Event{Kind: "a kind to come"},
			`level=ERROR msg=introspection kind="a kind to come" iss=https://auth.example`},
	} {
		t.Run(string(test.event.Kind), func(t *testing.T) {
			t.Parallel()
			test.event.Issuer = issuer
			logger, written := textLogger(slog.LevelDebug)
			introspection.LogEvents(logger)(test.event)
			require.Equal(t, test.want+"\n", written.String())
			written.Reset()
			logger.Info("mine", "event", test.event)
			require.Contains(t, written.String(), " event.kind="+strings.Split(strings.SplitAfter(test.want, "kind=")[1], " iss=")[0])
		})
	}
}

// A flood of made-up tokens that a server cannot answer is one record, and a count.
func TestLogOfAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: always(400, `{"error":"invalid_request"}`)}
		logger, written := textLogger(slog.LevelInfo)
		c := config(s)
		c.Observe = introspection.LogEvents(logger)
		v := newVerifier(t, c)
		for i := range 100 {
			_, err := v.VerifyToken(t.Context(), fmt.Sprintf("%s-%d", canary, i))
			require.Error(t, err)
			synctest.Wait() // events for which the observer is too slow are dropped
		}
		require.Equal(t, 1, strings.Count(written.String(), "\n"), written)
		require.NotContains(t, written.String(), canary, "a token")
		require.Contains(t, written.String(), `msg="introspection failed"`)

		written.Reset()
		s.set(func(s *server) { s.answer = always(200, `{"active":false}`) })
		time.Sleep(time.Minute)
		_, err := v.VerifyToken(t.Context(), "another")
		require.Error(t, err)
		synctest.Wait()
		require.Equal(t, `level=ERROR msg="more calls failed" suppressed=99 since=2000-01-01T00:00:00.000Z kind=call_failed iss=https://auth.example`+"\n", written.String())
	})
}

func TestLogOfCredentialsThatAreRefused(t *testing.T) {
	t.Parallel()
	logger, written := textLogger(slog.LevelInfo)
	observe := introspection.LogEvents(logger)
	for range 10 { // once for each token
		observe(introspection.Event{Kind: introspection.CredentialsRefused, Issuer: issuer, Err: errors.New("status 401")})
	}
	require.Equal(t, 1, strings.Count(written.String(), "\n"))
}

func TestLogOfAnErrorOfTheServers(t *testing.T) {
	t.Parallel()
	logger, written := textLogger(slog.LevelInfo)
	introspection.LogEvents(logger)(introspection.Event{
		Kind: introspection.CallFailed, Issuer: issuer, Err: errors.New("\x1b[2J\r\nlevel=INFO" + strings.Repeat("x", 1<<20)),
	})
	require.Less(t, written.Len(), 2_000)
	require.Equal(t, 1, strings.Count(written.String(), "\n"))
	require.NotContains(t, written.String(), "\x1b")
}
