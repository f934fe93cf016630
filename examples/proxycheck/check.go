package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/certbound/certbound/binding"
)

// A check sends every forgery on every side, and judges.
type check struct {
	options *options

	report          []string // what is printed below the verdict
	passed, unknown bool
	shown           bool // the certificate of a handshake was seen to count
}

// A side is who sends the forgeries, and how.
type side struct {
	name      string
	presented *tls.Certificate // in the handshake; nil: none
	forged    []byte           // DER of the certificate in the header
	http2     bool
	own       bool // the token is bound to the presented certificate
}

func newCheck(o *options) *check { return &check{options: o} }

// run prints the verdict first, then what it rests on.
func (c *check) run(ctx context.Context, out io.Writer) (int, error) {
	known := c.control(ctx)
	sides, err := c.sides()
	if err != nil {
		return exitUnknown, err
	}
	for _, s := range sides {
		c.side(ctx, s, known)
	}
	status, verdict := c.verdict(ctx)
	fmt.Fprintln(out, verdict)
	fmt.Fprintf(out, "%s, header %s as %s\n", c.options.url.Redacted(), c.options.header, c.options.format)
	fmt.Fprint(out, strings.Join(c.report, ""))
	return status, nil
}

func (c *check) verdict(ctx context.Context) (int, string) {
	switch {
	case c.passed:
		return exitPassed, "PASSED: a client can send the header itself. Whoever knows a certificate, which is no secret, is its holder."
	case c.unknown || ctx.Err() != nil:
		return exitUnknown, "It cannot be told: see below what was not asked, or not answered."
	case c.shown && c.options.token == "":
		return exitNothingPassed, "Nothing passed."
	case c.shown:
		return exitNothingPassed, fmt.Sprintf("Nothing passed in %s, nor in any other header below. If the server reads one that is not there (forwarded.Config.Header), name it with -header: of that one this says nothing.",
			c.options.header)
	}
	return exitNothingPassed, fmt.Sprintf("Nothing passed in %s as %s. Either the proxy removes the header, or the server does not read it, and then this answer says nothing: see that -header and -format are those of the server's configuration (forwarded.Config).",
		c.options.header, c.options.format)
}

// sides are all that must be asked for an answer. One that cannot be makes it
// unknown.
func (c *check) sides() ([]side, error) {
	o := c.options
	forged, err := throwAway("proxycheck forged")
	if err != nil {
		return nil, err
	}
	presented, err := throwAway("proxycheck presented")
	if err != nil {
		return nil, err
	}
	alone := side{name: "no client certificate", forged: forged.Certificate[0]}
	beside := side{name: "a client certificate", presented: &presented, forged: alone.forged}
	own := side{name: "the token's own certificate", presented: o.pair, forged: alone.forged, own: true}
	if o.token != "" && o.certificate != nil {
		alone.forged, beside.forged = o.certificate, o.certificate
	}
	if o.token == "" && o.pair != nil {
		beside.presented = o.pair
	}
	all := []side{alone}
	switch {
	case o.url.Scheme != "https":
		return all, nil
	case o.token != "" && o.certificate == nil:
		// Every answer would be that of another certificate, whichever it was.
		c.miss("not asked: a client with a certificate of its own; give the token's with -cert")
	case o.token != "" && o.pair != nil:
		all = append(all, own, beside)
	default:
		all = append(all, beside)
	}
	var both []side
	for _, s := range all {
		two := s
		s.name, two.name, two.http2 = s.name+", HTTP/1.1", s.name+", HTTP/2", true
		both = append(both, s, two)
	}
	return both, nil
}

// control presents the certificate that the token is bound to, if its key is
// there, and reports whether the server then accepts the token: then a refusal
// is because of the certificate.
func (c *check) control(ctx context.Context) bool {
	if c.options.token == "" || c.options.pair == nil {
		return false
	}
	got := c.send(ctx, side{presented: c.options.pair}, nil)
	if got.err == nil && got.status/100 == 2 {
		c.say("  the token with its own certificate: accepted")
		return true
	}
	c.miss("the token with its own certificate: not accepted (%s): give a valid token and its certificate, and see that the proxy forwards it", got)
	return false
}

// side asks on one side. Where all is as it should be, one line says so.
func (c *check) side(ctx context.Context, s side, known bool) {
	baseline := c.send(ctx, s, nil)
	for again := 0; again < 2 && baseline.err != nil && !baseline.byAlert() && ctx.Err() == nil; again++ {
		baseline = c.send(ctx, s, nil)
	}
	if s.http2 && baseline.withoutHTTP2() {
		c.say("  %s: not spoken", s.name)
		return
	}
	b := c.baseline(s, baseline, known)
	c.unknown = c.unknown || b.unknown
	if b.blind {
		c.say("  %s: %s", s.name, b.note)
		return
	}
	if s.own && baseline.status/100 != 2 {
		// Nothing arrives of the certificate. If that of a header does, it counts.
		s.forged = c.options.certificate
	}
	var found groups
	tried := 0
	for _, f := range c.forgeries(s) {
		v := c.try(ctx, s, f, baseline)
		c.passed = c.passed || v.outcome == passed
		c.unknown = c.unknown || v.outcome == unknown
		tried++
		found.add(v, f.name)
	}
	if !b.unknown && found.none(passed) && found.none(unknown) {
		c.say("  %s: %s; nothing passed of %d forgeries", s.name, b.note, tried)
	} else {
		c.say("  %s: %s", s.name, b.note)
	}
	for _, g := range found {
		if g.outcome != dropped {
			c.say("    %s: %s", strings.Join(g.names, ", "), g.text)
		}
	}
}

// forgeries are what a side tries: those of the header that was named, and with
// a token those of the others: the server may read one of them, and nobody would
// have looked.
func (c *check) forgeries(s side) []forgery {
	var all []forgery
	for _, f := range forgeries {
		if s.http2 && f.http1 || f.alias && f.sameName(c.options.header) {
			continue
		}
		all = append(all, f)
	}
	if c.options.token != "" && !s.http2 && !s.own {
		all = append(all, otherHeaders(c.options.header, s.forged)...)
	}
	return all
}

// try sends a forgery and judges the answer. A proxy that ends the connection or
// the stream each time, and still answers a request without a forgery, refuses
// what is forged.
func (c *check) try(ctx context.Context, s side, f forgery, baseline observation) verdict {
	o := c.send(ctx, s, &f)
	if baseline.err == nil && o.cutOff() {
		if o = c.send(ctx, s, &f); o.cutOff() && c.send(ctx, s, nil).err == nil {
			return verdict{dropped, "refused: the connection or the stream is ended"}
		}
	}
	return c.judge(s, f, baseline, o)
}

// groups are the forgeries with one outcome each, in the order in which it came.
type groups []group

type group struct {
	verdict
	names []string
}

func (g *groups) add(v verdict, name string) {
	for i := range *g {
		if (*g)[i].verdict == v {
			(*g)[i].names = append((*g)[i].names, name)
			return
		}
	}
	*g = append(*g, group{v, []string{name}})
}

func (g groups) none(o outcome) bool {
	return !slices.ContainsFunc(g, func(found group) bool { return found.outcome == o })
}

// miss says what was not asked, or not answered, without which nothing can be
// told.
func (c *check) miss(format string, a ...any) {
	c.unknown = true
	c.say("  "+format, a...)
}

func (c *check) say(format string, a ...any) {
	c.report = append(c.report, fmt.Sprintf(format+"\n", a...))
}

// What Certbound tells a client that presented no certificate, and one whose
// header it found and did not take.
var (
	certificateMissing    = (&binding.Error{Reason: binding.ReasonCertificateMissing}).Description()
	certificateUnreadable = (&binding.Error{Reason: binding.ReasonForwardedAmbiguous}).Description()
)

func thumbprint(der []byte) string {
	return binding.ThumbprintOf(&x509.Certificate{Raw: der}).String()
}
