package suite

import (
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An Answer is what a test expects.
type Answer struct {
	Status      int
	Code        string
	Description string
	Challenge   bool   // there is one
	Scope       string // in the challenge
	Realm       string // in the challenge
	Metadata    string // in the challenge, resource_metadata
	RetryAfter  string // seconds; "any" from 1 to 60

	Subject string // that the handler finds, if it is not Subject
	Body    string // of OnError, in place of the usual

	byServer bool // net/http answers by itself, before any handler: only the status is looked at
}

// The answers. Each text of a refusal is written here once more, so that it
// cannot change, or take in anything of the request, without a test that fails
// (row 265).
var (
	OK = Answer{Status: http.StatusOK}

	// E0 of the table of attacks: RFC 6750 §3.1 wants no code where there were
	// no credentials.
	NoCredentials = Answer{Status: http.StatusUnauthorized, Challenge: true}

	ManyCredentials  = invalidRequest("the request must carry exactly one Authorization field")
	BadCredentials   = invalidRequest("the Authorization field must be Bearer, a space and an access token")
	Malformed        = invalidToken("the access token is malformed")
	TooLong          = invalidToken("the access token is too long")
	BadHeader        = invalidToken("the header of the access token is malformed or not supported")
	BadAlgorithm     = invalidToken("the signature algorithm of the access token is not accepted here")
	BadType          = invalidToken("the token is not an access token that is accepted here")
	BadClaims        = invalidToken("a claim of the access token is missing or malformed")
	BadIssuer        = invalidToken("the issuer of the access token is not accepted here")
	BadAudience      = invalidToken("the access token is not for this resource server")
	Expired          = invalidToken("the access token expired")
	NotYetValid      = invalidToken("the access token is not valid yet")
	Unverifiable     = invalidToken("the signature of the access token could not be verified")
	Revoked          = invalidToken("the access token was revoked")
	BadConfirmation  = invalidToken("the confirmation of the access token is not one that this resource server can check")
	Unbound          = invalidToken("the access token is not bound to a client certificate")
	Bound            = invalidToken("the access token is bound to a client certificate, which is not accepted here")
	NoCertificate    = invalidToken("the access token is bound to a client certificate, and the client presented none")
	UnreadableHeader = invalidToken("the access token is bound to a client certificate, and the client certificate could not be read")
	OtherCertificate = invalidToken("the access token is bound to another client certificate")

	Forbidden     = Answer{Status: http.StatusForbidden, Code: "access_denied", Description: "the client may not do this"}
	Misconfigured = Answer{Status: http.StatusInternalServerError, Code: "server_error", Description: "the resource server is misconfigured"}
	Failed        = Answer{Status: http.StatusInternalServerError, Code: "server_error", Description: "the resource server failed"}
)

func invalidRequest(description string) Answer {
	return Answer{Status: http.StatusBadRequest, Code: "invalid_request", Description: description, Challenge: true}
}

func invalidToken(description string) Answer {
	return Answer{Status: http.StatusUnauthorized, Code: "invalid_token", Description: description, Challenge: true}
}

// MissesScopes is the answer to a good token without all of the scopes.
func MissesScopes(scopes string) Answer {
	return Answer{
		Status: http.StatusForbidden, Code: "insufficient_scope", Challenge: true, Scope: scopes,
		Description: "the access token lacks a scope that this request needs",
	}
}

// Unavailable is the answer when nobody can say what the token is worth.
func Unavailable(retryAfter string) Answer {
	return Answer{
		Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", RetryAfter: retryAfter,
		Description: "the access token cannot be verified at present",
	}
}

func byServer(status int) Answer { return Answer{Status: status, byServer: true} }

func (a Answer) subject() string {
	if a.Subject != "" {
		return a.Subject
	}
	return Subject
}

// Challenges is the whole of WWW-Authenticate.
func (a Answer) Challenges() []string {
	if !a.Challenge {
		return nil
	}
	var params []string
	for _, p := range []struct{ name, value string }{
		{"realm", a.Realm},
		{"error", a.Code},
		{"error_description", a.Description},
		{"scope", a.Scope},
		{"resource_metadata", a.Metadata},
	} {
		if p.value != "" {
			params = append(params, p.name+`="`+p.value+`"`)
		}
	}
	if params == nil {
		params = []string{`realm="protected resource"`}
	}
	return []string{strings.TrimSpace("Bearer " + strings.Join(params, ", "))}
}

// body is the usual one.
func (a Answer) body(t *testing.T) string {
	t.Helper()
	members := map[string]string{}
	if a.Code != "" {
		members["error"], members["error_description"] = a.Code, a.Description
	}
	text, err := json.Marshal(members)
	require.NoError(t, err)
	return string(text)
}

// assert compares the response with the answer. sent are the credentials of the
// request, which must not come back.
func (a Answer) assert(t *testing.T, response *http.Response, body []byte, sent []string) {
	t.Helper()
	require.Equal(t, a.Status, response.StatusCode, "body: %s", body)
	if a.byServer {
		return
	}
	header := response.Header
	if a.Status == http.StatusOK {
		assert.Equal(t, ran, string(body))
		for _, name := range []string{"WWW-Authenticate", "Cache-Control", "Retry-After"} {
			assert.NotContains(t, header, http.CanonicalHeaderKey(name), "a field of a refusal, in an answer of the handler's")
		}
		return
	}
	assert.Equal(t, a.Challenges(), header.Values("WWW-Authenticate"))
	assert.Equal(t, []string{"no-store"}, header.Values("Cache-Control"))
	assert.Equal(t, []string{"nosniff"}, header.Values("X-Content-Type-Options"))
	a.assertRetryAfter(t, header.Values("Retry-After"))
	switch isHead := response.Request != nil && response.Request.Method == http.MethodHead; {
	case isHead:
		assert.Empty(t, body)
	default:
		contentType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
		require.NoError(t, err)
		assert.Equal(t, "application/json", contentType)
		assert.JSONEq(t, a.body(t), string(body))
	}
	all := dump(response, body)
	assert.NotContains(t, all, "goroutine ", "a stack in an answer")
	for _, field := range sent {
		for _, secret := range secretsIn(field) {
			assert.NotContains(t, all, secret, "something of the credentials in an answer")
		}
	}
}

func (a Answer) assertRetryAfter(t *testing.T, got []string) {
	t.Helper()
	switch a.RetryAfter {
	case "":
		assert.Empty(t, got, "Retry-After")
	case "any":
		require.Len(t, got, 1, "Retry-After")
		seconds, err := strconv.Atoi(got[0])
		require.NoError(t, err)
		assert.GreaterOrEqual(t, seconds, 1)
		assert.LessOrEqual(t, seconds, 60)
	default:
		assert.Equal(t, []string{a.RetryAfter}, got, "Retry-After")
	}
}
