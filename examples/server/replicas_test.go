package main_test

import (
	"bytes"
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
	"github.com/certbound/certbound/examples/internal/freeport"
)

// A store is a real redis-server that keeps nothing on disk.
type store struct {
	address string
	command *exec.Cmd
}

// startStore starts redis-server on a free port. Without one the test is skipped
// aloud, but not where CERTBOUND_REDIS says that there must be one.
func startStore(t *testing.T) *store {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CERTBOUND_REDIS") != "" {
			t.Fatal("redis-server is not installed, and CERTBOUND_REDIS says that it must be")
		}
		t.Skip("redis-server is not installed: its package is redis-server on Debian")
	}
	address, err := freeport.Address(1)
	require.NoError(t, err)
	s := &store{address: address}
	s.start(t)
	t.Cleanup(s.kill)
	return s
}

func (s *store) start(t *testing.T) {
	t.Helper()
	host, port, err := net.SplitHostPort(s.address)
	require.NoError(t, err)
	s.command = exec.Command("redis-server", "--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	var output bytes.Buffer
	s.command.Stdout = &output
	require.NoError(t, s.command.Start())
	for range 1500 {
		if connection, err := net.Dial("tcp", s.address); err == nil {
			_ = connection.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.kill()
	t.Fatalf("redis-server did not start:\n%s", output.String())
}

func (s *store) kill() {
	if s.command != nil {
		_ = s.command.Process.Kill()
		_ = s.command.Wait()
		s.command = nil
	}
}

// everReady is how long a store that is there may be in coming back, on a machine
// that is busy.
const everReady = 2 * time.Minute

// Of 200 uses of one proof, sent to two servers at once, one is accepted.
func TestReplicasAcceptAProofOnce(t *testing.T) {
	t.Parallel()
	redis := startStore(t)
	as := newAuthorizationServer(t, bindingtest.Config{})
	var servers []*process
	for range 2 {
		servers = append(servers, start(t, as, withTLS(t, as, "-dpop-origins", audience, "-dpop-redis", redis.address)...))
	}
	owner, client := newProver(t), as.HTTPClient()
	token := owner.token(t, as, nil)
	for _, server := range servers { // connects, and fetches keys
		require.Eventually(t, func() bool {
			return withProof(t, client, server.url+"/whoami", token, owner.proof(t, "/whoami", token, nil)).status == http.StatusOK
		}, everReady, 10*time.Millisecond, server.log.String())
	}
	used := []string{token}
	burst := func() map[int]int {
		proof := owner.proof(t, "/whoami", token, nil)
		used = append(used, proof)
		statuses := make(chan int, 200)
		begin := make(chan struct{})
		var running sync.WaitGroup
		for n := range cap(statuses) {
			request, err := http.NewRequest(http.MethodGet, servers[n%2].url+"/whoami", nil)
			require.NoError(t, err)
			request.Header.Set("Authorization", "DPoP "+token)
			request.Header.Set("DPoP", proof)
			running.Go(func() {
				<-begin
				if response, err := client.Do(request); err == nil {
					_ = response.Body.Close()
					statuses <- response.StatusCode
				}
			})
		}
		close(begin)
		running.Wait()
		close(statuses)
		answers := make(map[int]int)
		for status := range statuses {
			answers[status]++
		}
		return answers
	}
	// The store has 250 ms for each proof. On a machine that has no time for it some answers
	// are 503, one of them perhaps to the first use: then another proof must do.
	for range 50 {
		answers := burst()
		t.Logf("answers: %v", answers)
		require.LessOrEqual(t, answers[http.StatusOK], 1, "a proof was accepted twice")
		if answers[http.StatusServiceUnavailable] == 0 {
			require.Equal(t, map[int]int{http.StatusOK: 1, http.StatusUnauthorized: 199}, answers)
			for _, server := range servers {
				require.Zero(t, server.stop(t))
				require.Contains(t, server.log.String(), "reason=proof_replayed")
				requireNoneOf(t, server, used...)
			}
			return
		}
	}
	t.Fatal("the store never answered in time")
}

// While the store is away nothing is accepted, and nobody has to do anything when it is back.
func TestTheStoreIsAway(t *testing.T) {
	t.Parallel()
	redis := startStore(t)
	as := newAuthorizationServer(t, bindingtest.Config{})
	server := start(t, as, withTLS(t, as, "-dpop-origins", audience, "-dpop-redis", redis.address)...)
	owner, certificate := newProver(t), newParty(t, as, "client")
	token := owner.token(t, as, nil)
	used := []string{token}
	call := func() answer {
		proof := owner.proof(t, "/whoami", token, nil)
		used = append(used, proof)
		return withProof(t, certificate.client, server.url+"/whoami", token, proof)
	}
	ready := func() bool { return call().status == http.StatusOK }
	require.Eventually(t, ready, everReady, 10*time.Millisecond, server.log.String())

	redis.kill()
	for range 3 {
		away := call()
		require.Equal(t, http.StatusServiceUnavailable, away.status)
		require.NotEmpty(t, away.header.Get("Retry-After"))
		require.Empty(t, away.header.Get("WWW-Authenticate"))
	}
	require.Equal(t, http.StatusOK, get(t, certificate.client, server.url+"/whoami", boundTo(t, as, certificate)).status,
		"a certificate needs no store")

	redis.start(t)
	require.Eventually(t, ready, everReady, 10*time.Millisecond, "the server does not find the store again")
	require.Zero(t, server.stop(t))
	require.Contains(t, server.log.String(), "reason=replays_unavailable")
	requireNoneOf(t, server, used...)
}

// A nonce that one server made is good at the other, also while the keys are being changed,
// one server after the other: first the new key goes second, then first, then the old one goes.
func TestReplicasAcceptEachOthersNonces(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{})
	owner, client := newProver(t), as.HTTPClient()
	token := owner.token(t, as, nil)
	old, next := newNonceKey(), newNonceKey()
	replica := func(keys ...string) *process {
		file := writeFile(t, t.TempDir(), "keys", []byte(strings.Join(keys, "\n\n")+"\n"))
		return start(t, as, withTLS(t, as, "-dpop-origins", audience, "-dpop-nonce", "-dpop-nonce-keys", file)...)
	}
	call := func(server *process, claims map[string]any) answer {
		return withProof(t, client, server.url+"/whoami", token, owner.proof(t, "/whoami", token, claims))
	}
	nonceOf := func(server *process) map[string]any {
		asked := call(server, nil)
		require.Equal(t, http.StatusUnauthorized, asked.status)
		return map[string]any{"nonce": asked.header.Get("DPoP-Nonce")}
	}
	before, announced, changed, after := replica(old), replica(old, next), replica(next, old), replica(next)
	for _, pair := range [][2]*process{{before, announced}, {announced, changed}, {changed, after}} {
		for _, each := range [][2]*process{{pair[0], pair[1]}, {pair[1], pair[0]}} {
			require.Equal(t, http.StatusOK, call(each[1], nonceOf(each[0])).status)
		}
	}
	// Who comes with the old key's nonce is told the new one's.
	told := call(changed, nonceOf(before))
	require.Equal(t, http.StatusOK, told.status)
	newer := told.header.Get("DPoP-Nonce")
	require.NotEmpty(t, newer)
	require.Equal(t, http.StatusOK, call(after, map[string]any{"nonce": newer}).status)

	refused := call(after, nonceOf(before))
	require.Equal(t, http.StatusUnauthorized, refused.status, "the old key is gone")
	require.Contains(t, refused.header.Get("WWW-Authenticate"), `error="use_dpop_nonce"`)
}
