package metadata_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/metadata"
)

// serve starts a server over TLS and returns a client that trusts it.
func serve(t *testing.T, handler http.HandlerFunc) (*httptest.Server, *metadata.Client) {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	return server, &metadata.Client{Transport: server.Client().Transport, Timeout: time.Minute}
}

func answer(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
}

// A fixture is a transport that answers by URL, with 404 for all others, and
// keeps what was asked for.
type fixture struct {
	documents map[string]string
	asked     []string
}

func (f *fixture) RoundTrip(r *http.Request) (*http.Response, error) {
	f.asked = append(f.asked, r.URL.String())
	document, found := f.documents[r.URL.String()]
	response := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(document)), Request: r}
	if !found {
		response.StatusCode = http.StatusNotFound
	}
	return response, nil
}

const (
	issuer  = "https://auth.example"
	address = "https://auth.example/.well-known/oauth-authorization-server"
)

// document is the issuer's metadata with members changed; nil removes one.
func document(changes map[string]any) string {
	members := map[string]any{
		"issuer":         issuer,
		"jwks_uri":       "https://auth.example/jwks",
		"token_endpoint": "https://auth.example/token",
	}
	for name, value := range changes {
		members[name] = value
		if value == nil {
			delete(members, name)
		}
	}
	text, _ := json.Marshal(members)
	return string(text)
}

// read reads a document as the issuer's.
func read(ctx context.Context, text string) (*metadata.AuthorizationServer, error) {
	client := metadata.Client{Transport: &fixture{documents: map[string]string{address: text}}}
	return client.AuthorizationServer(ctx, issuer)
}

func requireRead(t *testing.T, text string) *metadata.AuthorizationServer {
	t.Helper()
	server, err := read(t.Context(), text)
	require.NoError(t, err)
	return server
}

// connected tells that a request has a connection, as net/http does.
func connected(r *http.Request) {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
		trace.GetConn(r.URL.Host)
		trace.GotConn(httptrace.GotConnInfo{})
	}
}
