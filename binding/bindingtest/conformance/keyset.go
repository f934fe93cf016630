package conformance

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/binding/bindingtest"
)

// newKey is row 244: the issuer publishes another key while the server runs.
func (s *session) newKey() []check {
	spare := s.kit.keys.spare
	return rule(244, "OpenID Connect Core §10.1.1", anything, accepted,
		custom(fmt.Sprintf("a token of a key that was published just now, within %v", s.kit.config.KeyWait), func() answer {
			mustDo(s.as.PublishJWK(spare.jwk()))
			return s.patiently(s.kit.config.KeyWait, func(a answer) bool { return a.accepted }, func() answer {
				return s.send(bearer(s.holder, spare.sign(spare.header(s.issuer), s.claims(s.holder))))
			})
		}).when(func() bool { return !s.kit.config.StaticKeys }, staticKeys))
}

// oldKeys is what asks the server to forget a key, and to bear being asked for
// many that never were: rows 117, 245 and 247.
func (s *session) oldKeys() []check {
	spare, bound := s.kit.keys.spare, s.kit.config.RemovedKeyAfter
	removed := func() answer {
		send := func() answer {
			return s.send(bearer(s.holder, spare.sign(spare.header(s.issuer), s.claims(s.holder))))
		}
		if !s.takes(spare)() {
			return skip("the server did not take the key while it was published")
		}
		s.publish(s.kit.keys.rsa.jwk(), s.kit.keys.pss.jwk())
		return s.patiently(bound, func(a answer) bool { return !a.accepted }, send)
	}
	flood := func() answer {
		before, start := s.as.Requests(bindingtest.JWKSPath), time.Now()
		for range 50 {
			s.send(bearer(s.holder, s.sign(s.issuer.header().with("kid", quote(newID())), s.claims(s.holder))))
		}
		fetches := s.as.Requests(bindingtest.JWKSPath) - before
		// A server may fetch by a schedule of its own as well, if that is not
		// more than twice in a second.
		return fact(fetches <= 10+2*int(time.Since(start)/time.Second), "%d requests for the key set", fetches)
	}
	const bounded = "a bound on what unknown keys bring about"
	fetches := func() bool { return !s.kit.config.StaticKeys }
	return slices.Concat(
		rule(245, "RFC 7517 §5", anything, unknownKey,
			custom("a token of a key that is no longer published", removed).
				when(func() bool { return bound > 0 }, "no RemovedKeyAfter is configured").when(fetches, staticKeys)),
		rule(247, "RFC 8725 §2.9", anything, seen(bounded),
			custom("50 tokens with unknown keys, at most 10 requests for the key set", flood).when(fetches, staticKeys)),
	)
}

// keySet is the rest of section I, and of section C what a key set brings
// about: what is published before the server starts. Each case has an
// authorization server and a server of its own.
//
// Not here: 222 to 226, 230, 231 and 237, which are limits of time and size;
// 229 by configuration; 246 and 248 to 257, which a caller cannot see.
func (s *session) keySet() []check {
	publishing := func(keys ...json.RawMessage) func(*issuer) {
		return func(i *issuer) { i.publish(keys...) }
	}
	// answers is a case in which the key set's URL answers something else.
	answers := func(name string, respond func(w http.ResponseWriter, set []byte)) check {
		return s.elsewhere(start{name: name, broken: true, prepare: func(i *issuer) {
			set := i.as.JWKS()
			i.as.Handle(bindingtest.JWKSPath, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { respond(w, set) }))
		}})
	}
	text := func(status int, contentType, body string) func(http.ResponseWriter, []byte) {
		return func(w http.ResponseWriter, _ []byte) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	// beside is a good token where something odd is published beside the good
	// key.
	beside := func(name, key string) check {
		return s.elsewhere(start{name: name, prepare: publishing(json.RawMessage(key))})
	}
	// signedBy is a token by an odd key that is published, and taken for a good
	// one by whoever uses it.
	signedBy := func(name string, key signer, jwk fmt.Stringer) check {
		return s.elsewhere(start{name: name, prepare: publishing(json.RawMessage(jwk.String())), ask: func(there *session) request {
			return bearer(there.holder, key.sign(key.header(there.issuer), there.claims(there.holder)))
		}})
	}
	ec := must(newECSigner(es256, newID(), elliptic.P256()))
	long := must(newECSigner(es256, newID(), elliptic.P384()))
	secret := []byte("a-secret-that-everybody-can-read")
	small := signer{"RS256", newID(), weakRSA()}
	halves := must(newECSigner(es256, newID(), elliptic.P256()))
	unavailableOrGone := unavailable.or(noAnswer)
	return slices.Concat(
		rule(75, "RFC 8725 §3.2", refused, invalidToken,
			s.elsewhere(start{
				name:    "HS256 with an oct key that the set publishes",
				prepare: publishing(json.RawMessage(`{"kty":"oct","kid":"oct","alg":"HS256","k":` + quote(b64(secret)) + `}`)),
				ask: func(there *session) request {
					header := there.issuer.header().with("alg", `"HS256"`).with("kid", `"oct"`)
					return bearer(there.holder, hs256(secret, header, there.claims(there.holder)))
				},
			})),
		rule(78, "RFC 7518 §3.4", refused, invalidToken,
			signedBy("ES256 with a P-384 key", long, long.members().without("alg"))),
		rule(79, "RFC 7518 §3.3", refused, invalidToken,
			signedBy("RS256 with an RSA key of 1024 bits", small, small.members())),
		rule(80, "RFC 8017 §3.1", refused, invalidToken,
			s.elsewhere(start{
				name:    "RS256 with an RSA key of exponent 1",
				prepare: publishing(json.RawMessage(s.kit.keys.rsa.members().with("kid", `"one"`).with("e", `"AQ"`).String())),
				ask: func(there *session) request {
					header := there.issuer.header().with("alg", `"RS256"`).with("kid", `"one"`)
					return bearer(there.holder, exponentOne(s.kit.keys.rsa, header, there.claims(there.holder)))
				},
			})),
		rule(99, "RFC 7517 §4.5", anything, accepted,
			s.elsewhere(start{name: "two keys of one kid, signed by the second", prepare: func(i *issuer) {
				i.publish(json.RawMessage(ec.members().with("kid", quote(i.as.KeyID())).String()))
			}, ask: func(there *session) request {
				return bearer(there.holder, ec.sign(there.issuer.header().with("alg", quote(es256)), there.claims(there.holder)))
			}})),
		rule(227, "RFC 7517 §5", refused, unavailableOrGone,
			answers("500", text(http.StatusInternalServerError, "text/plain", "no")),
			answers("404", text(http.StatusNotFound, "text/plain", "no")),
			answers("500 with a good set", func(w http.ResponseWriter, set []byte) {
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = w.Write(set)
			}).expect(anything, unavailableOrGone)),
		rule(228, "RFC 8725 §3.10", anything, unavailableOrGone,
			s.redirected("a redirect of the key set to another host", bindingtest.JWKSPath)),
		rule(232, "RFC 9112 §8", refused, unavailableOrGone,
			answers("cut short", func(w http.ResponseWriter, set []byte) {
				w.Header().Set("Content-Length", fmt.Sprint(len(set)))
				_, _ = w.Write(set[:len(set)-1])
			})),
		rule(233, "RFC 7517 §5", refused, unavailableOrGone,
			answers("HTML", text(http.StatusOK, "text/html", "<html></html>")),
			answers("an empty body", text(http.StatusOK, "application/json", "")),
			answers("an empty object", text(http.StatusOK, "application/json", "{}")),
			answers("keys null", text(http.StatusOK, "application/json", `{"keys":null}`))),
		rule(235, "RFC 8259 §2", anything, unavailableOrGone,
			answers("bytes behind the set", func(w http.ResponseWriter, set []byte) { _, _ = w.Write(append(bytes.Clone(set), "x"...)) })),
		rule(236, "RFC 8414 §2", anything, accepted,
			s.elsewhere(start{name: "as text/html", prepare: func(i *issuer) {
				set := i.as.JWKS()
				i.as.Handle(bindingtest.JWKSPath, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { text(http.StatusOK, "text/html", string(set))(w, nil) }))
			}})),
		rule(238, "RFC 7517 §5", anything, accepted,
			beside("a key of an unknown kty", `{"kty":"AKP","kid":"a","alg":"ML-DSA-44","pub":"AAAA"}`),
			beside("a key of an unknown curve", `{"kty":"OKP","crv":"Ed448","kid":"a","x":"AAAA"}`),
			beside("a key of an unknown alg", must(newECSigner("ES256K", newID(), elliptic.P256())).members().String())),
		rule(239, "RFC 7517 §5", anything, accepted,
			beside("a key without members", `{}`),
			beside("a key off the curve", halves.members().with("y", quote(b64(make([]byte, 32)))).String()),
			beside("a number in place of a key", `1`)),
		rule(240, "RFC 7517 §9.2", anything, invalidToken,
			signedBy("a key whose private half is published", ec, ec.members().with("d", quote(privateHalf(ec))))),
		rule(241, "RFC 7517 §5", anything, accepted,
			beside("an oct key", `{"kty":"oct","kid":"oct","alg":"HS256","k":`+quote(b64(secret))+`}`)),
		rule(242, "RFC 7517 §4.2, §4.3", anything, invalidToken,
			signedBy("a key for encryption", ec, ec.members().with("use", `"enc"`)),
			signedBy("a key whose key_ops lack verify", ec, ec.members().without("use").with("key_ops", `["encrypt"]`))),
	)
}

// exponentOne needs no private key: the padded digest is its own signature.
func exponentOne(key signer, header, claims fmt.Stringer) string {
	input := signingInput(header.String(), claims.String())
	return input + "." + b64(pkcs1(sha256.Sum256([]byte(input)), key.private.Public().(*rsa.PublicKey).Size()))
}

// redirected is a case in which a document is fetched from the attacker's
// server, where the redirect leads, or is not.
func (s *session) redirected(name, path string) check {
	return s.elsewhere(start{name: name, broken: true, prepare: func(i *issuer) {
		s.kit.trap.serve(i.as.JWKS())
		i.as.Handle(path, http.RedirectHandler(strings.TrimSuffix(s.kit.trap.plain.URL, "/")+"/jwks", http.StatusFound))
	}})
}
