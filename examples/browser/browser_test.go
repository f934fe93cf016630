package main

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// patience is for a machine that has much else to do.
const patience = 5 * time.Minute

// newBrowser starts Chromium without a window, which trusts the world's servers.
func newBrowser(t *testing.T, w *world) context.Context {
	t.Helper()
	options := append([]chromedp.ExecAllocatorOption{
		chromedp.WSURLReadTimeout(patience),
		chromedp.Flag("ignore-certificate-errors-spki-list", spki(w.as.ServerCertificate().Leaf)),
		chromedp.Flag("disable-dev-shm-usage", true), // containers have little of it
	}, chromedp.DefaultExecAllocatorOptions[:]...)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // it has none for root
	}
	timed, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	allocator, cancel := chromedp.NewExecAllocator(timed, options...)
	t.Cleanup(cancel)
	browser, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(browser, chromedp.Navigate("about:blank")), "Chromium is needed: apt-get install chromium")
	return browser
}

// visit opens a page in a tab of its own, waits for its end, and returns what it
// shows.
func visit(t *testing.T, browser context.Context, url string) map[string]string {
	t.Helper()
	tab, cancel := chromedp.NewContext(browser)
	defer cancel()
	require.NoError(t, chromedp.Do(tab, chromedp.Navigate(url)))
	for {
		shown, err := chromedp.Run(tab, chromedp.Evaluate[map[string]string](
			`Object.fromEntries([...document.querySelectorAll("[id]")].map((e) => [e.id, e.href ?? e.textContent]))`))
		if err == nil && shown["done"] != "" {
			return shown
		}
		// An error: the tab may be between two documents.
		require.NoError(t, tab.Err(), "%v: %v", shown, err)
		time.Sleep(50 * time.Millisecond)
	}
}

// decisions are those of the API, as its log has them.
type decisions struct {
	mu      sync.Mutex
	reasons []string
}

func (d *decisions) observe(_ context.Context, event binding.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reasons = append(d.reasons, string(event.Reason()))
}

func (d *decisions) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	taken := d.reasons
	d.reasons = nil
	return taken
}

func newTestWorld(t *testing.T, expose string) (*world, *decisions) {
	t.Helper()
	d := &decisions{}
	w, err := newWorld(d.observe, expose)
	require.NoError(t, err)
	t.Cleanup(w.close)
	return w, d
}

func TestAPageAndItsThief(t *testing.T) {
	t.Parallel()
	w, api := newTestWorld(t, exposed)
	browser := newBrowser(t, w)

	page := visit(t, browser, w.page)
	require.Equal(t, "done", page["done"])
	require.Regexp(t, `^[\w-]{43}$`, page["key"])
	require.Equal(t, "InvalidAccessError", page["exported"], "WebCrypto §14.3.10: the key is not extractable")
	require.Regexp(t, `^200 the accounts of browser-[A-Z0-9]+$`, page["first"])
	require.Equal(t, page["first"], page["second"])
	require.Equal(t, []string{"proof_nonce_missing", "", ""}, api.take(), "the nonce is learnt across origins, once")

	thief := visit(t, browser, page["stolen"])
	require.Equal(t, "done", thief["done"])
	for id, challenge := range map[string]string{
		"alone":     `DPoP error="invalid_token"`,
		"own":       `DPoP error="invalid_token"`,
		"captured":  `DPoP error="invalid_dpop_proof"`,
		"elsewhere": `DPoP error="invalid_dpop_proof"`,
	} {
		require.True(t, strings.HasPrefix(thief[id], "401 "+challenge), "%s: %s", id, thief[id])
		require.NotContains(t, thief[id], "accounts of", id)
	}
	require.Equal(t, []string{"token_scheme", "proof_nonce_missing", "proof_key_mismatch", "proof_replayed", "proof_uri"}, api.take())

	again := visit(t, browser, w.page)
	require.NotEqual(t, page["key"], again["key"])
	require.Contains(t, again["second"], "200 ", "nobody's use has used up the page's")
}

// Fields that an answer does not expose are not there for a page. It does not
// know that a nonce is wanted, or not which: another call may or may not pass.
func TestAPageThatIsNotShownWhatItNeeds(t *testing.T) {
	t.Parallel()
	for hidden, calls := range map[string][2]string{
		"DPoP-Nonce":       {"401 ", "401 "},
		"WWW-Authenticate": {"401 ", "200 "},
	} {
		t.Run(hidden, func(t *testing.T) {
			t.Parallel()
			w, _ := newTestWorld(t, strings.Replace(exposed, hidden, "X-Hidden", 1))
			page := visit(t, newBrowser(t, w), w.page)
			require.Equal(t, "done", page["done"])
			require.True(t, strings.HasPrefix(page["first"], calls[0]), page["first"])
			require.True(t, strings.HasPrefix(page["second"], calls[1]), page["second"])
		})
	}
}
