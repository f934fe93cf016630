package conformance

import (
	"cmp"
	"crypto/sha1" //nolint:gosec // to see it refused
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// bindings is what ties a proof to its token and its key.
func (p *proving) bindings() []check {
	right := thumbprintOf(p.owner.public())
	digest := must(base64.RawURLEncoding.DecodeString(right))
	sum := sha1.Sum(digest) //nolint:gosec // see above
	another := p.boundTo(confirmKey(p.owner))
	ath := func(name, value string) check { return p.claim(name, "ath", quote(value)) }
	hash := must(base64.RawURLEncoding.DecodeString(hashOf(p.token)))
	// with sends a token of that cnf and a good proof.
	with := func(name, cnf string) check {
		token := p.boundTo(cnf)
		return p.sends(name, func() request { return dpop(token, p.owner.sign(proofOf(p.owner), p.statement(token))) })
	}
	jkt := func(name, value string) check { return with("jkt "+name, `{"jkt":`+value+`}`) }
	beside := func(member string) string { return `{"jkt":` + quote(right) + `,` + member + `}` }
	certified := confirm(p.holder.thumbprint())
	twice := beside(strings.TrimSuffix(strings.TrimPrefix(certified, "{"), "}"))
	both := p.boundTo(twice)
	by := func(name string, holder *client, key signer) check {
		return p.sends(name, func() request {
			r := dpop(both, key.sign(proofOf(key), p.statement(both)))
			r.client = holder
			return r
		})
	}
	malformed := dpopToken
	if p.opaque != nil { // an answer of the authorization server's that is none
		malformed = dpopToken.or(unavailable)
	}
	claims := p.claims(nil).with("cnf", confirmKey(p.owner))
	bad := func(name, token string) check {
		return p.sends(name, func() request { return dpop(token, p.owner.sign(proofOf(p.owner), p.statement(token))) })
	}
	return slices.Concat(
		rule(360, "RFC 9449 §4.3, §7", badProof, invalidProof,
			ath("ath of another token", hashOf(another)), ath("ath with padding", hashOf(p.token)+"=").expect(anything, invalidProof),
			ath("ath in hex", hex.EncodeToString(hash)), ath("ath of DPoP and the token", hashOf("DPoP "+p.token))),
		rule(361, "RFC 9449 §7.1", badProof, dpopToken,
			p.fields("a thief with the token and a good proof by another key", func() []string {
				return []string{p.thief.sign(proofOf(p.thief), p.statement(p.token))}
			})),
		rule(362, "RFC 9449 §4.3, CVE-2022-21449", badProof, p.undisclosed(invalidProof),
			p.fields("the owner's jwk, signed by the thief", func() []string {
				return []string{p.thief.sign(proofOf(p.owner), p.statement(p.token))}
			}),
			p.segment("a signature with one bit changed", 2, func(s string) string {
				signature := must(base64.RawURLEncoding.DecodeString(s))
				signature[9] ^= 1
				return b64(signature)
			}),
			p.text("a signature in DER", p.asn1),
			p.segment("a signature of zeros", 2, func(string) string { return b64(make([]byte, 64)) })),
		rule(363, "RFC 9449 §6.1", refused, malformed,
			jkt("in hex", quote(hex.EncodeToString(digest))), jkt("with padding", quote(right+"=")).expect(anything, malformed),
			jkt("of SHA-1", quote(b64(sum[:]))), jkt("a number", "1")),
		rule(449, "RFC 7800 §3.1", anything, malformed,
			with("jwk beside jkt", beside(`"jwk":`+p.owner.public().String())), with("jwe beside jkt", beside(`"jwe":"x"`)), with("jku beside jkt", beside(`"jku":"https://attacker.example"`)),
			with("kid beside jkt", beside(`"kid":"x"`)).expect(anything, accepted), with("an unknown member beside jkt", beside(`"odd":1`)).expect(anything, accepted)),
		rule(364, "RFC 8705 §3, RFC 9449 §6", anything, accepted,
			by("a token bound to key and certificate, with both", p.holder, p.owner)),
		rule(365, "RFC 8705 §3, RFC 9449 §6", badProof, dpopToken,
			by("a token bound to both, with another certificate", p.other, p.owner),
			by("a token bound to both, with another key", p.holder, p.thief),
			by("a token bound to both, without a certificate", p.nobody, p.owner).expect(refused, dpopToken.or(noAnswer)),
			p.sends("a token bound to both, without a proof", func() request {
				r := dpop(both)
				r.client = p.holder
				return r
			}).expect(badProof, invalidProof),
			p.sends("a token bound to both, as Bearer with the certificate", func() request { return bearer(p.holder, both) }).
				expect(badProof, boundAsBearer)),
		rule(367, "RFC 9449 §7.1", badProof, dpopToken,
			bad("an expired token with a good proof", p.sign(p.issuer.header(), claims.with("exp", seconds(time.Now().Add(-time.Hour))))),
			bad("a token for another audience with a good proof", p.sign(p.issuer.header(), claims.with("aud", `"https://other.example"`))),
			bad("a forged token with a good proof", p.forged(p.issuer.header(), claims)).when(p.jwt, notJWT)),
	)
}

// introspected is what is so of opaque tokens alone.
func (p *proving) introspected() []check {
	if p.opaque == nil {
		return nil
	}
	typed := func(tokenType, cnf string) string {
		claims := p.claims(nil).behind("token_type", quote(tokenType)).behind("active", "true")
		if cnf != "" {
			claims = claims.with("cnf", cnf)
		}
		return p.opaque.answeredWith(claims.String())
	}
	unbound, certified := typed("DPoP", ""), typed("DPoP", confirm(p.holder.thumbprint()))
	typedBearer := typed("Bearer", confirmKey(p.owner))
	proven := func(name, token string) check {
		return p.sends(name, func() request {
			r := dpop(token, p.owner.sign(proofOf(p.owner), p.statement(token)))
			r.client = p.holder
			return r
		})
	}
	return slices.Concat(
		rule(368, "RFC 9449 §7.1", anything, seen("one answer for all"),
			custom("an inactive token, another key, a bad signature and a used proof are answered alike", p.alikeProven)),
		rule(369, "RFC 9449 §6.2", anything, dpopToken,
			p.session.token("token_type DPoP, bound to nothing, as Bearer", unbound).expect(refused, invalidToken),
			proven("token_type DPoP, bound to nothing", unbound).expect(refused, dpopToken),
			p.session.token("token_type DPoP, bound to the certificate, as Bearer", certified).expect(anything, accepted),
			proven("token_type DPoP, bound to the certificate", certified),
			proven("token_type Bearer, bound to the key", typedBearer).expect(anything, accepted)),
	)
}

// alikeProven is row 368.
func (p *proving) alikeProven() answer {
	used := p.good()
	p.send(dpop(p.token, used))
	inactive := newID()
	answers := []answer{
		p.send(dpop(inactive, p.owner.sign(proofOf(p.owner), p.statement(inactive)))),
		p.send(dpop(p.token, p.thief.sign(proofOf(p.thief), p.statement(p.token)))),
		p.send(dpop(p.token, p.thief.sign(proofOf(p.owner), p.statement(p.token)))),
		p.send(dpop(p.token, used)),
	}
	for _, a := range answers {
		if a.status == 0 {
			return answer{problem: "one of the four was not answered"}
		}
		if a.status != answers[0].status || string(a.body) != string(answers[0].body) ||
			!slices.Equal(a.header.Values("WWW-Authenticate"), answers[0].header.Values("WWW-Authenticate")) {
			return fact(false, "%s and %s, or other texts", answers[0].got(), a.got())
		}
	}
	return fact(true, "the same, %s", answers[0].got())
}

// replays is a proof that comes more than once, which RFC 9449 §11.1 has servers
// find if they can.
func (p *proving) replays() []check {
	const atOnce = 20
	shared := func() func() string { // a jti that two cases share
		id := newID()
		return func() string { return id }
	}
	one, two, three := shared(), shared(), shared()
	with := func(name string, key signer, token string, jti func() string) check {
		return p.sends(name, func() request {
			return dpop(token, key.sign(proofOf(key), p.statement(token).with("jti", quote(jti()))))
		})
	}
	used := func(name string, change func(proof string) string) check {
		return custom(name, func() answer {
			proof := p.good()
			if first := p.send(dpop(p.token, proof)); !first.accepted {
				return skip("the proof was refused at first")
			}
			return p.send(dpop(p.token, change(proof)))
		})
	}
	replayed := p.undisclosed(invalidProof)
	thiefs := p.boundTo(confirmKey(p.thief))
	scoped := func() bool { return p.kit.config.ScopePath != "" && p.kit.config.ScopeMethod != http.MethodHead }
	return slices.Concat(
		rule(370, "RFC 9449 §11.1", anything, replayed,
			used("the same proof twice", func(proof string) string { return proof }),
			custom("the same proof 20 times at once", func() answer {
				var good, bad int
				r := dpop(p.token, p.good())
				r.http2 = true
				for _, a := range p.together(atOnce, r) {
					switch {
					case a.accepted:
						good++
					case replayed.holds(a):
						bad++
					}
				}
				return fact(good == 1 && bad == atOnce-1, "%d accepted, %d refused", good, bad)
			}).expect(anything, seen("one accepted, all others refused"))),
		rule(371, "RFC 9449 §11.1", anything, replayed,
			with("a proof", p.owner, p.token, one).expect(accepted, accepted),
			with("a new proof with its jti", p.owner, p.token, one),
			used("the twin signature of a used proof", twin)),
		rule(372, "RFC 9449 §11.1", anything, accepted,
			with("another proof", p.owner, p.token, two),
			with("its jti, by another key", p.thief, thiefs, two),
			p.sends("its jti, for another path", func() request {
				return p.elsewhereAs(p.statement(p.token).with("jti", quote(two())))
			}).expect(anything, missingScope).when(scoped, "no ScopePath is configured")),
		rule(374, "RFC 9449 §11.1", anything, accepted,
			custom("a thief's proofs with a jti, then the owner's", func() answer {
				claims := p.statement(p.token).with("jti", quote(three()))
				for _, proof := range []string{
					p.thief.sign(proofOf(p.thief), claims), p.thief.sign(proofOf(p.owner), claims), p.owner.sign(proofOf(p.owner), claims.with("ath", quote(hashOf("x")))),
				} {
					if p.send(dpop(p.token, proof)).accepted {
						return skip("a thief's proof was accepted")
					}
				}
				return p.send(dpop(p.token, p.owner.sign(proofOf(p.owner), claims)))
			})),
	)
}

// missingScope is RFC 6750 §3.1 under DPoP.
var missingScope = provenAlone(http.StatusForbidden, "insufficient_scope")

// elsewhereAs asks for Config.ScopePath with these claims.
func (p *proving) elsewhereAs(claims object) request {
	path, _, _ := strings.Cut(p.kit.config.ScopePath, "?")
	method := cmp.Or(p.kit.config.ScopeMethod, http.MethodGet)
	r := dpop(p.token, p.owner.sign(proofOf(p.owner), claims.with("htm", quote(method)).with("htu", quote(p.origin()+path))))
	r.path, r.method = p.kit.config.ScopePath, method
	return r
}

// answers is what all answers of the section have in common, and so comes last.
func (p *proving) answers() []check {
	scoped := func() bool { return p.kit.config.ScopePath != "" }
	all := func(name string, first *string) check {
		return custom(name, func() answer {
			switch {
			case p.seen.proven == 0: // go test -run picked this case alone
				return skip("nothing was refused yet")
			case *first != "":
				return fact(false, "one of %d refusals or more is not so, such as %s", p.seen.proven, *first)
			}
			return fact(true, "%d refusals", p.seen.proven)
		})
	}
	hostile := func(name, value string) check { return p.member(name, "jwk", value).expect(answered, answered) }
	return slices.Concat(
		rule(381, "RFC 9449 §7.1, RFC 6750 §3.1", refused, missingScope,
			p.sends("a scope is missing", func() request { return p.elsewhereAs(p.statement(p.token)) }).when(scoped, "no ScopePath is configured")),
		rule(383, "RFC 9449 §4.2", answered, answered,
			p.member("typ a number, and below 500", "typ", "1"), p.member("alg an object, and below 500", "alg", "{}"),
			hostile("jwk a number", "1"), hostile("jwk true", "true"), hostile("jwk a string of a string", `"\"x\""`), hostile("jwk a deep array", "[[[]]]"),
			hostile("jwk of wrong types", `{"kty":1,"crv":[],"x":{},"y":null}`), hostile("jwk with a number for d", `{"kty":"EC","crv":"P-256","x":"","y":"","d":1}`),
			custom("200 proofs with a letter changed", p.changedLetters).expect(seen("all below 500"), seen("all below 500"))),
		rule(380, "RFC 6750 §3, RFC 9449 §7.1", anything, seen("in all refusals"),
			all("nothing of the proof in any refusal", &p.seen.provenLeaking),
			all("algs in each DPoP challenge", &p.seen.withoutAlgs),
			all("every 401 and 403 is no-store", &p.seen.provenStorable)),
	)
}

// changedLetters sends a good proof with one letter changed, each time another.
func (p *proving) changedLetters() answer {
	const times = 200
	for i := range times {
		proof := []byte(p.good())
		at := i * len(proof) / times
		proof[at] = alphabet[(strings.IndexByte(alphabet, proof[at])+1+i)%len(alphabet)]
		if a := p.send(dpop(p.token, string(proof))); a.status == 0 || a.status >= 500 {
			return fact(false, "%s for number %d", a.got(), i)
		}
	}
	return fact(true, "%s", fmt.Sprint(times, " answers"))
}
