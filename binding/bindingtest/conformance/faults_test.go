package conformance_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/bindingtest/conformance"
)

// served starts a handler with another configuration of TLS than the kit's own.
func served(
	build func(*bindingtest.AuthorizationServer) (http.Handler, error), configure func(*bindingtest.AuthorizationServer, *httptest.Server),
) conformance.Target {
	return conformance.Target{Start: func(_ context.Context, as *bindingtest.AuthorizationServer) (string, func(), error) {
		handler, err := build(as)
		if err != nil {
			return "", nil, err
		}
		server := httptest.NewUnstartedServer(handler)
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.EnableHTTP2 = true
		server.TLS = &tls.Config{Certificates: []tls.Certificate{as.ServerCertificate()}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
		configure(as, server)
		server.StartTLS()
		return server.URL, server.Close, nil
	}}
}

func resultOf(t *testing.T, report *conformance.Report, name string) conformance.Result {
	t.Helper()
	i := slices.IndexFunc(report.Results, func(r conformance.Result) bool { return r.Name == name })
	require.NotEqual(t, -1, i, name)
	return report.Results[i]
}

// late refuses everything until its keys would have come.
func late(after time.Duration, build func(*bindingtest.AuthorizationServer) (http.Handler, error)) func(*bindingtest.AuthorizationServer) (http.Handler, error) {
	return func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
		handler, err := build(as)
		began := time.Now()
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if time.Since(began) < after {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			handler.ServeHTTP(w, r)
		}), err
	}
}

// A server whose keys come late refuses the bad token too, for a while.
func TestAServerWhoseKeysComeLateIsWaitedFor(t *testing.T) {
	t.Parallel()
	config := impatient
	config.StartWait = time.Minute
	report := check(t, config, conformance.Handler(late(100*time.Millisecond, newLax("takes oct keys", "takes the metadata of anybody"))))
	require.Equal(t, []int{75, 258}, report.Rows(conformance.Violates))
}

// The row that ends a server violates, and no other is judged by a server that
// is not there.
func TestTheRowThatEndsAServerIsToBlame(t *testing.T) {
	t.Parallel()
	// mortal ends when a token of 8,000 dots comes.
	mortal := func(server *httptest.Server, handler http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.Header.Get("Authorization"), strings.Repeat(".", 8000)) {
				_ = server.Listener.Close()
				server.CloseClientConnections()
				panic(http.ErrAbortHandler)
			}
			handler.ServeHTTP(w, r)
		})
	}
	target := served(newLax(), func(_ *bindingtest.AuthorizationServer, server *httptest.Server) {
		server.Config.Handler = mortal(server, server.Config.Handler)
	})
	config := impatient
	config.Level = conformance.Must
	t.Run("it is started anew", func(t *testing.T) {
		t.Parallel()
		report := check(t, config, target)
		require.Equal(t, []int{38}, report.Rows(conformance.Violates))
		result := resultOf(t, report, "8,000 dots")
		require.True(t, result.Failed)
		require.Contains(t, result.Got, "the server ended")
		require.Equal(t, conformance.AsExpected, resultOf(t, report, "five segments").Verdict)
		require.Contains(t, report.Rows(conformance.AsExpected), 273)
	})
	t.Run("what ran already ends the run", func(t *testing.T) {
		t.Parallel()
		kit := newKit(t, config)
		url, stop, err := target.Start(t.Context(), kit.AuthorizationServer())
		require.NoError(t, err)
		defer stop()
		report, err := kit.Check(t.Context(), conformance.Target{URL: url})
		require.ErrorIs(t, err, conformance.ErrEnded)
		require.Equal(t, []int{38}, report.Rows(conformance.Violates))
		require.Equal(t, "8,000 dots", report.Results[len(report.Results)-1].Name)
	})
	t.Run("what cannot be started anew ends it as well", func(t *testing.T) {
		t.Parallel()
		starts := 0
		once := conformance.Target{Start: func(ctx context.Context, as *bindingtest.AuthorizationServer) (string, func(), error) {
			if starts++; starts > 1 {
				return "", nil, errors.New("no more")
			}
			return target.Start(ctx, as)
		}}
		_, err := newKit(t, config).Check(t.Context(), once)
		require.ErrorIs(t, err, conformance.ErrEnded)
		require.ErrorContains(t, err, "no more")
	})
}

func TestAServerWithoutHTTP2IsNotAskedOverIt(t *testing.T) {
	t.Parallel()
	target := served(newLax(), func(_ *bindingtest.AuthorizationServer, server *httptest.Server) { server.EnableHTTP2 = false })
	report := check(t, impatient, target)
	for _, name := range []string{
		"two fields over HTTP/2", "the right certificate, over HTTP/2", "another certificate, over HTTP/2", "no certificate, over HTTP/2",
	} {
		result := resultOf(t, report, name)
		require.Equal(t, conformance.Skipped, result.Verdict, name)
		require.Equal(t, "the server does not speak HTTP/2", result.Reason)
	}
	config := impatient
	config.HTTP2 = true
	_, err := newKit(t, config).Check(t.Context(), target)
	require.ErrorIs(t, err, conformance.ErrNotJudged)
	require.ErrorContains(t, err, "HTTP/2")
}

// A server that checks no binding is not accused of believing header fields.
func TestAServerWithoutBindingIsNotAskedForHeaders(t *testing.T) {
	t.Parallel()
	report := check(t, impatient, conformance.Handler(newLax("checks no binding")))
	require.Contains(t, report.Rows(conformance.Violates), 147)
	for _, row := range []int{197, 203} {
		require.NotContains(t, report.Rows(conformance.Violates), row)
		require.Contains(t, report.Rows(conformance.Skipped), row)
	}
}

func TestServersThatVerifyClients(t *testing.T) {
	t.Parallel()
	config := impatient
	config.VerifiesClients = true
	for name, test := range map[string]struct {
		verify   func(as *bindingtest.AuthorizationServer, config *tls.Config)
		violates []int
	}{
		"as it should be": {func(as *bindingtest.AuthorizationServer, config *tls.Config) {
			config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, as.ClientCAs()
		}, nil},
		"whenever the certificate was valid": {func(as *bindingtest.AuthorizationServer, config *tls.Config) {
			config.ClientAuth = tls.RequireAnyClientCert
			config.VerifyPeerCertificate = func(certificates [][]byte, _ [][]*x509.Certificate) error {
				leaf, err := x509.ParseCertificate(certificates[0])
				if err != nil {
					return err
				}
				block, _ := pem.Decode(as.ClientCAPEM())
				authority, err := x509.ParseCertificate(block.Bytes)
				if err != nil {
					return err
				}
				return leaf.CheckSignatureFrom(authority)
			}
		}, []int{179}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := check(t, config, served(newLax(), func(as *bindingtest.AuthorizationServer, server *httptest.Server) {
				test.verify(as, server.TLS)
			}))
			require.Equal(t, test.violates, report.Rows(conformance.Violates))
			require.Contains(t, report.Rows(conformance.AsExpected), 194, "a large certificate of the client CA")
			if test.violates == nil {
				require.Contains(t, report.Rows(conformance.AsExpected), 179)
			}
		})
	}
}

// What a server may do by the RFCs violates nothing.
func TestWhatAServerMayDo(t *testing.T) {
	t.Parallel()
	unbound := impatient
	unbound.AcceptsUnbound = true
	static := impatient
	static.StaticKeys = true
	for name, test := range map[string]struct {
		config conformance.Config
		bugs   []bug
	}{
		"reads a date in exp":                {impatient, []bug{"reads dates"}},
		"takes what is no exp for none":      {impatient, []bug{"takes a strange exp for none"}},
		"goes on with a token in a token":    {impatient, []bug{"unwraps"}},
		"takes null for no confirmation":     {unbound, []bug{"accepts tokens without a binding", "takes null for absent"}},
		"has its keys from a file":           {static, nil},
		"leaves to introspection what it is": {opaque, []bug{"asks about opaque tokens", "takes any audience", "takes any issuer", "ignores exp", "ignores nbf"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := check(t, test.config, conformance.Handler(newLax(test.bugs...)))
			require.Empty(t, report.Rows(conformance.Violates))
		})
	}
}

// What a handler did is not told by its answer alone.
func TestAHandlerThatRunsForARefusedRequest(t *testing.T) {
	t.Parallel()
	var visits atomic.Int64
	config := impatient
	config.Visits = func() int { return int(visits.Load()) }
	counting := func(first bool) func(*bindingtest.AuthorizationServer) (http.Handler, error) {
		return func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
			lax, err := newLax()(as)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				recorder := httptest.NewRecorder()
				lax.ServeHTTP(recorder, r)
				if recorder.Code == http.StatusOK || first && len(r.TLS.PeerCertificates) == 0 {
					visits.Add(1) // the handler
				}
				for name, values := range recorder.Header() {
					w.Header()[name] = values
				}
				w.WriteHeader(recorder.Code)
			}), err
		}
	}
	report := check(t, config, conformance.Handler(counting(true)))
	require.Contains(t, report.Rows(conformance.Violates), 146)
	require.Equal(t, "the handler ran 1 times for 0 requests that were accepted", resultOf(t, report, "no certificate").Got)
	require.NotContains(t, report.Rows(conformance.Violates), 145)

	visits.Store(0)
	require.Empty(t, check(t, config, conformance.Handler(counting(false))).Rows(conformance.Violates))
}
