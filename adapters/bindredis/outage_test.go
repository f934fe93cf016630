package bindredis_test

import (
	"bufio"
	"context"
	"crypto/fips140"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindredis"
)

// standIn serves a connection as a server does that has no memory, and, while
// full, none to write to.
func standIn(conn net.Conn, full *atomic.Bool) {
	defer conn.Close()
	said := bufio.NewReader(conn)
	for {
		var words, length int
		if _, err := fmt.Fscanf(said, "*%d\r\n", &words); err != nil {
			return
		}
		command := make([]string, words)
		for i := range command {
			if _, err := fmt.Fscanf(said, "$%d\r\n", &length); err != nil {
				return
			}
			word := make([]byte, length+len("\r\n"))
			for n := range word {
				word[n], _ = said.ReadByte()
			}
			command[i] = string(word[:length])
		}
		answer := "+OK\r\n"
		switch command[0] {
		case "HELLO":
			answer = "%1\r\n+version\r\n+7.0.0\r\n"
		case "INFO":
			answer = "$19\r\nredis_version:7.0.0\r\n"
		case "CONFIG":
			answer = "%0\r\n"
		case "SET":
			if answer = "_\r\n"; full.Load() {
				answer = "-OOM command not allowed\r\n"
			}
		}
		if _, err := conn.Write([]byte(answer)); err != nil {
			return
		}
	}
}

// openStandIn makes a store whose connections a stand-in serves. Each begins with
// dialled.
func openStandIn(t *testing.T, log *journal, full *atomic.Bool, dialled func()) *bindredis.Store {
	t.Helper()
	config := bindredis.Config{Logger: slog.New(slog.NewTextHandler(log, nil))}
	config.Client.InitAddress, config.Client.ForceSingleClient = []string{"redis.internal:6379"}, true
	config.Client.DialCtxFn = func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
		dialled()
		ours, theirs := net.Pipe()
		go standIn(theirs, full)
		return ours, nil
	}
	store, err := bindredis.New(config)
	require.NoError(t, err)
	return store
}

// Where one of a cluster's shards is away, or a server is away now and then,
// answers and failures take turns: that is not told for each of them.
func TestOutagesThatTakeTurnsWithAnswers(t *testing.T) {
	t.Parallel()
	if fips140.Enabled() {
		t.Skip("the DRBG of FIPS 140-3 mode measures the time that it takes, which stands still here")
	}
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		log := new(journal)
		store := openStandIn(t, log, &full, func() {})
		defer store.Close()
		turn := func(fails bool) {
			t.Helper()
			full.Store(fails)
			_, err := store.Remember(t.Context(), [32]byte{1}, time.Minute)
			require.Equal(t, fails, err != nil, err)
		}
		const begins, ends = "cannot be looked up", "can be looked up again"
		told := func(begun, ended int) {
			t.Helper()
			require.Equal(t, [2]int{begun, ended}, [2]int{strings.Count(log.String(), begins), strings.Count(log.String(), ends)}, log.String())
		}

		turn(false)
		for range 500 {
			turn(true)
			time.Sleep(5 * time.Millisecond)
			turn(false)
			time.Sleep(5 * time.Millisecond)
		}
		told(1, 1)
		require.Equal(t, 1, strings.Count(log.String(), "outage=5ms"), log.String())

		// One that lasts is told, and since when it has.
		turn(true)
		began := time.Now()
		told(1, 1)
		time.Sleep(time.Minute)
		turn(true)
		told(2, 1)
		require.Equal(t, 1, strings.Count(log.String(), "short_outages_before=499"), log.String())
		require.Equal(t, 1, strings.Count(log.String(), "since="+began.Format("2006-01-02T15:04:05")), log.String())
		turn(true)
		turn(false)
		told(2, 2)
		require.Equal(t, 1, strings.Count(log.String(), "outage=1m0s"), log.String())

		// After a while without any, the next is told at once.
		time.Sleep(time.Minute)
		turn(true)
		told(3, 2)
		turn(false)
		told(3, 3)
	})
}

// A dialer of the user's that does not return costs the requests that wait for
// it, and no other.
func TestDialerThatDoesNotReturn(t *testing.T) {
	t.Parallel()
	if fips140.Enabled() {
		t.Skip("the DRBG of FIPS 140-3 mode measures the time that it takes, which stands still here")
	}
	for name, leave := range map[string]func(){"panics": func() { panic("the dialer's own fault") }, "ends its goroutine": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var full atomic.Bool
				var dials atomic.Int64
				store := openStandIn(t, new(journal), &full, func() {
					if dials.Add(1) == 1 {
						leave()
					}
				})
				defer store.Close()
				start := time.Now()
				_, err := store.Remember(t.Context(), [32]byte{1}, time.Minute)
				require.Error(t, err)
				require.Equal(t, start, time.Now(), "at once")
				first, err := store.Remember(t.Context(), [32]byte{1}, time.Minute)
				require.NoError(t, err)
				require.True(t, first)
			})
		})
	}
}
