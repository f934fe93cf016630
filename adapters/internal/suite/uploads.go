package suite

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// uploads shows that the temporary files of an upload go with its request. net/http removes those of the request that it
// made, and a handler behind a guard has parsed a copy of that.
func (s *suite) uploads(t *testing.T) {
	guard := Protect(s.Guard(t, binding.Config{}))
	for _, row := range []struct {
		name  string
		steps []Step
	}{
		{"behind a guard", []Step{guard}},
		{"behind a guard and RequireScopes", []Step{guard, RequireScopes("accounts")}},
		{"behind a guard in a guard", []Step{guard, Protect(s.Guard(t, binding.Config{}))}},
	} {
		for _, version := range []int{1, 2} {
			t.Run(row.name, func(t *testing.T) {
				t.Parallel()
				name := make(chan string, 1)
				server := s.Serve(t, s.build(s.Log, Route{Path: "/", Steps: row.steps, Handler: http.HandlerFunc(
					func(_ http.ResponseWriter, r *http.Request) { name <- uploaded(r) },
				)}))
				var body bytes.Buffer
				form := multipart.NewWriter(&body)
				part, err := form.CreateFormFile("file", "x")
				require.NoError(t, err)
				_, err = part.Write(bytes.Repeat([]byte("x"), 1<<10))
				require.NoError(t, err)
				require.NoError(t, form.Close())

				request := Bearer(s.Holder, s.Good(t))
				request.Method, request.Body = http.MethodPost, body.String()
				request.Header = http.Header{"Content-Type": {form.FormDataContentType()}}
				response, err := s.Holder.HTTP(version).Do(request.build(t, server.URL, s.newCase()))
				require.NoError(t, err)
				require.NoError(t, response.Body.Close())
				require.Equal(t, http.StatusOK, response.StatusCode)
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
