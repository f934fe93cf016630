package proxies_test

import (
	"crypto/tls"
	"strings"
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

// A proxy that names CAs asks for a certificate of theirs, and a plain client
// that has another presents none: to it, a self-signed one is not as good, however
// little the proxy would verify it. So the configurations name none.
func TestNamedAuthorities(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p product) {
		w := newWorld(t)
		b, server := w.server(t, p, backend{trust: byAddress})
		selfSigned, stranger, issued := newClient(t), newStranger(t), newParty(t, "issued", p256, true, plainSubject)
		cert, key := w.files(t, selfSigned)
		for name, test := range map[string]struct {
			change func(string) string
			names  int // how many CAs
			others int // the status for clients that are not theirs
		}{
			"none":       {nil, 0, 200},
			"ours alone": {changed(t, p.naming[0], p.naming[1]), 1, 401},
		} {
			t.Run(name, func(t *testing.T) {
				f := w.front(t, p, b, test.change)
				for _, m := range manners {
					require.Len(t, w.named(t, f, m), test.names, m.name)
					for client, want := range map[*party]int{selfSigned: test.others, stranger: test.others, issued: 200} {
						c := w.caller(t, f, m, client)
						require.Equal(t, want, c.call(t, w.token(t, client), nil).status, "%s: %s", m.name, client.name)
						require.Equal(t, 401, c.call(t, w.token(t, newClient(t)), nil).status, "%s: %s, another's token", m.name, client.name)
					}
				}
				status, output := w.proxycheck(t, f, p, w.token(t, selfSigned), "-token", "-", "-cert", cert, "-key", key)
				require.Zero(t, status, output)
				require.Equal(t, test.names > 0, strings.Contains(output, "the proxy names CAs in the handshake"), output)
			})
		}
		server.stop(t) // and its log is complete
		require.Contains(t, server.log.String(), "reason=certificate_missing")
	})
}

// named are the CAs that the proxy names when it asks for a certificate.
func (w *world) named(t *testing.T, f front, m manner) (names [][]byte) {
	t.Helper()
	c := w.caller(t, f, m, nil)
	asked := false
	c.transport.TLSClientConfig.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		asked, names = true, info.AcceptableCAs
		return new(tls.Certificate), nil
	}
	c.call(t, "none", nil)
	require.True(t, asked, "%s: no certificate was asked for", m.name)
	return names
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
