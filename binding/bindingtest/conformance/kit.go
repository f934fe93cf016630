package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/certbound/certbound/binding/bindingtest"
)

// ErrNotJudged says that the good request was refused, so that no refusal would mean anything.
var ErrNotJudged = errors.New("conformance: the good request was not accepted: nothing can be told of the server")

// A Kit is what surrounds the server under test: its authorization server, the clients that it has, and an attacker's
// servers. It listens on the loopback interface alone. Make one with New and Close it when done. It checks one server at a
// time.
type Kit struct {
	config Config
	issuer *issuer
	trap   *trap
	keys   keys

	checking sync.Mutex
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
	if err = k.keys.generate(); err != nil {
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
	k.issuer.as.Close()
}

// AuthorizationServer returns the authorization server that the server under test has to trust: by its Issuer and RootPEM,
// and the Audience. Close it by closing the Kit.
func (k *Kit) AuthorizationServer() *bindingtest.AuthorizationServer { return k.issuer.as }

// Cases returns what a Kit with this Config asks, in the order in which it does. The control is not among them.
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

// Check asks the server everything and returns what came. The error is ErrNotJudged if the good request was refused, the
// target's if it could not be started, or the context's; the Report then holds what was asked until then.
func (k *Kit) Check(ctx context.Context, target Target) (*Report, error) {
	return k.check(ctx, target, func(_ Case, judge func() Result) { judge() })
}

// check has each decide whether a case is asked, by calling judge.
func (k *Kit) check(ctx context.Context, target Target, each func(_ Case, judge func() Result)) (*Report, error) {
	k.checking.Lock()
	defer k.checking.Unlock()
	report := &Report{Level: k.config.Level}
	url, stop, err := target.start(ctx, k.issuer.as)
	if err != nil {
		return report, fmt.Errorf("conformance: start of the server: %w", err)
	}
	defer stop()
	s, err := k.newSession(ctx, target, k.issuer, url)
	if err != nil {
		return report, err
	}
	defer s.close()

	ask := func(one check) (result Result) {
		each(one.Case, func() Result {
			result = k.result(one, one.run())
			report.add(result)
			return result
		})
		return result
	}
	if first := ask(s.control("before everything", s.firstGoodRequest)); first.Failed {
		return report, fmt.Errorf("%w: it was answered with %s", ErrNotJudged, first.Got)
	}
	for _, section := range s.asked() {
		for _, one := range section.checks(s) {
			if err := ctx.Err(); err != nil {
				return report, err
			}
			ask(one)
		}
		ask(s.control("after "+section.name, s.goodRequest))
	}
	return report, ctx.Err()
}

// result judges an answer.
func (k *Kit) result(c check, a answer) Result {
	result := Result{Case: c.Case, Verdict: AsExpected, Got: a.got()}
	switch {
	case a.skipped != "":
		result.Verdict, result.Reason, result.Got = Skipped, a.skipped, ""
	case !c.must.holds(a):
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

// sections are the cases in the order in which they are asked. What asks the issuer for a key that it has not comes late:
// servers do that seldom, and must not be found at rest when a new key is theirs to learn.
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
const lastRow = 277

// sectionOf returns the section of a row.
func sectionOf(row int) string {
	for _, section := range []struct {
		last int
		name string
	}{{34, "A"}, {56, "B"}, {111, "C"}, {117, "D"}, {144, "E"}, {174, "F"}, {196, "G"}, {221, "H"}, {257, "I"}, {264, "J"}} {
		if row <= section.last {
			return section.name
		}
	}
	return "K"
}
