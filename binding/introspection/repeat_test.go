package introspection_test

import (
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/introspection"
	"github.com/certbound/certbound/binding/metadata"
)

// A server that cannot be understood is told of by what it was not sent.
func TestNoErrorRepeatsWhatWasSent(t *testing.T) {
	t.Parallel()
	const token = "b64/token+0123456789=="
	userinfo := base64.StdEncoding.EncodeToString([]byte("api:" + url.QueryEscape(secret)))
	for name, config := range map[string]func(*introspection.Config){
		"client_secret_basic": func(*introspection.Config) {},
		"private_key_jwt": func(c *introspection.Config) {
			c.AuthMethod, c.ClientSecret, c.SigningKey = introspection.PrivateKeyJWT, "", ecdsaKey(t, elliptic.P256())
		},
	} {
		for place, written := range map[string]string{
			"in place of an answer": "%s\r\n\r\n",
			"in a status line":      "HTTP/1.1 %s\r\n\r\n",
			"as a header":           "HTTP/1.1 200 OK\r\n%s\r\n\r\n",
			"in a redirect":         "HTTP/1.1 302 Found\r\nLocation: https://%s/%%zz\r\n\r\n",
			"in a chunk's length":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
		} {
			t.Run(name+", "+place, func(t *testing.T) {
				t.Parallel()
				as := newAuthorizationServer(t, bindingtest.Config{})
				var assertion atomic.Value
				as.Handle(bindingtest.IntrospectionPath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					form, _ := url.ParseQuery(string(body))
					assertion.Store(form.Get("client_assertion"))
					connection, _, err := http.NewResponseController(w).Hijack()
					if err != nil {
						return
					}
					_, _ = fmt.Fprintf(connection, written, r.Header.Get("Authorization")+string(body))
					_ = connection.Close()
				}))
				told := &events{}
				logger, logged := textLogger(slog.LevelDebug)
				log := introspection.LogEvents(logger)
				c := configFor(as)
				c.Issuer, c.URL = issuer, as.URL(bindingtest.IntrospectionPath)
				c.Observe = func(event introspection.Event) { told.observe(event); log(event) }
				config(&c)
				v := newVerifier(t, c)
				_, err := v.VerifyToken(t.Context(), token)
				requireReason(t, err, binding.ReasonUnavailable)
				told.await(t, introspection.CallFailed, 1)
				require.NoError(t, v.Close())

				require.Equal(t, []introspection.EventKind{introspection.CallFailed}, told.kinds())
				texts := logged.String()
				for _, e := range []error{err, told.all()[0].Err} {
					for ; e != nil; e = errors.Unwrap(e) {
						texts += fmt.Sprintf("%v %+v\n", e, e)
					}
				}
				require.Contains(t, texts, "no answer that can be read")
				secrets := []string{token, url.QueryEscape(token), "b64", "token=", secret, url.QueryEscape(secret), userinfo}
				if sent := assertion.Load().(string); sent != "" {
					secrets = append(secrets, strings.Split(sent, ".")...)
				}
				for _, secret := range secrets {
					require.NotContains(t, texts, secret)
				}
			})
		}
	}
}

// Whatever the token is: "e" is in every text.
func TestNoTokenHidesWhy(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"e", "invalid_client", "401", "POST"} {
		told := &events{}
		c := config(&server{answer: always(http.StatusUnauthorized, `{"error":"invalid_client"}`)})
		c.Observe = told.observe
		v := newVerifier(t, c)
		_, err := v.VerifyToken(t.Context(), token)
		require.Eventually(t, func() bool { return len(told.all()) > 0 }, time.Minute, time.Millisecond)
		require.NoError(t, v.Close())
		require.Len(t, told.all(), 1)
		for _, e := range []error{err, told.all()[0].Err} {
			var status *metadata.StatusError
			require.ErrorAs(t, e, &status, token)
			require.Equal(t, http.StatusUnauthorized, status.Status)
			require.Equal(t, "invalid_client", status.Code)
		}
	}
}

func TestWhyThereIsNoConnectionIsTold(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		with func(*bindingtest.AuthorizationServer, *introspection.Config)
		want string
	}{
		"an unknown authority": {func(_ *bindingtest.AuthorizationServer, c *introspection.Config) {
			c.Transport = metadata.NewTransport()
		}, "certificate signed by unknown authority"},
		"nobody there": {func(as *bindingtest.AuthorizationServer, _ *introspection.Config) { as.Close() }, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			as := newAuthorizationServer(t, bindingtest.Config{})
			told := &events{}
			c := configFor(as)
			c.Issuer, c.URL, c.Observe = issuer, as.URL(bindingtest.IntrospectionPath), told.observe
			test.with(as, &c)
			v := newVerifier(t, c)
			_, err := v.VerifyToken(t.Context(), canary)
			require.Contains(t, binding.AsError(err).Cause.Error(), test.want)
			told.await(t, introspection.CallFailed, 1)
			require.NoError(t, v.Close())
			require.Len(t, told.all(), 1)
			require.Contains(t, told.all()[0].Err.Error(), test.want)
		})
	}
}
