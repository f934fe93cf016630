package introspection_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/introspection"
	"github.com/certbound/certbound/jwks/dpop"
)

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// proven sends a token under the scheme DPoP, with a proof by the key.
func proven(t *testing.T, token string, key crypto.Signer) *http.Request {
	t.Helper()
	r := from(bearer(token), nil)
	proof, err := bindingtest.NewProof(bindingtest.ProofSpec{Key: key, URL: "https://api.example/accounts", Token: token})
	require.NoError(t, err)
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header.Set("DPoP", proof)
	return r
}

// unsigned does so without the key: its JWK is in a header that was seen, and the signature is nonsense. It costs nothing to
// make.
func unsigned(token, header string) *http.Request {
	hash := sha256.Sum256([]byte(token))
	claims := fmt.Appendf(nil, `{"jti":%q,"htm":"GET","htu":"https://api.example/accounts","iat":%d,"ath":%q}`,
		token, time.Now().Unix(), base64.RawURLEncoding.EncodeToString(hash[:]))
	r := from(bearer(token), nil)
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header.Set("DPoP", header+"."+base64.RawURLEncoding.EncodeToString(claims)+"."+strings.Repeat("A", 86))
	return r
}

// M/408 for clients that are known by a key: 4,000 made-up tokens a second, while the server takes 50 ms for each.
func TestHonestProofsInAFlood(t *testing.T) {
	t.Parallel()
	if fips140.Enabled() {
		t.Skip("the DRBG of FIPS 140-3 mode measures the time that it takes, which stands still here")
	}
	honest := make(map[string]crypto.Signer)
	for n := range 10 {
		honest[fmt.Sprint(n)] = newKey(t)
	}
	headerOf := func(key crypto.Signer) string {
		header, _, _ := strings.Cut(proven(t, "t", key).Header.Get("DPoP"), ".")
		return header
	}
	thief, victim := headerOf(newKey(t)), headerOf(honest["0"])
	for name, test := range map[string]struct {
		header    string // of the flood's proofs
		newTokens bool   // whether the honest bring a new one each time
	}{
		"M/408 another key, tokens that are known":      {thief, false},
		"M/408 another key, new tokens":                 {thief, true},
		"M/408 a victim's public key, tokens are known": {victim, false},
		"M/408 a victim's public key, new tokens":       {victim, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				takes := 50 * time.Millisecond
				s := &server{}
				s.answer = func(_ *http.Request, token string) (*http.Response, error) {
					time.Sleep(takes)
					client, isGood := strings.CutPrefix(token, "good-")
					if !isGood {
						return reply(http.StatusOK, `{"active":false}`), nil
					}
					client, _, _ = strings.Cut(client, "-")
					thumbprint, err := bindingtest.KeyThumbprint(honest[client].Public())
					if err != nil {
						return nil, err
					}
					return reply(http.StatusOK, text(good(members{"token_type": "DPoP", "cnf": members{"jkt": thumbprint}}))), nil
				}
				c := config(s)
				c.ActiveFor = 500 * time.Millisecond // so that what is known is asked about again
				proofs, err := dpop.New(dpop.Config{Origins: []string{"https://api.example"}})
				require.NoError(t, err)
				guard := newGuard(t, binding.Config{Tokens: newVerifier(t, c), Proofs: proofs})
				ask := func(client string, n int) bool {
					if !test.newTokens {
						n = 0
					}
					token := fmt.Sprintf("good-%s-%d", client, n)
					_, err := guard.Check(proven(t, token, honest[client]))
					return err == nil
				}
				for client := range honest {
					require.True(t, ask(client, 0))
				}
				lasts := time.Second
				if soaks {
					lasts = 20 * time.Second
				}
				requireServedInAFlood(t, lasts, slices.Collect(maps.Keys(honest)), ask, func(n int) {
					_, _ = guard.Check(unsigned(fmt.Sprint("made-up-", n), test.header))
				})
			})
		})
	}
}

// keyServer answers that tokens that begin with "alive" are active and bound to
// the key, and that no other is active.
func keyServer(t *testing.T, key crypto.Signer) *server {
	t.Helper()
	thumbprint, err := bindingtest.KeyThumbprint(key.Public())
	require.NoError(t, err)
	return &server{answer: func(_ *http.Request, token string) (*http.Response, error) {
		return reply(http.StatusOK, text(good(members{
			"active": strings.HasPrefix(token, "alive"), "token_type": "DPoP", "cnf": members{"jkt": thumbprint},
		}))), nil
	}}
}

func proofGuard(t *testing.T, v *introspection.Verifier) *binding.Guard {
	t.Helper()
	proofs, err := dpop.New(dpop.Config{Origins: []string{"https://api.example"}})
	require.NoError(t, err)
	return newGuard(t, binding.Config{Tokens: v, Proofs: proofs})
}

// M/412 for a token that is bound to a key: only who holds it learns, while
// others cannot be asked about, that it lives.
func TestNoStatusTellsThatATokenOfAKeyLives(t *testing.T) {
	t.Parallel()
	if fips140.Enabled() {
		t.Skip("the DRBG of FIPS 140-3 mode measures the time that it takes, which stands still here")
	}
	victim, another := newKey(t), newKey(t)
	header, _, _ := strings.Cut(proven(t, "t", victim).Header.Get("DPoP"), ".")
	for name, request := range map[string]func(token string) *http.Request{
		"M/412 a proof by another key":               func(token string) *http.Request { return proven(t, token, another) },
		"M/412 the victim's public key, not its own": func(token string) *http.Request { return unsigned(token, header) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := keyServer(t, victim)
				v := newVerifier(t, config(s))
				guard := proofGuard(t, v)
				_, err := guard.Check(proven(t, "alive", victim))
				require.NoError(t, err, "%v", binding.AsError(err))
				s.set(func(s *server) { s.refuse = true })
				for n := range 5 {
					_, err := v.VerifyToken(t.Context(), fmt.Sprint("away-", n))
					require.Error(t, err)
				}
				_, alive := answer(t, guard, request("alive"))
				_, dead := answer(t, guard, request("dead"))
				require.Equal(t, http.StatusServiceUnavailable, dead.Code)
				require.Equal(t, dead.Code, alive.Code)
				require.Equal(t, dead.Body.String(), alive.Body.String())
				require.Equal(t, dead.Header(), alive.Header())
				_, err = guard.Check(proven(t, "alive", victim))
				require.NoError(t, err, "the owner goes on")
			})
		})
	}
}

// Who presents a certificate, too, is known by its key: its token tries a server
// that was away, and it need not wait for as long as those who are not known.
func TestAClientIsKnownByItsKeyBesideACertificate(t *testing.T) {
	t.Parallel()
	if fips140.Enabled() {
		t.Skip("the DRBG of FIPS 140-3 mode measures the time that it takes, which stands still here")
	}
	owner := newKey(t)
	synctest.Test(t, func(t *testing.T) {
		s, told := keyServer(t, owner), &events{}
		c := config(s)
		c.Observe = told.observe
		v := newVerifier(t, c)
		guard := proofGuard(t, v)
		_, err := guard.Check(from(proven(t, "alive", owner), made(0)))
		require.NoError(t, err, "%v", binding.AsError(err))
		_, err = guard.Check(proven(t, "alive-too", owner))
		require.NoError(t, err, "one that is known in any case: %v", binding.AsError(err))
		time.Sleep(10 * time.Second) // they are not remembered
		s.set(func(s *server) { s.refuse = true })
		for n := range 5 {
			_, err := v.VerifyToken(t.Context(), fmt.Sprint("away-", n))
			require.Error(t, err)
		}
		synctest.Wait()
		s.set(func(s *server) { s.refuse = false })
		time.Sleep(told.of(introspection.BreakerOpened)[0].RetryAfter)
		_, err = guard.Check(from(proven(t, "alive", owner), made(0)))
		require.NoError(t, err, "%v", binding.AsError(err))
	})
}

// Strangers take three of four places. The fourth is for who holds a key that is
// known, and shows that.
func TestThePlaceThatIsKeptIsForKeysThatAreKnown(t *testing.T) {
	t.Parallel()
	if fips140.Enabled() {
		t.Skip("the DRBG of FIPS 140-3 mode measures the time that it takes, which stands still here")
	}
	owner, another := newKey(t), newKey(t)
	header, _, _ := strings.Cut(proven(t, "t", owner).Header.Get("DPoP"), ".")
	synctest.Test(t, func(t *testing.T) {
		s := keyServer(t, owner)
		c := config(s)
		c.MaxInFlight = 4
		v := newVerifier(t, c)
		guard := proofGuard(t, v)
		_, err := guard.Check(proven(t, "alive", owner))
		require.NoError(t, err, "%v", binding.AsError(err))
		s.set(func(s *server) { s.answer = slow(time.Second) })
		var all sync.WaitGroup
		for n := range 3 {
			all.Go(func() { _, _ = v.VerifyToken(t.Context(), fmt.Sprint("stranger-", n)) })
		}
		synctest.Wait()
		for _, request := range []*http.Request{proven(t, "of-another", another), unsigned("of-nobody", header)} {
			_, err = guard.Check(request)
			require.ErrorIs(t, err, introspection.ErrBusy)
		}
		_, err = guard.Check(proven(t, "new", owner))
		require.NotErrorIs(t, err, introspection.ErrBusy)
		all.Wait()
	})
}

// Who is known by a certificate and by a key is one client, and takes the places
// of one.
func TestAClientWithACertificateAndAKeyIsOne(t *testing.T) {
	t.Parallel()
	if fips140.Enabled() {
		t.Skip("the DRBG of FIPS 140-3 mode measures the time that it takes, which stands still here")
	}
	owner, certificate := newKey(t), made(0)
	thumbprint, err := bindingtest.KeyThumbprint(owner.Public())
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: always(http.StatusOK, text(good(members{
			"token_type": "DPoP", "cnf": members{"jkt": thumbprint, "x5t#S256": bindingtest.Thumbprint(certificate)},
		})))}
		c := config(s)
		c.MaxInFlight = 4
		guard := proofGuard(t, newVerifier(t, c))
		_, err := guard.Check(from(proven(t, "both", owner), certificate))
		require.NoError(t, err, "%v", binding.AsError(err))
		s.set(func(s *server) { s.answer = slow(time.Second) })
		var all sync.WaitGroup
		for n := range 2 {
			all.Go(func() { _, _ = guard.Check(from(bearer(fmt.Sprint("new-", n)), certificate)) })
		}
		synctest.Wait()
		_, err = guard.Check(from(proven(t, "new", owner), certificate))
		require.ErrorIs(t, err, introspection.ErrBusy)
		all.Wait()
	})
}
