package proxies_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// Every kind of certificate, over every kind of connection, new and resumed.
func TestCertificates(t *testing.T) {
	t.Parallel()
	parties := allParties(t)
	each(t, func(t *testing.T, p product) {
		w := newWorld(t)
		f, _ := w.behind(t, p)
		stranger := w.token(t, newClient(t))
		for _, m := range manners {
			t.Run(m.name, func(t *testing.T) {
				for _, client := range parties {
					token, want := w.token(t, client), bindingtest.Thumbprint(client.leaf())
					c := w.caller(t, f, m, client)

					first := c.call(t, token, nil)
					require.Equal(t, answer{200, want, false}, first, client.name)
					require.Equal(t, 401, c.call(t, stranger, nil).status, client.name)

					c.reconnect()
					again := c.call(t, token, nil)
					require.Equal(t, answer{200, want, p.resumes}, again, "%s: a session that is resumed if it can be", client.name)
					require.Equal(t, 401, c.call(t, stranger, nil).status, "%s: a session that is resumed if it can be", client.name)
				}
			})
		}
	})
}

func TestNoCertificate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p product) {
		w := newWorld(t)
		f, server := w.behind(t, p)
		token := w.token(t, newClient(t))
		for _, m := range manners {
			c := w.caller(t, f, m, nil)
			require.Equal(t, 401, c.call(t, token, nil).status, m.name)
			c.reconnect()
			require.Equal(t, answer{status: 401, resumed: p.resumes}, c.call(t, token, nil), m.name)
		}
		server.stop(t) // and its log is complete
		require.Contains(t, server.log.String(), "reason=certificate_missing")
		require.NotContains(t, server.log.String(), "reason=forwarded_")
	})
}
