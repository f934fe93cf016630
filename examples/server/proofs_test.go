package main_test

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

func TestProofsInEveryFramework(t *testing.T) {
	t.Parallel()
	for _, framework := range []string{"nethttp", "echo", "gin"} {
		t.Run(framework, func(t *testing.T) {
			t.Parallel()
			as := newAuthorizationServer(t, bindingtest.Config{})
			server := start(t, as, withTLS(t, as, "-framework", framework, "-dpop-origins", audience)...)
			owner, thief, client := newProver(t), newProver(t), as.HTTPClient()
			token := owner.token(t, as, nil, "accounts")
			call := func(path, proof string) answer { return withProof(t, client, server.url+path, token, proof) }

			captured := owner.proof(t, "/whoami", token, nil)
			who := call("/whoami", captured)
			require.Equal(t, http.StatusOK, who.status, server.log.String())
			require.Equal(t, owner.jkt, who.body["jkt"])
			require.NotContains(t, who.body, "x5t#S256")
			require.Empty(t, who.header.Get("DPoP-Nonce"))
			require.Equal(t, http.StatusForbidden, call("/payments", owner.proof(t, "/payments", token, nil)).status)

			refused := map[string]struct {
				answer answer
				code   string
				reason string
			}{
				"the thief, with a key of their own": {call("/whoami", thief.proof(t, "/whoami", token, nil)), "invalid_token", "proof_key_mismatch"},
				"the thief, with a captured proof":   {call("/whoami", captured), "invalid_dpop_proof", "proof_replayed"},
				"the thief, without a proof":         {call("/whoami", ""), "invalid_dpop_proof", "proof_missing"},
				"a proof for another path":           {call("/whoami", owner.proof(t, "/payments", token, nil)), "invalid_dpop_proof", "proof_uri"},
				"a proof that is old":                {call("/whoami", owner.proof(t, "/whoami", token, map[string]any{"iat": time.Now().Add(-time.Hour).Unix()})), "invalid_dpop_proof", "proof_expired"},
				"a proof for another token":          {call("/whoami", owner.proof(t, "/whoami", "another", nil)), "invalid_dpop_proof", "proof_token"},
			}
			for name, r := range refused {
				require.Equal(t, http.StatusUnauthorized, r.answer.status, name)
				challenge := r.answer.header.Get("WWW-Authenticate")
				require.True(t, strings.HasPrefix(challenge, "DPoP "), name)
				require.Contains(t, challenge, `error="`+r.code+`"`, name)
				require.Contains(t, challenge, `algs="ES256 EdDSA Ed25519 PS256 RS256"`, name)
			}
			asBearer := get(t, client, server.url+"/whoami", "Bearer "+token)
			require.Equal(t, http.StatusUnauthorized, asBearer.status)

			require.Zero(t, server.stop(t), server.log.String())
			for _, r := range refused {
				require.Contains(t, server.log.String(), "reason="+r.reason)
			}
			require.Contains(t, server.log.String(), "reason=token_scheme")
			requireNoneOf(t, server, token, captured)
		})
	}
}

// requireNoneOf requires that no part of a token or proof is in the log.
func requireNoneOf(t *testing.T, server *process, texts ...string) {
	t.Helper()
	for _, text := range texts {
		for part := range strings.SplitSeq(text, ".") {
			require.NotContains(t, server.log.String(), part, "a token or a proof is in the log")
		}
	}
}

// What a server with these flags answers to four tokens, each with all the proof that it needs.
func TestRequire(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		flags                    []string
		certificate, proof, both int
	}{
		"DPoP is off":                    {nil, 200, 401, 401},
		"DPoP is off, -require":          {[]string{"-require", "certificate"}, 200, 401, 401},
		"either":                         {[]string{"-dpop-origins", audience}, 200, 200, 200},
		"-require certificate":           {[]string{"-dpop-origins", audience, "-require", "certificate"}, 200, 401, 200},
		"-require proof":                 {[]string{"-dpop-origins", audience, "-require", "proof"}, 401, 200, 200},
		"-require certificate, proof":    {[]string{"-dpop-origins", audience, "-require", "certificate, proof"}, 401, 401, 200},
		"either, and the others' scheme": {[]string{"-dpop-origins", audience, "-schemes", "Bearer,DPoP"}, 200, 200, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			as := newAuthorizationServer(t, bindingtest.Config{})
			server := start(t, as, withTLS(t, as, test.flags...)...)
			client, other, key, thief := newParty(t, as, "client"), newParty(t, as, "other"), newProver(t), newProver(t)
			byKey, both := key.token(t, as, nil), key.token(t, as, &client)
			call := func(p party, by prover, token string) int {
				return withProof(t, p.client, server.url+"/whoami", token, by.proof(t, "/whoami", token, nil)).status
			}
			require.Equal(t, test.certificate, get(t, client.client, server.url+"/whoami", boundTo(t, as, client)).status)
			require.Equal(t, test.proof, call(client, key, byKey))
			require.Equal(t, test.both, call(client, key, both))
			require.Equal(t, 401, call(other, key, both), "a token that is bound to both needs both")
			require.Equal(t, 401, call(client, thief, both), "a token that is bound to both needs both")
			require.Equal(t, 401, get(t, client.client, server.url+"/whoami", "Bearer "+both).status, "a token that is bound to both needs both")
			unbound, err := as.Token(bindingtest.TokenSpec{})
			require.NoError(t, err)
			require.Equal(t, 401, call(client, key, unbound))
		})
	}
}

func TestNonces(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{})
	server := start(t, as, withTLS(t, as, "-dpop-origins", audience, "-dpop-nonce")...)
	owner, client := newProver(t), as.HTTPClient()
	token := owner.token(t, as, nil)
	call := func(claims map[string]any) answer {
		return withProof(t, client, server.url+"/whoami", token, owner.proof(t, "/whoami", token, claims))
	}
	asked := call(nil)
	require.Equal(t, http.StatusUnauthorized, asked.status)
	require.Contains(t, asked.header.Get("WWW-Authenticate"), `error="use_dpop_nonce"`)
	nonce := asked.header.Get("DPoP-Nonce")
	require.NotEmpty(t, nonce)
	for range 3 {
		require.Equal(t, http.StatusOK, call(map[string]any{"nonce": nonce}).status)
	}
	invented := call(map[string]any{"nonce": "of my own"})
	require.Equal(t, http.StatusUnauthorized, invented.status)
	require.Contains(t, invented.header.Get("WWW-Authenticate"), `error="use_dpop_nonce"`)
	require.NotEmpty(t, invented.header.Get("DPoP-Nonce"))
	require.Zero(t, server.stop(t))
	require.NotContains(t, server.log.String(), nonce)
}

func TestFlagsOfProofs(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{})
	owner, client := newProver(t), as.HTTPClient()
	token := owner.token(t, as, nil)
	call := func(t *testing.T, claims map[string]any, flags ...string) int {
		server := start(t, as, withTLS(t, as, flags...)...)
		return withProof(t, client, server.url+"/whoami", token, owner.proof(t, "/whoami", token, claims)).status
	}
	const origins, prefix, age, algorithms = "-dpop-origins", "-dpop-path-prefix", "-dpop-max-age", "-dpop-algorithms"
	behind := map[string]any{"htu": "https://other.example/v1/whoami"}
	old := map[string]any{"iat": time.Now().Add(-100 * time.Second).Unix()}
	for name, test := range map[string]struct {
		want   int
		claims map[string]any
		flags  []string
	}{
		"the second origin, a prefix":  {200, behind, []string{origins, audience + ", https://other.example", prefix, "/v1"}},
		"no prefix":                    {401, behind, []string{origins, audience + ", https://other.example"}},
		"another origin":               {401, behind, []string{origins, audience, prefix, "/v1"}},
		"an old proof":                 {401, old, []string{origins, audience}},
		"an old proof, and -max-age":   {200, old, []string{origins, audience, age, "5m"}},
		"an algorithm that is not one": {401, nil, []string{origins, audience, algorithms, "PS256, EdDSA"}},
		"an algorithm that is":         {200, nil, []string{origins, audience, algorithms, "PS256, ES256"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, call(t, test.claims, test.flags...))
		})
	}
}

func newNonceKey() string {
	var key [32]byte
	_, _ = rand.Read(key[:])
	return base64.RawURLEncoding.EncodeToString(key[:])
}

func TestMistakesInTheFlagsOfProofs(t *testing.T) {
	t.Parallel()
	one, two := newNonceKey(), newNonceKey()
	keys := func(content string) []string {
		return []string{"-dpop-origins", audience, "-dpop-nonce", "-dpop-nonce-keys", writeFile(t, t.TempDir(), "keys", []byte(content))}
	}
	with := func(flags ...string) []string { return append([]string{"-dpop-origins", audience}, flags...) }
	for name, test := range map[string]struct {
		flags []string
		want  []string // in the mistakes
	}{
		"everything without -dpop-origins": {
			[]string{"-dpop-nonce", "-dpop-nonce-keys", keys(one)[4], "-dpop-max-age", "60s", "-dpop-algorithms", "ES256", "-dpop-path-prefix", "", "-dpop-redis", "127.0.0.1:1", "-require", "proof"},
			[]string{
				"-dpop-nonce: needs -dpop-origins", "-dpop-nonce-keys: needs -dpop-origins", "-dpop-max-age: needs -dpop-origins",
				"-dpop-algorithms: needs -dpop-origins", "-dpop-path-prefix: needs -dpop-origins", "-dpop-redis: needs -dpop-origins",
				"-require: proof needs -dpop-origins",
			},
		},
		"empty values": {
			[]string{"-dpop-origins", "", "-dpop-algorithms", "", "-dpop-redis", "", "-dpop-nonce-keys", "", "-dpop-max-age", "", "-require", ""},
			[]string{"-dpop-origins:", "-dpop-algorithms:", "-dpop-redis:", "-dpop-nonce-keys:", "-dpop-max-age:", "-require:"},
		},
		"values that are none": {
			[]string{"-dpop-origins", "http://api.example", "-dpop-algorithms", "HS256", "-dpop-redis", "redis", "-dpop-max-age", "1h", "-dpop-path-prefix", "v1/", "-require", "token"},
			[]string{"-dpop-origins:", "-dpop-algorithms:", "-dpop-redis:", "-dpop-max-age:", "-dpop-path-prefix:", `-require: "token"`},
		},
		"a path in an origin":         {[]string{"-dpop-origins", audience + "/v1"}, []string{"-dpop-origins:"}},
		"no age":                      {with("-dpop-max-age", "0s"), []string{"-dpop-max-age:"}},
		"port 0":                      {with("-dpop-redis", "127.0.0.1:0"), []string{"-dpop-redis:"}},
		"keys and no nonces":          {append(keys(one)[:2:2], keys(one)[3:]...), []string{"-dpop-nonce:"}},
		"no file":                     {with("-dpop-nonce", "-dpop-nonce-keys", "/nowhere/keys"), []string{"-dpop-nonce-keys:"}},
		"an empty file":               {keys(""), []string{"-dpop-nonce-keys: the file holds no key"}},
		"blank lines alone":           {keys("\n \n\n"), []string{"-dpop-nonce-keys: the file holds no key"}},
		"a line that is no base64url": {keys(one + "\n" + two + "=\n"), []string{"-dpop-nonce-keys: line 2"}},
		"a key twice":                 {keys(one + "\n" + two + "\n\n" + one + "\n"), []string{"-dpop-nonce-keys: line 4"}},
		"a short key":                 {keys(one + "\n" + two[:40] + "\n"), []string{"-dpop-nonce-keys: number 2"}},
		"-require, with its policy":   {with("-require", "proof", "-policy", "if-bound"), []string{"-policy:"}},
		"bearer tokens alone":         {with("-policy", "refuse-bound"), []string{"-dpop-origins:"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			output, err := exec.Command(program, append([]string{"-issuer", "https://127.0.0.1:1", "-audience", audience}, test.flags...)...).CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, string(output))
			require.Equal(t, 2, exit.ExitCode(), string(output))
			for _, mistake := range test.want {
				require.Equal(t, 1, strings.Count("\n"+string(output), "\n"+mistake), "%s in\n%s", mistake, output)
			}
			require.Equal(t, len(test.want), strings.Count("\n"+string(output), "\n-"), string(output))
			for _, key := range []string{one, two} {
				require.NotContains(t, string(output), key[:8])
			}
		})
	}
}

// A new nonce key takes three versions of the file and no restart: second, first, and the old one away. A file that is wrong
// leaves the keys that there are, and the log says no part of a key.
func TestANewNonceKeyNeedsNoRestart(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{})
	one, two := newNonceKey(), newNonceKey()
	file := writeFile(t, t.TempDir(), "keys", []byte(one+"\n"))
	flags := func(file string) []string {
		return withTLS(t, as, "-dpop-origins", audience, "-dpop-nonce", "-dpop-nonce-keys", file)
	}
	server, replica := start(t, as, flags(file)...), start(t, as, flags(writeFile(t, t.TempDir(), "keys", []byte(two)))...)
	owner, client := newProver(t), as.HTTPClient()
	token := owner.token(t, as, nil)
	callTo := func(p *process, nonce string) answer {
		return withProof(t, client, p.url+"/whoami", token, owner.proof(t, "/whoami", token, map[string]any{"nonce": nonce}))
	}
	call := func(nonce string) answer { return callTo(server, nonce) }
	nonceOf := func(p *process) string {
		return withProof(t, client, p.url+"/whoami", token, owner.proof(t, "/whoami", token, nil)).header.Get("DPoP-Nonce")
	}
	old, next := nonceOf(server), nonceOf(replica)
	require.Equal(t, http.StatusOK, call(old).status)
	require.Equal(t, http.StatusUnauthorized, call(next).status)

	// Each version an hour later, so that no file system is too coarse to tell.
	versions, told := 0, map[string]int{}
	write := func(line, content string) {
		versions++
		told[line]++
		another := writeFile(t, t.TempDir(), "keys", []byte(content))
		require.NoError(t, os.Chtimes(another, time.Time{}, time.Now().Add(time.Duration(versions)*time.Hour)))
		require.NoError(t, os.Rename(another, file)) // at once, so that each is read once
		require.Eventually(t, func() bool { return strings.Count(server.log.String(), line) >= told[line] }, time.Minute, 10*time.Millisecond)
	}
	const anew, kept = "the nonce keys were read anew", "the old ones are kept"
	write(anew, one+"\n"+two+"\n")
	require.Equal(t, http.StatusOK, call(next).status, "the new key is accepted")
	require.Equal(t, http.StatusUnauthorized, callTo(replica, nonceOf(server)).status, "and makes no nonce yet")
	write(kept, two+"\n"+one[:20]+"\n")
	write(kept, "")
	require.Equal(t, http.StatusOK, call(old).status)
	write(anew, two+"\n"+one+"\n")
	require.Equal(t, http.StatusOK, callTo(replica, nonceOf(server)).status)
	require.Equal(t, http.StatusOK, call(old).status)
	write(anew, two+"\n")
	require.Equal(t, http.StatusUnauthorized, call(old).status)
	require.Equal(t, http.StatusOK, call(next).status)
	require.Zero(t, server.stop(t))
	for _, key := range []string{one, two} {
		require.NotContains(t, server.log.String(), key[:8])
	}
}
