package minimal_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/examples/internal/tryout"
)

func start(t *testing.T, folder string) (*tryout.Server, *bindingtest.AuthorizationServer) {
	t.Helper()
	as := tryout.NewAuthorizationServer(t, bindingtest.Config{})
	return tryout.Start(t, folder, []*bindingtest.AuthorizationServer{as}), as
}

func TestAdapters(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"./nethttp", "./echo", "./gin"} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			api, _ := start(t, folder)
			api.Story(t, "/accounts")
			api.Requires(t, http.StatusOK, "paid", api.Client, api.Token(t, "payments"), http.MethodPost, "/payments")
			api.Requires(t, http.StatusForbidden, `scope="payments"`, api.Client, api.Token(t), http.MethodPost, "/payments")
			api.Requires(t, http.StatusUnauthorized, `error="invalid_token"`, api.Thief, api.Token(t, "payments"), http.MethodPost, "/payments")
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	api, _ := start(t, "./check")
	api.Story(t, "/accounts")
	api.Requires(t, http.StatusOK, "your rate, alice is 3.1", api.Client, api.Token(t), http.MethodGet, "/rates")
	api.Requires(t, http.StatusOK, "the rate is 3.5", api.Client, "", http.MethodGet, "/rates")
	// A stolen token is not as good as none.
	api.Requires(t, http.StatusUnauthorized, `error="invalid_token"`, api.Thief, api.Token(t), http.MethodGet, "/rates")
}

func TestIssuers(t *testing.T) {
	t.Parallel()
	bank := tryout.NewAuthorizationServer(t, bindingtest.Config{})
	partner := tryout.NewAuthorizationServer(t, bindingtest.Config{TokenType: "JWT", Claims: map[string]any{"scp": []string{"accounts"}}})
	stranger := tryout.NewAuthorizationServer(t, bindingtest.Config{})
	api := tryout.Start(t, "./issuers", []*bindingtest.AuthorizationServer{bank, partner}, "PARTNER="+partner.Issuer())
	api.Story(t, "/accounts", "accounts")

	theirs := tryout.Token(t, partner, api.Client.Leaf)
	api.Requires(t, http.StatusOK, "alice at "+partner.Issuer(), api.Client, theirs, http.MethodGet, "/accounts")
	api.Requires(t, http.StatusUnauthorized, `error="invalid_token"`, api.Thief, theirs, http.MethodGet, "/accounts")
	for name, token := range map[string]string{
		"a stranger's":                 tryout.Token(t, stranger, api.Client.Leaf, "accounts"),
		"the partner's, by its rules":  tryout.Token(t, bank, api.Client.Leaf),
		"the bank's in partner's type": typed(t, bank, api, "JWT"),
	} {
		status, text := http.StatusUnauthorized, "invalid_token"
		if name == "the partner's, by its rules" { // scp is none of the bank's
			status, text = http.StatusForbidden, "insufficient_scope"
		}
		api.Requires(t, status, text, api.Client, token, http.MethodGet, "/accounts")
	}
}

// A token of one tenant's opens nothing of another's, though the guard admits it.
func TestTenants(t *testing.T) {
	t.Parallel()
	bank := tryout.NewAuthorizationServer(t, bindingtest.Config{})
	shop := tryout.NewAuthorizationServer(t, bindingtest.Config{})
	stranger := tryout.NewAuthorizationServer(t, bindingtest.Config{})
	api := tryout.Start(t, "./tenants", []*bindingtest.AuthorizationServer{bank, shop},
		fmt.Sprintf(`TENANTS={"bank": %q, "shop": %q}`, bank.Issuer(), shop.Issuer()))
	api.Story(t, "/bank/accounts")
	ofShop, ofStranger := tryout.Token(t, shop, api.Client.Leaf), tryout.Token(t, stranger, api.Client.Leaf)
	api.Requires(t, http.StatusOK, "the accounts of alice at shop", api.Client, ofShop, http.MethodGet, "/shop/accounts")
	api.Requires(t, http.StatusForbidden, "", api.Client, ofShop, http.MethodGet, "/bank/accounts")
	api.Requires(t, http.StatusForbidden, "", api.Client, api.Token(t), http.MethodGet, "/shop/accounts")
	api.Requires(t, http.StatusForbidden, "", api.Client, api.Token(t), http.MethodGet, "/nobody/accounts")
	api.Requires(t, http.StatusUnauthorized, `error="invalid_token"`, api.Thief, ofShop, http.MethodGet, "/shop/accounts")
	api.Requires(t, http.StatusUnauthorized, `error="invalid_token"`, api.Client, ofStranger, http.MethodGet, "/shop/accounts")
}

// The stream goes on while the token lives, and then ends by itself.
func TestStream(t *testing.T) {
	t.Parallel()
	api, as := start(t, "./stream")
	expiry := time.Now().Add(3 * time.Second).Truncate(time.Second)
	token, err := as.Token(bindingtest.TokenSpec{Subject: "alice", Certificate: api.Client.Leaf, ExpiresIn: 3 * time.Second})
	require.NoError(t, err)
	api.Requires(t, http.StatusUnauthorized, `error="invalid_token"`, api.Thief, token, http.MethodGet, "/payments")
	api.Requires(t, http.StatusOK, "event: expired\ndata:\n\n", api.Client, token, http.MethodGet, "/payments") // reads to the end
	require.False(t, time.Now().Before(expiry))
}

func typed(t *testing.T, as *bindingtest.AuthorizationServer, api *tryout.Server, typ string) string {
	t.Helper()
	token, err := as.Token(bindingtest.TokenSpec{
		Certificate: api.Client.Leaf, Scopes: []string{"accounts"}, Header: map[string]any{"typ": typ},
	})
	require.NoError(t, err)
	return token
}

func TestGroup(t *testing.T) {
	t.Parallel()
	api, as := start(t, "./group")
	api.Requires(t, http.StatusOK, "ok", api.Thief, "", http.MethodGet, "/healthz")

	api.Story(t, "/v2/accounts", "accounts")
	api.Requires(t, http.StatusForbidden, `scope="accounts"`, api.Client, api.Token(t), http.MethodGet, "/v2/accounts")
	api.Requires(t, http.StatusForbidden, `scope="payments"`, api.Client, api.Token(t, "accounts"), http.MethodPost, "/v2/payments")
	api.Requires(t, http.StatusOK, "paid", api.Client, api.Token(t, "accounts", "payments"), http.MethodPost, "/v2/payments")

	api.Story(t, "/v1/accounts")
	unbound := tryout.Token(t, as, nil, "accounts")
	api.Requires(t, http.StatusOK, "the accounts of alice", api.Thief, unbound, http.MethodGet, "/v1/accounts")
	api.Requires(t, http.StatusUnauthorized, "is not bound", api.Client, unbound, http.MethodGet, "/v2/accounts")
}

// Every example is run: one that is added, and has no test, fails here. And it is
// one small file. (It is read, so that go test knows it, and runs again when it is
// another.)
func TestEveryExampleIsTriedAndSmall(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("*", "*"))
	require.NoError(t, err)
	var want []string
	for _, folder := range []string{"check", "echo", "gin", "group", "issuers", "nethttp", "stream", "tenants"} {
		want = append(want, filepath.Join(folder, "main.go"))
	}
	require.Equal(t, want, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(text), "// Command "+filepath.Dir(file)+" "), file)
		require.Less(t, strings.Count(string(text), "\n"), 90, file)
	}
}
