package suite

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// wire is what of section A no client of net/http would send, written to the
// socket byte for byte.
func (s *suite) wire(t *testing.T) {
	site := s.guarded(t, binding.Config{})
	good := s.Good(t)
	for _, row := range []struct {
		name   string
		fields string // with %s for the good token, and no CRLF at the end
		want   Answer
	}{
		{"the good token", "Authorization: Bearer %s", OK},
		{"13 two fields", "Authorization: Bearer %s\r\nAuthorization: Bearer x", ManyCredentials},
		{"14 two fields in other case", "Authorization: Bearer %[1]s\r\nauthorization: Bearer %[1]s", ManyCredentials},
		{"20 NUL inside", "Authorization: Bearer %s\x00", byServer(http.StatusBadRequest)},
		{"20 0x01 inside", "Authorization: Bearer \x01%s", byServer(http.StatusBadRequest)},
		{"20 0x7f inside", "Authorization: Bearer %s\x7f", byServer(http.StatusBadRequest)},
		{"20 bare CR inside", "Authorization: Bearer %s\rx", byServer(http.StatusBadRequest)},
		{"22 bare LF: the part before it", "Authorization: Bearer %s\nX-Rest: y", OK},
		{"22 bare LF: a token cut in two", "Authorization: Bearer x\n%s", byServer(http.StatusBadRequest)},
		{"23 obs-fold behind the token", "Authorization: Bearer %s\r\n x", BadCredentials},
		{"23 obs-fold inside the token", "Authorization: Bearer x\r\n\t%s", BadCredentials},
		{"28 space before the colon", "Authorization : Bearer %s", byServer(http.StatusBadRequest)},
		{"tabs and spaces around the value are the field's", "Authorization: \t Bearer %s \t", OK},
		{"LF at the ends of lines", "Authorization: Bearer %s\nX-A: b\nX-C: d", OK},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			fields := fmt.Sprintf(row.fields, good)
			if !strings.Contains(row.fields, "%") {
				fields = row.fields
			}
			site.checkWire(t, s.Holder, site.Probe, fields, row.want)
		})
	}

	t.Run("27 header block over 1 MiB", func(t *testing.T) {
		t.Parallel()
		site.checkWire(t, s.Holder, site.Probe, "Authorization: Bearer "+good+"\r\nX: "+strings.Repeat("a", 1<<20+8<<10),
			byServer(http.StatusRequestHeaderFieldsTooLarge))
	})

	t.Run("34 100-continue: the body is not read", func(t *testing.T) {
		t.Parallel()
		id := s.newCase()
		c := site.dial(t, s.Holder)
		// The body is announced and never sent: who waits for it waits until
		// the test fails.
		_, err := fmt.Fprintf(c, "POST /?case=%s HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer x.y.z\r\n"+
			"Expect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n", id)
		require.NoError(t, err)
		response, body := c.response(t, http.MethodPost)
		Malformed.assert(t, response, body, nil)
		site.Probe.assert(t, id, Malformed)
		assert.True(t, response.Close, "the connection cannot be used again: nobody has read the body")
	})

	t.Run("34 without 100-continue: the body is not waited for", func(t *testing.T) {
		t.Parallel()
		id := s.newCase()
		c := site.dial(t, s.Holder)
		_, err := fmt.Fprintf(c, "POST /?case=%s HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer x.y.z\r\n"+
			"Content-Length: 1000000000\r\n\r\n", id)
		require.NoError(t, err)
		_, err = c.Write(bytes.Repeat([]byte("x"), 1000))
		require.NoError(t, err)
		response, body := c.response(t, http.MethodPost)
		Malformed.assert(t, response, body, nil)
		site.Probe.assert(t, id, Malformed)
	})
}

// checkWire sends GET / with the fields, as they stand.
func (s *Server) checkWire(t *testing.T, client *Client, probe *Probe, fields string, want Answer) {
	t.Helper()
	id := s.fixture.newCase(fields)
	c := s.dial(t, client)
	_, err := fmt.Fprintf(c, "GET /?case=%s HTTP/1.1\r\nHost: api.example\r\n%s\r\n\r\n", id, fields)
	require.NoError(t, err)
	response, body := c.response(t, http.MethodGet)
	want.assert(t, response, body, []string{fields})
	probe.assert(t, id, want)
}
