// The clients of the SDKs in TypeScript and Python must be there; the tests
// never skip.
//
//	(cd examples/frameworks/mcp/node && npm ci --ignore-scripts)
//	(cd examples/frameworks/mcp/python && python3 -m venv .venv &&
//		.venv/bin/pip install --require-hashes --no-deps -r requirements.txt)
package main_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/examples/internal/tried"
	"github.com/certbound/certbound/examples/internal/tryout"
)

// A task is what a client is told: the endpoint, and who it is.
type task struct {
	URL         string `json:"url"`
	ID          string `json:"id"`
	Redirect    string `json:"redirect"`
	CA          string `json:"ca"` // a file, as the next two
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// A report is what came of it.
type report struct {
	Asked []string `json:"asked"` // the scopes that the user was asked for, each time
	Said  []string `json:"said"`  // by the tools accounts and pay
}

func start(t *testing.T) (*bindingtest.AuthorizationServer, *tryout.Server) {
	t.Helper()
	as := startAuthorizationServer(t)
	return as, tryout.Start(t, ".", []*bindingtest.AuthorizationServer{as}, "RESOURCE=https://{address}/mcp")
}

func TestClients(t *testing.T) {
	t.Parallel()
	as, api := start(t)
	t.Cleanup(func() { // when all have run
		if !t.Failed() {
			tried.Sync(t, "examples/frameworks/mcp", []tried.Row{
				{Name: "Go SDK", Version: tried.Pinned(t, "go.mod", "github.com/modelcontextprotocol/go-sdk"), How: "server, client; certificate, DPoP"},
				{Name: "TypeScript SDK", Version: tried.Pinned(t, "node/package.json", "@modelcontextprotocol/sdk"), How: "client; certificate"},
				{Name: "Python SDK", Version: tried.Pinned(t, "python/requirements.txt", "mcp"), How: "client; certificate"},
			})
		}
	})
	for name, run := range map[string]func(*testing.T, task) report{
		"Go": func(t *testing.T, told task) report { return byGo(t, as.HTTPClient(api.Client), told) },
		"TypeScript": func(t *testing.T, told task) report {
			_, err := os.Stat("node/node_modules/@modelcontextprotocol/sdk/package.json")
			require.NoError(t, err, "run `npm ci --ignore-scripts` in examples/frameworks/mcp/node")
			return runProgram(t, told, "node", "node", "client.mjs")
		},
		"Python": func(t *testing.T, told task) report {
			python, err := filepath.Abs("python/.venv/bin/python")
			require.NoError(t, err)
			_, err = os.Stat(python)
			require.NoError(t, err, "mcp_linux_test.go says how to make examples/frameworks/mcp/python/.venv")
			return runProgram(t, told, "python", python, "client.py")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			key, err := x509.MarshalPKCS8PrivateKey(api.Client.PrivateKey)
			require.NoError(t, err)
			got := run(t, task{
				URL: api.URL + "/mcp", ID: clientID, Redirect: redirect,
				CA:          writeFile(t, folder, "ca.pem", as.RootPEM()),
				Certificate: writeFile(t, folder, "client.pem", inPEM("CERTIFICATE", api.Client.Certificate[0])),
				Key:         writeFile(t, folder, "client-key.pem", inPEM("PRIVATE KEY", key)),
			})
			for i, asked := range got.Asked { // in any order (RFC 6749 §3.3)
				got.Asked[i] = strings.Join(slices.Sorted(strings.FieldsSeq(asked)), " ")
			}
			require.Equal(t, report{
				Asked: []string{"accounts", "accounts payments"}, // by the challenge of the 401, and of the 403
				Said:  []string{"the accounts of alice", "paid by alice"},
			}, got)
		})
	}
}

// A client with a DPoP key needs no certificate.
func TestProofs(t *testing.T) {
	t.Parallel()
	as, api := start(t)
	session, err := connect(t, as.DPoPClient("bob", "accounts"), api.URL+"/mcp", nil)
	require.NoError(t, err)
	require.Equal(t, "the accounts of bob", call(t, session, "accounts"))
	_, err = session.CallTool(t.Context(), &mcp.CallToolParams{Name: "pay"})
	require.ErrorContains(t, err, "Forbidden")
}

// Who has stolen a token gets no further than the challenge.
func TestThieves(t *testing.T) {
	t.Parallel()
	as, api := start(t)
	for name, thief := range map[string]*http.Client{
		"another certificate": as.WronglyBoundClient("alice", "accounts"),
		"another key":         as.WronglyProvenClient("alice", "accounts"),
		"no certificate":      as.ClientFor(bindingtest.TokenSpec{Certificate: api.Client.Leaf, Scopes: []string{"accounts"}}, tls.Certificate{}),
		"no token":            as.HTTPClient(api.Client),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := connect(t, thief, api.URL+"/mcp", nil)
			require.ErrorContains(t, err, "Unauthorized")
		})
	}
}

// A message that hides its tool from the first check meets the tool's own.
func TestToolsCheckTheirScopes(t *testing.T) {
	t.Parallel()
	as, api := start(t)
	client := as.BoundClient("alice", "accounts")
	for name, message := range map[string]struct {
		text   string
		status int
		says   string
	}{
		"as it should be": {`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","arguments":{}}}`, http.StatusForbidden, `"error":"insufficient_scope"`},
		"two names":       {`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","Name":"accounts","arguments":{}}}`, http.StatusOK, `"insufficient scope"}],"isError":true`},
		"a batch":         {`[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","arguments":{}}}]`, http.StatusOK, `"insufficient scope"}],"isError":true`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api.URL+"/mcp", strings.NewReader(message.text))
			require.NoError(t, err)
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("Accept", "application/json, text/event-stream")
			response, err := client.Do(request)
			require.NoError(t, err)
			defer response.Body.Close()
			var body bytes.Buffer
			_, err = body.ReadFrom(response.Body)
			require.NoError(t, err)
			require.Equal(t, message.status, response.StatusCode, body.String())
			require.Contains(t, body.String(), message.says)
		})
	}
}

// byGo does with the Go SDK what the other clients do.
func byGo(t *testing.T, client *http.Client, told task) (got report) {
	t.Helper()
	handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		PreregisteredClient: &oauthex.ClientCredentials{ClientID: told.ID},
		RedirectURL:         told.Redirect,
		Client:              client,
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			asked, err := url.Parse(args.URL)
			if err != nil {
				return nil, err
			}
			got.Asked = append(got.Asked, asked.Query().Get("scope"))
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, args.URL, nil)
			if err != nil {
				return nil, err
			}
			response, err := client.Transport.RoundTrip(request) // a redirect is the answer
			if err != nil {
				return nil, err
			}
			defer response.Body.Close()
			to, err := response.Location()
			if err != nil {
				return nil, err
			}
			return &auth.AuthorizationResult{Code: to.Query().Get("code"), State: to.Query().Get("state")}, nil
		},
	})
	require.NoError(t, err)
	session, err := connect(t, client, told.URL, handler)
	require.NoError(t, err)
	for _, name := range []string{"accounts", "pay"} {
		got.Said = append(got.Said, call(t, session, name))
	}
	return got
}

func connect(t *testing.T, client *http.Client, endpoint string, handler auth.OAuthHandler) (*mcp.ClientSession, error) {
	t.Helper()
	t.Cleanup(client.CloseIdleConnections)
	session, err := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "v1"}, nil).Connect(t.Context(),
		&mcp.StreamableClientTransport{Endpoint: endpoint, HTTPClient: client, OAuthHandler: handler, MaxRetries: -1}, nil)
	if err == nil {
		t.Cleanup(func() { _ = session.Close() })
	}
	return session, err
}

func call(t *testing.T, session *mcp.ClientSession, tool string) string {
	t.Helper()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool})
	require.NoError(t, err)
	require.Len(t, result.Content, 1)
	return result.Content[0].(*mcp.TextContent).Text
}

// runProgram gives a program its task, and returns its report.
func runProgram(t *testing.T, told task, folder, interpreter, file string) (got report) {
	t.Helper()
	text, err := json.Marshal(told)
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), interpreter, file)
	command.Dir = folder
	command.WaitDelay = time.Minute
	var stdout, stderr bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(append(text, '\n')), &stdout, &stderr
	require.NoError(t, command.Run(), "%s\n%s", &stdout, &stderr)
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &got), stdout.String())
	return got
}

func writeFile(t *testing.T, folder, name string, content []byte) string {
	t.Helper()
	file := filepath.Join(folder, name)
	require.NoError(t, os.WriteFile(file, content, 0o600))
	return file
}

func inPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
