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

	"github.com/certbound/certbound/binding/internal/strictjson"
)

// PostForm sends a form to an endpoint, under the same limits as [Client.Get],
// and returns the body of its answer. The fields of header are added to the
// request.
//
// An answer whose Content-Type is application/jwt, or ends in +jwt, is refused
// with [ErrJWT] (a signed answer, RFC 9701, was not asked for); other types are
// not checked.
//
// No error contains anything from the form or the header, nor any of the
// server's own text, except a known error code ([StatusError]). If the request
// got no connection, the transport's error is kept whole. Otherwise only errors
// of the operating system, TLS, certificates and timeouts are kept; any other
// is replaced by its type.
func (c *Client) PostForm(ctx context.Context, address string, form url.Values, header http.Header) ([]byte, error) {
	return c.send(ctx, question{
		method: http.MethodPost, address: address, accept: acceptJSON,
		header: header, form: strings.NewReader(form.Encode()),
	})
}

// A StatusError is an answer with a status other than 200, a redirect included.
// It wraps [ErrStatus].
type StatusError struct {
	Method string // of the request; "" means GET
	URL    string // of the request
	Status int    // of the answer

	// Code is, for an answer to PostForm, its member error, if that is
	// invalid_request, invalid_client, unauthorized_client, access_denied,
	// server_error or temporarily_unavailable (RFC 6749 §5.2, §4.1.2.1);
	// otherwise it is "". It is never any other text of the server's, which may
	// repeat what was sent.
	Code string
}

// Error names the method, the URL and the status, and Code if there is one; it
// contains nothing else of the answer.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s %s: status %d, want 200", cmp.Or(e.Method, http.MethodGet), e.URL, e.Status)
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
	members, err := strictjson.Object(string(text))
	if err != nil {
		return ""
	}
	for _, m := range members {
		if m.Name != "error" {
			continue
		}
		switch code, _ := strictjson.String(m.Value); code {
		case "invalid_request", "invalid_client", "unauthorized_client", "access_denied",
			"server_error", "temporarily_unavailable":
			return code
		}
	}
	return ""
}

func isJWT(header http.Header) bool {
	// If ParseMediaType fails the type is "", and the body has to show what it
	// is.
	mediaType, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	return mediaType == "application/jwt" || strings.HasSuffix(mediaType, "+jwt")
}
