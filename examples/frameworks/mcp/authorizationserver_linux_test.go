package main_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/examples/internal/tryout"
)

const (
	clientID = "mcp-client"
	redirect = "https://client.example/callback"
)

// startAuthorizationServer starts one that also has the authorization code
// grant with PKCE (RFC 7636), as MCP's clients want it: its user agrees to
// everything.
// Tokens are bound to the certificate of the client that asks for them.
func startAuthorizationServer(t *testing.T) *bindingtest.AuthorizationServer {
	t.Helper()
	as := tryout.NewAuthorizationServer(t, bindingtest.Config{})
	as.Handle(bindingtest.MetadataPaths, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		metadata := as.Metadata()
		metadata["authorization_endpoint"] = as.URL("/authorize")
		metadata["token_endpoint"] = as.MTLSURL(bindingtest.TokenPath) // MCP's clients know no aliases
		metadata["token_endpoint_auth_methods_supported"] = []string{"none"}
		metadata["grant_types_supported"] = []string{"authorization_code"}
		metadata["response_types_supported"] = []string{"code"}
		metadata["code_challenge_methods_supported"] = []string{"S256"}
		answer(w, http.StatusOK, metadata)
	}))
	codes := &codes{granted: make(map[string]url.Values)}
	as.Handle("/authorize", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := r.URL.Query()
		if asked.Get("client_id") != clientID || asked.Get("redirect_uri") != redirect || asked.Get("code_challenge_method") != "S256" {
			answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_request"})
			return
		}
		to := url.Values{"code": {codes.grant(asked)}, "state": {asked.Get("state")}}
		http.Redirect(w, r, redirect+"?"+to.Encode(), http.StatusFound)
	}))
	as.Handle(bindingtest.TokenPath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		granted, known := codes.redeem(r.FormValue("code"), r.FormValue("code_verifier"))
		if !known || r.FormValue("grant_type") != "authorization_code" || len(r.TLS.PeerCertificates) == 0 {
			answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
			return
		}
		token, err := as.Token(bindingtest.TokenSpec{
			Subject: "alice", ClientID: clientID, Scopes: strings.Fields(granted.Get("scope")), Certificate: r.TLS.PeerCertificates[0],
		})
		if err != nil {
			panic(err)
		}
		answer(w, http.StatusOK, map[string]any{
			"access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": granted.Get("scope"),
		})
	}))
	return as
}

func answer(w http.ResponseWriter, status int, members map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(members) // the client may be gone
}

// codes are the authorization codes, and what was asked for with each.
type codes struct {
	mu      sync.Mutex
	granted map[string]url.Values
}

func (c *codes) grant(asked url.Values) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	code := rand.Text()
	c.granted[code] = asked
	return code
}

// redeem returns what was asked for, once, and to whoever has the verifier.
func (c *codes) redeem(code, verifier string) (url.Values, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked, known := c.granted[code]
	delete(c.granted, code)
	digest := sha256.Sum256([]byte(verifier))
	return asked, known && base64.RawURLEncoding.EncodeToString(digest[:]) == asked.Get("code_challenge")
}
