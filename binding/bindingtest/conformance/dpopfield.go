package conformance

import (
	"net/http"
	"slices"
	"strings"
)

// field is the DPoP field itself.
func (p *proving) field() []check {
	loose := p.boundTo(confirmKey(p.owner)) // of no other proof: a log may show a query
	one := func(change func(string) string) func() []string {
		return func() []string { return []string{change(p.good())} }
	}
	named := func(name string) check {
		return p.sends("the field "+name, func() request {
			return request{client: p.nobody, wire: "Authorization: DPoP " + p.token + "\r\n" + name + ": " + p.good()}
		})
	}
	scheme := func(scheme string) check {
		return p.sends(scheme, func() request {
			return request{authorization: []string{scheme + " " + p.token}, proofs: []string{p.good()}}
		})
	}
	without := func(name string, change func(*request)) check {
		return p.sends(name, func() request {
			r := dpop(p.token)
			change(&r)
			return r
		})
	}
	two := func(name string, http2 bool, make func() []string) check {
		return p.sends(name, func() request {
			r := dpop(p.token, make()...)
			r.http2 = http2
			return r
		})
	}
	different := func() []string { return []string{p.good(), p.good()} }
	alike := func() []string {
		proof := p.good()
		return []string{proof, proof}
	}
	return slices.Concat(
		rule(278, "RFC 9449 §7.1, RFC 9110 §11.1", accepted, accepted,
			scheme("DPoP"), scheme("dpop"), scheme("DPOP"),
			p.sends("DPoP over HTTP/2", func() request { return http2(dpop(p.token, p.good())) })),
		rule(279, "RFC 9449 §4.1, RFC 9110 §5.1", accepted, accepted, named("DPOP"), named("dpop")),
		rule(280, "RFC 9449 §7.1, §4.3", badProof, invalidProof,
			without("no proof", func(*request) {}),
			without("an empty proof", func(r *request) { r.proofs = []string{""} }),
			p.sends("the proof in the query", func() request {
				r := dpop(loose)
				r.query = "DPoP=" + p.owner.sign(proofOf(p.owner), p.statement(loose))
				return r
			}),
			without("the proof in a cookie", func(r *request) { r.header = http.Header{"Cookie": {"DPoP=" + p.good()}} })),
		rule(281, "RFC 9449 §4.3", badProof, invalidProof,
			two("two fields, different", false, different), two("two fields, alike", false, alike),
			two("two fields over HTTP/2", true, different),
			p.sends("two fields, DPoP and DPOP", func() request {
				return request{client: p.nobody, wire: "Authorization: DPoP " + p.token + "\r\nDPoP: " + p.good() + "\r\nDPOP: " + p.good()}
			})),
		rule(282, "RFC 9449 §4.1, §4.3", badProof, invalidProof,
			p.text("two proofs and a comma", func(proof string) string { return proof + ", " + p.good() }),
			p.text("a comma behind the proof", func(proof string) string { return proof + "," })),
		rule(283, "RFC 9449 §4.1", badProof, invalidProof,
			p.text("a proof in quotes", func(proof string) string { return `"` + proof + `"` }),
			p.fields("a proof in lower case", one(strings.ToLower)),
			p.segment("a space in a proof", 1, func(s string) string { return s[:4] + " " + s[4:] }),
			p.segment("a tab in a proof", 0, func(s string) string { return s[:4] + "\t" + s[4:] })),
		rule(284, "RFC 9449 §11.1", anything, invalidProof,
			p.fields("8 KiB and a byte", func() []string { return []string{strings.Repeat("a", 8<<10+1)} }),
			p.claim("12 KB of jti", "jti", quote(strings.Repeat("j", 12_000))),
			p.claim("7 KB of members", "odd", "{"+members(700)+"}")),
	)
}

// members are so many of them.
func members(n int) string {
	var all []string
	for range n {
		all = append(all, quote(newID()[:6])+":0")
	}
	return strings.Join(all, ",")
}

// scheme is the Authorization field beside it.
func (p *proving) scheme() []check {
	unbound := p.boundTo("")
	certified := p.session.good(p.holder)
	proofFor := func(token string) string { return p.thief.sign(proofOf(p.thief), p.statement(token)) }
	sent := func(name string, r func() request) check { return p.sends(name, r) }
	as := func(name, authorization string) check {
		return sent(name, func() request { return request{authorization: []string{authorization}, proofs: []string{p.good()}} })
	}
	both := []string{"Bearer " + p.token, "DPoP " + p.token}
	return slices.Concat(
		rule(285, "RFC 9449 §7.2", badProof, boundAsBearer,
			sent("a token bound to a key, as Bearer", func() request { return bearer(p.nobody, p.token) }),
			as("a token bound to a key, as Bearer, with a good proof", "Bearer "+p.token)),
		rule(286, "RFC 9449 §7.1", anything, accepted,
			sent("an unbound token, as Bearer, and some proof", func() request {
				return request{authorization: []string{"Bearer " + unbound}, proofs: []string{"some"}}
			}).when(func() bool { return p.kit.config.AcceptsUnbound }, "the server takes no unbound tokens")),
		rule(287, "RFC 8705 §3", anything, accepted,
			sent("a token bound to the certificate, as Bearer, and some proof", func() request {
				r := bearer(p.holder, certified)
				r.proofs = []string{"some"}
				return r
			})),
		rule(288, "RFC 9449 §4.3, §6", badProof, dpopToken,
			sent("an unbound token, with a good proof", func() request { return dpop(unbound, proofFor(unbound)) })),
		rule(289, "RFC 9449 §6", anything, dpopToken,
			sent("a token bound to the certificate alone, with it and a good proof", func() request {
				r := dpop(certified, proofFor(certified))
				r.client = p.holder
				return r
			})),
		rule(291, "RFC 9449 §7.2, RFC 6750 §3.1", anything, twoCredentials,
			sent("Bearer and DPoP", func() request { return request{authorization: both, proofs: []string{p.good()}} })),
		rule(292, "RFC 9449 §7.1", refused, bothSchemes,
			sent("a proof and no Authorization", func() request { return request{proofs: []string{p.good()}} }),
			sent("Proxy-Authorization: DPoP", func() request {
				return request{header: http.Header{"Proxy-Authorization": {"DPoP " + p.token}}, proofs: []string{p.good()}}
			})),
		rule(293, "RFC 9449 §7.1", refused, dpopRequest,
			as("DPoP and nothing", "DPoP"), as("DPoP and two words", "DPoP "+p.token+" b")),
	)
}

// compactForm is the compact serialization.
func (p *proving) compactForm() []check {
	as := func(name string, change func(header, payload, signature string) string) check {
		return p.text(name, func(proof string) string {
			parts := strings.Split(proof, ".")
			return change(parts[0], parts[1], parts[2])
		})
	}
	header := func(name string, change func(string) string) check {
		return p.raw(name, func(o object) string { return change(o.String()) }, asItIs)
	}
	payload := func(name string, change func(string) string) check {
		return p.raw(name, asItIs, func(o object) string { return change(o.String()) })
	}
	instead := func(text string) func(string) string { return func(string) string { return text } }
	behind := func(text string) func(string) string { return func(s string) string { return s + text } }
	more := func(members string) func(string) string {
		return func(s string) string { return strings.TrimSuffix(s, "}") + "," + members + "}" }
	}
	htu := quote(p.origin() + p.path())
	return slices.Concat(
		rule(295, "RFC 9449 §4.3, RFC 7519 §1", badProof, invalidProof,
			as("two parts", func(h, c, _ string) string { return h + "." + c }),
			as("four parts", func(h, c, s string) string { return h + "." + c + "." + s + "." + s }),
			as("five parts, as a JWE has", func(_, c, s string) string {
				return b64([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "..AAAA." + c + "." + s
			}),
			as("the JSON serialization", func(h, c, s string) string {
				return `{"protected":"` + h + `","payload":"` + c + `","signature":"` + s + `"}`
			})),
		rule(296, "RFC 7515 §7.1", badProof, invalidProof,
			p.segment("no header", 0, instead("")), p.segment("no payload", 1, instead("")), p.segment("no signature", 2, instead(""))),
		rule(297, "RFC 7515 §2, RFC 4648 §3.5", anything, invalidProof,
			p.text("a padded proof", padded),
			p.segment("a padded header", 0, padded), p.segment("a padded payload", 1, padded),
			p.segment("a letter of the standard alphabet", 2, func(s string) string { return "+/" + s[2:] }).expect(badProof, invalidProof),
			p.text("a last letter that is not canonical", nonCanonical)),
		rule(298, "RFC 7519 §7.2, RFC 8259", badProof, invalidProof,
			header("a header that is not UTF-8", more("\"odd\":\"\xff\"")).expect(anything, invalidProof),
			payload("a payload that is not UTF-8", more("\"odd\":\"\xff\"")).expect(anything, invalidProof),
			header("a BOM", func(s string) string { return "\ufeff" + s }).expect(anything, invalidProof),
			header("bytes behind the header", behind("{}")), payload("bytes behind the payload", behind("{}")),
			header("the header an array", instead("[]")), payload("the payload an array", instead("[]")),
			payload("the payload a number", instead("1")), header("the header null", instead("null")), payload("the payload null", instead("null"))),
		rule(299, "RFC 7515 §4, RFC 7519 §4", anything, invalidProof,
			payload("htu twice", more(`"htu":`+htu)), payload("htu twice, by an escape", more(`"\u0068tu":`+htu)),
			header("typ twice", more(`"typ":"dpop+jwt"`)),
			p.member("kty twice in jwk", "jwk", more(`"kty":"EC"`)(p.owner.public().String()))),
		rule(300, "RFC 8259 §9", anything, invalidProof,
			payload("200 members", more(members(200))), header("200 members in the header", more(members(200))),
			payload("1,000 deep", more(`"odd":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000))),
			payload("4,000 brackets", instead(strings.Repeat("[", 4000))).expect(badProof, invalidProof)),
	)
}
