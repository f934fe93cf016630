package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

// An observation is what could be seen of one request.
type observation struct {
	err       error
	status    int
	challenge string
	unnamed   bool // the proxy names CAs, and what was presented is of none of them

	arrival *arrival // from the receiver, about this very request
	echoed  bool     // the endpoint sent our nonce back, so it echoes headers
	seen    bool     // and the forged value is in its answer
}

func (o observation) String() string {
	if o.err != nil {
		return "no answer: " + o.err.Error()
	}
	if o.challenge != "" {
		return fmt.Sprintf("%d %s, %s", o.status, http.StatusText(o.status), o.challenge)
	}
	return fmt.Sprintf("%d %s", o.status, http.StatusText(o.status))
}

// send makes a request on a new connection, with a forgery or none.
func (c *check) send(ctx context.Context, s side, f *forgery) (seen observation) {
	const timeout, mostBody = 15 * time.Second, 256 << 10
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.options.url.String(), nil)
	if err != nil {
		return observation{err: err}
	}
	nonce, value := rand.Text(), forge(c.options.format, s.forged)
	request.Header.Set(nonceHeader, nonce)
	if c.options.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.options.token)
	}
	if f != nil {
		f.fields(request.Header, c.options.header, value)
	}
	var unnamed atomic.Bool
	transport := c.transport(s, &unnamed)
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request) // a redirect is not followed
	if err != nil {
		return observation{err: beforeHTTP2(ctx, transport, request.URL, err)}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, mostBody))
	if err != nil {
		return observation{err: err}
	}
	seen.status, seen.challenge = response.StatusCode, printable(response.Header.Get("WWW-Authenticate"))
	seen.unnamed = unnamed.Load()
	seen.echoed = strings.Contains(string(body), nonce)
	seen.seen = strings.Contains(string(body), distinctive(value))
	var a arrival
	if json.Unmarshal(body, &a) == nil && a.Nonce == nonce && a.Fields != nil {
		seen.arrival = &a
	}
	return seen
}

var plain = regexp.MustCompile(`[A-Za-z0-9]+`)

// distinctive returns a part of a value that no encoding changes.
func distinctive(value string) string {
	var longest string
	for _, run := range plain.FindAllString(value, -1) {
		// Not percent-encoding's digits, which an encoder may write otherwise, and
		// not the words of PEM.
		if run != "CERTIFICATE" && len(run) > len(longest) {
			longest = run
		}
	}
	return longest
}

// printable keeps what comes from elsewhere from writing to the terminal.
func printable(s string) string {
	const most = 300
	if len(s) > most {
		s = s[:most]
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, s)
}
