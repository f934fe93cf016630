package suite

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // RFC 6455 §4.2.2 wants it
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// streams is what a handler can do only with the server's own ResponseWriter:
// no adapter wraps it.
func (s *suite) streams(t *testing.T) {
	steps := []Step{Protect(s.Guard(t, binding.Config{})), RequireScopes("accounts")}
	good := s.Good(t)
	serve := func(t *testing.T, handler http.HandlerFunc) *Server {
		t.Helper()
		return s.Serve(t, s.build(s.Log, Route{Path: "/", Steps: steps, Handler: handler}))
	}

	for _, version := range []int{1, 2} {
		for _, way := range []struct {
			name  string
			flush func(http.ResponseWriter) error
		}{
			{"Flusher", func(w http.ResponseWriter) error {
				flusher, ok := w.(http.Flusher)
				if !ok {
					return errors.New("no Flusher")
				}
				flusher.Flush()
				return nil
			}},
			{"ResponseController", func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() }},
		} {
			t.Run(fmt.Sprintf("events arrive while the handler runs, HTTP/%d, %s", version, way.name), func(t *testing.T) {
				t.Parallel()
				s.events(t, serve, version, way.flush)
			})
		}

		t.Run(fmt.Sprintf("deadlines can be set, HTTP/%d", version), func(t *testing.T) {
			t.Parallel()
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				c := http.NewResponseController(w)
				err := errors.Join(c.SetWriteDeadline(time.Now().Add(time.Hour)), c.SetReadDeadline(time.Now().Add(time.Hour)))
				if r.ProtoMajor == 1 {
					err = errors.Join(err, c.EnableFullDuplex())
				}
				_, _ = fmt.Fprint(w, err)
			})
			response, err := s.Holder.HTTP(version).Do(Bearer(s.Holder, good).build(t, server.URL, s.newCase()))
			require.NoError(t, err)
			defer func() { _ = response.Body.Close() }()
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			assert.Equal(t, "<nil>", string(body))
		})

		t.Run(fmt.Sprintf("a handler learns that its client is gone, HTTP/%d", version), func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if err := http.NewResponseController(w).Flush(); err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
					return
				}
				<-r.Context().Done()
				close(gone)
			})
			response, err := s.Holder.HTTP(version).Do(Bearer(s.Holder, good).build(t, server.URL, s.newCase()))
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, response.StatusCode)
			require.NoError(t, response.Body.Close())
			<-gone
		})
	}

	t.Run("277 an upgrade as for WebSocket", func(t *testing.T) {
		t.Parallel()
		s.upgrade(t, serve)
	})

	t.Run("277 a handler knows when its connection must end", func(t *testing.T) {
		t.Parallel()
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			token, _ := binding.TokenFromContext(r.Context())
			_, _ = fmt.Fprint(w, token.Expiry().Unix())
		})
		expiry := s.now().Add(time.Minute).Unix()
		token := s.Token(t, bindingtest.TokenSpec{Certificate: s.Holder.Certificate.Leaf, Claims: map[string]any{"exp": expiry}})
		_, body := server.Get(t, Bearer(s.Holder, token))
		assert.Equal(t, fmt.Sprint(expiry), body)
	})
}

// events is server-sent events in lockstep: the handler sends the next one when
// the client has read the last. Where anything holds an answer back, the two
// wait for each other until the client's time is over.
func (s *suite) events(t *testing.T, serve func(*testing.T, http.HandlerFunc) *Server, version int, flush func(http.ResponseWriter) error) {
	t.Helper()
	read := make(chan struct{})
	ended := make(chan error, 1)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			if err := flush(w); err != nil {
				ended <- err
				return
			}
			select {
			case <-read:
			case <-r.Context().Done():
				ended <- r.Context().Err()
				return
			}
		}
		ended <- nil
	})
	response, err := s.Holder.HTTP(version).Do(Bearer(s.Holder, s.Good(t)).build(t, server.URL, s.newCase()))
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	require.Equal(t, version, response.ProtoMajor)
	assert.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	lines := bufio.NewReader(response.Body)
	for i := range 3 {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("data: %d\n", i), line)
		_, err = lines.ReadString('\n')
		require.NoError(t, err)
		read <- struct{}{}
	}
	require.NoError(t, <-ended)
	_, err = lines.ReadByte()
	assert.ErrorIs(t, err, io.EOF)
}

// upgrade takes the connection over (RFC 6455 §4.2.2) and speaks a protocol of
// its own on it: lines, in capitals.
func (s *suite) upgrade(t *testing.T, serve func(*testing.T, http.HandlerFunc) *Server) {
	t.Helper()
	ran := make(chan string, 2)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		token, _ := binding.TokenFromContext(r.Context())
		ran <- token.Subject()
		digest := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		hijacked, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer func() { _ = hijacked.Close() }()
		_, _ = fmt.Fprintf(buffered, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(digest[:]))
		_ = buffered.Flush()
		for {
			line, err := buffered.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = buffered.WriteString(strings.ToUpper(line))
			_ = buffered.Flush()
		}
	})
	const request = "GET / HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

	c := server.dial(t, s.Holder)
	_, err := fmt.Fprintf(c, request, s.Good(t))
	require.NoError(t, err)
	response, err := http.ReadResponse(c.reader, nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	assert.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", response.Header.Get("Sec-WebSocket-Accept"))
	assert.Equal(t, Subject, <-ran)
	for _, word := range []string{"hello\n", "again\n"} {
		_, err := io.WriteString(c, word)
		require.NoError(t, err)
		line, err := c.reader.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, strings.ToUpper(word), line)
	}

	c = server.dial(t, s.Other)
	_, err = fmt.Fprintf(c, request, s.Good(t))
	require.NoError(t, err)
	refused, body := c.response(t, http.MethodGet)
	OtherCertificate.assert(t, refused, body, nil)
	assert.Empty(t, ran, "the handler ran for a thief")
}
