package jwks_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// Issuers that come and go: in memory, at a clock that is set.

// A town is many issuers, and the function that knows some of them.
type town struct {
	mu      sync.Mutex
	issuers map[string]*faultIssuer // by host
	asked   map[string]int          // Config, by issuer
	change  func(*jwks.Config)
	fail    error
}

func newTown() *town {
	return &town{issuers: make(map[string]*faultIssuer), asked: make(map[string]int), change: func(*jwks.Config) {}}
}

// tenant adds an issuer with a key.
func (w *town) tenant(name string) (*faultIssuer, faultKey) {
	key := newFaultKey(name)
	issuer := newFaultIssuer("https://"+name+".example", key)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.issuers[name+".example"] = issuer
	return issuer, key
}

func (w *town) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	issuer := w.issuers[r.URL.Host]
	w.mu.Unlock()
	if issuer == nil {
		return nil, errors.New("no such host")
	}
	recorder := httptest.NewRecorder()
	issuer.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

var errUnknown = &binding.Error{Reason: binding.ReasonTokenIssuer}

func (w *town) config(_ context.Context, issuer string) (jwks.Config, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[issuer]++
	if w.fail != nil {
		return jwks.Config{}, w.fail
	}
	if !strings.HasSuffix(issuer, ".example") {
		return jwks.Config{}, errUnknown
	}
	c := jwks.Config{
		Issuer: issuer, Audiences: []string{faultAudience}, Transport: w, Clock: func() time.Time { return faultNoon },
	}
	w.change(&c)
	return c, nil
}

func (w *town) timesAsked(issuer string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[issuer]
}

func (w *town) verifier(t *testing.T, changes ...func(*jwks.IssuersConfig)) *jwks.DynamicIssuers {
	t.Helper()
	config := jwks.IssuersConfig{Config: w.config}
	for _, change := range changes {
		change(&config)
	}
	d, err := jwks.ByIssuerFunc(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func accepted(t *testing.T, v binding.TokenVerifier, token string) {
	t.Helper()
	_, err := v.VerifyToken(t.Context(), token)
	require.NoError(t, err, "cause: %v", errorCause(err))
}

func refusedFor(t *testing.T, v binding.TokenVerifier, token string, reason binding.Reason) *binding.Error {
	t.Helper()
	_, err := v.VerifyToken(t.Context(), token)
	require.Error(t, err)
	require.Equal(t, reason, binding.AsError(err).Reason, "cause: %v", errorCause(err))
	return binding.AsError(err)
}

func TestDynamicIssuers(t *testing.T) {
	t.Run("each by its own keys", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			bank, bankKey := w.tenant("bank")
			shop, shopKey := w.tenant("shop")
			d := w.verifier(t)
			require.NoError(t, d.Ready())
			for range 2 {
				accepted(t, d, bankKey.token(bank.url))
				accepted(t, d, shopKey.token(shop.url))
				refusedFor(t, d, faultKey{id: shopKey.id, private: bankKey.private}.token(shop.url), binding.ReasonTokenSignature)
				refusedFor(t, d, bankKey.token(bank.url, "aud", "another"), binding.ReasonTokenAudience)
			}
			require.Equal(t, 1, w.timesAsked(bank.url))
			require.Equal(t, 1, w.timesAsked(shop.url))
			require.Equal(t, 1, bank.fetches())
			require.NoError(t, d.Close())
			require.NoError(t, d.Close(), "twice")
			require.ErrorIs(t, d.Ready(), jwks.ErrClosed)
			require.ErrorIs(t, refusedFor(t, d, bankKey.token(bank.url), binding.ReasonKeysUnavailable), jwks.ErrClosed)
		})
	})

	t.Run("one call however many tokens", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			bank, key := w.tenant("bank")
			d := w.verifier(t, func(c *jwks.IssuersConfig) {
				c.Config = func(ctx context.Context, issuer string) (jwks.Config, error) {
					time.Sleep(time.Second)
					return w.config(ctx, issuer)
				}
			})
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() { accepted(t, d, key.token(bank.url)) })
			}
			all.Wait()
			require.Equal(t, 1, w.timesAsked(bank.url))
			require.Equal(t, 1, bank.fetches())
		})
	})

	t.Run("the request that asks goes away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			bank, key := w.tenant("bank")
			d := w.verifier(t, func(c *jwks.IssuersConfig) {
				c.Config = func(ctx context.Context, issuer string) (jwks.Config, error) {
					select {
					case <-ctx.Done():
						return jwks.Config{}, ctx.Err()
					case <-time.After(time.Second):
					}
					return w.config(ctx, issuer)
				}
			})
			ctx, leave := context.WithCancel(t.Context())
			first := make(chan error, 1)
			go func() {
				_, err := d.VerifyToken(ctx, key.token(bank.url))
				first <- err
			}()
			synctest.Wait()
			second := make(chan error, 1)
			go func() {
				_, err := d.VerifyToken(t.Context(), key.token(bank.url))
				second <- err
			}()
			synctest.Wait()
			leave()
			canceled := binding.AsError(<-first)
			require.Equal(t, binding.ReasonCanceled, canceled.Reason)
			require.ErrorIs(t, canceled, context.Canceled)
			require.NoError(t, <-second)
		})
	})

	t.Run("the request that asks goes away, and there is an answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			bank, key := w.tenant("bank")
			ctx, leave := context.WithCancel(t.Context())
			d := w.verifier(t, func(c *jwks.IssuersConfig) {
				c.Config = func(ctx context.Context, issuer string) (jwks.Config, error) {
					leave()
					return w.config(ctx, issuer)
				}
			})
			_, _ = d.VerifyToken(ctx, key.token(bank.url))
			accepted(t, d, key.token(bank.url))
			require.Equal(t, 1, w.timesAsked(bank.url))
		})
	})

	t.Run("a request that waits goes away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			bank, key := w.tenant("bank")
			d := w.verifier(t, func(c *jwks.IssuersConfig) {
				c.Config = func(ctx context.Context, issuer string) (jwks.Config, error) {
					time.Sleep(2 * time.Second)
					return w.config(ctx, issuer)
				}
			})
			first := make(chan error, 1)
			go func() {
				_, err := d.VerifyToken(t.Context(), key.token(bank.url))
				first <- err
			}()
			synctest.Wait()
			ctx, leave := context.WithTimeout(t.Context(), time.Second)
			defer leave()
			_, err := d.VerifyToken(ctx, key.token(bank.url))
			require.Equal(t, binding.ReasonCanceled, binding.AsError(err).Reason)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NoError(t, <-first)
		})
	})
}

func TestDynamicIssuersThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		d := w.verifier(t)
		stranger := newFaultKey("1")
		const iss = "https://made.up"
		for range 10 {
			refusedFor(t, d, stranger.token(iss), binding.ReasonTokenIssuer)
		}
		require.Equal(t, 1, w.timesAsked(iss), "remembered")
		time.Sleep(time.Minute)
		refusedFor(t, d, stranger.token(iss), binding.ReasonTokenIssuer)
		require.Equal(t, 2, w.timesAsked(iss), "for a minute")
		d.Forget(iss)
		refusedFor(t, d, stranger.token(iss), binding.ReasonTokenIssuer)
		require.Equal(t, 3, w.timesAsked(iss))

		never := w.verifier(t, func(c *jwks.IssuersConfig) { c.RefusedFor = -1 })
		for range 3 {
			refusedFor(t, never, stranger.token("https://another.one"), binding.ReasonTokenIssuer)
		}
		require.Equal(t, 3, w.timesAsked("https://another.one"))

		longest := "https://" + strings.Repeat("a", 2<<10-len("https://"))
		refusedFor(t, d, stranger.token(longest), binding.ReasonTokenIssuer)
		require.Equal(t, 1, w.timesAsked(longest))
		refusal := refusedFor(t, d, stranger.token(longest+"a"), binding.ReasonTokenIssuer)
		require.ErrorContains(t, refusal.Cause, "longer than 2048 bytes")
		require.Zero(t, w.timesAsked(longest+"a"))
	})
}

// Why an issuer was refused is remembered as well, and a fault of ours is not.
func TestWhyDynamicIssuersAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		d := w.verifier(t)
		stranger := newFaultKey("1")
		const closed, broken, busy = "https://closed.example", "https://broken.example", "https://busy.example"
		w.fail = &binding.Error{Reason: binding.ReasonTokenIssuer, Cause: errors.New("it has closed")}
		for range 2 {
			refusal := refusedFor(t, d, stranger.token(closed), binding.ReasonTokenIssuer)
			require.ErrorContains(t, refusal.Cause, "it has closed")
		}
		require.Equal(t, 1, w.timesAsked(closed))
		w.fail = &binding.Error{Reason: binding.ReasonMisconfigured}
		for range 2 {
			refusedFor(t, d, stranger.token(broken), binding.ReasonMisconfigured)
		}
		require.Equal(t, 2, w.timesAsked(broken))
		w.fail = &binding.Error{Reason: binding.ReasonUnavailable, RetryAfter: 7 * time.Second}
		require.Equal(t, 7*time.Second, refusedFor(t, d, stranger.token(busy), binding.ReasonUnavailable).RetryAfter)
	})
}

// Whoever makes up issuers fills no memory: 10,000 are remembered.
func TestRefusedIssuersAreBounded(t *testing.T) {
	t.Parallel()
	const many = 25_000
	w := newTown()
	d := w.verifier(t)
	signed := strings.Split(newFaultKey("1").token("https://made.up"), ".")
	for range 2 {
		for n := range many {
			claims := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"iss":"https://made.up/%d"}`, n))
			refusedFor(t, d, signed[0]+"."+claims+"."+signed[2], binding.ReasonTokenIssuer)
		}
	}
	again := 0
	for n := range many {
		if w.timesAsked(fmt.Sprintf("https://made.up/%d", n)) > 1 {
			again++
		}
	}
	require.GreaterOrEqual(t, again, many-10_000)
}

// Of a token whose issuer is remembered nothing else is kept, be the issuer refused or not. Not parallel: the whole heap is measured.
func TestRememberedIssuersKeepNoTokens(t *testing.T) {
	const many = 400
	w := newTown()
	d := w.verifier(t)
	stranger, padding := newFaultKey("1"), strings.Repeat("x", 45_000)
	before := heapInUse()
	for n := range many {
		for _, iss := range []string{"https://made.up/%d", "https://idle-%d.example"} {
			_, err := d.VerifyToken(t.Context(), stranger.token(fmt.Sprintf(iss, n), "padding", padding))
			require.Error(t, err)
		}
	}
	require.Less(t, heapInUse()-before, int64(many*len(padding)/4), "bytes are kept")
	require.NoError(t, d.Ready())
}

// A Clock that panics costs the tokens that it judges, and no issuer a place.
func TestDynamicIssuersWhoseClockPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		d := w.verifier(t)
		w.change = func(c *jwks.Config) { c.Clock = func() time.Time { panic("the application's own fault") } }
		for n := range 64 {
			issuer, key := w.tenant(fmt.Sprintf("tenant-%d", n))
			require.Panics(t, func() { _, _ = d.VerifyToken(t.Context(), key.token(issuer.url)) })
		}
		w.change = func(*jwks.Config) {}
		bank, key := w.tenant("bank")
		accepted(t, d, key.token(bank.url))
	})
}

// The tokens of an issuer are known for longer than the issuer is, and hold nothing of it. Not parallel: the whole heap is measured.
func TestIssuersThatAreGoneTakeNoMemory(t *testing.T) {
	const many, most = 500, 2 << 10 // bytes for each
	key := newFaultKey("1")
	d, err := jwks.ByIssuerFunc(jwks.IssuersConfig{MaxIssuers: 1, Config: func(_ context.Context, issuer string) (jwks.Config, error) {
		clock := func() time.Time { return faultNoon }
		return jwks.Config{Issuer: issuer, Audiences: []string{faultAudience}, Keys: []byte(jwkSetOf(key)), Clock: clock}, nil
	}})
	require.NoError(t, err)
	before := heapInUse()
	for n := range many {
		accepted(t, d, key.token(fmt.Sprintf("https://tenant-%d.example", n)))
	}
	require.NoError(t, d.Close()) // it waits for what is still being let go
	require.Less(t, (heapInUse()-before)/many, int64(most), "bytes are kept of each")
	runtime.KeepAlive(d)
}

// heapInUse is how much memory is held on to, in bytes.
func heapInUse() int64 {
	var stats runtime.MemStats
	for range 2 { // the second takes what pools have kept
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// The function failed, or is wrong: that is no fault of the token's, and told.
func TestDynamicIssuersWhoseFunctionFails(t *testing.T) {
	for name, test := range map[string]struct {
		breaks func(*town)
		says   string
	}{
		"an error of its own":        {func(w *town) { w.fail = errors.New("no database") }, "no database"},
		"a Config of another issuer": {func(w *town) { w.change = func(c *jwks.Config) { c.Issuer += "/" } }, "another issuer"},
		"a Config that is wrong":     {func(w *town) { w.change = func(c *jwks.Config) { c.Audiences = nil } }, "Audiences"},
		"a reason of 503": {func(w *town) {
			w.fail = &binding.Error{Reason: binding.ReasonUnavailable, Cause: errors.New("no database")}
		}, "no database"},
		"a nil *binding.Error": {func(w *town) { w.fail = (*binding.Error)(nil) }, "a nil *binding.Error"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown()
				bank, key := w.tenant("bank")
				d := w.verifier(t)
				test.breaks(w)
				for n := range 3 {
					refusal := refusedFor(t, d, key.token(bank.url), binding.ReasonUnavailable)
					require.ErrorContains(t, refusal.Cause, test.says)
					require.NotContains(t, refusal.Cause.Error(), bank.url)
					require.Equal(t, n+1, w.timesAsked(bank.url), "not remembered")
				}
				require.Zero(t, bank.fetches()+bank.metadataReads())
				w.mu.Lock()
				w.fail, w.change = nil, func(*jwks.Config) {}
				w.mu.Unlock()
				accepted(t, d, key.token(bank.url))
			})
		})
	}

	t.Run("for all who wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			bank, key := w.tenant("bank")
			w.fail = errors.New("no database")
			d := w.verifier(t, func(c *jwks.IssuersConfig) {
				c.Config = func(ctx context.Context, issuer string) (jwks.Config, error) {
					time.Sleep(time.Second)
					return w.config(ctx, issuer)
				}
			})
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() { refusedFor(t, d, key.token(bank.url), binding.ReasonUnavailable) })
			}
			all.Wait()
			require.Equal(t, 1, w.timesAsked(bank.url))
		})
	})

	t.Run("it panics", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			bank, key := w.tenant("bank")
			var calls atomic.Int64
			d := w.verifier(t, func(c *jwks.IssuersConfig) {
				c.Config = func(ctx context.Context, issuer string) (jwks.Config, error) {
					if calls.Add(1) == 1 {
						panic("mine")
					}
					return w.config(ctx, issuer)
				}
			})
			require.PanicsWithValue(t, "mine", func() { _, _ = d.VerifyToken(t.Context(), key.token(bank.url)) })
			accepted(t, d, key.token(bank.url))
		})
	})
}

func TestDynamicIssuersThatAreIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		bank, bankKey := w.tenant("bank")
		shop, shopKey := w.tenant("shop")
		d := w.verifier(t)
		accepted(t, d, shopKey.token(shop.url))
		for range 59 {
			accepted(t, d, bankKey.token(bank.url))
			time.Sleep(time.Minute)
		}
		require.Equal(t, 1, w.timesAsked(shop.url))
		time.Sleep(10 * time.Minute)
		fetches := shop.fetches()
		time.Sleep(20 * time.Minute)
		require.Equal(t, fetches, shop.fetches(), "an idle issuer is not asked for its keys")
		accepted(t, d, bankKey.token(bank.url))
		require.Equal(t, 1, w.timesAsked(bank.url))
		accepted(t, d, shopKey.token(shop.url))
		require.Equal(t, 2, w.timesAsked(shop.url), "asked anew, though the token was seen")

		// A tenant that is removed.
		d.Forget(shop.url)
		w.mu.Lock()
		w.fail = errUnknown
		w.mu.Unlock()
		refusedFor(t, d, shopKey.token(shop.url), binding.ReasonTokenIssuer)
		accepted(t, d, bankKey.token(bank.url))
	})
}

func TestHowLongDynamicIssuersAreKept(t *testing.T) {
	const sweep = time.Hour / 8
	good, forged := faultKey.token, func(key faultKey, iss string, _ ...any) string {
		return faultKey{id: key.id, private: newFaultKey("").private}.token(iss)
	}
	for name, test := range map[string]struct {
		used  []time.Duration // when
		token func(key faultKey, iss string, changes ...any) string
		asked int
	}{
		"for an hour at least":                            {[]time.Duration{sweep - 1, sweep - 1 + time.Hour}, good, 1},
		"for an eighth longer at most":                    {[]time.Duration{sweep - 1, 2*sweep + time.Hour}, good, 2},
		"the hour begins with each use":                   {[]time.Duration{0, 20 * time.Minute, 40 * time.Minute, 60 * time.Minute, 80 * time.Minute, 100 * time.Minute}, good, 1},
		"without a verified token, until the next sweep":  {[]time.Duration{0, 2*sweep - 1}, forged, 1},
		"without a verified token, and not until another": {[]time.Duration{0, 2*sweep + 1}, forged, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown()
				bank, key := w.tenant("bank")
				d := w.verifier(t)
				start := time.Now()
				for _, at := range test.used {
					time.Sleep(time.Until(start.Add(at)))
					synctest.Wait()
					_, _ = d.VerifyToken(t.Context(), test.token(key, bank.url))
				}
				require.Equal(t, test.asked, w.timesAsked(bank.url))
			})
		})
	}
}

// An issuer is not idle while tokens of it come, be each another.
func TestDynamicIssuersWhoseTokensAreNewAreNotIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		bank, key := w.tenant("bank")
		d := w.verifier(t)
		for n := range 120 {
			accepted(t, d, key.token(bank.url, "jti", fmt.Sprint(n)))
			time.Sleep(time.Minute)
		}
		require.Equal(t, 1, w.timesAsked(bank.url))
	})
}

// Nor is it while a token waits for its keys, for however long.
func TestDynamicIssuersWhoseKeysAreSlowAreNotIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		bank, key := w.tenant("bank")
		bank.answerMetadata(after(25*time.Second, bank.goodMetadata))
		w.change = func(c *jwks.Config) { c.FetchTimeout = time.Minute }
		d := w.verifier(t, func(c *jwks.IssuersConfig) { c.IdleAfter = time.Minute })
		accepted(t, d, key.token(bank.url))
		require.Equal(t, 1, w.timesAsked(bank.url))
	})
}

// A slow round trip takes a second.
type slow struct{ http.RoundTripper }

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(time.Second):
		return s.RoundTripper.RoundTrip(r)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// What Forget is called for is not used, however far it is.
func TestDynamicIssuersThatAreForgotten(t *testing.T) {
	t.Run("while its Config is asked for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			bank, key := w.tenant("bank")
			d := w.verifier(t, func(c *jwks.IssuersConfig) {
				c.Config = func(ctx context.Context, issuer string) (jwks.Config, error) {
					config, err := w.config(ctx, issuer)
					time.Sleep(time.Second)
					return config, err
				}
			})
			answer := make(chan error, 1)
			go func() {
				_, err := d.VerifyToken(t.Context(), key.token(bank.url))
				answer <- err
			}()
			synctest.Wait()
			d.Forget(bank.url)
			require.NoError(t, <-answer)
			require.Equal(t, 2, w.timesAsked(bank.url), "what was read before Forget may be out of date")
		})
	})

	t.Run("while a token waits for its keys", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			bank, key := w.tenant("bank")
			w.change = func(c *jwks.Config) { c.Transport = slow{w} }
			d := w.verifier(t)
			answer := make(chan error, 1)
			go func() {
				_, err := d.VerifyToken(t.Context(), key.token(bank.url))
				answer <- err
			}()
			synctest.Wait()
			d.Forget(bank.url)
			require.NoError(t, <-answer, "the token is verified by the new Config")
			require.Equal(t, 2, w.timesAsked(bank.url))
		})
	})

	t.Run("while a token waits for keys that others share", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			keys, key := w.tenant("keys")
			late := newFaultKey("late")
			w.change = func(c *jwks.Config) { c.URL, c.Transport = keys.keySetURL(), w }
			known := true
			d := w.verifier(t, func(c *jwks.IssuersConfig) {
				c.Config = func(ctx context.Context, issuer string) (jwks.Config, error) {
					if !known {
						return jwks.Config{}, errUnknown
					}
					return w.config(ctx, issuer)
				}
			})
			accepted(t, d, key.token("https://a.example"))
			accepted(t, d, key.token("https://b.example"))
			keys.answer(func(rw http.ResponseWriter, r *http.Request) {
				time.Sleep(2 * time.Second)
				body(jwkSetOf(key, late))(rw, r)
			})
			answer := make(chan error, 1)
			go func() {
				_, err := d.VerifyToken(t.Context(), late.token("https://a.example"))
				answer <- err
			}()
			synctest.Wait()
			known = false
			d.Forget("https://a.example")
			err := <-answer
			require.Error(t, err)
			require.Equal(t, binding.ReasonTokenIssuer, binding.AsError(err).Reason)
			accepted(t, d, late.token("https://b.example"))
		})
	})
}

// A token that comes after Forget is not refused for what Config said before: not even if that was said a moment ago. The moment is
// found by chance, once in a hundred rounds.
func TestDynamicIssuersThatAreForgottenAtOnce(t *testing.T) {
	t.Parallel()
	const many, rounds = 32, 500
	var asked sync.WaitGroup
	var refuses atomic.Bool
	var release chan struct{}
	d, err := jwks.ByIssuerFunc(jwks.IssuersConfig{Config: func(context.Context, string) (jwks.Config, error) {
		if !refuses.Load() {
			return jwks.Config{}, errors.New("no database")
		}
		asked.Done()
		<-release
		return jwks.Config{}, errUnknown
	}})
	require.NoError(t, err)
	defer d.Close()
	key := newFaultKey("1")
	var tokens, issuers [many]string
	for n := range many {
		issuers[n] = fmt.Sprintf("https://tenant-%d.example", n)
		tokens[n] = key.token(issuers[n])
	}
	for range rounds {
		refuses.Store(true)
		release = make(chan struct{})
		asked.Add(many)
		var all sync.WaitGroup
		for n := range many {
			iss, token := issuers[n], tokens[n]
			d.Forget(iss)
			all.Go(func() { _, _ = d.VerifyToken(t.Context(), token) })
			all.Go(func() {
				<-release
				d.Forget(iss)
				_, err := d.VerifyToken(t.Context(), token)
				if reason := binding.AsError(err).Reason; reason != binding.ReasonUnavailable {
					t.Errorf("%s: %s", iss, reason)
				}
			})
		}
		asked.Wait()
		refuses.Store(false)
		close(release)
		all.Wait()
	}
}

// Nothing of it runs when Close returns, not even a fetch whose transport knows no end.
func TestDynamicIssuersCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		bank, key := w.tenant("bank")
		running := make(chan struct{})
		w.change = func(c *jwks.Config) { c.Transport = endless{w, running} }
		d := w.verifier(t)
		answer := make(chan error, 1)
		go func() {
			_, err := d.VerifyToken(t.Context(), key.token(bank.url))
			answer <- err
		}()
		<-running
		start := time.Now()
		require.NoError(t, d.Close())
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, binding.ReasonKeysUnavailable, binding.AsError(<-answer).Reason)
	})
}

// An endless round trip takes a second, though nobody waits for it any more.
type endless struct {
	http.RoundTripper
	running chan struct{}
}

func (e endless) RoundTrip(r *http.Request) (*http.Response, error) {
	close(e.running)
	time.Sleep(time.Second)
	return e.RoundTripper.RoundTrip(r)
}

func TestDynamicIssuersRefuseWhatIsNoToken(t *testing.T) {
	t.Parallel()
	d := newTown().verifier(t)
	for _, token := range []string{"", "a", "a.b", "a.b.c"} {
		refusedFor(t, d, token, binding.ReasonTokenMalformed)
	}
}

func TestDynamicIssuersAreBounded(t *testing.T) {
	t.Run("MaxIssuers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			d := w.verifier(t, func(c *jwks.IssuersConfig) { c.MaxIssuers = 3 })
			tokens := make([]string, 4)
			issuers := make([]*faultIssuer, 4)
			for n := range 3 {
				issuer, key := w.tenant(fmt.Sprint("tenant-", n))
				tokens[n], issuers[n] = key.token(issuer.url), issuer
				accepted(t, d, tokens[n])
			}
			time.Sleep(8 * time.Minute) // a sweep
			accepted(t, d, tokens[0])
			accepted(t, d, tokens[2])
			time.Sleep(8 * time.Minute)
			accepted(t, d, tokens[0])
			accepted(t, d, tokens[2])

			// Made-up tokens of one more take nobody's place.
			last, key := w.tenant("tenant-3")
			issuers[3], tokens[3] = last, key.token(last.url)
			forged := faultKey{id: key.id, private: newFaultKey("").private}.token(last.url)
			refusedFor(t, d, forged, binding.ReasonTokenSignature)
			accepted(t, d, tokens[1])
			require.Equal(t, 1, w.timesAsked(issuers[1].url))

			// A good one takes that of the one that was idle longest.
			time.Sleep(8 * time.Minute)
			time.Sleep(8 * time.Minute)
			accepted(t, d, tokens[0])
			accepted(t, d, tokens[1])
			accepted(t, d, tokens[3])
			accepted(t, d, tokens[0])
			accepted(t, d, tokens[1])
			require.Equal(t, 1, w.timesAsked(issuers[0].url))
			require.Equal(t, 1, w.timesAsked(issuers[1].url))
			accepted(t, d, tokens[2])
			require.Equal(t, 2, w.timesAsked(issuers[2].url))
		})
	})

	t.Run("issuers without a verified token", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			d := w.verifier(t)
			stranger := newFaultKey("1")
			iss := func(n int) string { return fmt.Sprintf("https://made-up-%d.example", n) } // which the function takes for real ones
			ask := func(n int) int {
				refusedFor(t, d, stranger.token(iss(n)), binding.ReasonKeysUnavailable)
				return w.timesAsked(iss(n))
			}
			for range 2 {
				for n := range 64 {
					require.Equal(t, 1, ask(n), "64 are kept")
				}
			}
			ask(64)
			for n := 1; n < 65; n++ {
				require.Equal(t, 1, ask(n), "one more takes the place of the oldest, and of no other")
			}
			require.Equal(t, 2, ask(0))
		})
	})

	t.Run("the one that was idle longest, of many", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			const many, idle = 20, 13
			d := w.verifier(t, func(c *jwks.IssuersConfig) { c.MaxIssuers = many })
			var tokens, issuers []string
			for n := range many + 1 {
				issuer, key := w.tenant(fmt.Sprint("tenant-", n))
				tokens, issuers = append(tokens, key.token(issuer.url)), append(issuers, issuer.url)
			}
			for n := range many {
				accepted(t, d, tokens[n])
			}
			time.Sleep(8 * time.Minute) // a sweep
			for n := range many {
				if n != idle {
					accepted(t, d, tokens[n])
				}
			}
			accepted(t, d, tokens[many])
			for n := range many {
				if n != idle {
					accepted(t, d, tokens[n])
					require.Equal(t, 1, w.timesAsked(issuers[n]))
				}
			}
			accepted(t, d, tokens[idle])
			require.Equal(t, 2, w.timesAsked(issuers[idle]))
		})
	})

	t.Run("while all are busy", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			bank, key := w.tenant("bank")
			shop, shopKey := w.tenant("shop")
			d := w.verifier(t, func(c *jwks.IssuersConfig) { c.MaxIssuers = 1 })
			accepted(t, d, key.token(bank.url))
			bank.answer(after(time.Second, body(jwkSetOf(key))))
			busy := make(chan error, 1)
			go func() {
				_, err := d.VerifyToken(t.Context(), newFaultKey("another").token(bank.url))
				busy <- err
			}()
			synctest.Wait()
			accepted(t, d, shopKey.token(shop.url))
			require.Equal(t, binding.ReasonTokenKeyUnknown, binding.AsError(<-busy).Reason)
			accepted(t, d, key.token(bank.url))
			require.Equal(t, 1, w.timesAsked(bank.url), "nobody takes the place of one that has a token to verify")
		})
	})

	t.Run("while all issuers without a verified token are busy", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			w.change = func(c *jwks.Config) { c.Transport = slow{w} }
			d := w.verifier(t)
			stranger := newFaultKey("1")
			var all sync.WaitGroup
			for n := range 64 {
				all.Go(func() {
					refusedFor(t, d, stranger.token(fmt.Sprintf("https://made-up-%d.example", n)), binding.ReasonKeysUnavailable)
				})
			}
			synctest.Wait()
			refusal := refusedFor(t, d, stranger.token("https://one-more.example"), binding.ReasonUnavailable)
			require.ErrorContains(t, refusal.Cause, "too many issuers are new at once")
			all.Wait()
		})
	})

	t.Run("one that is forgotten while its token is verified", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			shop, key := w.tenant("shop")
			w.change = func(c *jwks.Config) { // all have the keys of the shop, so that they outlive each of them
				c.URL, c.Transport = shop.keySetURL(), w
			}
			shop.answer(after(time.Second, body(jwkSetOf(key))))
			d := w.verifier(t, func(c *jwks.IssuersConfig) { c.MaxIssuers = 3 })
			var both sync.WaitGroup
			for _, iss := range []string{"https://forgotten.example", shop.url} {
				both.Go(func() { accepted(t, d, key.token(iss)) })
			}
			synctest.Wait()
			d.Forget("https://forgotten.example")
			both.Wait()
			accepted(t, d, key.token("https://another.example"))
			accepted(t, d, key.token(shop.url, "jti", "another"))
			require.Equal(t, 1, w.timesAsked(shop.url), "the place that it had is nobody's: three are kept")
		})
	})

	t.Run("a flood of made-up issuers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			bank, key := w.tenant("bank")
			late, lateKey := w.tenant("late")
			d := w.verifier(t)
			accepted(t, d, key.token(bank.url))
			stranger := newFaultKey("1")
			var all sync.WaitGroup
			for n := range 5_000 { // which the function takes for real ones
				all.Go(func() {
					_, err := d.VerifyToken(t.Context(), stranger.token(fmt.Sprintf("https://made-up-%d.example", n)))
					require.Equal(t, 503, binding.AsError(err).StatusCode())
				})
				if n%100 == 0 {
					accepted(t, d, key.token(bank.url, "jti", fmt.Sprint(n)))
				}
			}
			all.Wait()
			accepted(t, d, key.token(bank.url))
			accepted(t, d, lateKey.token(late.url))
			require.Equal(t, 1, w.timesAsked(bank.url))
			require.Equal(t, 1, bank.fetches())
		})
	})

	// Each takes the place of the one that was made first, whose budget of fetches went with it.
	t.Run("made-up tokens of more known issuers than there are places", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			d := w.verifier(t)
			stranger := newFaultKey("unknown")
			issuers := make([]*faultIssuer, 80)
			keys := make([]faultKey, len(issuers))
			for n := range issuers {
				issuers[n], keys[n] = w.tenant(fmt.Sprint("tenant-", n))
			}
			causes := make(map[string]bool)
			flood := func(round int) (limited int) {
				for n, issuer := range issuers {
					_, err := d.VerifyToken(t.Context(), stranger.token(issuer.url, "jti", fmt.Sprint(round, n)))
					if refusal := binding.AsError(err); refusal.Reason == binding.ReasonKeyFetchLimited {
						causes[refusal.Cause.Error()] = true
						require.GreaterOrEqual(t, refusal.RetryAfter, time.Second)
						require.LessOrEqual(t, refusal.RetryAfter, 5*time.Second)
						limited++
					}
				}
				return limited
			}
			for round := range 20 {
				flood(round)
			}
			for _, issuer := range issuers {
				require.LessOrEqual(t, w.timesAsked(issuer.url), 2)
				require.LessOrEqual(t, issuer.metadataReads(), 2)
				require.LessOrEqual(t, issuer.fetches(), 6)
			}
			require.Equal(t, len(issuers), flood(20))
			require.Contains(t, slices.Collect(maps.Keys(causes)),
				"jwks: no token of the issuer was verified yet, and it was asked for its keys as often as is permitted")
			time.Sleep(5 * time.Second)
			accepted(t, d, keys[0].token(issuers[0].url))
			accepted(t, d, keys[0].token(issuers[0].url, "jti", "proven"))
			for range 3 { // an operator may
				d.Forget(issuers[0].url)
				accepted(t, d, keys[0].token(issuers[0].url))
			}
		})
	})

	t.Run("issuers with verified tokens that displace each other", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			d := w.verifier(t, func(c *jwks.IssuersConfig) { c.MaxIssuers = 1 })
			a, keyOfA := w.tenant("a")
			b, keyOfB := w.tenant("b")
			for n := range 10 {
				accepted(t, d, keyOfA.token(a.url, "jti", fmt.Sprint(n)))
				accepted(t, d, keyOfB.token(b.url, "jti", fmt.Sprint(n)))
			}
			require.Equal(t, 10, w.timesAsked(a.url))
		})
	})

	t.Run("calls of the function", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			bank, key := w.tenant("bank")
			release := make(chan struct{})
			var calls atomic.Int64
			d := w.verifier(t, func(c *jwks.IssuersConfig) {
				c.Config = func(ctx context.Context, issuer string) (jwks.Config, error) {
					if issuer != bank.url {
						calls.Add(1)
						<-release
					}
					return w.config(ctx, issuer)
				}
			})
			accepted(t, d, key.token(bank.url))
			var all sync.WaitGroup
			for n := range 64 {
				all.Go(func() {
					refusedFor(t, d, key.token(fmt.Sprintf("https://%d.made.up", n)), binding.ReasonTokenIssuer)
				})
			}
			synctest.Wait()
			refusal := refusedFor(t, d, key.token("https://one.more"), binding.ReasonUnavailable)
			require.ErrorContains(t, refusal.Cause, "too many")
			require.EqualValues(t, 64, calls.Load())
			accepted(t, d, key.token(bank.url, "jti", "another"))
			close(release)
			all.Wait()
		})
	})
}

// Tenants with one key set share its fetches, but only if all that decides them
// is the same.
func TestDynamicIssuersShareKeys(t *testing.T) {
	all := newFaultKey("1")
	const host = "keys"
	for name, test := range map[string]struct {
		change  func(tenant int, w *town, c *jwks.Config)
		fetches int
	}{
		"the same":             {func(int, *town, *jwks.Config) {}, 1},
		"other audiences":      {func(n int, _ *town, c *jwks.Config) { c.Audiences = append(c.Audiences, fmt.Sprint(n)) }, 1},
		"another URL":          {func(n int, _ *town, c *jwks.Config) { c.URL += fmt.Sprint("?tenant=", n) }, 10},
		"another Transport":    {func(_ int, w *town, c *jwks.Config) { c.Transport = &wrapped{w} }, 10},
		"one that is a func":   {func(_ int, w *town, c *jwks.Config) { c.Transport = roundTrip(w.RoundTrip) }, 10},
		"DangerouslyAllowHTTP": {func(n int, _ *town, c *jwks.Config) { c.DangerouslyAllowHTTP = n == 0 }, 2},
		"another MaxBody":      {func(n int, _ *town, c *jwks.Config) { c.MaxBody = 1_000 + n }, 10},
		"another MaxKeys":      {func(n int, _ *town, c *jwks.Config) { c.MaxKeys = 1 + n }, 10},
		"another FetchTimeout": {func(n int, _ *town, c *jwks.Config) { c.FetchTimeout = time.Second + time.Duration(n) }, 10},
		"another Fresh":        {func(n int, _ *town, c *jwks.Config) { c.Fresh = time.Hour + time.Duration(n) }, 10},
		"another MaxStale":     {func(n int, _ *town, c *jwks.Config) { c.MaxStale = time.Hour + time.Duration(n) }, 10},
		"another MaxWaiters":   {func(n int, _ *town, c *jwks.Config) { c.MaxWaiters = 10 + n }, 10},
		"no URL":               {func(n int, w *town, c *jwks.Config) { c.URL, c.MetadataURL = "", "https://keys.example/metadata" }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown()
				keys, _ := w.tenant(host)
				keys.publish(all)
				var number atomic.Int64
				w.change = func(c *jwks.Config) {
					c.URL = "https://keys.example/jwks"
					test.change(int(number.Add(1)-1), w, c)
				}
				d := w.verifier(t)
				for n := range 10 {
					iss := fmt.Sprintf("https://tenant-%d.example", n)
					if test.fetches == 0 { // metadata of another issuer is no reason to share
						refusedFor(t, d, all.token(iss), binding.ReasonKeysUnavailable)
						continue
					}
					accepted(t, d, all.token(iss))
				}
				if test.fetches > 0 {
					require.Equal(t, test.fetches, keys.fetches())
				}
			})
		})
	}

	t.Run("until the last has gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			keys, _ := w.tenant(host)
			keys.publish(all)
			var mu sync.Mutex
			told := make(map[string]int)
			w.change = func(c *jwks.Config) {
				c.URL = "https://keys.example/jwks"
				c.Observe = func(e jwks.Event) {
					mu.Lock()
					defer mu.Unlock()
					told[e.Issuer]++
				}
			}
			d := w.verifier(t)
			accepted(t, d, all.token("https://a.example"))
			accepted(t, d, all.token("https://b.example"))
			synctest.Wait()
			d.Forget("https://a.example")
			time.Sleep(10 * time.Minute)
			mu.Lock()
			require.Equal(t, map[string]int{"https://a.example": 1, "https://b.example": 1}, maps.Clone(told))
			mu.Unlock()
			accepted(t, d, all.token("https://b.example", "jti", "another"))
			fetches := keys.fetches()
			accepted(t, d, all.token("https://c.example"))
			require.Equal(t, fetches, keys.fetches(), "whoever comes later shares them, too")
			d.Forget("https://b.example")
			d.Forget("https://c.example")
			fetches = keys.fetches()
			time.Sleep(time.Hour)
			require.Equal(t, fetches, keys.fetches())
			accepted(t, d, all.token("https://b.example"))
		})
	})
}

// So do those that leave the Transport to New.
func TestDynamicIssuersWithoutATransportShareKeys(t *testing.T) {
	key := newFaultKey("1")
	issuer, server := loopback(t, key)
	w := newTown()
	w.change = func(c *jwks.Config) { c.URL, c.Transport = server.URL+"/jwks", nil }
	d := w.verifier(t)
	for n := range 3 {
		accepted(t, d, key.token(fmt.Sprintf("https://tenant-%d.example", n)))
	}
	require.Equal(t, 1, issuer.fetches())
}

// The keys' events are told to the first of their tenants who wants to know.
func TestSharedKeysAreToldOfToWhoObserves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		keys, key := w.tenant("keys")
		var told eventLog
		w.change = func(c *jwks.Config) {
			c.URL = keys.keySetURL()
			if c.Issuer == "https://b.example" {
				c.Observe = told.observe
			}
		}
		d := w.verifier(t)
		accepted(t, d, key.token("https://a.example"))
		accepted(t, d, key.token("https://b.example"))
		time.Sleep(10 * time.Minute)
		require.Equal(t, "https://b.example", told.last(t).Issuer)
	})
}

// When one leaves, the next who came is told, be they few or many.
func TestSharedKeysAreToldOfToTheNext(t *testing.T) {
	for _, many := range []int{3, 50} {
		synctest.Test(t, func(t *testing.T) {
			w := newTown()
			keys, key := w.tenant("keys")
			var told eventLog
			w.change = func(c *jwks.Config) {
				c.URL, c.Observe, c.Fresh = keys.keySetURL(), told.observe, time.Second
			}
			d := w.verifier(t)
			issuer := func(n int) string { return fmt.Sprintf("https://tenant-%d.example", n) }
			for n := range many {
				accepted(t, d, key.token(issuer(n)))
			}
			for n := range many - 1 {
				d.Forget(issuer(n))
				synctest.Wait()
				time.Sleep(2 * time.Second)
				require.Equal(t, issuer(n+1), told.last(t).Issuer)
			}
			w.change = func(c *jwks.Config) { c.URL, c.Fresh = keys.keySetURL(), time.Second }
			accepted(t, d, key.token(issuer(0)))
			d.Forget(issuer(many - 1))
			synctest.Wait()
			events := len(told.all())
			time.Sleep(time.Minute)
			require.Len(t, told.all(), events, "nobody is left who wants to know")
			accepted(t, d, key.token(issuer(0)))
		})
	}
}

// Without a memory of tokens there is none to clear.
func TestDynamicIssuersWithoutMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		bank, key := w.tenant("bank")
		w.change = func(c *jwks.Config) { c.SeenTokens = -1 }
		d := w.verifier(t)
		for n := range 2 {
			accepted(t, d, key.token(bank.url))
			d.Forget(bank.url)
			require.Equal(t, n+1, w.timesAsked(bank.url))
		}
	})
}

type wrapped struct{ http.RoundTripper }

func TestMistakesInIssuersConfig(t *testing.T) {
	t.Parallel()
	_, err := jwks.ByIssuerFunc(jwks.IssuersConfig{MaxIssuers: -1, IdleAfter: time.Second, RefusedFor: 25 * time.Hour})
	require.Equal(t, []string{"Config", "IdleAfter", "MaxIssuers", "RefusedFor"}, mistakesOf(err))
	_, err = jwks.ByIssuerFunc(jwks.IssuersConfig{
		Config: newTown().config, MaxIssuers: 100_001, IdleAfter: 8 * 24 * time.Hour,
	})
	require.Equal(t, []string{"IdleAfter", "MaxIssuers"}, mistakesOf(err))
	require.ErrorContains(t, err, "MaxIssuers: must be from 1 to 100000")
	for _, atTheLimits := range []jwks.IssuersConfig{
		{MaxIssuers: 1, IdleAfter: time.Minute, RefusedFor: -1},
		{MaxIssuers: 100_000, IdleAfter: 7 * 24 * time.Hour, RefusedFor: 24 * time.Hour},
	} {
		atTheLimits.Config = newTown().config
		d, err := jwks.ByIssuerFunc(atTheLimits)
		require.NoError(t, err)
		require.NoError(t, d.Close())
	}
}
