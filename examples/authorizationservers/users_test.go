package authorizationservers_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// A user who has an account at the authorization server, and the client that acts
// for her. It takes the code flow with PKCE (RFC 7636).
const (
	userName     = "alice"
	userPassword = "not a secret"
	redirectURI  = "https://localhost/callback"
	webClient    = "ES256.web"
)

// A browser has the cookies of the authorization server.
type browser struct{ client *http.Client }

func newBrowser(t *testing.T, w *world) *browser {
	t.Helper()
	client := w.pki.HTTPClient()
	t.Cleanup(client.CloseIdleConnections)
	var err error
	client.Jar, err = cookiejar.New(nil)
	require.NoError(t, err)
	client.CheckRedirect = func(next *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(next.URL.String(), redirectURI) {
			return http.ErrUseLastResponse // the client's, and nobody is there
		}
		return nil
	}
	return &browser{client}
}

var (
	formAction  = regexp.MustCompile(`<form[^>]*\saction="([^"]*)"`)
	hiddenInput = regexp.MustCompile(`<input[^>]*type="hidden"[^>]*>`)
	inputName   = regexp.MustCompile(`\sname="([^"]*)"`)
	inputValue  = regexp.MustCompile(`\svalue="([^"]*)"`)
)

// authorize asks for a code, and answers what forms come: the user logs in, and
// consents.
func (b *browser) authorize(t *testing.T, w *world, parameters url.Values) (code string) {
	t.Helper()
	response, err := b.client.Get(authorizationEndpoint(t, w) + "?" + parameters.Encode())
	require.NoError(t, err)
	for range 2 {
		if response.StatusCode != http.StatusOK {
			break
		}
		response = b.submit(t, response)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	back, err := response.Location()
	require.NoError(t, err, "%d: %s", response.StatusCode, page)
	require.NotEmpty(t, back.Query().Get("code"), back.String())
	return back.Query().Get("code")
}

// submit fills in the form of a page.
func (b *browser) submit(t *testing.T, response *http.Response) *http.Response {
	t.Helper()
	page, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	action := formAction.FindSubmatch(page)
	require.NotNil(t, action, string(page))
	to, err := response.Request.URL.Parse(html.UnescapeString(string(action[1])))
	require.NoError(t, err)
	form := url.Values{"username": {userName}, "password": {userPassword}, "accept": {"Yes"}}
	for _, input := range hiddenInput.FindAll(page, -1) {
		name, value := inputName.FindSubmatch(input), inputValue.FindSubmatch(input)
		if name != nil && value != nil && !form.Has(string(name[1])) {
			form.Set(string(name[1]), html.UnescapeString(string(value[1])))
		}
	}
	next, err := b.client.PostForm(to.String(), form)
	require.NoError(t, err)
	return next
}

func authorizationEndpoint(t *testing.T, w *world) string {
	t.Helper()
	client := w.pki.HTTPClient()
	defer client.CloseIdleConnections()
	response, err := client.Get(w.issuer + "/.well-known/openid-configuration")
	require.NoError(t, err)
	defer response.Body.Close()
	var found struct {
		Endpoint string `json:"authorization_endpoint"`
	}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&found))
	return found.Endpoint
}

// userTokens are what a client gets for a user.
type userTokens struct {
	tokenAnswer
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
}

// logIn has the user log in and takes the client's tokens.
func (b *browser) logIn(t *testing.T, w *world, r registration, more url.Values) userTokens {
	t.Helper()
	verifier := rand.Text() + rand.Text()
	challenge := sha256.Sum256([]byte(verifier))
	parameters := w.forScope("openid "+scope, audience)
	for name, values := range (url.Values{
		"client_id": {r.id}, "response_type": {"code"}, "redirect_uri": {redirectURI}, "state": {rand.Text()},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}) {
		parameters[name] = values
	}
	for name, values := range more {
		parameters[name] = values
	}
	if w.pushes { // RFC 9126
		status, body := post(t, newClient(t, w.pki, r), r, w.issuer, discover(t, w.pki, w.issuer).MTLSEndpoint("pushed_authorization_request_endpoint"), parameters)
		require.Equal(t, http.StatusCreated, status, string(body))
		var pushed struct {
			URI string `json:"request_uri"`
		}
		require.NoError(t, json.Unmarshal(body, &pushed))
		parameters = url.Values{"client_id": {r.id}, "request_uri": {pushed.URI}}
	}
	return askTokens(t, w, r, url.Values{
		"grant_type": {"authorization_code"}, "code": {b.authorize(t, w, parameters)},
		"redirect_uri": {redirectURI}, "code_verifier": {verifier},
	})
}

func askTokens(t *testing.T, w *world, r registration, form url.Values) userTokens {
	t.Helper()
	status, body := post(t, newClient(t, w.pki, r), r, w.issuer, discover(t, w.pki, w.issuer).MTLSEndpoint("token_endpoint"), form)
	var got userTokens
	require.NoError(t, json.Unmarshal(body, &got), string(body))
	got.status = status
	return got
}

// A user's tokens: the access token is bound to the client's certificate, also
// after a refresh, and no other token of theirs is an access token.
func testUserTokens(t *testing.T, w *world) {
	r := w.clients[webClient]
	client, thief := newClient(t, w.pki, r), newClient(t, w.pki, w.thief)
	a := watch(t, w, binding.Config{Tokens: newJWTs(t, w, nil)})
	got := newBrowser(t, w).logIn(t, w, r, nil)
	require.Equal(t, http.StatusOK, got.status, got.Error)

	requireUsers := func(token string) {
		t.Helper()
		accepted := a.whoami(t, client, token)
		require.Equal(t, http.StatusOK, accepted.status, "%v: %v", a.last.Load(), accepted.body)
		require.Equal(t, r.id, accepted.body["client_id"])
		require.Equal(t, bindingtest.Thumbprint(r.certificate.Leaf), accepted.body["x5t#S256"])
		a.requireReason(t, binding.ReasonThumbprintMismatch, thief, token)
		a.requireReason(t, binding.ReasonCertificateMissing, w.pki.HTTPClient(), token)
	}
	requireUsers(got.AccessToken)
	for name, token := range map[string]string{"ID token": got.IDToken, "refresh token": got.RefreshToken} {
		require.NotEmpty(t, token, name)
		requireRefused(t, a.whoami(t, client, token))
		require.NotEqual(t, binding.ReasonThumbprintMismatch, a.last.Load(), name)
	}

	refreshed := askTokens(t, w, r, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.RefreshToken}})
	require.Equal(t, http.StatusOK, refreshed.status, refreshed.Error)
	require.NotEqual(t, got.AccessToken, refreshed.AccessToken)
	requireUsers(refreshed.AccessToken)
}
