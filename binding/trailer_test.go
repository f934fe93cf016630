package binding_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
)

// M/419: the fields of a certificate are as little in the trailer that a handler gets as in the header, announced or not;
// other fields of the trailer are there once the body has been read.
func TestTrailer(t *testing.T) {
	t.Parallel()
	var before, after http.Header
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		before = r.Trailer.Clone()
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, "hello", string(body))
		after = r.Trailer.Clone()
		require.NoError(t, r.Body.Close())
	})
	guard := newGuard(t, binding.Config{Certificates: &headerSource{names: []string{"Client-Cert"}}, Policy: binding.DangerouslyAcceptUnbound})
	guarded := bindhttp.Protect(guard)(bindhttp.Protect(guard)(handler))
	sum := http.Header{"X-Sum": nil} // announced, and not yet there
	for name, test := range map[string]struct {
		announced    string
		before, want http.Header
	}{
		"M/419 announced":                     {"Client-Cert, X-Sum", sum, http.Header{"X-Sum": {"1"}}},
		"M/419 not announced beside another":  {"X-Sum", sum, http.Header{"X-Sum": {"1"}}},
		"M/419 announced alone":               {"client-cert", http.Header{}, http.Header{"X-Sum": {"1"}}},
		"M/419 announced by a look-alike":     {"Client_Cert", http.Header{}, http.Header{"X-Sum": {"1"}}},
		"nothing is announced, so none comes": {"", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			text := "POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + bearer(claims(t, nil)) + "\r\nTransfer-Encoding: chunked\r\n"
			if test.announced != "" {
				text += "Trailer: " + test.announced + "\r\n"
			}
			text += "\r\n5\r\nhello\r\n0\r\nClient-Cert: canary\r\nClient_Cert: canary\r\nX-Sum: 1\r\n\r\n"
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
			require.NoError(t, err)
			w := httptest.NewRecorder()
			guarded.ServeHTTP(w, r)
			require.Equal(t, http.StatusOK, w.Code)
			require.Equal(t, test.before, before)
			require.NotContains(t, fmt.Sprint(after), "canary")
			require.Equal(t, test.want, after)
		})
	}
	// Without chunks there is no trailer, and net/http leaves the field where it is.
	r := request(bearer(claims(t, nil)))
	r.Header["Trailer"] = []string{"X-Sum", "X-Other, client-CERT"}
	_, got := nest(r, guard)
	require.NotContains(t, got.Header, "Trailer")
	r.Header["Trailer"] = []string{"X-Sum"}
	_, got = nest(r, guard)
	require.Equal(t, []string{"X-Sum"}, got.Header["Trailer"])
}

// A request that somebody made without a body still has none.
func TestTrailerWithoutABody(t *testing.T) {
	t.Parallel()
	r := request(bearer(claims(t, nil)))
	r.Body, r.Trailer = nil, http.Header{"X-Sum": nil}
	guard := newGuard(t, binding.Config{Certificates: &headerSource{names: []string{"Client-Cert"}}, Policy: binding.DangerouslyAcceptUnbound})
	admitted, err := guard.Admit(r)
	require.NoError(t, err)
	require.Nil(t, admitted.Body)
}
