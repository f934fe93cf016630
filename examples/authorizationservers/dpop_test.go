package authorizationservers_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// startProvenAPI starts examples/server with DPoP. It must be told by which
// origin clients know it before it has a port: so they reach it by another, whose
// connections go on to it.
func startProvenAPI(t *testing.T, w *world, framework string, more ...string) *api {
	t.Helper()
	front := listen(t)
	origin := "https://" + front.Addr().String()
	a := startAPI(t, w.pki, w.issuer, framework, append([]string{"-dpop-origins", origin}, more...)...)
	relay(t, front, strings.TrimPrefix(a.url, "https://"))
	a.url = origin
	return a
}

// relay hands on the bytes of each connection.
func relay(t *testing.T, front net.Listener, to string) {
	t.Helper()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := front.Accept()
			if err != nil {
				return // closed
			}
			all.Go(func() {
				defer client.Close()
				server, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer server.Close()
				all.Go(func() {
					_, _ = io.Copy(server, client)
					_ = server.(*net.TCPConn).CloseWrite()
				})
				_, _ = io.Copy(client, server)
			})
		}
	})
	t.Cleanup(func() {
		_ = front.Close()
		all.Wait()
	})
}

// A foreignAnswer is what a client of Node's got.
type foreignAnswer struct {
	Status    int
	Challenge string
	Nonce     string // DPoP-Nonce
	Body      map[string]any
	Requests  int // that it took
}

// foreignAnswers are what one API said: to the owner, and to thieves.
type foreignAnswers struct {
	First, Second, Third     foreignAnswer
	WithoutKey, WithoutProof foreignAnswer
	AnotherKey               foreignAnswer
	SameProof, Elsewhere     foreignAnswer
}

type foreignClient struct {
	Type    string // token_type, in lower case
	JKT     string
	Token   string
	Answers []foreignAnswers // of each API
}

// runForeignClient runs oidc-provider/client.mjs.
func runForeignClient(t *testing.T, w *world, library, algorithm string, r registration, apis []*api) foreignClient {
	t.Helper()
	var urls []string
	for _, a := range apis {
		urls = append(urls, a.url+"/whoami")
	}
	task, err := json.Marshal(map[string]any{
		"library": library, "algorithm": algorithm, "issuer": w.issuer, "id": r.id, "secret": r.secret,
		"scope": w.forResource(audience).Get("scope"), "resource": audience, "urls": urls,
	})
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), "node", "client.mjs")
	command.Dir = oidcProviderFolder
	command.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+writeFile(t, t.TempDir(), "ca.pem", w.pki.RootPEM()))
	command.WaitDelay = time.Minute
	var stdout, stderr strings.Builder
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(string(task)+"\n"), &stdout, &stderr
	require.NoError(t, command.Run(), "%s\n%s", &stdout, &stderr)
	var got foreignClient
	require.NoError(t, json.Unmarshal([]byte(stdout.String()), &got), stdout.String())
	require.Len(t, got.Answers, len(apis))
	return got
}

// Libraries of others get a token that is bound to their key, and make proofs.
func testForeignClients(t *testing.T, w *world) {
	asking := w.clients[asAPI(tlsClientAuth)]
	certificate, key := writePair(t, t.TempDir(), asking.certificate)
	introspects := w.asks(asking.id, certificate, key)
	var apis []*api
	for _, framework := range frameworks {
		apis = append(apis, startProvenAPI(t, w, framework, introspects...),
			startProvenAPI(t, w, framework, append([]string{"-dpop-nonce"}, introspects...)...))
	}
	algorithms := []string{"ES256", "PS256", "RS256"}
	if w.name == "oidc-provider" {
		algorithms = append(algorithms, "Ed25519")
	}
	for _, library := range []string{"oauth4webapi", "dpop"} {
		for _, algorithm := range algorithms {
			t.Run(library+"/"+algorithm, func(t *testing.T) {
				t.Parallel()
				r := w.clients["ES256"]
				got := runForeignClient(t, w, library, algorithm, r, apis)
				require.Equal(t, "dpop", got.Type)
				confirmation := claimsOf(t, got.Token)["cnf"].(map[string]any)
				delete(confirmation, "kc-jkt-type") // Keycloak's own
				require.Equal(t, map[string]any{"jkt": got.JKT}, confirmation)
				for i := range apis {
					got.requireProven(t, w, r, i, false)
				}
			})
		}
		t.Run(library+"/opaque", func(t *testing.T) {
			t.Parallel()
			r := w.clients[opaque]
			got := runForeignClient(t, w, library, "ES256", r, apis)
			require.Equal(t, "dpop", got.Type)
			w.requireOpaque(t, got.Token)
			for i := range apis {
				got.requireProven(t, w, r, i, true)
			}
		})
	}
}

// requireProven: an API of testForeignClients accepted the token from the client
// that it was issued to, and from nobody else.
func (c foreignClient) requireProven(t *testing.T, w *world, r registration, i int, isOpaque bool) {
	t.Helper()
	wantsNonces := i%2 == 1
	a := c.Answers[i]
	requests := 1
	if wantsNonces {
		requests = 2
	}
	for _, accepted := range []foreignAnswer{a.First, a.Second, a.Third} {
		require.Equal(t, http.StatusOK, accepted.Status, "API %d: %v", i, accepted)
		w.requireWho(t, r, map[string]any{"scope": scope, "jkt": c.JKT}, accepted.Body)
		require.Equal(t, requests, accepted.Requests, "a nonce is learnt once")
		requests = 1
	}

	for name, refused := range map[string]struct {
		answer foreignAnswer
		code   string // of a token that can be read
	}{
		"the token alone":          {a.WithoutKey, "invalid_token"},
		"no proof":                 {a.WithoutProof, "invalid_dpop_proof"},
		"another key":              {a.AnotherKey, "invalid_token"},
		"a proof that was used":    {a.SameProof, "invalid_dpop_proof"},
		"a proof of another place": {a.Elsewhere, "invalid_dpop_proof"},
	} {
		require.Equal(t, http.StatusUnauthorized, refused.answer.Status, name)
		scheme := "DPoP"
		if name == "the token alone" {
			scheme = "Bearer"
		}
		require.True(t, strings.HasPrefix(refused.answer.Challenge, scheme+" "), refused.answer.Challenge)
		code := refused.code
		if isOpaque && name == "a proof that was used" {
			code = "invalid_token" // that the token lives is nobody's to learn
		}
		require.Contains(t, refused.answer.Challenge, `error="`+code+`"`, name)
		require.NotContains(t, refused.answer.Body, "client_id")
		require.Equal(t, wantsNonces && scheme == "DPoP", refused.answer.Nonce != "", name)
	}
}

// examples/client, with a key alone and with a certificate as well.
func testTheClientProgramProves(t *testing.T, w *world) {
	for _, nonces := range []bool{false, true} {
		var flags []string
		name := "no nonces"
		if nonces {
			flags, name = []string{"-dpop-nonce"}, "nonces"
		}
		a := startProvenAPI(t, w, "nethttp", flags...)
		methods := []string{privateKeyJWT}
		if w.name == "go-oidc" { // oidc-provider binds a token in one way
			methods = append(methods, tlsClientAuth)
		}
		for _, method := range methods {
			t.Run(name+"/"+method, func(t *testing.T) {
				t.Parallel()
				r := w.clients["PS256.proving"]
				if method == tlsClientAuth {
					r = w.clients["PS256."+method] // whose tokens are bound to its certificate as well
				}
				certificate, certificateKey, assertionKey := r.files(t)
				key := writeFile(t, t.TempDir(), "dpop.pem", keyPEM(t, newKey(t)))
				flags := []string{"-dpop", key, "-auth", method}
				if method == privateKeyJWT {
					flags = append(flags, "-assertion-key", assertionKey)
				} else {
					flags = append(flags, "-cert", certificate, "-key", certificateKey)
				}
				who := runClientProgram(t, w, r, a, flags...)
				jkt, _ := who["jkt"].(string)
				require.Len(t, jkt, 43)
				delete(who, "jkt")
				want := map[string]any{"scope": "accounts"}
				if r.bound {
					want["x5t#S256"] = bindingtest.Thumbprint(r.certificate.Leaf)
				}
				w.requireWho(t, r, want, who)
			})
		}
	}
}
