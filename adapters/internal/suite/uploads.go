package suite

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// uploads shows that the temporary files of an upload go with its request, also
// if the handler panics. net/http removes those of the request that it made,
// and a handler behind a guard has parsed a copy of that.
func (s *suite) uploads(t *testing.T) {
	guard := Protect(s.Guard(t, binding.Config{}))
	for _, row := range []struct {
		name   string
		steps  []Step
		panics bool
	}{
		{"M/421 behind a guard", []Step{guard}, false},
		{"M/421 behind a guard and RequireScopes", []Step{guard, RequireScopes("accounts")}, false},
		{"M/421 behind a guard in a guard", []Step{guard, Protect(s.Guard(t, binding.Config{}))}, false},
		{"M/421 of a handler that aborts", []Step{guard}, true},
		{"M/421 of a handler that aborts in a guard in a guard", []Step{guard, Protect(s.Guard(t, binding.Config{}))}, true},
	} {
		for _, version := range []int{1, 2} {
			t.Run(row.name, func(t *testing.T) {
				t.Parallel()
				name := make(chan string, 1)
				server := s.Serve(t, s.build(s.Log, Route{Path: "/", Steps: row.steps, Handler: http.HandlerFunc(
					func(_ http.ResponseWriter, r *http.Request) {
						name <- uploaded(r)
						if row.panics {
							panic(http.ErrAbortHandler)
						}
					},
				)}))
				body, contentType := upload(t)
				request := Bearer(s.Holder, s.Good(t))
				request.Method, request.Body = http.MethodPost, body
				request.Header = http.Header{"Content-Type": {contentType}}
				response, err := s.Holder.HTTP(version).Do(request.build(t, server.URL, s.newCase()))
				if !row.panics {
					require.NoError(t, err)
					require.Equal(t, http.StatusOK, response.StatusCode)
				}
				if err == nil {
					require.NoError(t, response.Body.Close())
				}
				server.http.Close() // returns when net/http is done with the request
				file := <-name
				require.NotEmpty(t, file, "the upload was not kept in a file")
				assert.NoFileExists(t, file)
			})
		}
	}
}

// uploaded returns the name of the file that keeps the upload.
func uploaded(r *http.Request) string {
	if r.ParseMultipartForm(0) != nil {
		return ""
	}
	file, _, err := r.FormFile("file")
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	if onDisk, ok := file.(*os.File); ok {
		return onDisk.Name()
	}
	return ""
}

// lateHandlers is row M/416: a middleware in front that answers while the
// handler goes on, as those for timeouts do, and then looks at its request. The
// race detector watches; a form that the middleware has parsed stays its own.
func (s *suite) lateHandlers(t *testing.T) {
	for _, parsed := range []bool{false, true} {
		t.Run(fmt.Sprintf("M/416 a form parsed in front: %t", parsed), func(t *testing.T) {
			t.Parallel()
			goOn, done := make(chan struct{}), make(chan string, 1)
			handler := s.build(s.Log, Route{Path: "/", Steps: []Step{Protect(s.Guard(t, binding.Config{}))}, Handler: http.HandlerFunc(
				func(_ http.ResponseWriter, r *http.Request) {
					<-goOn
					done <- uploaded(r)
				})})
			ended := make(chan struct{})
			server := s.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if parsed {
					assert.NotEmpty(t, uploaded(r))
				}
				recorder := httptest.NewRecorder()
				go func() {
					defer close(ended)
					handler.ServeHTTP(recorder, r)
				}()
				w.WriteHeader(http.StatusServiceUnavailable)
				close(goOn)
				for range 100 { // while the handler parses and ends
					assert.True(t, parsed == (r.MultipartForm != nil))
					runtime.Gosched()
				}
				<-ended
				if parsed {
					file, _, err := r.FormFile("file")
					if assert.NoError(t, err) {
						assert.NoError(t, file.Close())
					}
				}
			}))
			body, contentType := upload(t)
			request := Bearer(s.Holder, s.Good(t))
			request.Method, request.Body = http.MethodPost, body
			request.Header = http.Header{"Content-Type": {contentType}}
			response, err := s.Holder.HTTP(1).Do(request.build(t, server.URL, s.newCase()))
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
			file := <-done
			server.http.Close()
			require.NotEmpty(t, file)
			assert.NoFileExists(t, file)
		})
	}
}

// upload is a form with a file.
func upload(t *testing.T) (body, contentType string) {
	t.Helper()
	var text bytes.Buffer
	form := multipart.NewWriter(&text)
	part, err := form.CreateFormFile("file", "x")
	require.NoError(t, err)
	_, err = part.Write(bytes.Repeat([]byte("x"), 1<<10))
	require.NoError(t, err)
	require.NoError(t, form.Close())
	return text.String(), form.FormDataContentType()
}
