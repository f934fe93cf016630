package proxies_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// A client sends the header itself, with another's certificate.
func TestForgedHeader(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p product) {
		w := newWorld(t)
		f, _ := w.behind(t, p)
		victim, client := newClient(t), newClient(t)
		victims, own := w.token(t, victim), w.token(t, client)
		for _, m := range manners {
			t.Run(m.name, func(t *testing.T) {
				for _, forgery := range forgeries {
					if m.http2 && forgery.http1 {
						continue
					}
					forge := func(h http.Header) { forgery.set(h, p.header, p.encode(victim.leaf())) }

					nobody := w.caller(t, f, m, nil)
					require.Equal(t, 401, nobody.call(t, victims, forge).status, "%s, without a certificate", forgery.name)
					nobody.reconnect()
					require.Equal(t, 401, nobody.call(t, victims, forge).status, "%s, without a certificate, again", forgery.name)

					// With a token of its own a client is let in as itself, or not at all.
					want := answer{status: 200, thumbprint: bindingtest.Thumbprint(client.leaf())}
					if p.refuses(forgery) {
						want = answer{status: 401}
					}
					somebody := w.caller(t, f, m, client)
					require.Equal(t, 401, somebody.call(t, victims, forge).status, "%s, with a certificate", forgery.name)
					somebody.reconnect()
					want.resumed = p.resumes
					require.Equal(t, want, somebody.call(t, own, forge), forgery.name)
					require.Equal(t, 401, somebody.call(t, victims, forge).status, "%s, with a certificate, again", forgery.name)
				}
			})
		}
	})
}

func (p product) refuses(f forgery) bool {
	return slices.Contains(p.refused, f.name) ||
		f.name == "once, and with underscores" && slices.Contains(p.refused, "with underscores")
}

// Without one line of its configuration the client's own header passes, and
// the victim's token is the thief's: what these files are for.
func TestWithoutTheLine(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p product) {
		w := newWorld(t)
		b, _ := w.server(t, p, backend{trust: byAddress})
		f := w.front(t, p, b, p.without(t))
		victim := newClient(t)
		got := w.caller(t, f, manners[0], nil).call(t, w.token(t, victim), func(h http.Header) {
			h.Set(p.header, p.encode(victim.leaf()))
		})
		require.Equal(t, answer{status: 200, thumbprint: bindingtest.Thumbprint(victim.leaf())}, got)
	})
}

// What haproxy.cfg says about names that only look like the header's.
func TestHAProxyDropsOtherNames(t *testing.T) {
	t.Parallel()
	p := products[1]
	require.Equal(t, "haproxy", p.name)
	w := newWorld(t)
	b, _ := w.server(t, p, backend{trust: byAddress})
	const line = "http-request del-header ^client[^a-z0-9]cert$ -m reg"
	f := w.front(t, p, b, func(config string) string {
		require.Contains(t, config, "#\t"+line)
		return strings.Replace(config, p.fault, line+"\n", 1)
	})
	victim, client := newClient(t), newClient(t)
	for _, forgery := range forgeries {
		forge := func(h http.Header) { forgery.set(h, p.header, p.encode(victim.leaf())) }
		require.Equal(t, 200, w.caller(t, f, manners[0], client).call(t, w.token(t, client), forge).status, forgery.name)
		require.Equal(t, 401, w.caller(t, f, manners[0], nil).call(t, w.token(t, victim), forge).status, forgery.name)
	}
}
