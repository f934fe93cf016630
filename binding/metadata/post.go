package metadata

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/certbound/certbound/binding/internal/object"
)

// PostForm sends a form to an endpoint, under the same limits as [Client.Get],
// and returns the body of its answer. The header fields are added to the
// request's.
//
// An answer whose type is application/jwt, or ends in +jwt, is refused (RFC 9701
// answers are not asked for); other types are not looked at.
//
// No error holds anything of the form or the header, nor any of the server's
// words but a known code ([StatusError]). Of what the transport says, all is kept
// of a request that got no connection; later what is from the operating system,
// of TLS, of certificates or of time, and of other errors the type alone.
func (c *Client) PostForm(ctx context.Context, address string, form url.Values, header http.Header) ([]byte, error) {
	return c.send(ctx, http.MethodPost, address, header, strings.NewReader(form.Encode()))
}

// A StatusError is an answer with another status than 200, a redirect included.
// It wraps [ErrStatus].
type StatusError struct {
	Method string // "": GET
	URL    string // that was asked
	Status int    // that came

	// Code is, for an answer to PostForm, its member error, if that is a code of
	// RFC 6749 §5.2 or §4.1.2.1; otherwise it is "". It is never other text of
	// the server's, which may repeat what was sent.
	Code string
}

// Error says what was asked and what came, and nothing of the answer but Code.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("metadata: %s %s: status %d, want 200", cmp.Or(e.Method, http.MethodGet), e.URL, e.Status)
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	return text
}

// Unwrap returns [ErrStatus].
func (e *StatusError) Unwrap() error { return ErrStatus }

const maxErrorBody = 16 << 10

// errorCode reads an OAuth error response, as far as it is one.
func errorCode(body io.Reader) string {
	text, err := io.ReadAll(io.LimitReader(body, maxErrorBody))
	if err != nil {
		return ""
	}
	members, err := object.Parse(string(text))
	if err != nil {
		return ""
	}
	for _, m := range members {
		if m.Name != "error" {
			continue
		}
		switch code, _ := object.String(m.Value); code {
		case "invalid_request", "invalid_client", "unauthorized_client", "access_denied",
			"server_error", "temporarily_unavailable":
			return code
		}
	}
	return ""
}

func isJWT(header http.Header) bool {
	// An error of ParseMediaType's leaves the type "": then the body has to show
	// what it is.
	mediaType, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	return mediaType == "application/jwt" || strings.HasSuffix(mediaType, "+jwt")
}
