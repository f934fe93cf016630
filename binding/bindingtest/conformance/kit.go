package conformance

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certbound/certbound/binding/bindingtest"
)

// ErrEnded says that the server ended in the course of a case, which the Report
// names, and could not be started anew.
var ErrEnded = errors.New("conformance: the server ended")

// ErrNotJudged says that the good request was refused, so that no refusal would
// mean anything.
var ErrNotJudged = errors.New("conformance: the good request was not accepted: nothing can be told of the server")

// A Kit is what surrounds the server under test: its authorization server, the
// clients that it has, and an attacker's servers. It listens on the loopback
// interface alone. Make one with New and Close it when done. It checks one
// server at a time.
type Kit struct {
	config Config
	issuer *issuer
	trap   *trap

	// impostor has a key of the issuer's algorithm, and nobody trusts it.
	impostor *bindingtest.AuthorizationServer
	keys     keys

	checking sync.Mutex
	accepted atomic.Int64 // requests, of the servers under test
}

// New starts a Kit. It reports every mistake of the Config at once.
func New(config Config) (*Kit, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	k := &Kit{config: config}
	var err error
	if k.issuer, err = k.newIssuer(bindingtest.Config{}); err != nil {
		return nil, err
	}
	if k.impostor, err = bindingtest.NewAuthorizationServer(bindingtest.Config{Algorithm: config.Algorithm}); err != nil {
		k.issuer.as.Close()
		return nil, err
	}
	if err = k.keys.generate(); err != nil {
		k.impostor.Close()
		k.issuer.as.Close()
		return nil, err
	}
	k.issuer.publish(k.keys.rsa.jwk(), k.keys.pss.jwk())
	k.trap = newTrap(k.issuer)
	return k, nil
}

// Close ends every server of the kit. The server under test is not its own.
func (k *Kit) Close() {
	k.trap.close()
	k.impostor.Close()
	k.issuer.as.Close()
}

// AuthorizationServer returns the authorization server that the server under
// test has to trust: by its Issuer and RootPEM, and the Audience. Close it by
// closing the Kit.
func (k *Kit) AuthorizationServer() *bindingtest.AuthorizationServer { return k.issuer.as }

// Cases returns what a Kit with this Config asks, in the order in which it
// does. The control is not among them.
func (c Config) Cases() ([]Case, error) {
	k, err := New(c)
	if err != nil {
		return nil, err
	}
	defer k.Close()
	s, err := k.newSession(context.Background(), Target{}, k.issuer, "https://127.0.0.1:1")
	if err != nil {
		return nil, err
	}
	var cases []Case
	for _, section := range s.asked() {
		for _, one := range section.checks(s) {
			cases = append(cases, one.Case)
		}
	}
	return cases, nil
}

// Check asks the server everything and returns what came. The error is
// ErrNotJudged if the good request was refused, the target's if it could not be
// started, ErrEnded if it ended and could not be started anew, or the
// context's; the Report then holds what was asked until then.
func (k *Kit) Check(ctx context.Context, target Target) (*Report, error) {
	return k.check(ctx, target, func(_ Case, judge func() Result) { judge() })
}

// check has each decide whether a case is asked, by calling judge.
func (k *Kit) check(ctx context.Context, target Target, each func(_ Case, judge func() Result)) (*Report, error) {
	k.checking.Lock()
	defer k.checking.Unlock()
	report := &Report{Version: version(), Began: time.Now(), Config: k.config, Level: k.config.Level}
	r := &run{kit: k, ctx: ctx, target: target, each: each, report: report}
	if err := r.start(); err != nil {
		return report, err
	}
	defer func() { r.stop() }()
	if first := r.ask(r.session.control("before everything", r.session.firstGoodRequest)); first.Verdict != AsExpected {
		return report, fmt.Errorf("%w: it was answered with %s", ErrNotJudged, first.Got+first.Reason)
	}
	for _, section := range r.session.asked() {
		for _, one := range section.checks(r.session) {
			if err := ctx.Err(); err != nil {
				return report, err
			}
			if r.ask(one); r.ended {
				if err := r.restart(); err != nil {
					return report, err
				}
			}
		}
		r.ask(r.session.control("after "+section.name, r.session.goodRequest))
	}
	return report, ctx.Err()
}

// A run is one Check.
type run struct {
	kit    *Kit
	ctx    context.Context
	target Target
	each   func(_ Case, judge func() Result)
	report *Report

	session *session
	stop    func()
	ended   bool // the last case ended the server
}

func (r *run) start() error {
	url, stop, err := r.target.start(r.ctx, r.kit.issuer.as)
	if err != nil {
		return fmt.Errorf("conformance: start of the server: %w", err)
	}
	if r.session == nil {
		if r.session, err = r.kit.newSession(r.ctx, r.target, r.kit.issuer, url); err != nil {
			stop()
			return err
		}
	}
	r.session.move(url)
	r.stop = func() {
		r.session.close()
		stop()
	}
	return nil
}

// restart goes on with a new server. What runs already cannot be started anew.
func (r *run) restart() error {
	if r.target.Start == nil {
		return ErrEnded
	}
	r.ended = false
	r.stop()
	r.stop = func() {}
	if err := r.start(); err != nil {
		return errors.Join(ErrEnded, err)
	}
	if a := r.session.firstGoodRequest(); !a.accepted {
		return fmt.Errorf("%w; started anew, it answers the good request with %s", ErrEnded, a.got()+a.skipped)
	}
	return nil
}

// ask asks one case, if each wants it.
func (r *run) ask(one check) (result Result) {
	r.each(one.Case, func() Result {
		visits, accepted := r.kit.visits(), r.kit.accepted.Load()
		r.session.silent = false
		a := one.run()
		if one.Row != 0 && a.skipped == "" && r.session.silent && r.ctx.Err() == nil && !r.session.alive() {
			r.ended, a = true, ended
		}
		if ran, should := r.kit.visits()-visits, int(r.kit.accepted.Load()-accepted); r.kit.config.Visits != nil && ran != should {
			a = fact(false, "the handler ran %d times for %d requests that were accepted", ran, should)
			a.fatal = true
		}
		result = r.kit.result(one, a)
		r.report.add(result)
		if r.kit.config.Observe != nil {
			r.kit.config.Observe(result)
		}
		return result
	})
	return result
}

// version is this module's, in the program that it is built into.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, module := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if module.Path == "github.com/certbound/certbound" {
			return module.Version
		}
	}
	return ""
}

func (k *Kit) visits() int {
	if k.config.Visits == nil {
		return 0
	}
	return k.config.Visits()
}

// result judges an answer.
func (k *Kit) result(c check, a answer) Result {
	result := Result{Case: c.Case, Verdict: AsExpected, Got: a.got()}
	switch {
	case a.skipped != "":
		result.Verdict, result.Reason, result.Got = Skipped, a.skipped, ""
	case a.fatal, !c.must.holds(a):
		result.Verdict = Violates
	case !c.should.holds(a):
		result.Verdict = Deviates
	}
	result.Failed = result.Verdict == Violates || result.Verdict == Deviates && k.config.Level == Should
	if reason, excepted := k.config.Except[c.Row]; excepted && c.Row != 0 && result.Verdict != Skipped && result.Verdict != AsExpected {
		result.Failed, result.Reason = false, reason
	}
	return result
}

// check is a Case and how it is asked.
type check struct {
	Case

	must, should expectation
	run          func() answer
}

// sections are the cases in the order in which they are asked. What asks the
// issuer for a key that it has not comes late: servers do that seldom, and must
// not be found at rest when a new key is theirs to learn.
var sections = []section{
	{"I: a new key", (*session).newKey, true},
	{"A", (*session).credentials, false},
	{"B", (*session).compact, true},
	{"D", (*session).signatures, true},
	{"E", (*session).claimsSet, false},
	{"F", (*session).confirmation, false},
	{"G", (*session).certificates, false},
	{"H", (*session).forwarded, false},
	{"C", (*session).header, true},
	{"I", (*session).keySet, true},
	{"J", (*session).metadata, true},
	{"M and N", (*session).world, false},
	{"L", (*session).dpop, false},
	{"I: keys that are gone", (*session).oldKeys, true},
	{"K", (*session).conduct, false},
}

type section struct {
	name   string
	checks func(*session) []check
	jwt    bool // of no concern to opaque tokens
}

// asked are the sections for this kind of tokens.
func (s *session) asked() []section {
	return slices.DeleteFunc(slices.Clone(sections), func(one section) bool { return one.jwt && s.opaque != nil })
}

// lastRow is the last row of the table that the numbers are from, asked or not.
const lastRow = 453

// sectionOf returns the section of a row.
func sectionOf(row int) string {
	for _, section := range []struct {
		last int
		name string
	}{
		{34, "A"}, {56, "B"}, {111, "C"}, {117, "D"}, {144, "E"}, {174, "F"}, {196, "G"}, {221, "H"}, {257, "I"}, {264, "J"},
		{277, "K"}, {383, "L"}, {425, "M"}, {448, "N"}, {449, "L"},
	} {
		if row <= section.last {
			return section.name
		}
	}
	return "N"
}
