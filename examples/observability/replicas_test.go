package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

// shownByReplicas are the alerts of which the story has nothing: they fire for an API that is set up wrongly.
var shownByReplicas = []string{"CertboundNobodyVerified", "CertboundNoncesRefused"}

// A replica is one more API for the clients of a world, as Prometheus knows it.
type replica struct {
	w               *world
	name            string
	server, metrics *httptest.Server
	client          *http.Client
	log             bytes.Buffer // to be read when the calls are done
}

// newReplica starts one that is set up like the world's API, but for a change.
func newReplica(t *testing.T, w *world, name string, change func(*jwks.Config, *dpop.Config)) *replica {
	t.Helper()
	keys := jwks.Config{Issuer: w.as.Issuer(), Audiences: []string{audience}, Transport: w.as.Transport(), Clock: w.clock}
	proofs := dpop.Config{Origins: []string{origin}, Replays: w.used, Clock: w.clock}
	if change != nil {
		change(&keys, &proofs)
	}
	r := &replica{w: w, name: name, client: w.as.HTTPClient(w.budget)}
	a, err := newAPI(keys, proofs, slog.New(slog.NewTextHandler(&r.log, nil)))
	require.NoError(t, err)
	t.Cleanup(a.close)
	r.server, r.metrics = w.as.Serve(a.routes), httptest.NewServer(a.metrics)
	t.Cleanup(r.server.Close)
	t.Cleanup(r.metrics.Close)
	t.Cleanup(r.client.CloseIdleConnections)
	return r
}

// call sends a request to the replica, with a proof if it is for a key. It returns the status, and the nonce that came.
func (r *replica) call(t *testing.T, token string, proof bindingtest.ProofSpec) (status int, nonce string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.server.URL+accounts, nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	if proof.Key != nil {
		proof.URL, proof.Token, proof.IssuedAt = origin+accounts, token, r.w.clock()
		text, err := bindingtest.NewProof(proof)
		require.NoError(t, err)
		request.Header.Set("Authorization", "DPoP "+token)
		request.Header.Set("DPoP", text)
	}
	response, err := r.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	return response.StatusCode, response.Header.Get("DPoP-Nonce")
}

// budgetCalls is the client with a certificate, and walletCalls the one with a key.
func (r *replica) budgetCalls(t *testing.T) int {
	t.Helper()
	status, _ := r.call(t, r.w.budgetToken, bindingtest.ProofSpec{})
	return status
}

func (r *replica) walletCalls(t *testing.T, nonce string) (status int, newer string) {
	t.Helper()
	return r.call(t, r.w.walletToken, bindingtest.ProofSpec{Key: r.w.walletKey, Nonce: nonce})
}

// A watch is a Prometheus that looks at replicas, with one alert.
type watch struct {
	*promServer
	alarm *alarm
}

func newWatch(t *testing.T, alert string) *watch {
	t.Helper()
	for _, rule := range alerts(t) {
		if rule.Alert == alert {
			return &watch{newPromServer(t, ""), &alarm{rule, make(map[string]time.Time)}}
		}
	}
	t.Fatal("there is no alert " + alert)
	return nil
}

// look scrapes the replicas, and returns for which series there is an alarm.
func (w *watch) look(t *testing.T, replicas ...*replica) []string {
	t.Helper()
	w.now = w.now.Add(between)
	for _, r := range replicas {
		w.take(t, r.metrics.URL, labels.Label{Name: "job", Value: "api"}, labels.Label{Name: "instance", Value: r.name})
	}
	return w.alarm.fires(t, w.promServer)
}

// rounds is how many scrapes there are in a time.
func rounds(d time.Duration) int { return int(d / between) }

func newStandingWorld(t *testing.T) (*world, *storyClock) {
	t.Helper()
	var clock storyClock
	w, err := newWorld("127.0.0.1:0", "", slog.New(slog.DiscardHandler), clock.now)
	require.NoError(t, err)
	t.Cleanup(w.close)
	return w, &clock
}

// An API that is set up wrongly refuses everybody before a token is verified: of one replica among good ones, and whatever it
// is that is wrong. The alarm ends when the mistake is mended.
func TestNobodyVerified(t *testing.T) {
	t.Parallel()
	w, clock := newStandingWorld(t)
	off := func(d time.Duration) func() time.Time { return func() time.Time { return clock.now().Add(d) } }
	for name, test := range map[string]struct {
		change func(*jwks.Config, *dpop.Config)
		proof  bool
		want   string
	}{
		"another audience": {func(keys *jwks.Config, _ *dpop.Config) { keys.Audiences = []string{audience + "/"} }, false, "token_audience"},
		"a clock that is an hour behind": {func(keys *jwks.Config, proofs *dpop.Config) {
			keys.Clock, proofs.Clock = off(-time.Hour), off(-time.Hour)
		}, false, "token_not_yet_valid"},
		"a clock that is two days ahead": {func(keys *jwks.Config, proofs *dpop.Config) {
			keys.Clock, proofs.Clock = off(48*time.Hour), off(48*time.Hour)
		}, false, "token_expired"},
		"a clock that is ahead, for proofs": {func(keys *jwks.Config, proofs *dpop.Config) {
			keys.Clock, proofs.Clock = off(2*time.Minute), off(2*time.Minute)
		}, true, "proof_expired"},
		"another origin": {func(_ *jwks.Config, proofs *dpop.Config) { proofs.Origins = []string{origin + ":8443"} }, true, "proof_uri"},
	} {
		t.Run(name, func(t *testing.T) {
			prometheus := newWatch(t, "CertboundNobodyVerified")
			good, wrong := newReplica(t, w, "good", nil), newReplica(t, w, "replica", test.change)
			send := func(r *replica) (status int) {
				if test.proof {
					status, _ = r.walletCalls(t, "")
					return status
				}
				return r.budgetCalls(t)
			}
			var now []string
			for n := 0; now == nil; n++ {
				require.Less(t, n, rounds(15*time.Minute))
				require.Equal(t, http.StatusOK, send(good))
				for range 3 {
					require.Equal(t, http.StatusUnauthorized, send(wrong))
				}
				now = prometheus.look(t, good, wrong)
			}
			require.Equal(t, []string{fmt.Sprintf(`{error_type=%q, instance="replica", job="api"}`, test.want)}, now)

			mended := newReplica(t, w, "replica", nil)
			require.Equal(t, http.StatusOK, send(mended))
			require.Empty(t, prometheus.look(t, good, mended))
		})
	}
}

// What looks as if nobody got through, and is none of our faults: nobody is woken.
func TestNobodyIsWokenForAFew(t *testing.T) {
	t.Parallel()
	w, _ := newStandingWorld(t)
	other, err := w.as.Token(bindingtest.TokenSpec{ClientID: budget, Certificate: w.budget.Leaf, Claims: map[string]any{"aud": "https://other.example"}})
	require.NoError(t, err)
	const verified, accepted = "CertboundNobodyVerified", "CertboundNobodyAccepted"
	for name, test := range map[string]struct {
		alert    string
		token    string // that is refused
		each     int    // so often in each round
		accepted []int  // in which rounds somebody is
		fires    bool
	}{
		"a client with an expired token, at night":      {verified, w.expiredToken, 2, nil, false},
		"clients whose tokens are expired, all of them": {verified, w.expiredToken, 4, nil, true},
		"forged tokens, at night":                       {verified, w.forgedToken, 6, nil, false},
		"made-up tokens, at night":                      {verified, "made-up", 6, nil, false},
		"a client of another API":                       {verified, other, 6, nil, true},
		"the same, beside one that is accepted":         {verified, other, 6, []int{3, 39}, false},
		"the same, beside one that is accepted later":   {verified, other, 6, []int{10, 30, 31}, false},
		"a token of somebody else":                      {accepted, w.payrollToken, 6, nil, true},
		"a token of somebody else, beside one's own":    {accepted, w.payrollToken, 6, []int{3, 39}, false},
	} {
		t.Run(name, func(t *testing.T) {
			prometheus := newWatch(t, test.alert)
			r := newReplica(t, w, "replica", nil)
			fired := false
			for n := range rounds(17 * time.Minute) {
				for range test.each {
					status, _ := r.call(t, test.token, bindingtest.ProofSpec{})
					require.Equal(t, http.StatusUnauthorized, status)
				}
				if slices.Contains(test.accepted, n) {
					require.Equal(t, http.StatusOK, r.budgetCalls(t))
				}
				fired = len(prometheus.look(t, r)) > 0 || fired
			}
			require.Equal(t, test.fires, fired)
			for range rounds(11 * time.Minute) {
				prometheus.look(t, r)
			}
			require.Empty(t, prometheus.look(t, r), "nobody comes any more, and it ends")
		})
	}
}

func nonceKey(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// Replicas that refuse each other's nonces, behind a proxy that takes them in turn: no request with a proof gets through. The
// alarm ends when they are set up alike, and the log has said what is wrong.
func TestNoncesRefused(t *testing.T) {
	t.Parallel()
	w, clock := newStandingWorld(t)
	withKeys := func(keys ...[]byte) func(*jwks.Config, *dpop.Config) {
		return func(_ *jwks.Config, proofs *dpop.Config) { proofs.RequireNonce, proofs.NonceKeys = true, keys }
	}
	for name, test := range map[string]struct {
		one, two func(*jwks.Config, *dpop.Config)
		logged   string
	}{
		"other keys": {withKeys(nonceKey(1)), withKeys(nonceKey(2)), "none of Config.NonceKeys made the nonce"},
		"no keys":    {withKeys(), withKeys(), "this process did not make the nonce"},
		"a clock that is ten minutes ahead": {withKeys(nonceKey(1)), func(keys *jwks.Config, proofs *dpop.Config) {
			withKeys(nonceKey(1))(keys, proofs)
			keys.Clock = func() time.Time { return clock.now().Add(10 * time.Minute) }
			proofs.Clock = keys.Clock
		}, "the nonce is from the future"},
	} {
		t.Run(name, func(t *testing.T) {
			prometheus := newWatch(t, "CertboundNoncesRefused")
			replicas := []*replica{newReplica(t, w, "one", test.one), newReplica(t, w, "two", test.two)}
			_, nonce := replicas[1].walletCalls(t, "")
			fired, told := make(map[string]bool), ""
			for range rounds(12 * time.Minute) {
				for range 4 {
					for _, r := range replicas {
						var status int
						status, told = r.walletCalls(t, nonce)
						require.Equal(t, http.StatusUnauthorized, status)
						nonce = told
					}
				}
				for n := range 6 {
					require.Equal(t, http.StatusOK, replicas[n%2].budgetCalls(t), "a certificate needs no nonce")
				}
				clock.advance(between)
				for _, series := range prometheus.look(t, replicas...) {
					fired[series] = true
				}
			}
			require.Equal(t, map[string]bool{`{instance="one", job="api"}`: true, `{instance="two", job="api"}`: true}, fired)
			for _, q := range questions(t) {
				if q.text == "How often does a client have to fetch a nonce?" {
					require.Equal(t, []string{`{error_type="proof_nonce"}`}, prometheus.series(t, q.query))
				}
			}
			lines := replicas[0].log.String()
			require.Contains(t, lines, test.logged)
			require.NotContains(t, lines, nonce[8:])

			// Set up alike, each accepts the other's, and clients get through.
			replicas = []*replica{newReplica(t, w, "one", test.one), newReplica(t, w, "two", withKeys(nonceKey(1)))}
			if name == "no keys" {
				replicas = []*replica{newReplica(t, w, "one", withKeys(nonceKey(1))), newReplica(t, w, "two", withKeys(nonceKey(1)))}
			}
			_, nonce = replicas[1].walletCalls(t, "")
			for range rounds(10 * time.Minute) {
				for _, r := range replicas {
					status, newer := r.walletCalls(t, nonce)
					require.Equal(t, http.StatusOK, status)
					if newer != "" {
						nonce = newer
					}
				}
				clock.advance(between)
				prometheus.look(t, replicas...)
			}
			require.Empty(t, prometheus.look(t, replicas...))
		})
	}
}

// Clients that were idle, whose requests are refused once and then accepted, and clients that know of no nonce: nobody is woken,
// and the log is quiet. Each client is a series of its own that says 3 from its beginning.
func TestNoncesOfIdleClients(t *testing.T) {
	t.Parallel()
	w, clock := newStandingWorld(t)
	prometheus := newWatch(t, "CertboundNoncesRefused")
	r := newReplica(t, w, "one", func(_ *jwks.Config, proofs *dpop.Config) {
		proofs.RequireNonce, proofs.NonceKeys = true, [][]byte{nonceKey(1)}
	})
	_, old := r.walletCalls(t, "")
	clock.advance(time.Hour)
	for round := range rounds(17 * time.Minute) {
		token, err := w.as.Token(bindingtest.TokenSpec{ClientID: fmt.Sprint("phone-", round), Key: w.walletKey.Public()})
		require.NoError(t, err)
		for range 3 {
			status, nonce := r.call(t, token, bindingtest.ProofSpec{Key: w.walletKey, Nonce: old})
			require.Equal(t, http.StatusUnauthorized, status)
			status, _ = r.call(t, token, bindingtest.ProofSpec{Key: w.walletKey, Nonce: nonce})
			require.Equal(t, http.StatusOK, status)
		}
		for range 6 {
			status, _ := r.call(t, token, bindingtest.ProofSpec{Key: w.walletKey})
			require.Equal(t, http.StatusUnauthorized, status)
		}
		clock.advance(between)
		require.Empty(t, prometheus.look(t, r))
	}
	require.NotContains(t, r.log.String(), "refused")
}
