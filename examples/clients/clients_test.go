package clients_test

import (
	"crypto/tls"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/examples/internal/tried"
)

// A client is somebody else's.
type client struct {
	name    string
	version func(t *testing.T) string
	run     func(t *testing.T, task task) report
	proves  bool // it makes DPoP proofs

	refused      string // the type in which it has a refusal with a challenge
	refusedProof string // where that is for DPoP alone, if it is another
	unavailable  string // and one without
	http         string // the version of HTTP that it speaks
}

var clients = []client{
	{
		name: "oauth4webapi", version: pinned("node/package.json", "oauth4webapi"), run: byNode, proves: true, http: "HTTP/1.1",
		refused: "WWWAuthenticateChallengeError", unavailable: "Response",
	},
	{
		name: "openid-client", version: pinned("node/package.json", "openid-client"), run: byNode, proves: true, http: "HTTP/1.1",
		refused: "WWWAuthenticateChallengeError", unavailable: "Response",
	},
	{
		name: "requests", version: pinned("python/requirements.txt", "requests", "Authlib"), run: byPython, http: "HTTP/1.1",
		refused: "HTTPError", unavailable: "HTTPError",
	},
	{
		name: "httpx", version: pinned("python/requirements.txt", "httpx", "Authlib"), run: byPython, http: "HTTP/2.0",
		refused: "HTTPStatusError", unavailable: "HTTPStatusError",
	},
	{
		name: "Nimbus", version: pinned("java/pom.xml", "oauth2-oidc-sdk"), run: byJava, proves: true, http: "HTTP/1.1",
		refused: "BearerTokenError", refusedProof: "DPoPTokenError", unavailable: "HTTPResponse",
	},
	{
		name: "curl", version: curlVersion, run: byCurl, http: "HTTP/2.0",
		refused: "exit status 22", unavailable: "exit status 22",
	},
	{
		name: "x/oauth2", version: pinned("go.mod", "golang.org/x/oauth2"), run: byXOAuth2, http: "HTTP/2.0",
		refused: "*http.Response", unavailable: "*http.Response",
	},
}

const (
	byCertificate = "certificate"
	byProof       = "proof"
)

// A task is what a client is told: the API, and who it is.
type task struct {
	Client  string   `json:"client"`
	Binding string   `json:"binding"` // byCertificate or byProof
	API     string   `json:"api"`     // its origin
	CA      string   `json:"ca"`      // a file, as those of an identity
	ID      string   `json:"id"`
	Secret  string   `json:"secret,omitempty"` // where no certificate authenticates it
	Own     identity `json:"own"`
	Thief   identity `json:"thief"`   // who has stolen the token
	Expired string   `json:"expired"` // the client's token, until an hour ago
}

type identity struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// A report is what came of it, as the client's user sees it.
type report struct {
	Resource    string         `json:"resource"` // of the API's metadata (RFC 9728)
	Servers     []string       `json:"servers"`
	Who         map[string]any `json:"who"`  // GET /whoami
	Paid        map[string]any `json:"paid"` // GET /payments, with the scope that a refusal named
	Expired     refusal        `json:"expired"`
	Stolen      refusal        `json:"stolen"`
	Forbidden   refusal        `json:"forbidden"`   // GET /payments without that scope
	Unavailable refusal        `json:"unavailable"` // GET /later
}

type refusal struct {
	Type       string   `json:"type"`
	Status     int      `json:"status"`
	Schemes    []string `json:"schemes"` // of the challenges
	Error      string   `json:"error"`   // of the one that has any
	Scope      string   `json:"scope"`
	RetryAfter int      `json:"retryAfter"` // in seconds
}

func TestClients(t *testing.T) {
	t.Parallel()
	const secret = "not a secret at all"
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{RequireNonce: true, Clients: []bindingtest.Client{
		{ID: byCertificate, AuthMethod: bindingtest.TLSClientAuth, SubjectDN: "CN=owner", Scopes: []string{"accounts", "payments"}},
		{ID: byProof, AuthMethod: bindingtest.ClientSecretBasic, Secret: secret, Scopes: []string{"accounts", "payments"}},
	}})
	require.NoError(t, err)
	t.Cleanup(as.Close)
	as.Handle(keysAway, http.NotFoundHandler())
	owner, err := as.NewClientCertificate("owner")
	require.NoError(t, err)
	thief, err := as.NewClientCertificate("thief")
	require.NoError(t, err)
	expired, err := as.Token(bindingtest.TokenSpec{ClientID: byCertificate, Certificate: owner.Leaf, ExpiresIn: -time.Hour})
	require.NoError(t, err)

	folder := t.TempDir()
	told := task{
		CA:  writeFile(t, folder, "ca.pem", as.RootPEM()),
		Own: writeIdentity(t, folder, "owner", owner), Thief: writeIdentity(t, folder, "thief", thief), Expired: expired,
	}
	t.Cleanup(func() { // when all have run
		if !t.Failed() {
			tried.Sync(t, "examples/clients", triedRows(t))
		}
	})
	plain, proving := startAPI(t, as, false), startAPI(t, as, true)
	for _, run := range []struct {
		name, binding, api string
		schemes            []string // of the challenge to an old token
	}{
		{"a certificate, where proofs are not taken", byCertificate, plain, []string{"bearer"}},
		{"a certificate, where proofs are taken", byCertificate, proving, []string{"bearer", "dpop"}},
		{"proofs", byProof, proving, []string{"bearer", "dpop"}},
	} {
		for _, c := range clients {
			if run.binding == byProof && !c.proves {
				continue
			}
			t.Run(c.name+"/"+run.name, func(t *testing.T) {
				t.Parallel()
				told := told
				told.Client, told.Binding, told.API, told.ID = c.name, run.binding, run.api, run.binding
				if run.binding == byProof {
					told.Secret = secret
				}
				got := c.run(t, told)
				require.Equal(t, run.api, got.Resource)
				require.Equal(t, []string{as.Issuer()}, got.Servers)
				c.requireData(t, run.binding, owner, got)
				c.requireRefusals(t, run.binding, run.schemes, got)
			})
		}
	}
}

// requireData: the client got what is its own, and paid once it had the scope.
func (c client) requireData(t *testing.T, binding string, owner tls.Certificate, got report) {
	t.Helper()
	want := map[string]any{"client": binding, "http": c.http, "x5t#S256": bindingtest.Thumbprint(owner.Leaf)}
	if binding == byProof {
		delete(want, "x5t#S256")
		jkt, _ := got.Who["jkt"].(string)
		require.Len(t, jkt, 43)
		want["jkt"] = jkt
	}
	require.Equal(t, want, got.Who)
	require.Equal(t, want, got.Paid)
}

// requireRefusals: the client has read of each refusal what there is to know.
func (c client) requireRefusals(t *testing.T, binding string, schemes []string, got report) {
	t.Helper()
	own, kind := schemes, c.refused
	if binding == byProof { // a request that proves a key is told of proofs alone
		own = []string{"dpop"}
		if c.refusedProof != "" {
			kind = c.refusedProof
		}
	}
	require.Equal(t, refusal{Type: c.refused, Status: http.StatusUnauthorized, Schemes: schemes, Error: "invalid_token"}, normal(got.Expired), "expired")
	require.Equal(t, refusal{Type: kind, Status: http.StatusUnauthorized, Schemes: own, Error: "invalid_token"}, normal(got.Stolen), "stolen")
	require.Equal(t, refusal{
		Type: kind, Status: http.StatusForbidden, Schemes: own, Error: "insufficient_scope", Scope: "payments",
	}, normal(got.Forbidden), "forbidden")

	away := normal(got.Unavailable)
	require.True(t, away.RetryAfter >= 1 && away.RetryAfter <= 5, "%+v", away) // jwks asks again within 5 s
	away.RetryAfter = 0
	require.Equal(t, refusal{Type: c.unavailable, Status: http.StatusServiceUnavailable}, away, "unavailable")
}

// normal: the names of schemes are compared without case (RFC 9110 §11.1), and
// some clients lose the order of challenges.
func normal(r refusal) refusal {
	var schemes []string
	for _, scheme := range r.Schemes {
		schemes = append(schemes, strings.ToLower(scheme))
	}
	slices.Sort(schemes)
	r.Schemes = schemes
	return r
}
