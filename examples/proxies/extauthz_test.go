package proxies_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

var buildExtAuthz = built("extauthz", "../extauthz", ".")

const bankAPI = "https://api.bank.example"

// A way is a proxy that asks examples/extauthz about each request.
type way struct {
	name   string
	proxy  func(*testing.T) product // to which its configuration belongs
	config string
	flags  []string // of extauthz: where, and by whom, it is asked

	badRequest int    // the status of what cannot be understood
	header     string // in which a client may forge a certificate
}

var ways = []way{
	{"nginx", func(*testing.T) product { return products[0] }, "nginx.conf",
		[]string{"-http", "127.0.0.1:0", "-from", "nginx", "-trust", "cidr:127.0.0.1/32"}, 401, "X-Ssl-Client-Cert"},
	{"envoy HTTP", envoy, "envoy-http.yaml",
		[]string{"-http", "127.0.0.1:0", "-from", "envoy", "-trust", "cidr:127.0.0.1/32"}, 400, "X-Forwarded-Client-Cert"},
	{"envoy gRPC", envoy, "envoy-grpc.yaml", []string{"-grpc", "127.0.0.1:0"}, 400, "X-Forwarded-Client-Cert"},
}

// behindAuthz starts the API, extauthz and the proxy.
func (w *world) behindAuthz(t *testing.T, way way, change func(string) string, flags ...string) (front, *process) {
	t.Helper()
	args := append([]string{
		"-issuer", w.as.Issuer(), "-audience", bankAPI, "-as-ca", filepath.Join(w.dir, "roots.pem"), "-dpop-origins", bankAPI,
		"-route", "GET /accounts", "-route", "POST /payments=payments", "-route", "GET /files/{name}", "-admin", "127.0.0.1:0",
	}, way.flags...)
	authz := start(t, program(t, buildExtAuthz), append(args, flags...), nil)
	python, err := exec.LookPath("python3")
	require.NoError(t, err)
	api := start(t, python, []string{"../extauthz/api.py", "0"}, nil).firstLine(t, "api on ")
	kind := strings.TrimPrefix(way.flags[0], "-")
	listens := authz.firstLine(t, kind+" on ")
	p := way.proxy(t)
	p.config = "../extauthz/" + way.config
	return w.configured(t, p, change, map[string]any{
		"API": api, "APIPort": api[strings.LastIndexByte(api, ':')+1:], "Authz": listens, "AuthzPort": listens[strings.LastIndexByte(listens, ':')+1:],
	}), authz
}

// reply is what a client gets.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) challenges() string { return strings.Join(r.header.Values("WWW-Authenticate"), ", ") }

func (w *world) request(t *testing.T, f front, m manner, who *party, method, target string, header http.Header) reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var body io.Reader
	if method == http.MethodPost {
		body = bytes.NewReader([]byte("7 EUR"))
	}
	request, err := http.NewRequestWithContext(ctx, method, "https://localhost"+f.address[strings.LastIndexByte(f.address, ':'):]+target, body)
	require.NoError(t, err)
	request.Header = header
	c := w.caller(t, f, m, who)
	response, err := c.transport.RoundTrip(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return reply{response.StatusCode, response.Header, string(text)}
}

func bearer(token string, more ...string) http.Header {
	h := http.Header{"Authorization": {"Bearer " + token}}
	for i := 0; i < len(more); i += 2 {
		h[more[i]] = append(h[more[i]], more[i+1])
	}
	return h
}

func (w *world) bankToken(t *testing.T, spec bindingtest.TokenSpec) string {
	t.Helper()
	spec.Audience = []string{bankAPI}
	token, err := w.as.Token(spec)
	require.NoError(t, err)
	return token
}

// The API in Python gets what extauthz admits, with whose request it is; all
// else is the guard's own refusal.
func TestExtAuthz(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			f, authz := w.behindAuthz(t, way, nil)
			owner, thief := newClient(t), newClient(t)
			token := w.bankToken(t, bindingtest.TokenSpec{Certificate: owner.leaf(), Subject: "Ålice, 7", ClientID: "app"})
			paying := w.bankToken(t, bindingtest.TokenSpec{Certificate: owner.leaf(), Subject: "Ålice, 7", ClientID: "app", Scopes: []string{"payments"}})
			nobodys := w.bankToken(t, bindingtest.TokenSpec{Certificate: owner.leaf(), Claims: map[string]any{"sub": nil, "client_id": nil}})
			signer, err := p256()
			require.NoError(t, err)
			key := signer.(*ecdsa.PrivateKey)
			ofKey := w.bankToken(t, bindingtest.TokenSpec{Key: key.Public(), Subject: "bob", ClientID: "phone"})
			proof := func(method, target string) http.Header {
				text, err := bindingtest.NewProof(bindingtest.ProofSpec{Key: key, Method: method, URL: bankAPI + target, Token: ofKey})
				require.NoError(t, err)
				return http.Header{"Authorization": {"DPoP " + ofKey}, "Dpop": {text}}
			}
			forged := []string{way.header, way.proxy(t).encode(owner.leaf()), "X-Subject", "root", "X-Client-Id", "root",
				"X-Original-Method", "GET", "X-Original-Uri", "/accounts", "X-Envoy-Original-Path", "/accounts"}
			const twoTokens = "two tokens" // which nginx itself refuses
			const alice = "X-Subject: %C3%85lice%2C%207\nX-Client-Id: app\n"
			once := proof(http.MethodGet, "/accounts")
			for _, row := range []struct {
				name           string
				who            *party
				method, target string
				header         http.Header
				status         int
				want           string // the body of a 200, else in the challenges
			}{
				{"owner", owner, "GET", "/accounts", bearer(token), 200, alice},
				{"owner, with a query", owner, "GET", "/accounts?of=bob", bearer(token), 200, alice},
				{"owner, with forged fields", owner, "GET", "/accounts", bearer(token, forged...), 200, alice},
				{"a token without names, and forged ones", owner, "GET", "/accounts", bearer(nobodys, "X-Subject", "root", "X-Client-Id", "root"), 200, ""},
				{"thief", thief, "GET", "/accounts", bearer(token), 401, `error="invalid_token"`},
				{"thief, with a forged header", thief, "GET", "/accounts", bearer(token, forged...), 401, `error="invalid_token"`},
				{"no certificate", nil, "GET", "/accounts", bearer(token), 401, `error="invalid_token"`},
				{"no certificate, with a forged header", nil, "GET", "/accounts", bearer(token, forged...), 401, `error="invalid_token"`},
				{"no credentials", owner, "GET", "/accounts", http.Header{"X-Subject": {"root"}}, 401, "Bearer"},
				{"two words", owner, "GET", "/accounts", bearer("two words"), way.badRequest, `error="invalid_request"`},
				{twoTokens, owner, "GET", "/accounts", bearer(token, "Authorization", "Bearer "+token), 400, ""},
				{"the scope", owner, "POST", "/payments", bearer(paying), 200, alice},
				{"no scope", owner, "POST", "/payments", bearer(token), 403, `error="insufficient_scope"`},
				{"no scope, with forged fields", owner, "POST", "/payments", bearer(token, forged[6:]...), 403, `error="insufficient_scope"`},
				{"a route that is not named", owner, "GET", "/admin", bearer(token), 403, ""},
				{"a path that can be read in two ways", owner, "GET", "/x/../accounts", bearer(token), 403, ""},
				{"a slash in a name, which the API may read as one", owner, "GET", "/files/..%2fpayments", bearer(token), 403, ""},
				{"dots in place of a name, which the API may resolve", owner, "GET", "/files/%2e%2e", bearer(token), 403, ""},
				{"the proxy's own question", owner, "GET", "/_authz", bearer(token), 0, ""},
				{"a proof", nil, "GET", "/accounts", once, 200, "X-Subject: bob\nX-Client-Id: phone\n"},
				{"a replayed proof", thief, "GET", "/accounts", once, 401, `error="invalid_dpop_proof"`},
				{"a proof of another route", nil, "GET", "/accounts", proof(http.MethodPost, "/payments"), 401, `error="invalid_dpop_proof"`},
				{"a proof with a query", nil, "GET", "/accounts?of=bob", proof(http.MethodGet, "/accounts"), 200, "X-Subject: bob\nX-Client-Id: phone\n"},
				{"no proof", nil, "GET", "/accounts", bearer(ofKey), 401, `DPoP `},
			} {
				m := manners[2]
				if row.header["Dpop"] == nil {
					m = manners[3]
				}
				got := w.request(t, f, m, row.who, row.method, row.target, row.header)
				if row.status == 0 {
					require.Contains(t, []int{403, 404}, got.status, row.name)
					continue
				}
				require.Equal(t, row.status, got.status, "%s: %s", row.name, got.body)
				if row.status == 200 {
					require.Equal(t, row.want, got.body, row.name)
					continue
				}
				require.Contains(t, got.challenges(), row.want, row.name)
				require.NotContains(t, got.body, "%C3%85lice", row.name)
				if row.name == twoTokens {
					continue
				}
				require.Equal(t, "no-store", got.header.Get("Cache-Control"), row.name)
			}
			admin := "http://" + authz.firstLine(t, "admin on ")
			require.Equal(t, 200, get(t, admin+"/readyz").status)
			require.Equal(t, 200, get(t, admin+"/healthz").status)
			require.Contains(t, get(t, admin+"/metrics").body, "certbound_decisions")
			require.NotContains(t, authz.log.String(), "eyJ", "a token is in the log")
			require.Contains(t, authz.log.String(), "reason=proof_replayed")
		})
	}
}

// extauthz gone, or its issuer: 503, which says when to come again, and never an
// open door.
func TestExtAuthzOutages(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			f, authz := w.behindAuthz(t, way, nil)
			owner := newClient(t)
			token := w.bankToken(t, bindingtest.TokenSpec{Certificate: owner.leaf()})
			require.Equal(t, 200, w.request(t, f, manners[2], owner, "GET", "/accounts", bearer(token)).status)
			w.as.Close() // the keys are known
			require.Equal(t, 200, w.request(t, f, manners[2], owner, "GET", "/accounts", bearer(token)).status)
			unavailable := func(f front) {
				t.Helper()
				got := w.request(t, f, manners[2], owner, "GET", "/accounts", bearer(token))
				require.Equal(t, 503, got.status, got.body)
				require.Len(t, got.header.Values("Retry-After"), 1)
				require.Empty(t, got.challenges())
			}
			authz.stop(t)
			unavailable(f)

			late, started := w.behindAuthz(t, way, nil) // knows no keys
			unavailable(late)
			require.Equal(t, 503, get(t, "http://"+started.firstLine(t, "admin on ")+"/readyz").status)

			if strings.HasPrefix(way.name, "envoy") {
				// What the guide says of failure_mode_allow.
				open, _ := w.behindAuthz(t, way, changed(t, "failure_mode_allow: false", "failure_mode_allow: true"))
				got := w.request(t, open, manners[2], newClient(t), "GET", "/accounts", bearer(token))
				require.Equal(t, map[string]int{"envoy HTTP": 200, "envoy gRPC": 503}[way.name], got.status)
			}
		})
	}
}

// With nonces: the first request is told one, and each answer the next.
func TestExtAuthzNonces(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			f, _ := w.behindAuthz(t, way, nil, "-dpop-nonce")
			signer, err := p256()
			require.NoError(t, err)
			key := signer.(*ecdsa.PrivateKey)
			token := w.bankToken(t, bindingtest.TokenSpec{Key: key.Public()})
			ask := func(nonce string) reply {
				text, err := bindingtest.NewProof(bindingtest.ProofSpec{Key: key, URL: bankAPI + "/accounts", Token: token, Nonce: nonce})
				require.NoError(t, err)
				return w.request(t, f, manners[2], nil, "GET", "/accounts", http.Header{"Authorization": {"DPoP " + token}, "Dpop": {text}})
			}
			first := ask("")
			require.Equal(t, 401, first.status)
			require.Contains(t, first.challenges(), `error="use_dpop_nonce"`)
			require.Len(t, first.header.Values("DPoP-Nonce"), 1)
			require.Equal(t, 200, ask(first.header.Get("DPoP-Nonce")).status)
		})
	}
}

func get(t *testing.T, url string) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return reply{response.StatusCode, response.Header, string(text)}
}
