package introspection_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/introspection"
	"github.com/certbound/certbound/binding/metadata"
)

// document is the issuer's metadata, with changes; a nil value removes a member.
func document(changes members) string {
	m := members{
		"issuer":                 issuer,
		"jwks_uri":               issuer + "/jwks",
		"introspection_endpoint": endpoint,
		"mtls_endpoint_aliases":  members{"introspection_endpoint": "https://mtls.auth.example/introspect"},
		"tls_client_certificate_bound_access_tokens": true,
	}
	for name, value := range changes {
		if m[name] = value; value == nil {
			delete(m, name)
		}
	}
	return text(m)
}

// discovering has the endpoint found in metadata.
func discovering(s *server) introspection.Config {
	c := config(s)
	c.URL = ""
	return c
}

func serve(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return reply(status, body), nil }
}

func away(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

// The rows are those of section J of the attack list, read for introspection_endpoint where they have jwks_uri.
func TestMetadataThatNamesNoEndpoint(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		document string
		cause    error
	}{
		"258 another issuer: slash": {document(members{"issuer": issuer + "/"}), metadata.ErrIssuer},
		"258 another issuer: case":  {document(members{"issuer": "https://AUTH.example"}), metadata.ErrIssuer},
		"258 another issuer: host":  {document(members{"issuer": "https://evil.example"}), metadata.ErrIssuer},
		"258 no issuer":             {document(members{"issuer": nil}), metadata.ErrIssuer},
		"260 no endpoint":           {document(members{"introspection_endpoint": nil}), nil},
		"260 over http":             {document(members{"introspection_endpoint": "http://auth.example/introspect"}), nil},
		"260 over http, elsewhere":  {document(members{"introspection_endpoint": "http://other.example/introspect"}), nil},
		"260 no string":             {document(members{"introspection_endpoint": []string{endpoint}}), nil},
		"260 with a user":           {document(members{"introspection_endpoint": "https://a:b@auth.example/introspect"}), nil},
		"261 an internal address":   {document(members{"introspection_endpoint": "https://169.254.169.254/introspect"}), nil},
		"261 our own machine":       {document(members{"introspection_endpoint": "https://localhost/introspect"}), nil},
		"262 HTML":                  {"<html>", metadata.ErrMalformed},
		"262 empty":                 {"", metadata.ErrMalformed},
		"262 huge":                  {document(nil) + strings.Repeat(" ", 512<<10), metadata.ErrTooBig},
		"264 signed metadata alone": {document(members{"introspection_endpoint": nil, "signed_metadata": "eyJ.eyJ."}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				told := &events{}
				s := &server{other: serve(http.StatusOK, test.document)}
				c := discovering(s)
				c.Observe = told.observe
				v := newVerifier(t, c)
				_, err := v.VerifyToken(t.Context(), canary)
				requireReason(t, err, binding.ReasonUnavailable)
				require.ErrorIs(t, err, introspection.ErrNotReady)
				if test.cause != nil {
					require.ErrorIs(t, err, test.cause)
				}
				require.ErrorIs(t, v.Ready(), introspection.ErrNotReady)
				require.Zero(t, s.calls(), "no token went anywhere")
				synctest.Wait()
				require.Equal(t, introspection.MetadataFailed, told.all()[0].Kind)
				require.Error(t, told.all()[0].Err)
			})
		})
	}
}

func TestMetadataPathsAreTriedInOrder(t *testing.T) { // 259
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: always(http.StatusOK, text(good(members{"iss": issuer + "/tenant1"})))}
		s.other = func(r *http.Request) (*http.Response, error) {
			if strings.HasPrefix(r.URL.Path, "/.well-known/") {
				return reply(http.StatusNotFound, ""), nil
			}
			return reply(http.StatusOK, document(members{"issuer": issuer + "/tenant1"})), nil
		}
		c := discovering(s)
		c.Issuer += "/tenant1"
		v := newVerifier(t, c)
		_, err := v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		require.Equal(t, []string{
			"/.well-known/oauth-authorization-server/tenant1", "/tenant1/.well-known/openid-configuration",
		}, s.paths)
	})
}

func TestMetadataFaultsAreNoReasonToLookElsewhere(t *testing.T) { // 259, 262
	t.Parallel()
	for name, status := range map[string]int{"500": 500, "429": 429, "204": 204} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{other: serve(status, document(nil))}
				v := newVerifier(t, discovering(s))
				_, err := v.VerifyToken(t.Context(), canary)
				require.ErrorIs(t, err, metadata.ErrStatus)
				require.Equal(t, "/.well-known/oauth-authorization-server", s.paths[0])
				require.NotContains(t, s.paths, "/.well-known/openid-configuration")
			})
		})
	}
}

func TestMetadataAtAnotherURL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: always(http.StatusOK, text(good(nil))), other: serve(http.StatusOK, document(nil))}
		c := discovering(s)
		c.MetadataURL = "https://elsewhere.example/metadata"
		_, err := newVerifier(t, c).VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		require.Equal(t, []string{"/metadata"}, s.paths)
	})
}

func TestEndpointOnAnotherHostOverHTTPS(t *testing.T) { // 260
	t.Parallel()
	s := &server{other: serve(http.StatusOK, document(members{"introspection_endpoint": "https://other.example/i"}))}
	var asked string
	s.answer = func(r *http.Request, _ string) (*http.Response, error) {
		asked = r.URL.String()
		return reply(http.StatusOK, text(good(nil))), nil
	}
	_, err := newVerifier(t, discovering(s)).VerifyToken(t.Context(), canary)
	require.NoError(t, err)
	require.Equal(t, "https://other.example/i", asked)
}

func TestWhatMetadataTurnsIntoOnRefresh(t *testing.T) { // 261
	t.Parallel()
	for name, other := range map[string]func(*http.Request) (*http.Response, error){
		"http":             serve(http.StatusOK, document(members{"introspection_endpoint": "http://auth.example/introspect"})),
		"internal address": serve(http.StatusOK, document(members{"introspection_endpoint": "https://10.0.0.1/introspect"})),
		"another issuer":   serve(http.StatusOK, document(members{"issuer": "https://evil.example"})),
		"away":             away,
		"404":              serve(http.StatusNotFound, ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				told := &events{}
				s := &server{other: serve(http.StatusOK, document(nil))}
				s.answer = func(r *http.Request, _ string) (*http.Response, error) {
					if r.URL.String() != endpoint {
						return nil, errors.New("not there")
					}
					return reply(http.StatusOK, text(good(nil))), nil
				}
				c := discovering(s)
				c.Observe = told.observe
				v := newVerifier(t, c)
				_, err := v.VerifyToken(t.Context(), canary)
				require.NoError(t, err)
				s.set(func(s *server) { s.other = other })
				time.Sleep(24 * time.Hour)
				require.NotZero(t, told.count(introspection.MetadataFailed))
				require.NoError(t, v.Ready())
				_, err = v.VerifyToken(t.Context(), canary)
				require.NoError(t, err, "the last good endpoint stays")
			})
		})
	}
}

func TestAnEndpointThatMovesIsFoundWithinElevenMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{other: serve(http.StatusOK, document(nil))}
		var asked string
		s.answer = func(r *http.Request, _ string) (*http.Response, error) {
			asked = r.URL.Path
			return reply(http.StatusOK, text(good(nil))), nil
		}
		v := newVerifier(t, discovering(s))
		_, err := v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		require.Equal(t, "/introspect", asked)
		s.set(func(s *server) {
			s.other = serve(http.StatusOK, document(members{"introspection_endpoint": issuer + "/moved"}))
		})
		time.Sleep(11*time.Minute + time.Second)
		_, err = v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		require.Equal(t, "/moved", asked)
		require.LessOrEqual(t, len(s.paths), 3)
	})
}

func TestTokensThatAreNotBoundAreToldOnceAndLoudly(t *testing.T) { // 263
	t.Parallel()
	for name, test := range map[string]struct {
		value any
		want  int
	}{"false": {false, 1}, "absent": {nil, 1}, "true": {true, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				told := &events{}
				s := &server{
					answer: always(http.StatusOK, text(good(members{"cnf": nil, "exp": nil}))),
					other:  serve(http.StatusOK, document(members{"tls_client_certificate_bound_access_tokens": test.value})),
				}
				c := discovering(s)
				c.Observe = told.observe
				v := newVerifier(t, c)
				time.Sleep(time.Hour)
				require.Equal(t, test.want, told.count(introspection.TokensNotBound))

				guard, err := binding.New(binding.Config{Tokens: v})
				require.NoError(t, err)
				_, err = guard.Check(from(bearer(canary), selfSigned(t, "app").Leaf))
				requireReason(t, err, binding.ReasonTokenUnbound) // still enforced
			})
		})
	}
}

func TestRequestsBeforeTheFirstMetadataJoinIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: always(http.StatusOK, text(good(nil)))}
		s.other = func(*http.Request) (*http.Response, error) {
			time.Sleep(2 * time.Second)
			return reply(http.StatusOK, document(nil)), nil
		}
		told, start := &events{}, time.Now()
		c := discovering(s)
		c.Observe = told.observe
		v := newVerifier(t, c)
		require.Equal(t, introspection.ErrNotReady, v.Ready(), "there is no cause yet")
		require.Equal(t, start, time.Now(), "New waits for nobody")
		_, err := v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		require.Equal(t, 2*time.Second, time.Since(start))
		require.NoError(t, v.Ready())
		synctest.Wait()
		require.Equal(t, 2*time.Second, told.of(introspection.MetadataRead)[0].Duration)
	})
}

func TestNoRequestWaitsForMetadataThatIsReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: always(http.StatusOK, text(good(members{"exp": nil}))), other: serve(http.StatusOK, document(nil))}
		v := newVerifier(t, discovering(s))
		_, err := v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		reading := false
		s.set(func(s *server) {
			s.other = func(r *http.Request) (*http.Response, error) {
				s.set(func(*server) { reading = true })
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
		})
		for begun := false; !begun; s.set(func(*server) { begun = reading }) {
			time.Sleep(time.Second)
		}
		start := time.Now()
		_, err = v.VerifyToken(t.Context(), "another")
		require.NoError(t, err)
		require.Equal(t, start, time.Now(), "at once")
	})
}

func TestMetadataThatHangsEndsWithTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.other = func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		v := newVerifier(t, discovering(s))
		start := time.Now()
		_, err := v.VerifyToken(t.Context(), canary)
		requireReason(t, err, binding.ReasonUnavailable)
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}

func TestServerThatIsDownAtTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := &events{}
		s := &server{answer: always(http.StatusOK, text(good(members{"exp": nil}))), other: away}
		c := discovering(s)
		c.Observe = told.observe
		v := newVerifier(t, c)
		synctest.Wait()
		failed := told.all()
		require.Equal(t, introspection.MetadataFailed, failed[0].Kind)
		require.LessOrEqual(t, failed[0].RetryAfter, time.Second)
		require.False(t, failed[0].Usable)
		down := time.Now()
		for range 20 { // no breaker: no call was made
			start := time.Now()
			_, err := v.VerifyToken(t.Context(), canary)
			refusal := requireReason(t, err, binding.ReasonUnavailable)
			require.ErrorIs(t, err, introspection.ErrNotReady)
			require.GreaterOrEqual(t, refusal.RetryAfter, time.Second)
			require.Equal(t, start, time.Now(), "at once while nobody asks")
		}
		synctest.Wait()
		require.Len(t, told.all(), told.count(introspection.MetadataFailed), "and no call was made to tell of")
		time.Sleep(10 * time.Minute)
		attempts := told.count(introspection.MetadataFailed)
		require.GreaterOrEqual(t, attempts, 10)
		require.LessOrEqual(t, attempts, 400)
		refusal := func() *binding.Error {
			_, err := v.VerifyToken(t.Context(), canary)
			require.ErrorContains(t, binding.AsError(err).Cause, "connection refused")
			require.ErrorContains(t, v.Ready(), "connection refused")
			return binding.AsError(err)
		}
		for refusal().RetryAfter == time.Second { // which is the least
			time.Sleep(time.Second)
		}
		attempts = told.count(introspection.MetadataFailed)
		time.Sleep(refusal().RetryAfter - 1)
		synctest.Wait()
		require.Equal(t, attempts, told.count(introspection.MetadataFailed))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, attempts+1, told.count(introspection.MetadataFailed), "when it was said")
		s.set(func(s *server) { s.other = serve(http.StatusOK, document(nil)) })
		time.Sleep(5 * time.Second) // N/428
		require.NoError(t, v.Ready())
		require.Equal(t, 1, told.count(introspection.MetadataRead))
		_, err := v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		back := told.of(introspection.MetadataRead)[0]
		require.True(t, back.Usable)
		require.GreaterOrEqual(t, back.Outage, 10*time.Minute)
		require.Less(t, back.Outage, time.Since(down))

		attempts = told.count(introspection.MetadataFailed)
		s.set(func(s *server) { s.other = away })
		time.Sleep(15 * time.Minute)
		last := told.of(introspection.MetadataFailed)
		require.LessOrEqual(t, last[attempts].RetryAfter, time.Second, "it begins anew")
		require.True(t, last[len(last)-1].Usable, "the endpoint that was known stays in use")
		s.set(func(s *server) { s.other = serve(http.StatusOK, document(nil)) })
		time.Sleep(time.Hour)
		read := told.of(introspection.MetadataRead)
		require.Greater(t, len(read), 2)
		require.NotZero(t, read[1].Outage)
		require.Zero(t, read[2].Outage, "said once")
	})
}

func TestTransportThatPanicsOverMetadata(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVerifier(t, discovering(&server{other: func(*http.Request) (*http.Response, error) { panic("no") }}))
		_, err := v.VerifyToken(t.Context(), canary)
		require.ErrorIs(t, err, introspection.ErrNotReady)
	})
}

func TestCloseWhileMetadataIsAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := &events{}
		s := &server{other: func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}}
		c := discovering(s)
		c.Observe = told.observe
		v := newVerifier(t, c)
		synctest.Wait()
		start := time.Now()
		require.NoError(t, v.Close())
		require.Equal(t, start, time.Now())
		require.Empty(t, told.all())
	})
}

// An endpoint that moved is found in the metadata soon, not with the next reading of
// the schedule, ten minutes later.
func TestEndpointThatMoved(t *testing.T) {
	t.Parallel()
	const moved = "https://auth.example/v2/introspect"
	for name, old := range map[string]func(*http.Request) (*http.Response, error){
		"404": serve(http.StatusNotFound, ""), "410": serve(http.StatusGone, ""), "a redirect": serve(http.StatusPermanentRedirect, ""),
		"its host is gone": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{other: serve(http.StatusOK, document(nil)), answer: always(http.StatusOK, text(good(nil)))}
				c := discovering(s)
				c.ActiveFor, c.InactiveFor = -1, -1
				v := newVerifier(t, c)
				ask := func(token string) error {
					_, err := v.VerifyToken(t.Context(), token)
					return err
				}
				require.NoError(t, ask(canary))
				time.Sleep(time.Minute)
				require.NoError(t, ask(canary))
				reads := s.reads()

				s.set(func(s *server) {
					s.other = serve(http.StatusOK, document(members{"introspection_endpoint": moved}))
					if old == nil {
						s.gone = endpoint
					}
					s.answer = func(r *http.Request, _ string) (*http.Response, error) {
						if old != nil && r.URL.String() != moved {
							return old(r)
						}
						return reply(http.StatusOK, text(good(nil))), nil
					}
				})
				start := time.Now()
				for ask(canary) != nil {
					time.Sleep(time.Second)
				}
				require.Less(t, time.Since(start), 30*time.Second)
				require.LessOrEqual(t, s.reads(), reads+2)
			})
		})
	}
}

// Who makes the server say that there is nothing here does not make us read the
// metadata all the time: not while others are answered, and less and less if nobody is.
func TestEndpointThatDidNotMove(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		others bool
		most   int
	}{"while others are answered": {true, 0}, "and answers nobody": {false, 6}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{other: serve(http.StatusOK, document(nil))}
				s.answer = func(_ *http.Request, token string) (*http.Response, error) {
					if token == canary && test.others {
						return reply(http.StatusOK, text(good(nil))), nil
					}
					return reply(http.StatusNotFound, ""), nil
				}
				c := discovering(s)
				c.ActiveFor, c.InactiveFor = -1, -1
				v := newVerifier(t, c)
				for n := range 8 * 60 { // before the next reading of the schedule
					_, err := v.VerifyToken(t.Context(), canary)
					require.Equal(t, test.others, err == nil, err)
					_, err = v.VerifyToken(t.Context(), fmt.Sprint("made-up-", n))
					require.Error(t, err)
					time.Sleep(time.Second)
				}
				require.LessOrEqual(t, s.reads(), 1+test.most)
			})
		})
	}
}

// reads is how often metadata was asked for.
func (s *server) reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.paths)
}
