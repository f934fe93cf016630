package metadata_test

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/metadata"
)

func TestGet(t *testing.T) {
	t.Parallel()
	for _, mediaType := range []string{"text/html", "application/jwt"} { // I/236: its type is not looked at
		server, client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			_, _ = w.Write([]byte(r.Method + " " + r.URL.String() + " " + r.Header.Get("Accept") +
				r.Header.Get("Authorization") + r.Header.Get("Content-Type")))
		})
		body, err := client.Get(t.Context(), server.URL+"/jwks?a=b")
		require.NoError(t, err)
		require.Equal(t, "GET /jwks?a=b application/json", string(body))
	}
}

func TestGetStatus(t *testing.T) {
	t.Parallel()
	for _, status := range []int{201, 202, 203, 204, 206, 300, 304, 400, 401, 403, 404, 410, 418, 429, 500, 502, 503} {
		server, client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			if status != 204 && status != 304 {
				_, _ = w.Write([]byte(`{"error":"invalid_client"}`))
			}
		})
		body, err := client.Get(t.Context(), server.URL)
		require.Nil(t, body)
		require.ErrorIs(t, err, metadata.ErrStatus)
		var refused *metadata.StatusError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, status, refused.Status)
		require.Empty(t, refused.Code, "it is of answers to PostForm alone")
		require.Equal(t, server.URL, refused.URL)
		require.Contains(t, err.Error(), "GET "+server.URL)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var reached atomic.Int64
	target, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		_, _ = w.Write([]byte("{}"))
	})
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(plain.Close)
	for name, location := range map[string]string{
		"I/228 J/262 another host":   target.URL,
		"I/228 http":                 plain.URL,
		"I/228 the cloud":            "http://169.254.169.254/latest/meta-data/",
		"I/228 the same host":        "/elsewhere",
		"I/228 nowhere":              "",
		"I/228 a URL that is broken": "https://%zz/",
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			server, client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/elsewhere" {
					reached.Add(1)
					return
				}
				if location != "" {
					w.Header().Set("Location", location)
				}
				w.WriteHeader(status)
			})
			_, err := client.Get(t.Context(), server.URL+"/jwks")
			require.Error(t, err, name)
			if name != "I/228 a URL that is broken" {
				var refused *metadata.StatusError
				require.ErrorAs(t, err, &refused, name)
				require.Equal(t, status, refused.Status)
			}
		}
	}
	require.Zero(t, reached.Load())
	client := metadata.Client{Transport: target.Client().Transport}
	_, err := client.Get(t.Context(), target.URL) // the twin: asked directly it answers
	require.NoError(t, err)
	require.EqualValues(t, 1, reached.Load())
}

func TestGetBodyLimit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		limit, length int
		gzipped, big  bool
	}{
		"I/230 as long as the default":        {0, metadata.DefaultMaxBody, false, false},
		"I/230 a byte longer":                 {0, metadata.DefaultMaxBody + 1, false, true},
		"I/230 as long as a limit of 10":      {10, 10, false, false},
		"I/230 a byte longer than 10":         {10, 11, false, true},
		"I/231 gzip, decoded as long as this": {1000, 1000, true, false},
		"I/231 gzip, decoded a byte longer":   {1000, 1001, true, true},
		"I/231 a gzip bomb":                   {1 << 10, 1 << 20, true, true},
		"a negative limit admits nothing":     {-1, 1, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				chunk := []byte(strings.Repeat(" ", 1<<16))
				write := w.Write
				if test.gzipped {
					w.Header().Set("Content-Encoding", "gzip")
					z := gzip.NewWriter(w)
					defer func() { _ = z.Close() }()
					write = z.Write
				}
				for left := test.length; left > 0; left -= len(chunk) {
					if _, err := write(chunk[:min(left, len(chunk))]); err != nil {
						return
					}
				}
			})
			client.MaxBody = test.limit
			body, err := client.Get(t.Context(), server.URL)
			if test.big {
				require.Nil(t, body)
				require.ErrorIs(t, err, metadata.ErrTooBig)
				return
			}
			require.NoError(t, err)
			require.Len(t, body, test.length)
		})
	}
}

// What is over the limit is not even read.
func TestGetStopsReadingAtTheLimit(t *testing.T) {
	t.Parallel()
	const limit = 1 << 10
	for _, get := range []func(*metadata.Client, context.Context, string) ([]byte, error){
		(*metadata.Client).Get, (*metadata.Client).GetKeySet,
	} {
		body := &endless{}
		client := metadata.Client{MaxBody: limit, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, Request: r}, nil
		})}
		_, err := get(&client, t.Context(), issuer)
		require.ErrorIs(t, err, metadata.ErrTooBig)
		require.ErrorContains(t, err, "GET "+issuer)
		require.LessOrEqual(t, body.read, limit+1)
		require.True(t, body.closed)
	}
}

// A server that sees the caller hang up may end the body in good order.
func TestGetTakesNoBodyThatEndedWhenTheCallerGaveUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := metadata.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: ending{cancel}, Request: r}, nil
	})}
	body, err := client.Get(ctx, issuer)
	require.Nil(t, body)
	require.ErrorIs(t, err, context.Canceled)
}

// endless is a body of 64 MiB, so that a reader without a limit does end.
type endless struct {
	read   int
	closed bool
}

func (e *endless) Read(p []byte) (int, error) {
	if e.read > 64<<20 {
		return 0, io.EOF
	}
	e.read += len(p)
	return len(p), nil
}

func (e *endless) Close() error {
	e.closed = true
	return nil
}

func TestGetTimeout(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"I/223 J/262 it hangs": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"I/222 J/262 it hangs in the body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("{"))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, client := serve(t, handler)
			client.Timeout = 50 * time.Millisecond
			_, err := client.Get(t.Context(), server.URL)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	}
	t.Run("its context ends before", func(t *testing.T) {
		t.Parallel()
		asked := make(chan struct{})
		server, client := serve(t, func(_ http.ResponseWriter, r *http.Request) { close(asked); <-r.Context().Done() })
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-asked; cancel() }()
		_, err := client.Get(ctx, server.URL)
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("there is a default", func(t *testing.T) {
		t.Parallel()
		var left time.Duration
		client := metadata.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			deadline, ok := r.Context().Deadline()
			require.True(t, ok)
			left = time.Until(deadline)
			return nil, errors.New("that is all")
		})}
		_, err := client.Get(t.Context(), issuer)
		require.ErrorContains(t, err, "that is all")
		require.Greater(t, left, metadata.DefaultTimeout/2)
		require.LessOrEqual(t, left, metadata.DefaultTimeout)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestGetBroken(t *testing.T) {
	t.Parallel()
	t.Run("I/232 cut short", func(t *testing.T) {
		t.Parallel()
		server, client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("{}"))
		})
		body, err := client.Get(t.Context(), server.URL)
		require.Nil(t, body)
		require.ErrorContains(t, err, "unexpected EOF")
	})
	t.Run("I/232 gzip that is none", func(t *testing.T) {
		t.Parallel()
		server, client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte("{}"))
		})
		_, err := client.Get(t.Context(), server.URL)
		require.Error(t, err)
	})
	t.Run("I/224 refused", func(t *testing.T) {
		t.Parallel()
		server, client := serve(t, answer("{}"))
		server.Close()
		_, err := client.Get(t.Context(), server.URL)
		require.ErrorContains(t, err, "GET "+server.URL+": no connection: ")
	})
	t.Run("I/226 a certificate that nobody vouches for", func(t *testing.T) {
		t.Parallel()
		server, _ := serve(t, answer("{}"))
		_, err := new(metadata.Client).Get(t.Context(), server.URL)
		var untrusted *tls.CertificateVerificationError
		require.ErrorAs(t, err, &untrusted)
	})
	t.Run("response headers without end", func(t *testing.T) {
		t.Parallel()
		server, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Fill", strings.Repeat("a", 128<<10))
		})
		transport := metadata.NewTransport()
		transport.TLSClientConfig = &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
		t.Cleanup(transport.CloseIdleConnections)
		client := metadata.Client{Transport: transport}
		_, err := client.Get(t.Context(), server.URL)
		require.ErrorContains(t, err, "headers")
	})
}

func TestZeroClient(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(answer("{}"))
	t.Cleanup(server.Close)
	_, err := new(metadata.Client).Get(t.Context(), server.URL)
	require.ErrorIs(t, err, metadata.ErrURL)
	client := metadata.Client{DangerouslyAllowHTTP: true}
	body, err := client.Get(t.Context(), server.URL)
	require.NoError(t, err)
	require.Equal(t, "{}", string(body))
}

// An application may put another http.RoundTripper in the place of the default,
// or weaken it for its own purposes: neither is ours to inherit.
func TestNewTransportIsItsOwn(t *testing.T) { //nolint:paralleltest // it changes http.DefaultTransport
	before := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = before })
	http.DefaultTransport = roundTrip(before.RoundTrip)
	require.NotPanics(t, func() { metadata.NewTransport() })
	http.DefaultTransport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // that it has no effect
	own := metadata.NewTransport()
	require.False(t, own.TLSClientConfig.InsecureSkipVerify)
	require.EqualValues(t, tls.VersionTLS12, own.TLSClientConfig.MinVersion)
	require.NotNil(t, own.Proxy)
	require.NotSame(t, own, metadata.NewTransport())
}
