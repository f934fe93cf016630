package jwks_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/jwks"
)

// What names the key set: the metadata, or the configuration.

func TestFaultyMetadata(t *testing.T) {
	key := newFaultKey("1")
	naming := func(jwksURI func(*brokenIssuer) string) func(*brokenIssuer) http.HandlerFunc {
		return func(b *brokenIssuer) http.HandlerFunc {
			return body(fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, b.url, jwksURI(b)))
		}
	}
	for name, fault := range map[string]struct {
		cause string
		make  func(b *brokenIssuer) http.HandlerFunc
	}{
		"I/229 jwks_uri is http": {"jwks_uri", naming(func(b *brokenIssuer) string { return b.plain.URL })},
		"jwks_uri is this issuer's over http": {"jwks_uri", naming(func(b *brokenIssuer) string {
			return strings.Replace(b.keySetURL(), "https", "http", 1)
		})},
		"I/228 jwks_uri is in the local network": {"jwks_uri", naming(func(*brokenIssuer) string { return "https://169.254.169.254/jwks" })},
		"no jwks_uri": {"jwks_uri", func(b *brokenIssuer) http.HandlerFunc {
			return body(fmt.Sprintf(`{"issuer":%q}`, b.url))
		}},
		"another issuer's": {"another issuer", func(b *brokenIssuer) http.HandlerFunc {
			return body(fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, b.url+"/", b.keySetURL()))
		}},
		"status 500": {"status 500", func(*brokenIssuer) http.HandlerFunc { return status(500, "") }},
		"redirect to another host": {"status 302", func(b *brokenIssuer) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, b.other.URL, http.StatusFound) }
		}},
		"over 512 KiB": {"too long", func(b *brokenIssuer) http.HandlerFunc {
			good := fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, b.url, b.keySetURL())
			return body(padTo(decodedLimit + 1)(good))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBrokenIssuer(t, key)
			b.answerMetadata(fault.make(b))
			v := newFaultVerifier(t, b.faultIssuer, b.transport)
			v.lacks(t, key.token(b.url))
			v.lacks(t, b.forged.token(b.url))
			require.ErrorContains(t, v.log.lastOf(t, jwks.KeysFailed).Err, fault.cause)
			require.Zero(t, b.fetches())
			require.Zero(t, b.strangers.Load())
			b.answerMetadata(b.goodMetadata)
			await(t, "recovery", func() bool { return v.err(t, key.token(b.url)) == nil })
		})
	}

	t.Run("I/229 the configuration's URL is http", func(t *testing.T) {
		for _, c := range []jwks.Config{
			{Issuer: "https://issuer.example", URL: "http://issuer.example/jwks"},
			{Issuer: "https://issuer.example", MetadataURL: "http://issuer.example/metadata"},
			{Issuer: "http://issuer.example"},
		} {
			c.Audiences = []string{faultAudience}
			_, err := jwks.New(c)
			var mistake binding.ConfigError
			require.ErrorAs(t, err, &mistake)
			c.DangerouslyAllowHTTP, c.Transport = true, roundTrip(func(*http.Request) (*http.Response, error) {
				return nil, metadata.ErrURL
			})
			v, err := jwks.New(c)
			require.NoError(t, err)
			require.NoError(t, v.Close())
		}
	})
}

// Metadata is read with the first fetch and every tenth after it, and again
// when the key set is not where it was.
func TestMetadataIsReadAnew(t *testing.T) {
	key := newFaultKey("1")
	t.Run("with every tenth fetch", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			newFaultVerifier(t, issuer, network.transport(t))
			for issuer.fetches() < 45 {
				synctest.Wait()
				fetches := issuer.fetches()
				require.Equal(t, 1+(fetches-1)/10, issuer.metadataReads(), "with fetch %d", fetches)
				time.Sleep(time.Minute)
			}
		}, key)
	})

	t.Run("when the key set has moved", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, key.token(issuer.url))
			newer := newFaultKey("2")
			moved := newFaultIssuer("https://other.example", newer)
			network.serve(t, "other.example", moved)
			issuer.answer(status(404, ""))
			issuer.answerMetadata(body(fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer.url, moved.keySetURL())))
			v.lacks(t, newer.token(issuer.url))
			time.Sleep(time.Second)
			v.accepts(t, newer.token(issuer.url))
		}, key)
	})

	// Metadata that is away says nothing against the set that it named before; one that is wrong does.
	for name, row := range map[string]struct {
		answer http.HandlerFunc
		served bool
		unread string
	}{
		"it fails":                    {status(500, ""), true, "status"},
		"it is too busy":              {status(503, ""), true, "status"},
		"it has had too many":         {status(429, ""), true, "status"},
		"it is silent":                {hang, true, "deadline"},
		"it hangs up":                 {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true, "EOF"},
		"it is cut off":               {cutOff, true, "EOF"},
		"it is not there":             {status(404, ""), false, ""},
		"the last that is no failure": {status(499, ""), false, ""},
		"it is no JSON":               {body("<html>"), false, ""},
		"it is too long":              {body(strings.Repeat(" ", 1<<20)), false, ""},
		"it is another issuer's":      {body(`{"issuer":"https://other.example","jwks_uri":"https://issuer.example/jwks"}`), false, ""},
		"it names no set":             {body(`{"issuer":"https://issuer.example"}`), false, ""},
		"it names a set of no kind":   {body(`{"issuer":"https://issuer.example","jwks_uri":7}`), false, ""},
		"it names another set":        {body(`{"issuer":"https://issuer.example","jwks_uri":"http://issuer.example/jwks"}`), false, ""},
		"it names a set that is near": {body(`{"issuer":"https://issuer.example","jwks_uri":"https://127.0.0.1/jwks"}`), false, ""},
	} {
		t.Run("when it is away: "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
				v := newFaultVerifier(t, issuer, network.transport(t))
				v.accepts(t, key.token(issuer.url))
				issuer.answerMetadata(row.answer)
				time.Sleep(2 * time.Hour)
				newer := newFaultKey("2")
				issuer.publish(key, newer)
				time.Sleep(time.Hour)
				if !row.served {
					v.lacks(t, newer.token(issuer.url))
					return
				}
				v.accepts(t, newer.token(issuer.url))
				require.False(t, slices.ContainsFunc(v.log.all(), func(e jwks.Event) bool { return e.Kind == jwks.KeysFailed }))
				require.ErrorContains(t, v.log.lastOf(t, jwks.KeysFetched).Unread, row.unread)
				time.Sleep(48 * time.Hour)
				v.accepts(t, key.token(issuer.url, "jti", "after the keys would have been too old"))
				issuer.answerMetadata(issuer.goodMetadata)
				time.Sleep(2 * time.Hour)
				require.NoError(t, v.log.lastOf(t, jwks.KeysFetched).Unread)
			}, key)
		})
	}

	// What is silent does not keep the set from being asked for, also where that has failed.
	t.Run("when both are away, and the set is back", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, key.token(issuer.url))
			issuer.answerMetadata(hang)
			issuer.answer(hang)
			time.Sleep(2 * time.Hour)
			newer := newFaultKey("2")
			issuer.publish(newer)
			time.Sleep(5 * time.Minute)
			v.accepts(t, newer.token(issuer.url))
		}, key)
	})

	// Where metadata names a set that is not there, it is read again with the next fetch.
	t.Run("when it is corrected after the start", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			issuer.answer(status(404, ""))
			v := newFaultVerifier(t, issuer, network.transport(t))
			synctest.Wait()
			moved := newFaultIssuer("https://other.example", key)
			network.serve(t, "other.example", moved)
			issuer.answerMetadata(body(fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer.url, moved.keySetURL())))
			time.Sleep(5 * time.Second) // the longest wait for the next fetch, while there are no keys
			synctest.Wait()
			require.Equal(t, 1, moved.fetches())
			require.Equal(t, 1, issuer.fetches(), "where nothing was, nobody asks again")
			v.accepts(t, key.token(issuer.url))
		}, key)
	})

	// Slow metadata has all the time there is where the set is not where it was.
	for name, slowBefore := range map[string]time.Duration{"when it is slow, and the key set has moved": 0, "when it is slow for long, and the key set moves": 2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
				v := newFaultVerifier(t, issuer, network.transport(t))
				v.accepts(t, key.token(issuer.url))
				newer := newFaultKey("2")
				moved := newFaultIssuer("https://other.example", newer)
				network.serve(t, "other.example", moved)
				issuer.answerMetadata(after(4*time.Second, body(fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer.url, moved.keySetURL()))))
				time.Sleep(slowBefore)
				issuer.answer(status(404, ""))
				time.Sleep(30 * time.Minute)
				v.accepts(t, newer.token(issuer.url))
			}, key)
		})
	}

	t.Run("never, where the configuration names the key set", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t), func(c *jwks.Config) { c.URL = issuer.keySetURL() })
			time.Sleep(24 * time.Hour)
			issuer.answer(status(404, ""))
			time.Sleep(time.Hour)
			v.accepts(t, key.token(issuer.url))
			newer := newFaultKey("2")
			issuer.publish(newer)
			time.Sleep(time.Minute)
			v.accepts(t, newer.token(issuer.url))
			require.Zero(t, issuer.metadataReads())
		}, key)
	})
}

// cutOff announces more than it sends.
func cutOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = w.Write([]byte(`{"issuer":`))
	panic(http.ErrAbortHandler)
}
