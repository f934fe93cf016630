package authorizationservers_test

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/examples/internal/freeport"
)

// springClient is a client of spring/'s program.
type springClient struct {
	ID       string   `json:"id"`
	Method   string   `json:"method"`
	Secret   string   `json:"secret,omitempty"`
	Subject  string   `json:"subject,omitempty"`
	Keys     string   `json:"keys,omitempty"` // URL of its JWK set
	Bound    bool     `json:"bound"`          // by the server's own setting
	Binds    bool     `json:"binds"`          // by the program's customizer
	Scopes   []string `json:"scopes"`
	Redirect string   `json:"redirect,omitempty"`
	Format   string   `json:"format"`
}

// startSpring starts Spring Authorization Server, as jwks/spring.md says.
func startSpring(t *testing.T, w *world) {
	t.Helper()
	folder := built(t, "spring")
	w.verifies = true
	w.resourceScopes = map[string]string{audience: "", another: "other"}
	delete(w.clients, "ES256.expired") // it issues no tokens that have expired
	web := registration{id: webClient, method: tlsClientAuth, bound: true}
	var err error
	web.certificate, err = w.pki.NewClientCertificate(web.id)
	require.NoError(t, err)
	w.clients[web.id] = web

	// Where clients publish their keys.
	published := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		var members struct{ JWKS json.RawMessage }
		if json.Unmarshal(w.clients[strings.TrimPrefix(request.URL.Path, "/")].metadata(t), &members) == nil {
			answer.Header().Set("Content-Type", "application/json")
			_, _ = answer.Write(members.JWKS)
		}
	}))
	t.Cleanup(published.Close)

	authority, _ := pem.Decode(w.pki.ClientCAPEM())
	trusted := w.pki.ClientCAPEM()
	clients := make([]springClient, 0, len(w.clients))
	for id, r := range w.clients {
		c := springClient{
			ID: id, Method: r.method, Secret: r.secret, Format: r.format(),
			Scopes: append(strings.Fields(scope), "openid", "other"),
		}
		switch r.method {
		case tlsClientAuth:
			c.Subject = r.certificate.Leaf.Subject.String()
		case selfSignedTLSClientAuth:
			trusted = append(trusted, certificatePEM(r.certificate)...)
			c.Keys = published.URL + "/" + id
		case privateKeyJWT:
			c.Keys = published.URL + "/" + id
		}
		if r.method != selfSignedTLSClientAuth { // a leaf alone counts as self-signed
			r.certificate.Certificate = append(r.certificate.Certificate[:1:1], authority.Bytes)
		}
		c.Bound = r.bound && (r.method == tlsClientAuth || r.method == selfSignedTLSClientAuth)
		c.Binds = r.bound && !c.Bound
		if id == webClient {
			c.Redirect = redirectURI
		}
		w.clients[id] = r
		clients = append(clients, c)
	}

	files := t.TempDir()
	certificate, key := writePair(t, files, w.pki.ServerCertificate())
	known, err := json.Marshal(clients)
	require.NoError(t, err)
	address, err := freeport.Address(1)
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	w.issuer = "https://" + address
	command := exec.Command("java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-jar", filepath.Join(folder, "server.jar"),
		"--server.address=127.0.0.1", "--server.port="+port, "--issuer="+w.issuer,
		"--server.ssl.bundle=server", "--server.ssl.client-auth=want",
		"--spring.ssl.bundle.pem.server.keystore.certificate=file:"+certificate,
		"--spring.ssl.bundle.pem.server.keystore.private-key=file:"+key,
		"--spring.ssl.bundle.pem.server.truststore.certificate=file:"+writeFile(t, files, "clients.pem", trusted),
		"--clients="+writeFile(t, files, "clients.json", known),
		"--audience="+audience, "--another="+another, "--user="+userName, "--password="+userPassword)
	stdin, err := command.StdinPipe()
	require.NoError(t, err)
	runJava(t, w.pki, command, w.issuer+"/.well-known/openid-configuration")
	w.rotating = func(*testing.T) (*world, func(*testing.T)) {
		return w, func(t *testing.T) {
			before := keyCount(t, w)
			_, err := io.WriteString(stdin, "\n")
			require.NoError(t, err)
			require.Eventually(t, func() bool { return keyCount(t, w) > before }, time.Minute, 20*time.Millisecond)
		}
	}
}

var springTests = []test{
	{"a user's tokens", testUserTokens},
	{"tokens that have expired", testExpired},
	{"rotation", testRotation},
	{"outage", testOutage},
}

// keyCount is how many keys the server publishes.
func keyCount(t *testing.T, w *world) int {
	t.Helper()
	client := w.pki.HTTPClient()
	defer client.CloseIdleConnections()
	response, err := client.Get(w.issuer + "/oauth2/jwks")
	require.NoError(t, err)
	defer response.Body.Close()
	var set struct{ Keys []json.RawMessage }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&set))
	return len(set.Keys)
}
