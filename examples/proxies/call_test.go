package proxies_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A manner is how a client speaks to the proxy.
type manner struct {
	name    string
	version uint16
	http2   bool
}

var manners = []manner{
	{"TLS 1.2, HTTP/1.1", tls.VersionTLS12, false},
	{"TLS 1.2, HTTP/2", tls.VersionTLS12, true},
	{"TLS 1.3, HTTP/1.1", tls.VersionTLS13, false},
	{"TLS 1.3, HTTP/2", tls.VersionTLS13, true},
}

// A caller makes requests to one proxy as one client, or as nobody.
type caller struct {
	url       string
	transport *http.Transport
}

func (w *world) caller(t *testing.T, f front, m manner, p *party) *caller {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!m.http2)
	protocols.SetHTTP2(m.http2)
	c := &caller{url: f.url, transport: &http.Transport{
		Protocols: protocols,
		TLSClientConfig: &tls.Config{
			RootCAs: w.as.RootCAs(), MinVersion: m.version, MaxVersion: m.version,
			ClientSessionCache: tls.NewLRUClientSessionCache(1),
		},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, f.address)
		},
	}}
	if p != nil {
		// As plain clients have it: they present none to a proxy that names only the CAs of others.
		c.transport.TLSClientConfig.Certificates = []tls.Certificate{p.certificate}
	}
	t.Cleanup(c.transport.CloseIdleConnections)
	return c
}

// reconnect makes the next call on a new connection, whose session is resumed
// if the proxy lets it.
func (c *caller) reconnect() { c.transport.CloseIdleConnections() }

type answer struct {
	status     int
	thumbprint string // of whose token the server accepted
	resumed    bool
}

func (c *caller) call(t *testing.T, token string, change func(http.Header)) answer {
	t.Helper()
	a, err := c.ask(t.Context(), token, change)
	require.NoError(t, err)
	return a
}

// ask is call for a goroutine that is not the test's.
func (c *caller) ask(ctx context.Context, token string, change func(http.Header)) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if change != nil {
		change(request.Header)
	}
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode, resumed: response.TLS.DidResume}
	if c.transport.Protocols.HTTP2() != (response.ProtoMajor == 2) {
		return answer{}, fmt.Errorf("answered in %s", response.Proto)
	}
	if a.status == http.StatusOK {
		var who struct {
			Thumbprint string `json:"x5t#S256"`
		}
		if err := json.Unmarshal(body, &who); err != nil {
			return answer{}, fmt.Errorf("%w: %s", err, body)
		}
		a.thumbprint = who.Thumbprint
	}
	return a, nil
}
