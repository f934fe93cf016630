package introspection_test

import (
	"context"
	"crypto/elliptic"
	"crypto/tls"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/introspection"
)

// withoutPanicNil has recover return nil after panic(nil), as it did before Go 1.21 and does in an application that says
// so (//go:debug panicnil=1, or a go.mod of those days).
func withoutPanicNil(t *testing.T) {
	t.Helper()
	t.Setenv("GODEBUG", "panicnil=1")
	defer func() { require.Nil(t, recover()) }()
	panicsWithNil()
	t.Fatal("it did not panic")
}

func panicsWithNil() { var none any; panic(none) }

func TestPanicWithNilIsAFailure(t *testing.T) { // not parallel: the setting is the process's
	withoutPanicNil(t)
	t.Run("of a Transport", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &server{answer: func(*http.Request, string) (*http.Response, error) { panicsWithNil(); return nil, nil }}
			v := newVerifier(t, config(s))
			got, err := v.VerifyToken(t.Context(), canary)
			requireReason(t, err, binding.ReasonUnavailable)
			require.Nil(t, got)
		})
	})
	t.Run("of a Transport, over metadata", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			told := &events{}
			c := discovering(&server{other: func(*http.Request) (*http.Response, error) { panicsWithNil(); return nil, nil }})
			c.Observe = told.observe
			v := newVerifier(t, c)
			_, err := v.VerifyToken(t.Context(), canary)
			require.ErrorIs(t, err, introspection.ErrNotReady)
			synctest.Wait()
			require.Equal(t, introspection.MetadataFailed, told.all()[0].Kind)
		})
	})
	t.Run("of a SigningKey", func(t *testing.T) {
		c := config(&server{})
		c.AuthMethod, c.ClientSecret = introspection.PrivateKeyJWT, ""
		c.SigningKey = brokenKey{hsm{ecdsaKey(t, elliptic.P256())}, func() ([]byte, error) { panicsWithNil(); return nil, nil }}
		_, err := newVerifier(t, c).VerifyToken(t.Context(), canary)
		requireReason(t, err, binding.ReasonUnavailable)
	})
	t.Run("of GetClientCertificate", func(t *testing.T) {
		as := newAuthorizationServer(t, bindingtest.Config{})
		c := configFor(as)
		c.AuthMethod, c.ClientSecret = introspection.TLSClientAuth, ""
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { panicsWithNil(); return nil, nil }
		_, err := newVerifier(t, c).VerifyToken(t.Context(), canary)
		requireReason(t, err, binding.ReasonUnavailable)
	})
}

func exits(*http.Request, string) (*http.Response, error) { runtime.Goexit(); return nil, nil }

// within asks for half a second at most.
func within(t *testing.T, v *introspection.Verifier, token string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
	defer cancel()
	_, err := v.VerifyToken(ctx, token)
	return err
}

// A clock that fails for a while fails the requests that read it meanwhile; no
// goroutine of ours ends the process for it, and the memory is swept afterwards.
func TestClockThatDoesNotReturn(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(){"panics": func() { panic("the clock's own fault") }, "ends its goroutine": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var broken atomic.Bool
				var read atomic.Int64
				c := config(&server{answer: always(http.StatusOK, text(good(nil)))})
				c.Clock = func() time.Time {
					read.Add(1)
					if broken.Load() {
						leave()
					}
					return time.Now()
				}
				v := newVerifier(t, c)
				require.NoError(t, within(t, v, canary))
				broken.Store(true)
				for range 3 { // times that the memory is swept
					before := read.Load()
					time.Sleep(10 * time.Second)
					synctest.Wait()
					require.Equal(t, before+1, read.Load())
				}
				broken.Store(false)
				require.NoError(t, within(t, v, canary))
			})
		})
	}
}

func TestTransportThatEndsTheGoroutineKeepsNoPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := &events{}
		s := &server{answer: exits}
		c := config(s)
		c.MaxInFlight, c.Observe = 2, told.observe
		v := newVerifier(t, c)
		start := time.Now()
		for _, token := range []string{"one", "another", canary, canary} {
			requireReason(t, within(t, v, token), binding.ReasonUnavailable)
			synctest.Wait()
		}
		require.Equal(t, start, time.Now(), "at once")
		require.Equal(t, 4, told.count(introspection.CallFailed))
		s.set(func(s *server) { s.answer = always(http.StatusOK, text(good(nil))) })
		require.NoError(t, within(t, v, canary))
	})
}

func TestProbeThatEndsItsGoroutineIsNotTheLast(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, s *server, _ *events, l *load) {
		s.set(func(s *server) { s.refuse = true })
		for range 5 {
			require.Error(t, l.next(t))
		}
		time.Sleep(time.Second)
		s.set(func(s *server) { s.refuse, s.answer = false, exits })
		requireReason(t, within(t, l.v, canary), binding.ReasonUnavailable)
		s.set(func(s *server) { s.answer = always(http.StatusOK, text(good(nil))) })
		require.NoError(t, within(t, l.v, canary))
	})
}

func TestMetadataIsReadAgainAfterAGoroutineWasEnded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		other   func(*http.Request) (*http.Response, error)
		observe func(introspection.Event)
	}{
		"by a Transport":  {func(*http.Request) (*http.Response, error) { runtime.Goexit(); return nil, nil }, nil},
		"by the observer": {away, func(introspection.Event) { runtime.Goexit() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{other: test.other, answer: always(http.StatusOK, text(good(nil)))}
				c := discovering(s)
				c.Observe = test.observe
				v := newVerifier(t, c)
				start := time.Now()
				require.ErrorIs(t, within(t, v, canary), introspection.ErrNotReady)
				require.Equal(t, start, time.Now(), "at once")
				s.set(func(s *server) { s.other = serve(http.StatusOK, document(nil)) })
				time.Sleep(time.Minute)
				require.NoError(t, v.Ready())
				require.NoError(t, within(t, v, canary))
			})
		})
	}
}

func TestObserverThatEndsItsGoroutineKeepsNoPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := config(&server{answer: always(http.StatusOK, text(good(nil)))})
		c.MaxInFlight, c.Observe = 1, func(introspection.Event) { runtime.Goexit() }
		v := newVerifier(t, c)
		for _, token := range []string{"one", "another", canary} {
			require.NoError(t, within(t, v, token))
			synctest.Wait()
		}
	})
}
