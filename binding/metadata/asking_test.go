package metadata_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/metadata"
)

// M/384: a server that negotiates finds its type.
func TestAccept(t *testing.T) {
	t.Parallel()
	server, client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for _, accepted := range strings.Split(r.Header.Get("Accept"), ", ") {
			if accepted == strings.TrimPrefix(r.URL.Path, "/") {
				_, _ = w.Write([]byte(`{"keys":[]}`))
				return
			}
		}
		w.WriteHeader(http.StatusNotAcceptable)
	})
	for _, accepted := range []string{"application/jwk-set+json", "application/json"} {
		_, err := client.GetKeySet(t.Context(), server.URL+"/"+accepted)
		require.NoError(t, err)
	}
	_, err := client.Get(t.Context(), server.URL+"/application/json")
	require.NoError(t, err)
	_, err = client.Get(t.Context(), server.URL+"/text/html")
	require.ErrorIs(t, err, metadata.ErrStatus)
}

func TestUserAgentIsOurs(t *testing.T) {
	t.Parallel()
	server, client := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.UserAgent())) })
	got, err := client.Get(t.Context(), server.URL)
	require.NoError(t, err)
	require.Regexp(t, `\Acertbound(/[0-9A-Za-z.+-]+)?\z`, string(got))
	inner := client.Transport
	client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.Header.Set("User-Agent", "bank/1")
		return inner.RoundTrip(r)
	})
	got, err = client.Get(t.Context(), server.URL)
	require.NoError(t, err)
	require.Equal(t, "bank/1", string(got))
}

// What is no key set is told with where it came from.
func TestGetKeySetIsAnObject(t *testing.T) {
	t.Parallel()
	for body, ok := range map[string]bool{`{"keys":[]}`: true, " \r\n\t{": true, "<html>": false, "": false, "null": false, `"{}"`: false, "[{}]": false, "\ufeff{}": false} {
		server, client := serve(t, answer(body))
		document, err := client.GetKeySet(t.Context(), server.URL)
		if ok {
			require.NoError(t, err)
			require.Equal(t, body, string(document))
			continue
		}
		require.Nil(t, document)
		require.ErrorIs(t, err, metadata.ErrNoJSON)
		require.ErrorContains(t, err, "GET "+server.URL)
	}
}

// A Transport is anybody's code, and so is the body that it returns.
func TestTransportThatDoesNotReturn(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(){
		"a panic": func() { panic("secret") },
		"Goexit":  runtime.Goexit,
	} {
		for where, transport := range map[string]http.RoundTripper{
			"RoundTrip": roundTrip(func(*http.Request) (*http.Response, error) {
				end()
				return nil, nil
			}),
			"the body": roundTrip(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Body: ending{end}, Request: r}, nil
			}),
		} {
			t.Run(name+" in "+where, func(t *testing.T) {
				t.Parallel()
				client := metadata.Client{Transport: transport}
				body, err := client.Get(t.Context(), "https://auth.example/a")
				require.Nil(t, body)
				require.ErrorIs(t, err, metadata.ErrTransport)
				require.ErrorContains(t, err, "GET https://auth.example/a")
				require.NotContains(t, err.Error(), "secret")
			})
		}
	}
}

type ending struct{ end func() }

func (e ending) Read([]byte) (int, error) {
	e.end()
	return 0, io.EOF
}

func (e ending) Close() error { return nil }

// A counting transport says when its connections were ended.
type counting struct {
	answer func(*http.Request) (*http.Response, error)
	closed int
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Close {
		c.closed++
	}
	return c.answer(r)
}

func (c *counting) CloseIdleConnections() { c.closed++ }

// Connections are ended where one had no answer, with the next request, and once in two seconds.
func TestWhenConnectionsAreEnded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer func(*http.Request) (*http.Response, error)
		ends   bool
	}{
		"no answer on a connection": {func(r *http.Request) (*http.Response, error) {
			connected(r)
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, true},
		"no connection": {func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, false},
		"given up by the caller": {func(r *http.Request) (*http.Response, error) {
			connected(r)
			return nil, context.Canceled
		}, false},
		"a status": {func(r *http.Request) (*http.Response, error) {
			connected(r)
			return &http.Response{StatusCode: 500, Body: http.NoBody, Request: r}, nil
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				transport := &counting{answer: test.answer}
				client := metadata.Client{Transport: transport}
				ask := func() { _, _ = client.Get(t.Context(), "https://auth.example/a") }
				ask()
				require.Zero(t, transport.closed)
				ask()
				if !test.ends {
					require.Zero(t, transport.closed)
					return
				}
				require.Equal(t, 2, transport.closed, "the idle ones, and the one of the request")
				transport.answer = func(r *http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
				}
				client.Timeout = metadata.DefaultTimeout
				ask() // for the second that had no answer, 5 seconds later
				require.Equal(t, 4, transport.closed)
				ask()
				require.Equal(t, 4, transport.closed)
				client.EndConnections()
				ask()
				require.Equal(t, 4, transport.closed, "not yet")
				time.Sleep(2*time.Second - 1)
				ask()
				require.Equal(t, 4, transport.closed, "not yet")
				time.Sleep(time.Nanosecond)
				ask()
				require.Equal(t, 6, transport.closed)
			})
		})
	}
}

// A slow transport takes a while to end its idle connections, and says when.
type slow struct {
	mu     sync.Mutex
	events []string // with the time since start
	start  time.Time
}

func (s *slow) tell(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, fmt.Sprint(time.Since(s.start), " ", what))
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	s.tell("asked")
	return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
}

func (s *slow) CloseIdleConnections() {
	s.tell("ending")
	time.Sleep(time.Second)
	s.tell("ended")
}

// What was given up just now is not idle yet, so the end waits for it; and who asks meanwhile waits for the end, which would leave
// them the old connection.
func TestRequestsWaitForTheEndOfConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		transport := &slow{start: time.Now()}
		client := metadata.Client{Transport: transport}
		client.EndConnections()
		var all sync.WaitGroup
		ask := func() {
			_, err := client.Get(t.Context(), "https://auth.example/a")
			require.NoError(t, err)
		}
		all.Go(ask)
		synctest.Wait()
		all.Go(ask)
		all.Wait()
		require.Equal(t, []string{"50ms ending", "1.05s ended", "1.05s asked", "1.05s asked"}, transport.events)
		ask()
		require.Len(t, transport.events, 5)
	})
}
