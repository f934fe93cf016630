package conformance

import (
	"bytes"
	"context"
	"crypto/x509"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/binding/bindingtest"
)

// session is one run of the cases against one server.
type session struct {
	*issuer

	kit    *Kit
	ctx    context.Context
	target Target
	url    string
	roots  *x509.CertPool

	// holder is whose the tokens are, other has another certificate, nobody has
	// none.
	holder, other, nobody *client
	clients               []*client // to be closed

	canary string
	silent bool            // a request of the case got no answer
	taken  map[string]bool // by kid: whether the server takes tokens of a key beside the issuer's
	seen   observations
	learn  func(answer) // called with each answer

	lateness    time.Duration // how long the server refused the first good request
	bindsNobody bool          // the server accepts a stolen token as it is
}

// newSession makes one for the server at the URL, which trusts the issuer.
func (k *Kit) newSession(ctx context.Context, target Target, i *issuer, url string) (*session, error) {
	s := &session{
		issuer: i, kit: k, ctx: ctx, target: target, url: strings.TrimSuffix(url, "/"),
		canary: newID(), taken: make(map[string]bool),
	}
	s.roots = k.config.RootCAs
	if s.roots == nil {
		s.roots = i.as.RootCAs()
	}
	s.nobody = s.newClient(nil)
	for _, c := range []struct {
		client **client
		name   string
	}{{&s.holder, "holder"}, {&s.other, "other"}} {
		certificate, err := i.as.NewClientCertificate(c.name)
		if err != nil {
			return nil, err
		}
		*c.client = s.newClient(&certificate)
	}
	return s, nil
}

// alive asks whether the server is still there, after a request that got no
// answer: something that accepts no connection any more has ended.
func (s *session) alive() bool {
	s.silent = false
	a := s.patiently(time.Second, func(a answer) bool { return a.status != 0 || a.skipped != "" }, func() answer {
		s.close() // a new connection
		return s.goodRequest()
	})
	s.silent = false
	return a.status != 0 || a.skipped != ""
}

// move goes on with a server at another URL.
func (s *session) move(url string) { s.url = strings.TrimSuffix(url, "/") }

func (s *session) close() {
	for _, c := range s.clients {
		c.close()
	}
}

// observations are what is to be said of all answers together.
type observations struct {
	refusals int
	// The first answer that is so, by what it said.
	storable, leaking, mute, bare, revealing, sniffable string

	// The same of those under the scheme DPoP.
	proven                                     int
	provenStorable, provenLeaking, withoutAlgs string
}

// secretLength is the length from which a part of a credential is not in an
// answer by chance.
const secretLength = 24

// watch looks at what every refusal should be like.
func (s *session) watch(r request, a answer) {
	if a.status < 400 {
		return
	}
	s.seen.refusals++
	note := func(where *string, wrong bool) {
		if wrong && *where == "" {
			*where = a.got()
		}
	}
	// Only what the server itself decided on: net/http and others answer what
	// is no request before anybody could.
	if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden || a.status == http.StatusServiceUnavailable {
		note(&s.seen.storable, !strings.Contains(strings.ToLower(a.header.Get("Cache-Control")), "no-store"))
	}
	if a.status == http.StatusUnauthorized {
		note(&s.seen.mute, len(a.header.Values("WWW-Authenticate")) == 0)
		note(&s.seen.bare, a.bare())
	}
	if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden || a.status == http.StatusServiceUnavailable {
		note(&s.seen.sniffable, !strings.EqualFold(a.header.Get("X-Content-Type-Options"), "nosniff"))
	}
	var all bytes.Buffer
	_ = a.header.Write(&all)
	_, _ = all.Write(a.body)
	for _, field := range slices.Concat(r.authorization, []string{r.wire}) {
		for part := range strings.FieldsFuncSeq(field, func(c rune) bool { return strings.ContainsRune(". ,\r\n", c) }) {
			if len(part) >= secretLength {
				note(&s.seen.leaking, strings.Contains(all.String(), part))
			}
		}
	}
	note(&s.seen.revealing, bytes.Contains(all.Bytes(), []byte(s.canary)))
	if r.proofs == nil {
		return
	}
	s.seen.proven++
	if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
		note(&s.seen.provenStorable, !strings.Contains(strings.ToLower(a.header.Get("Cache-Control")), "no-store"))
	}
	note(&s.seen.withoutAlgs, slices.ContainsFunc(parseChallenges(a.header.Values("WWW-Authenticate")), func(c challenge) bool {
		return strings.EqualFold(c.scheme, "DPoP") && c.params["algs"] == ""
	}))
	said := a.header.Clone()
	said.Del("DPoP-Nonce") // the newest one may be the one that came
	all.Reset()
	_ = said.Write(&all)
	_, _ = all.Write(a.body)
	for _, proof := range r.proofs {
		for _, secret := range secretsOf(proof) {
			note(&s.seen.provenLeaking, strings.Contains(all.String(), secret))
		}
	}
}

// rule makes the checks of a row that have its expectations.
func rule(row int, source string, must, should expectation, checks ...check) []check {
	for i := range checks {
		c := &checks[i]
		if c.must.holds == nil {
			c.must = must
		}
		if c.should.holds == nil {
			c.should = should
		}
		c.Row, c.Section, c.Source = row, sectionOf(row), source
		c.Must, c.Should = c.must.text, c.should.text
	}
	return checks
}

// expect replaces the expectations of the row.
func (c check) expect(must, should expectation) check {
	c.must, c.should = must, should
	return c
}

// when skips the check where what it builds on is not there. ok is asked when
// the check is run.
func (c check) when(ok func() bool, reason string) check {
	run := c.run
	c.run = func() answer {
		if !ok() {
			return skip(reason)
		}
		return run()
	}
	return c
}

// probe is a check that sends one request.
func (s *session) probe(name string, r request) check {
	return check{Case: Case{Name: name}, run: func() answer { return s.send(r) }}
}

// token is a check that sends one token, as the holder of the certificate that
// good tokens are bound to.
func (s *session) token(name, token string) check { return s.probe(name, bearer(s.holder, token)) }

// custom is a check that does more.
func custom(name string, run func() answer) check { return check{Case: Case{Name: name}, run: run} }

// control is a check that is no row's.
func (s *session) control(when string, run func() answer) check {
	status := withStatus(s.kit.config.Status)
	c := check{Case: Case{Section: "control", Name: "the good request, " + when}, must: status, should: status, run: run}
	c.Must, c.Should = status.text, status.text
	return c
}

func (s *session) goodRequest() answer { return s.send(bearer(s.holder, s.good(s.holder))) }

// firstGoodRequest gives a server that has just started a moment to fetch its
// keys.
func (s *session) firstGoodRequest() answer {
	began, asked := time.Now(), 0
	a := s.patiently(s.kit.config.StartWait, func(a answer) bool { return a.accepted || a.skipped != "" }, func() answer {
		asked++
		return s.goodRequest()
	})
	if asked > 1 {
		s.lateness = time.Since(began)
	}
	return a
}

// patiently repeats a request until its answer is the one that is waited for,
// or the time is over.
func (s *session) patiently(wait time.Duration, done func(answer) bool, ask func() answer) answer {
	end := time.Now().Add(wait)
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		a := ask()
		if done(a) || time.Now().Add(pause).After(end) {
			return a
		}
		select {
		case <-s.ctx.Done():
			return skip("the run was ended")
		case <-time.After(pause):
		}
	}
}

// A start is a check with a server of its own, and with an authorization server
// of its own that prepare changes before the server starts.
type start struct {
	name    string
	config  bindingtest.Config
	prepare func(*issuer)

	// ask is what is sent: to such a server a good request comes first, so that
	// it has its keys when the bad one comes. nil is the good request alone,
	// which the server should accept, or refuse if broken.
	ask    func(*session) request
	broken bool

	facts func(*session) answer // or, behind the good request, something else than one answer
}

func (s *session) elsewhere(one start) check {
	c := custom(one.name, func() answer {
		if s.target.Start == nil {
			return skip("it needs a server that the kit can start")
		}
		i, err := s.kit.newIssuer(one.config)
		if err != nil {
			return skip("an authorization server could not be started")
		}
		defer i.as.Close()
		one.prepare(i)
		ctx, cancel := context.WithCancel(s.ctx)
		defer cancel()
		url, stop, err := s.target.start(ctx, i.as)
		if err != nil {
			return answer{problem: "the server did not start"}
		}
		defer stop()
		there, err := s.kit.newSession(ctx, s.target, i, url)
		if err != nil {
			return skip("certificates could not be made")
		}
		defer there.close()
		return there.started(one, s.lateness)
	})
	c.Start = true
	return c.when(func() bool { return !s.kit.config.StaticKeys }, staticKeys)
}

const staticKeys = "the server's keys are in a file"

// started asks a server that has just been started. One that has no keys yet
// refuses everything: what it would accept later must not count as refused.
func (s *session) started(one start, lateness time.Duration) answer {
	accepted := func(a answer) bool { return a.accepted }
	switch {
	case one.broken:
		return s.patiently(2*lateness, accepted, s.goodRequest)
	case one.ask == nil && one.facts == nil:
		return s.firstGoodRequest()
	}
	if first := s.firstGoodRequest(); !first.accepted {
		return skip("the server did not accept a good request before: " + first.got())
	}
	s.silent = false
	if one.facts != nil {
		return one.facts(s)
	}
	a := s.send(one.ask(s))
	if s.silent && !s.alive() {
		return ended
	}
	return a
}

// ended is what came of a case that ended the server.
var ended = answer{problem: "the server ended", fatal: true}
