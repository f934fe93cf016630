package metadata_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/metadata"
)

const postCanary = "canary-that-no-error-holds"

// postTo sends a form to a server that answers so.
func postTo(t *testing.T, client *metadata.Client, handler http.HandlerFunc) ([]byte, error) {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	client.Transport = server.Client().Transport
	return client.PostForm(t.Context(), server.URL, url.Values{"token": {postCanary}}, http.Header{"Authorization": {postCanary}})
}

func TestPostFormSendsAForm(t *testing.T) {
	t.Parallel()
	body, err := postTo(t, &metadata.Client{}, func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, strings.Join([]string{
			r.Method, r.Header.Get("Content-Type"), r.Header.Get("Accept"), r.Header.Get("Authorization"), string(sent),
		}, "|"))
	})
	require.NoError(t, err)
	require.Equal(t, "POST|application/x-www-form-urlencoded|application/json|"+postCanary+"|token="+postCanary, string(body))
}

func TestPostFormHasTheLimitsOfGet(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    error
	}{
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusPermanentRedirect)
		}, metadata.ErrStatus},
		"status 201": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }, metadata.ErrStatus},
		"too long":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1001)) }, metadata.ErrTooBig},
		"too slow":   {func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body); <-r.Context().Done() }, context.DeadlineExceeded},
		"a JWT": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/jwt")
		}, metadata.ErrJWT},
		"a JWT of a kind": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/Token-Introspection+JWT; a")
		}, metadata.ErrJWT},
		"good": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1000)) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, err := postTo(t, &metadata.Client{MaxBody: 1000, Timeout: time.Second}, test.handler)
			if test.want == nil {
				require.NoError(t, err)
				require.Len(t, body, 1000)
				return
			}
			require.ErrorIs(t, err, test.want)
			require.Nil(t, body)
			require.NotContains(t, err.Error(), postCanary)
		})
	}
	for _, address := range []string{"http://auth.example", "https://a:b@auth.example", "ftp://auth.example", "", "https://auth.example#a"} {
		_, err := new(metadata.Client).PostForm(t.Context(), address, nil, nil)
		require.ErrorIs(t, err, metadata.ErrURL, address)
	}
}

func TestPostFormReadsNoErrorCodeOfAnAnswerThatWasCutShort(t *testing.T) {
	t.Parallel()
	_, err := postTo(t, &metadata.Client{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_client"}`)
	})
	var status *metadata.StatusError
	require.ErrorAs(t, err, &status)
	require.Empty(t, status.Code)
}

func TestPostFormReadsTheErrorCodeAndNothingElse(t *testing.T) {
	t.Parallel()
	for body, code := range map[string]string{
		`{"error":"invalid_request"}`:                         "invalid_request",
		`{"error":"invalid_client"}`:                          "invalid_client",
		`{"error":"invalid_client","error_description":"no"}`: "invalid_client",
		`{"error":"unauthorized_client"}`:                     "unauthorized_client",
		`{"error":"access_denied"}`:                           "access_denied",
		`{"error":"server_error"}`:                            "server_error",
		`{"error":"temporarily_unavailable"}`:                 "temporarily_unavailable",
		`{"error":"` + postCanary + `"}`:                      "",
		`{"error":["invalid_client"]}`:                        "",
		`{"error":"invalid_client","error":"server_error"}`:   "",
		`{"Error":"invalid_client"}`:                          "",
		`invalid_client`:                                      "",
		``:                                                    "",
		`{"error":"invalid_client","error_description":"` + strings.Repeat("a", 16<<10) + `"}`: "",
	} {
		_, err := postTo(t, &metadata.Client{}, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, body)
		})
		var status *metadata.StatusError
		require.ErrorAs(t, err, &status)
		require.Equal(t, http.StatusBadRequest, status.Status)
		require.Equal(t, http.MethodPost, status.Method)
		require.Equal(t, code, status.Code, body)
		text := "POST " + status.URL + ": status 400, want 200"
		if code != "" {
			text += " (" + code + ")"
		}
		require.EqualError(t, err, text)
	}
}
