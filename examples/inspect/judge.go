package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/introspection"
	"github.com/certbound/certbound/jwks"
)

// The verdicts are the library's: a guard's, about a request with the
// certificate in its TLS state. What is here asks it.

// request is what the client would send, as the server gets it.
func (i *inspection) request(ctx context.Context, token string) *http.Request {
	r := (&http.Request{Method: http.MethodGet, Header: http.Header{}}).WithContext(ctx)
	r.Header.Set("Authorization", i.given.scheme+" "+token)
	r.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: i.presented()}
	return r
}

// decide is the verdict about the token. Where the issuer or an audience is not
// given it takes the token's own, so that no refusal comes from that, and where
// nothing is fetched it takes the signature for good: see unknown.
func (i *inspection) decide(ctx context.Context) (*binding.Error, error) {
	config := i.options.verifier()
	if config.Audiences == nil {
		config.Audiences = i.own("aud", doubtless.audience)
	}
	var jwts binding.TokenVerifier
	if config.Issuer == "" {
		config.Issuer = i.own("iss", doubtless.issuer)[0]
		jwts = unsigned(config)
	} else {
		config.Observe = i.keys.observe
		verifier, err := jwks.New(config)
		if err != nil {
			return nil, err
		}
		defer verifier.Close()
		jwts = verifier
	}
	tokens := jwts
	if i.specimen.form == opaque {
		var err error
		if tokens, err = introspection.ByForm(jwts, verifierFunc(unanswered)); err != nil {
			return nil, err
		}
	}
	return i.ask(i.request(ctx, i.given.token), i.guard(tokens))
}

// own is what the token itself says, or something that no token says.
func (i *inspection) own(name, otherwise string) []string {
	values := slices.DeleteFunc(i.specimen.claims.texts(name), func(s string) bool { return s == "" })
	if len(values) == 0 {
		return []string{otherwise}
	}
	return values
}

// takesProofs reports whether the server can: none has Config.Proofs beside -policy
// refuse-bound.
func (i *inspection) takesProofs() bool { return i.options.policy != binding.DangerouslyBearerOnly }

// needsProof reports whether a proof belongs to the token, which is bound to a DPoP
// key.
func (i *inspection) needsProof() bool {
	cnf, _ := i.confirmation()
	_, bound := cnf.get("jkt")
	return bound && i.takesProofs()
}

// guard is the server's. For a token that a proof belongs to, it takes one for
// granted: without -proof there is none to judge.
func (i *inspection) guard(tokens binding.TokenVerifier) binding.Config {
	config := i.options.guard(tokens)
	if i.needsProof() || i.takesProofs() && i.specimen.form == opaque && i.given.scheme == "DPoP" {
		cnf, _ := i.confirmation()
		text, _ := cnf.text("jkt")
		key, _ := binding.ParseKeyThumbprint(text)
		config.Proofs = granted{key}
	}
	return config
}

// granted is a proof by the key, whatever the request holds.
type granted struct{ key binding.KeyThumbprint }

func (g granted) ReadProof(*http.Request, string) (binding.Proof, error) {
	return binding.Proof{Key: g.key, Prove: func(context.Context) error { return nil }}, nil
}

func (granted) Algorithms() []string { return []string{"ES256"} }

func (granted) Nonce() string { return "" }

func (i *inspection) ask(r *http.Request, config binding.Config) (*binding.Error, error) {
	guard, err := binding.New(config)
	if err != nil {
		return nil, err
	}
	if _, err := guard.Check(r); err != nil {
		return binding.AsError(err), nil
	}
	return nil, nil
}

var errOpaque = errors.New("only the authorization server can tell")

// unanswered stands for the authorization server that an opaque token would be
// asked of.
func unanswered(context.Context, string) (*binding.Token, error) {
	return nil, &binding.Error{Reason: binding.ReasonUnavailable, Cause: errOpaque}
}

// unsigned verifies everything of a token but its signature: jwks looks for keys
// only after every other check, and here there are none. It must stand in front
// of nothing but an explanation.
func unsigned(config jwks.Config) binding.TokenVerifier {
	config.URL, config.MetadataURL, config.Transport = nowhereURL, "", nowhere{}
	return verifierFunc(func(ctx context.Context, token string) (*binding.Token, error) {
		verifier, err := jwks.New(config)
		if err != nil {
			return nil, err
		}
		defer verifier.Close()
		_, err = verifier.VerifyToken(ctx, token)
		if refusal := binding.AsError(err); refusal.Reason != binding.ReasonKeysUnavailable || !errors.Is(err, errNowhere) {
			return nil, err
		}
		payload, _ := decodeLoosely(takeApart(token).segments[1]) // strict: the verifier has read it
		claims, err := binding.ParseClaims(payload)
		if err != nil {
			return nil, err
		}
		return claims.Validate(binding.Expect{
			Issuer: config.Issuer, Audiences: config.Audiences, Now: clockOf(config)(), Leeway: max(config.Leeway, 0),
			ScopeClaims: config.ScopeClaims, KnownAccessToken: true, // or else the verifier had refused it
		})
	})
}

func clockOf(config jwks.Config) func() time.Time {
	if config.Clock != nil {
		return config.Clock
	}
	return time.Now
}

// doubtless is what stands in place of what is not asked about.
var doubtless = struct{ issuer, audience string }{"https://issuer.invalid", "https://audience.invalid"}

// everyType is every typ that jwks accepts at all.
var everyType = []string{"at+jwt", "JWT", jwks.TypeAbsent}

// A question is about some part of the token.
type question struct {
	header object // if not nil: what is beside alg, in place of typ
	claims object // in place of, or beside, what is beyond doubt

	// headerText and claimsText, if not nil, are the whole of it, as it came.
	headerText, claimsText []byte

	issuer    string
	audiences []string
	types     []string
	scopes    []string
	at        time.Time
	lifetime  time.Duration
	ownExpiry bool // exp is among claims, if there is one
	bound     bool // by the server's policy and the request's scheme; else unbound is good enough
}

// verdict asks the library about one part of the token: about a token of that
// part and of what is beyond doubt. It returns "" where there is no objection.
func (i *inspection) verdict(ctx context.Context, q question) binding.Reason {
	q.issuer = cmp.Or(q.issuer, doubtless.issuer)
	if q.audiences == nil {
		q.audiences = []string{doubtless.audience}
	}
	if q.types == nil {
		q.types = everyType
	}
	if q.at.IsZero() {
		q.at = i.now
	}
	config := i.options.verifier()
	config.Issuer, config.Audiences, config.TokenTypes, config.MaxLifetime = q.issuer, q.audiences, q.types, q.lifetime
	config.Clock = func() time.Time { return q.at }
	if q.headerText == nil {
		config.Algorithms = nil
		if q.header == nil {
			q.header = object{{"typ", jsonOf("at+jwt")}}
		}
		q.headerText = object{{"alg", jsonOf("ES256")}}.with(q.header).encode()
	}
	if q.claimsText == nil {
		base := object{{"iss", jsonOf(doubtless.issuer)}, {"aud", jsonOf(doubtless.audience)}}
		if !q.ownExpiry {
			base = append(base, member{"exp", jsonOf(q.at.Unix() + 1)})
		}
		q.claimsText = base.with(q.claims).encode()
	}
	encode := base64.RawURLEncoding.EncodeToString
	r := i.request(ctx, encode(q.headerText)+"."+encode(q.claimsText)+".AA")
	guard := i.guard(unsigned(config))
	guard.Scopes, guard.AcceptDPoPScheme = q.scopes, true
	if !q.bound {
		guard.Proofs = nil
		guard.Policy = binding.DangerouslyAcceptUnbound
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "DPoP ", "Bearer ", 1))
	}
	refusal, err := i.ask(r, guard)
	switch {
	case err != nil:
		return binding.ReasonMisconfigured
	case refusal != nil:
		return refusal.Reason
	}
	return ""
}

// with returns the object with the other's members in place of its own.
func (o object) with(others object) object {
	merged := slices.DeleteFunc(slices.Clone(o), func(m member) bool {
		_, replaced := others.get(m.name)
		return replaced
	})
	return append(merged, others...)
}

// only returns the members of the names.
func (o object) only(names ...string) object {
	return slices.DeleteFunc(slices.Clone(o), func(m member) bool { return !slices.Contains(names, m.name) })
}

// encode writes the object, with names that occur twice.
func (o object) encode() []byte {
	text := []byte{'{'}
	for n, m := range o {
		if n > 0 {
			text = append(text, ',')
		}
		text = append(append(append(text, jsonOf(m.name)...), ':'), m.value...)
	}
	return append(text, '}')
}

func jsonOf(v any) json.RawMessage {
	text, _ := json.Marshal(v) // a string or a number: it cannot fail
	return text
}
