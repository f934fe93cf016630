package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"

	"github.com/certbound/certbound/binding"
)

// A check sends every forgery on every side, and judges.
type check struct {
	options   *options
	forged    *x509.Certificate
	presented tls.Certificate
	value     string // forged, as the proxy would write it

	out             io.Writer
	passed, unknown bool
	compared        bool // something was compared with something
	shown           bool // the certificate of a handshake was seen to arrive in the header
}

// A side is who sends the forgeries, and how.
type side struct {
	name        string
	certificate *tls.Certificate // in the handshake; nil: none
	http2       bool
}

func newCheck(o *options) (*check, error) {
	forged, err := throwAway("proxycheck forged")
	if err != nil {
		return nil, err
	}
	presented, err := throwAway("proxycheck presented")
	if err != nil {
		return nil, err
	}
	c := &check{options: o, forged: forged.Leaf, presented: presented}
	switch {
	case o.token != "" && o.certificate != nil:
		c.forged = o.certificate
	case o.token == "" && o.pair != nil:
		c.presented = *o.pair
	}
	c.value = forge(o.format, c.forged)
	return c, nil
}

func (c *check) run(ctx context.Context, out io.Writer) int {
	c.out = out
	c.say("%s, header %s as %s", c.options.url.Redacted(), c.options.header, c.options.format)
	known := c.control(ctx)
	for _, s := range c.sides() {
		c.side(ctx, s, known)
	}
	if c.options.token != "" && c.options.certificate == nil {
		c.say("  not checked: a client with a certificate of its own; give the token's with -cert")
	}
	switch {
	case c.passed:
		c.say("PASSED: a client can send the header itself. Whoever knows a certificate, which is no secret, is its holder.")
		return exitPassed
	case c.unknown || !c.compared || ctx.Err() != nil:
		c.say("It cannot be told.")
		return exitUnknown
	case c.shown:
		c.say("Nothing passed.")
		return exitNothingPassed
	default:
		c.say("Nothing passed in %s as %s. Either the proxy removes the header, or the server does not read it, and then this answer says nothing: see that -header and -format are those of the server's configuration (forwarded.Config).", c.options.header, c.options.format)
		return exitNothingPassed
	}
}

func (c *check) sides() []side {
	sides := []side{{name: "no client certificate, HTTP/1.1"}}
	overTLS := c.options.url.Scheme == "https"
	if overTLS {
		sides = append(sides, side{name: "no client certificate, HTTP/2", http2: true})
	}
	// With a token for no certificate of ours, every answer on this side is that
	// of another certificate, whichever it was.
	if overTLS && (c.options.token == "" || c.options.certificate != nil) {
		sides = append(sides,
			side{name: "a client certificate, HTTP/1.1", certificate: &c.presented},
			side{name: "a client certificate, HTTP/2", certificate: &c.presented, http2: true})
	}
	return sides
}

// control presents the certificate that the token is bound to, if its key is
// there, and reports whether the server then accepts the token: then a refusal
// is because of the certificate.
func (c *check) control(ctx context.Context) bool {
	if c.options.token == "" || c.options.pair == nil {
		return false
	}
	got := c.send(ctx, side{certificate: c.options.pair}, nil)
	if got.err == nil && got.status/100 == 2 {
		c.say("  the token with its own certificate: accepted")
		return true
	}
	c.unknown = true
	c.say("  the token with its own certificate: not accepted (%s): give a valid token and its certificate", got)
	return false
}

func (c *check) side(ctx context.Context, s side, known bool) {
	c.say("  %s", s.name)
	baseline := c.send(ctx, s, nil)
	for again := 0; again < 2 && baseline.err != nil && !baseline.byAlert() && ctx.Err() == nil; again++ {
		baseline = c.send(ctx, s, nil)
	}
	if s.http2 && baseline.withoutHTTP2() {
		c.say("    not spoken")
		return
	}
	usable, note := c.baseline(s, baseline, known)
	c.say("    nothing forged: %s", note)
	if !usable {
		return
	}
	c.compared = true
	for _, f := range forgeries {
		if s.http2 && f.http1 || f.alias && f.sameName(c.options.header) {
			continue
		}
		v := c.judge(s, f, baseline, c.send(ctx, s, &f))
		c.passed = c.passed || v.outcome == passed
		c.unknown = c.unknown || v.outcome == unknown
		c.say("    %s: %s", f.name, v.text)
	}
	if c.options.token != "" && !s.http2 {
		c.others(ctx, s, baseline)
	}
}

// others sends the headers that were not named: the server may read one of them,
// and nobody would have looked.
func (c *check) others(ctx context.Context, s side, baseline observation) {
	quiet := true
	for _, f := range otherHeaders(c.options.header, c.forged) {
		v := c.judge(s, f, baseline, c.send(ctx, s, &f))
		if v.outcome == dropped {
			continue
		}
		quiet = false
		c.passed = c.passed || v.outcome == passed
		c.unknown = c.unknown || v.outcome == unknown
		c.say("    not named, yet tried: %s: %s", f.name, v.text)
	}
	if quiet {
		c.say("    the headers of the other formats: as if nothing were forged")
	}
}

func (c *check) say(format string, a ...any) { fmt.Fprintf(c.out, format+"\n", a...) }

// What Certbound tells a client that presented no certificate, and one whose
// header it found and did not take.
var (
	certificateMissing    = (&binding.Error{Reason: binding.ReasonCertificateMissing}).Description()
	certificateUnreadable = (&binding.Error{Reason: binding.ReasonForwardedAmbiguous}).Description()
)

func (c *check) presentedThumbprint() string {
	return binding.ThumbprintOf(c.presented.Leaf).String()
}

func (c *check) forgedThumbprint() string { return binding.ThumbprintOf(c.forged).String() }
