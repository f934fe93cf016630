package clients_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/textproto"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// byCurl does with curl, call by call, what a shell script would.
func byCurl(t *testing.T, told task) report {
	t.Helper()
	own, thief := curl{told.CA, told.Own}, curl{told.CA, told.Thief}
	call := func(c curl, token, path string) curlAnswer {
		return c.call(t, "--header", "Authorization: Bearer "+token, told.API+path)
	}
	var got report
	expired := call(own, told.Expired, "/whoami")
	var resource struct {
		Resource string
		Servers  []string `json:"authorization_servers"`
	}
	own.call(t, challengeOf(t, expired.header).parameters["resource_metadata"]).requireJSON(t, &resource)
	var server struct {
		Aliases struct {
			TokenEndpoint string `json:"token_endpoint"`
		} `json:"mtls_endpoint_aliases"`
	}
	own.call(t, resource.Servers[0]+"/.well-known/oauth-authorization-server").requireJSON(t, &server)
	token := func(scope string) string {
		var answer struct {
			Token string `json:"access_token"`
		}
		own.call(t, "--data", "grant_type=client_credentials", "--data", "client_id="+told.ID, "--data-urlencode", "scope="+scope,
			server.Aliases.TokenEndpoint).requireJSON(t, &answer)
		return answer.Token
	}
	weak := token("accounts")
	forbidden := call(own, weak, "/payments")
	strong := token("accounts " + challengeOf(t, forbidden.header).parameters["scope"])

	got.Resource, got.Servers = resource.Resource, resource.Servers
	call(own, weak, "/whoami").requireJSON(t, &got.Who)
	call(own, strong, "/payments").requireJSON(t, &got.Paid)
	got.Expired, got.Forbidden = expired.refusal(t), forbidden.refusal(t)
	got.Stolen = call(thief, weak, "/whoami").refusal(t)
	got.Unavailable = call(own, weak, "/later").refusal(t)
	return got
}

type curl struct {
	ca  string
	own identity
}

type curlAnswer struct {
	exit   string // "exit status 22" for a status of 400 or above
	status int
	header http.Header
	body   []byte
}

func (c curl) call(t *testing.T, args ...string) curlAnswer {
	t.Helper()
	const written = `{"status": %{http_code}, "header": %{header_json}}`
	command := exec.CommandContext(t.Context(), "curl", append([]string{
		"--disable", "--noproxy", "*", "--silent", "--show-error", "--fail-with-body", "--write-out", "%{stderr}\n" + written,
		"--cacert", c.ca, "--cert", c.own.Certificate, "--key", c.own.Key,
	}, args...)...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	answer := curlAnswer{body: stdout.Bytes()}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		answer.exit = exit.Error()
	} else {
		require.NoError(t, err)
	}
	_, said, found := bytes.Cut(stderr.Bytes(), []byte("\n{")) // behind its own words
	require.True(t, found, stderr.String())
	var document struct {
		Status int
		Header map[string][]string
	}
	require.NoError(t, json.Unmarshal(append([]byte("{"), said...), &document), stderr.String())
	answer.status, answer.header = document.Status, http.Header{}
	for name, values := range document.Header {
		answer.header[textproto.CanonicalMIMEHeaderKey(name)] = values
	}
	return answer
}

func (a curlAnswer) requireJSON(t *testing.T, value any) {
	t.Helper()
	require.Empty(t, a.exit, string(a.body))
	require.NoError(t, json.Unmarshal(a.body, value))
}

func (a curlAnswer) refusal(t *testing.T) refusal {
	t.Helper()
	return refusalOf(t, a.exit, a.status, a.header)
}
