package binding_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// What a server answers about a JWT is believed as far as the JWT's own claims allow.
func TestAnswerWithinTheClaimsOfAJWT(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("A", 43) // of a server that hashed nothing
	one, other := newCertificate(t, "one").Leaf, newCertificate(t, "other").Leaf
	for name, test := range map[string]struct {
		answer, jwt members
		lost        bool
	}{
		"unbound, both":               {nil, nil, false},
		"bound by the answer alone":   {boundTo(one), nil, false},
		"the same certificate":        {boundTo(one), boundTo(one), false},
		"another certificate":         {boundTo(other), boundTo(one), true},
		"no certificate":              {nil, boundTo(one), true},
		"the same key":                {boundToKey("alice", nil), boundToKey("alice", nil), false},
		"another key":                 {boundToKey("mallory", nil), boundToKey("alice", nil), true},
		"no key":                      {nil, boundToKey("alice", nil), true},
		"a key for a certificate":     {boundToKey("alice", nil), boundTo(one), true},
		"both, and the key is lost":   {boundTo(one), boundToKey("alice", one), true},
		"both, and the certificate":   {boundToKey("alice", nil), boundToKey("alice", one), true},
		"both, with another of these": {boundToKey("alice", other), boundToKey("alice", one), true},
		"both":                        {boundToKey("alice", one), boundToKey("alice", one), false},
		"no certificate for zeros":    {nil, members{"cnf": members{"x5t#S256": zeros}}, true},
		"no key for zeros":            {nil, members{"cnf": members{"jkt": zeros}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, introspection := range []bool{false, true} {
				expect := good
				expect.Introspection = introspection
				answer, err := mustParse(t, claims(t, test.answer)).Validate(expect)
				require.NoError(t, err)
				within, err := answer.Within(mustParse(t, claims(t, test.jwt)))
				if test.lost {
					requireRefused(t, err, binding.ReasonConfirmationMalformed, 401)
					require.ErrorContains(t, refusalOf(t, err).Cause, "lacks the binding that the JWT names")
					require.Equal(t, introspection, refusalOf(t, err).Opaque)
					require.Nil(t, within)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, answer, within)
			}
		})
	}
}

func TestAnswerAndJWTEndWhenTheFirstOfThemDoes(t *testing.T) {
	t.Parallel()
	soon, late, never := now.Add(time.Minute), now.Add(time.Hour), time.Time{}
	for name, test := range map[string]struct{ answer, jwt, want time.Time }{
		"the JWT first":    {late, soon, soon},
		"the answer first": {soon, late, soon},
		"both at once":     {soon, soon, soon},
		"the answer alone": {soon, never, soon},
		"the JWT alone":    {never, soon, soon},
		"neither":          {never, never, never},
	} {
		ends := func(at time.Time) members {
			if at.IsZero() {
				return members{"exp": nil}
			}
			return members{"exp": at.Unix()}
		}
		expect := good
		expect.Introspection = true
		answer, err := mustParse(t, claims(t, ends(test.answer))).Validate(expect)
		require.NoError(t, err, name)
		within, err := answer.Within(mustParse(t, claims(t, ends(test.jwt))))
		require.NoError(t, err, name)
		require.Equal(t, test.want, within.Expiry(), name)
		require.Equal(t, test.answer, answer.Expiry(), "the answer is not changed")
	}
}

// Only a JWT that says nothing of its audience, and to which nothing else is wrong, is one to ask a server about.
func TestClaimsThatLackOnlyTheirAudience(t *testing.T) {
	t.Parallel()
	answer := good
	answer.Introspection = true
	for name, test := range map[string]struct {
		changes members
		expect  binding.Expect
		want    bool
	}{
		"no aud":                    {members{"aud": nil}, good, true},
		"ours":                      {nil, good, false},
		"another":                   {members{"aud": "https://other.example"}, good, false},
		"null":                      {members{"aud": null}, good, false},
		"an empty list":             {members{"aud": []string{}}, good, false},
		"no aud, and expired":       {members{"aud": nil, "exp": 1}, good, false},
		"no aud, of another issuer": {members{"aud": nil, "iss": "https://other.example"}, good, false},
		"no aud, of another kind":   {members{"aud": nil, "nonce": "n"}, good, false},
		"no aud in an answer":       {members{"aud": nil}, answer, false},
	} {
		require.Equal(t, test.want, mustParse(t, claims(t, test.changes)).LackOnlyAudience(test.expect), name)
	}
}

func TestNilErrorHasAText(t *testing.T) {
	t.Parallel()
	var none *binding.Error
	require.Equal(t, "<nil>", none.Error())
}

// upload makes a request with a file, which is a temporary file of the server's once the form is read.
func upload(t *testing.T) *http.Request {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "a.txt")
	require.NoError(t, err)
	_, err = part.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, form.Close())
	r := httptest.NewRequest(http.MethodPost, audience+"/accounts", &body)
	r.Header.Set("Authorization", "Bearer "+bearer(claims(t, nil)))
	r.Header.Set("Content-Type", form.FormDataContentType())
	return r
}

// uploaded reads a request's form and returns the name of the temporary file.
func uploaded(t *testing.T, r *http.Request) string {
	t.Helper()
	require.NoError(t, r.ParseMultipartForm(0))
	t.Cleanup(func() { _ = r.MultipartForm.RemoveAll() })
	file, err := r.MultipartForm.File["file"][0].Open()
	require.NoError(t, err)
	require.IsType(t, new(os.File), file)
	require.NoError(t, file.Close())
	return file.(*os.File).Name()
}

// Only the files that a handler's request has are removed: those that were there before the guard are somebody else's.
func TestRemoveUpload(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, binding.Config{Policy: binding.DangerouslyAcceptUnbound})
	admit := func(r *http.Request) *http.Request {
		admitted, err := guard.Admit(r)
		require.NoError(t, err)
		return admitted
	}
	behind := admit(upload(t))
	file := uploaded(t, behind)
	require.FileExists(t, file)
	binding.RemoveUpload(behind)
	require.NoFileExists(t, file)

	before := upload(t)
	file = uploaded(t, before)
	admitted := admit(before)
	binding.RemoveUpload(admitted)
	require.FileExists(t, file)
	admitted.MultipartForm = nil
	require.NotPanics(t, func() { binding.RemoveUpload(admitted) }, "the handler took the form away")

	require.NotPanics(t, func() { binding.RemoveUpload(admit(upload(t))) }, "nobody has read the form")
}

// What no guard has admitted has no files of a guard's making.
func TestRemoveUploadOfARequestThatNoGuardAdmitted(t *testing.T) {
	t.Parallel()
	r := request("t")
	r.MultipartForm = &multipart.Form{}
	require.NotPanics(t, func() { binding.RemoveUpload(r) })
}
