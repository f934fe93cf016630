//go:build unix

package bindredis_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/adapters/bindredis"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

// A clock is set by hand, and stands still in between. It holds Unix seconds.
type clock struct{ atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(c.Load(), 0) }

// A replica is one of several servers that share a store: a real one, with a
// store of its own on the one Redis.
type replica struct {
	url   string
	clock *clock // of its verifier of proofs
}

func startReplica(t *testing.T, as *bindingtest.AuthorizationServer, redis *server, log *journal, second int64) replica {
	t.Helper()
	r := replica{clock: new(clock)}
	r.clock.Store(second)
	tokens, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, tokens.Close()) })
	proofs, err := dpop.New(dpop.Config{
		Origins: []string{as.Audience()}, Replays: open(t, log, patient(redis.address)), Clock: r.clock.now, MaxAge: maxAge * time.Second,
	})
	require.NoError(t, err)
	guard, err := binding.New(binding.Config{Tokens: tokens, Proofs: proofs})
	require.NoError(t, err)
	api := as.Serve(bindhttp.Protect(guard)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	t.Cleanup(api.Close)
	r.url = api.URL
	return r
}

// use sends a request and returns the status, and the challenge of a refusal.
func (r replica) use(t *testing.T, client prover, proof string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, r.url+"/accounts", nil)
	if !assert.NoError(t, err) {
		return 0, ""
	}
	request.Header.Set("Authorization", "DPoP "+client.token)
	request.Header.Set("DPoP", proof)
	response, err := client.Do(request)
	if !assert.NoError(t, err) {
		return 0, ""
	}
	assert.NoError(t, response.Body.Close())
	return response.StatusCode, response.Header.Get("WWW-Authenticate")
}

// A prover is a client with a key, and a token that is bound to it.
type prover struct {
	*http.Client
	key   *ecdsa.PrivateKey
	token string
}

// newProver makes a client of an authorization server that it starts.
func newProver(t *testing.T) (*bindingtest.AuthorizationServer, prover) {
	t.Helper()
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	require.NoError(t, err)
	t.Cleanup(as.Close)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	token, err := as.Token(bindingtest.TokenSpec{Key: key.Public()})
	require.NoError(t, err)
	client := as.HTTPClient()
	t.Cleanup(client.CloseIdleConnections)
	return as, prover{client, key, token}
}

// proof is one for [replica.use], made at a Unix second.
func (p prover) proof(t *testing.T, as *bindingtest.AuthorizationServer, second int64) string {
	t.Helper()
	proof, err := bindingtest.NewProof(bindingtest.ProofSpec{
		Key: p.key, URL: as.Audience() + "/accounts", Token: p.token, IssuedAt: time.Unix(second, 0),
	})
	require.NoError(t, err)
	return proof
}

// apart is how far the clocks of two replicas are, in seconds: dpop's Leeway.
const apart = 30

// maxAge of a proof, in seconds: the longest, so that no record ends while a busy machine is at a test.
const maxAge = 300

// Of 200 uses of one proof, sent to two servers at once, one is accepted, whoever's clock it was made by.
func TestReplicasWhoseClocksAreApart(t *testing.T) {
	t.Parallel()
	redis, log := startServer(t), new(journal)
	as, client := newProver(t)
	noon := time.Now().Unix()
	replicas := []replica{startReplica(t, as, redis, log, noon), startReplica(t, as, redis, log, noon+apart)}
	for name, iat := range map[string]int64{
		"made now, by the clock behind": noon,
		"made now, by the clock ahead":  noon + apart,
		"made some time ago":            noon + apart - maxAge/2,
	} {
		t.Run("L/378 "+name, func(t *testing.T) {
			t.Parallel()
			// On a machine that has no time a store may not answer in its own: then another proof must do.
			for range 50 {
				answers := useAtOnce(t, replicas, client, client.proof(t, as, iat))
				t.Logf("answers: %v", answers)
				require.LessOrEqual(t, answers[http.StatusOK], 1, "a proof was accepted twice")
				if answers[http.StatusServiceUnavailable] == 0 {
					require.Equal(t, map[int]int{http.StatusOK: 1, http.StatusUnauthorized: 199}, answers)
					return
				}
			}
			t.Fatal("the store never answered in time")
		})
	}
}

// useAtOnce uses a proof 200 times and counts the answers by their status.
func useAtOnce(t *testing.T, replicas []replica, client prover, proof string) map[int]int {
	t.Helper()
	statuses, begin := make(chan int, 200), make(chan struct{})
	var all sync.WaitGroup
	for n := range cap(statuses) {
		all.Go(func() {
			<-begin
			status, challenge := replicas[n%2].use(t, client, proof)
			if status == http.StatusUnauthorized {
				assert.Contains(t, challenge, "invalid_dpop_proof")
			}
			statuses <- status
		})
	}
	close(begin)
	all.Wait()
	close(statuses)
	answers := make(map[int]int)
	for status := range statuses {
		answers[status]++
	}
	return answers
}

// longestTimeout is the longest that a store may take to answer.
const longestTimeout = 5 * time.Second

// The server whose clock is ahead accepts a proof in the last second that it may. The store does not forget it while the
// other server would accept it, nor while what that one has accepted may be on its way here.
func TestAProofIsRememberedForTheClockThatIsBehind(t *testing.T) {
	t.Parallel()
	redis, log := startServer(t), new(journal)
	as, client := newProver(t)
	noon := time.Now().Unix()
	behind, ahead := startReplica(t, as, redis, log, noon), startReplica(t, as, redis, log, noon+apart)
	proof := client.proof(t, as, noon+apart-maxAge)

	asked := time.Now()
	status, challenge := ahead.use(t, client, proof)
	require.Equal(t, http.StatusOK, status, challenge)
	key := redis.ask(t, "KEYS", "*")
	left, err := strconv.Atoi(redis.ask(t, "PTTL", key))
	require.NoError(t, err)
	remembered := time.Duration(left)*time.Millisecond + time.Since(asked)
	assert.GreaterOrEqual(t, remembered, apart*time.Second+longestTimeout)
	longer := patient(redis.address)
	longer.Timeout = longestTimeout + 1
	_, err = bindredis.New(longer)
	assert.Error(t, err)
	redis.ask(t, "PERSIST", key) // however long the rest of this test takes

	for _, second := range []int64{0, apart, apart + 1} { // it is too old then
		behind.clock.Store(noon + second)
		status, challenge = behind.use(t, client, proof)
		assert.Equal(t, http.StatusUnauthorized, status)
		assert.Contains(t, challenge, "invalid_dpop_proof")
	}
	status, challenge = behind.use(t, client, client.proof(t, as, behind.clock.Load()))
	assert.Equal(t, http.StatusOK, status, challenge)
	assert.NotContains(t, log.String(), proof[strings.LastIndexByte(proof, '.'):])
}
