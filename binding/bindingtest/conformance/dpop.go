package conformance

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// proving is section L: DPoP proofs (RFC 9449). A proof is made when its case is
// asked, for it is good for some seconds, and once.
//
// Must is what RFC 9449 demands of every resource server that takes proofs. It
// leaves open whether a bad proof is answered with 400 or with 401, so that both
// are good at Must. Should is what this project's own verifier does by default.
//
// Not here: 290, 294, 304 and 366, which are configurations; 343 and 344, other
// origins; 347 and 348, proxies and routers; 350, which HTTP servers answer
// themselves; 358, 373 and 375 to 379, which need time, replicas or a full
// memory; 382, logs.
type proving struct {
	*session

	owner, thief signer
	token        string // bound to the owner's key
	nonce        string // the server's newest
}

const noProofs = "the server takes no DPoP proofs: Config.DPoP"

// dpop is the cases of section L. Without Config.DPoP none is asked.
func (s *session) dpop() []check {
	p := &proving{session: s, owner: s.kit.keys.owner, thief: s.kit.keys.thief}
	p.token = p.boundTo(confirmKey(p.owner))
	s.learn = func(a answer) {
		if nonce := a.header.Get("DPoP-Nonce"); nonce != "" {
			p.nonce = nonce
		}
	}
	checks := slices.Concat(
		p.field(), p.scheme(), p.compactForm(), p.proofHeader(), p.proofKey(), p.proofClaims(), p.target(), p.times(),
		p.bindings(), p.introspected(), p.replays(), p.answers(),
	)
	for i := range checks {
		checks[i] = checks[i].when(func() bool { return s.kit.config.DPoP }, noProofs)
	}
	return checks
}

// What is expected. A proof that is refused is answered by one challenge alone,
// of the scheme that the client used.
var (
	badProof = expectation{"400 or 401", func(a answer) bool {
		return a.status == http.StatusBadRequest || a.status == http.StatusUnauthorized
	}}
	invalidProof = provenAlone(http.StatusUnauthorized, "invalid_dpop_proof")
	dpopToken    = provenAlone(http.StatusUnauthorized, "invalid_token")
	wantsNonce   = expectation{"401 DPoP use_dpop_nonce alone, and one DPoP-Nonce", func(a answer) bool {
		return provenAlone(http.StatusUnauthorized, "use_dpop_nonce").holds(a) && len(a.header.Values("DPoP-Nonce")) == 1
	}}
	dpopRequest = provenAlone(http.StatusBadRequest, "invalid_request")

	// bothSchemes is RFC 9449 §7.1, Figure 17.
	bothSchemes = expectation{"401, and Bearer and DPoP challenges without an error code", func(a answer) bool {
		return noCredentials.holds(a) && challengesOf(a, "DPoP", "") && len(parseChallenges(a.header.Values("WWW-Authenticate"))) == 2
	}}
	boundAsBearer = expectation{"401, Bearer invalid_token and a DPoP challenge", func(a answer) bool {
		return invalidToken.holds(a) && challengesOf(a, "DPoP", "")
	}}
	twoCredentials = expectation{"400, and Bearer and DPoP challenges with invalid_request", func(a answer) bool {
		return invalidRequest.holds(a) && challengesOf(a, "DPoP", "invalid_request")
	}}
)

func provenAlone(status int, code string) expectation {
	return expectation{fmt.Sprint(status, " DPoP ", code, " alone"), func(a answer) bool {
		return a.status == status && challengesOf(a, "DPoP", code) && len(parseChallenges(a.header.Values("WWW-Authenticate"))) == 1
	}}
}

// challengesOf reports whether there is a challenge of the scheme with the error
// code, or without one if that is "".
func challengesOf(a answer, scheme, code string) bool {
	return slices.ContainsFunc(parseChallenges(a.header.Values("WWW-Authenticate")), func(c challenge) bool {
		return strings.EqualFold(c.scheme, scheme) && c.params["error"] == code
	})
}

// undisclosed is an answer that depends on the token: of an opaque one no answer
// says why it is refused.
func (p *proving) undisclosed(e expectation) expectation {
	if p.opaque != nil {
		return dpopToken
	}
	return e
}

// boundTo makes a good token with this cnf, or with none if that is "".
func (p *proving) boundTo(cnf string) string {
	claims := p.claims(nil)
	if cnf != "" {
		claims = claims.with("cnf", cnf)
	}
	return p.sign(p.issuer.header(), claims)
}

func confirmKey(key signer) string { return `{"jkt":` + quote(thumbprintOf(key.public())) + `}` }

// public is the key as a proof has it, with the members that it must have.
func (s signer) public() object { return s.members().without("kid").without("alg").without("use") }

// thumbprintOf is RFC 7638's: the members in their order, without space.
func thumbprintOf(jwk object) string {
	sorted := slices.SortedFunc(slices.Values(jwk), func(a, b member) int { return cmp.Compare(a.name, b.name) })
	digest := sha256.Sum256([]byte(object(sorted).String()))
	return b64(digest[:])
}

// origin is where the server is, as its clients say it.
func (p *proving) origin() string { return cmp.Or(p.kit.config.Origin, p.url) }

// path is that of Config.Path, as it is written there.
func (p *proving) path() string {
	path, _, _ := strings.Cut(p.kit.config.Path, "?")
	return path
}

// proofOf is the header of a good proof by the key.
func proofOf(key signer) object {
	return object{{"typ", `"dpop+jwt"`}, {"alg", quote(key.alg)}, {"jwk", key.public().String()}}
}

// statement is the claims of a good proof of a GET of Config.Path with the
// token.
func (p *proving) statement(token string) object {
	if p.kit.config.Nonces {
		return p.withoutNonce(token).with("nonce", quote(p.newest()))
	}
	return p.withoutNonce(token)
}

func (p *proving) withoutNonce(token string) object {
	return object{
		{"jti", quote(newID())}, {"htm", `"GET"`}, {"htu", quote(p.origin() + p.path())},
		{"iat", seconds(time.Now())}, {"ath", quote(hashOf(token))},
	}
}

func hashOf(token string) string {
	hash := sha256.Sum256([]byte(token))
	return b64(hash[:])
}

// newest is the server's newest nonce, which it gives to a proof without one.
func (p *proving) newest() string {
	if p.nonce == "" {
		p.send(dpop(p.token, p.owner.sign(proofOf(p.owner), p.withoutNonce(p.token))))
	}
	return p.nonce
}

// good is a new proof by the owner's key.
func (p *proving) good() string { return p.owner.sign(proofOf(p.owner), p.statement(p.token)) }

// dpop is a request with a token and proofs.
func dpop(token string, proofs ...string) request {
	return request{authorization: []string{"DPoP " + token}, proofs: proofs}
}

// sends is a check whose request is made when it is asked.
func (p *proving) sends(name string, make func() request) check {
	return custom(name, func() answer { return p.send(make()) })
}

// fields sends the owner's token with these DPoP fields.
func (p *proving) fields(name string, make func() []string) check {
	return p.sends(name, func() request { return dpop(p.token, make()...) })
}

// text sends a good proof with its text changed.
func (p *proving) text(name string, change func(proof string) string) check {
	return p.fields(name, func() []string { return []string{change(p.good())} })
}

// segment changes one of the three parts.
func (p *proving) segment(name string, n int, change func(string) string) check {
	return p.text(name, func(proof string) string {
		parts := strings.Split(proof, ".")
		parts[n] = change(parts[n])
		return strings.Join(parts, ".")
	})
}

// raw sends a proof with this header and these claims, byte for byte.
func (p *proving) raw(name string, header, claims func(object) string) check {
	return p.fields(name, func() []string {
		input := signingInput(header(proofOf(p.owner)), claims(p.statement(p.token)))
		return []string{input + "." + b64(p.owner.signature(input))}
	})
}

func asItIs(o object) string { return o.String() }

// header sends a proof with another header, signed by the owner's key.
func (p *proving) header(name string, change func(object) object) check {
	return p.raw(name, func(o object) string { return change(o).String() }, asItIs)
}

// member sends a proof with another member in its header, or without it if the
// value is "".
func (p *proving) member(name, member, value string) check {
	return p.header(name, func(o object) object { return o.orWithout(member, value) })
}

// by sends a proof whose header has this jwk and alg, signed by the key, with a
// token that is bound to just that jwk.
func (p *proving) by(name string, key signer, jwk object) check {
	return p.sends(name, func() request {
		token := p.boundTo(`{"jkt":` + quote(thumbprintOf(jwk)) + `}`)
		return dpop(token, key.sign(proofOf(key).with("jwk", jwk.String()), p.statement(token)))
	})
}

// claim sends a proof with another claim, or without it if the value is "".
func (p *proving) claim(name, claim, value string) check {
	return p.changed(name, func(o object) object { return o.orWithout(claim, value) })
}

// changed sends a proof with other claims.
func (p *proving) changed(name string, change func(object) object) check {
	return p.raw(name, asItIs, func(o object) string { return change(o).String() })
}

func (o object) orWithout(name, value string) object {
	if value == "" {
		return o.without(name)
	}
	return o.with(name, value)
}

// together sends a request many times at once.
func (s *session) together(n int, r request) []answer {
	answers := make([]answer, n)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			sender, built, err := s.build(s.url, r)
			if err != nil {
				return
			}
			response, err := sender.Do(built)
			if err != nil {
				answers[i] = answer{problem: problemOf(err)}
				return
			}
			answers[i] = s.read(response)
		})
	}
	all.Wait()
	return answers
}

// twin is the other signature of the same proof: (r, n-s) for (r, s).
func twin(proof string) string {
	at := strings.LastIndexByte(proof, '.') + 1
	signature := must(base64.RawURLEncoding.DecodeString(proof[at:]))
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(signature[32:])
	return proof[:at] + b64(signature)
}

// asn1 is the signature of the proof in the form that X.509 has.
func (p *proving) asn1(proof string) string {
	at := strings.LastIndexByte(proof, '.')
	digest := sha256.Sum256([]byte(proof[:at]))
	return proof[:at+1] + b64(must(ecdsa.SignASN1(rand.Reader, p.owner.private.(*ecdsa.PrivateKey), digest[:])))
}

var idsIn = regexp.MustCompile(`"(?:jti|nonce)":"([^"\\]{24,})"`)

// secretsOf are the parts of a proof that nobody could know, and its jti and
// nonce.
func secretsOf(proof string) []string {
	secrets := strings.Split(proof, ".")
	for _, part := range secrets {
		payload, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			continue
		}
		for _, found := range idsIn.FindAllSubmatch(payload, -1) {
			secrets = append(secrets, string(found[1]))
		}
	}
	return slices.DeleteFunc(secrets, func(secret string) bool { return len(secret) < secretLength })
}
