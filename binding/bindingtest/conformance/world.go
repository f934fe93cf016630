package conformance

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/binding/bindingtest"
)

// world is sections M and N as far as any server can be asked: what honest
// issuers do that costs careless servers a request, and what looks like it.
//
// Not here: what needs hours, a proxy, or a failing network; what no caller
// sees.
func (s *session) world() []check {
	if s.opaque != nil {
		return s.worldOfOpaqueTokens()
	}
	return slices.Concat(s.worldOfClaims(), s.worldOfKeys(), s.worldOfMetadata())
}

// worldOfClaims is what stands in tokens.
func (s *session) worldOfClaims() []check {
	header, claims := s.issuer.header(), s.claims(s.holder)
	with := func(name string, changed object) check { return s.token(name, s.sign(header, changed)) }
	value := func(claim, value string) check { return with(claim+" "+value, claims.with(claim, value)) }
	cnf := confirm(s.holder.thumbprint())
	also := func(member string) string { return strings.TrimSuffix(cnf, "}") + "," + member + "}" }
	typJWT := func(c check) check {
		return c.when(func() bool { return s.kit.config.TokenType == "JWT" }, "the server takes another typ than JWT")
	}
	unscoped := func() bool { return len(s.kit.config.Scopes) == 0 }
	spaced := func(name, beginning string) check {
		return s.token("a header that begins with "+name, s.signText(beginning+strings.TrimPrefix(header.String(), "{"), claims.String()))
	}
	kinds := claims.with("nonce", `"n"`)
	return slices.Concat(
		rule(393, "RFC 8725 §3.12", anything, accepted,
			typJWT(with("a nonce beside a typ of Bearer in the claims", kinds.with("typ", `"Bearer"`)))),
		rule(394, "RFC 8725 §3.12", anything, invalidToken,
			typJWT(with("a nonce beside a typ of ID in the claims", kinds.with("typ", `"ID"`))),
			typJWT(with("a nonce alone", kinds)),
			typJWT(with("a nonce and a typ of Bearer beside a token_use of id", kinds.with("typ", `"Bearer"`).with("token_use", `"id"`))),
			typJWT(with("at_hash beside a typ of Bearer", claims.with("at_hash", `"h"`).with("typ", `"Bearer"`)))),
		rule(413, "RFC 8259 §2", accepted, accepted,
			spaced("a brace and a space", "{ "), spaced("a brace and a line end", "{\r\n"), spaced("a space", " {")),
		rule(415, "RFC 7800 §3.1", anything, invalidToken,
			with("jwk beside x5t#S256", claims.with("cnf", also(`"jwk":{"kty":"EC"}`))),
			with("jwe beside x5t#S256", claims.with("cnf", also(`"jwe":"x"`))),
			with("jku beside x5t#S256", claims.with("cnf", also(`"jku":"https://attacker.example/keys"`))),
			with("kid beside x5t#S256", claims.with("cnf", also(`"kid":"x"`))).expect(anything, accepted)),
		rule(426, "RFC 6749 §5.1, §7.1", anything, accepted,
			value("typ", `"bearer"`), value("typ", `"BEARER"`), value("typ", `"dpop"`)),
		rule(429, "RFC 9068 §2.2", anything, accepted,
			value("sub", "null"), value("client_id", "null"), value("jti", "null"), value("acr", "null"), value("auth_time", "null"),
			value("scope", "null").when(unscoped, "the server needs scopes")),
		rule(434, "RFC 7800 §3.1", accepted, accepted,
			with("members of other products beside x5t#S256", claims.with("cnf", also(`"kc-jkt-type":"x","x5t#uri":["y"]`)))),
	)
}

// worldOfKeys is what stands in key sets, and how they are served. Each case
// has a server of its own.
func (s *session) worldOfKeys() []check {
	key := s.kit.keys.spare
	// good is a token of a key that is published like this, which names its kid
	// unless it has none.
	good := func(name string, jwk object, header func(there *session) object) check {
		return s.elsewhere(start{
			name:    name,
			prepare: func(i *issuer) { i.publish(json.RawMessage(jwk.String())) },
			ask: func(there *session) request {
				return bearer(there.holder, key.sign(header(there), there.claims(there.holder)))
			},
		})
	}
	named := func(there *session) object { return key.header(there.issuer) }
	unnamed := func(there *session) object { return named(there).without("kid") }
	another := func(there *session) object { return named(there).with("kid", quote(newID())) }
	// unnamedKeys has the issuer's own keys published without a kid.
	unnamedKeys := func(i *issuer) {
		var set struct{ Keys []map[string]any }
		mustDo(json.Unmarshal(i.as.JWKS(), &set))
		for _, published := range set.Keys {
			delete(published, "kid")
		}
		text := must(json.Marshal(map[string]any{"keys": set.Keys}))
		i.as.Handle(bindingtest.JWKSPath, document(http.StatusOK, string(text)))
	}
	null := key.members()
	for _, name := range []string{"d", "k", "oth", "use", "alg", "key_ops"} {
		null = null.with(name, "null")
	}
	encryption := key.members().with("use", `"enc"`)
	return slices.Concat(
		rule(384, "RFC 7517 §8.5.2, RFC 9110 §12.5.1", anything, accepted,
			s.elsewhere(start{name: "a key set that is application/jwk-set+json, and nothing else", prepare: func(i *issuer) {
				set := i.as.JWKS()
				i.as.Handle(bindingtest.JWKSPath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					accept := strings.Join(r.Header.Values("Accept"), ",")
					if accept != "" && !strings.Contains(accept, "*/*") && !strings.Contains(accept, "application/jwk-set+json") {
						w.WriteHeader(http.StatusNotAcceptable)
						return
					}
					w.Header().Set("Content-Type", "application/jwk-set+json")
					_, _ = w.Write(set)
				}))
			}})),
		rule(388, "RFC 7517 §4", anything, accepted,
			good("a key with members that are null", null, named),
			good("a key whose kid is null", key.members().with("kid", "null"), unnamed),
			good("a key with lists of nothing", key.members().with("oth", "[]").with("x5c", "[]").with("key_ops", "[]"), named)),
		rule(389, "RFC 7517 §9.2", anything, invalidToken,
			good("a key with a d that is none", key.members().with("d", `""`), named),
			good("a key with a d that is a number", key.members().with("d", "1"), named)),
		rule(391, "RFC 7515 §4.1.4, RFC 7517 §4.5", anything, accepted,
			s.elsewhere(start{name: "a kid in the token, and keys without one", prepare: unnamedKeys})),
		rule(392, "RFC 7515 §4.1.4, RFC 7517 §4.5", anything, unknownKey,
			good("a kid in the token, and the key published under another", key.members(), another)),
		rule(452, "RFC 7517 §4.2", anything, seen("no request for the key set"),
			s.elsewhere(start{
				name:    "20 tokens of a key that is published for encryption",
				prepare: func(i *issuer) { i.publish(json.RawMessage(encryption.String())) },
				facts: func(there *session) answer {
					before, start := there.as.Requests(bindingtest.JWKSPath), time.Now()
					for range 20 {
						there.send(bearer(there.holder, key.sign(named(there), there.claims(there.holder))))
					}
					fetched := there.as.Requests(bindingtest.JWKSPath) - before
					// Some may be the server's schedule: one or two, and as many a second.
					return fact(fetched <= 2+2*int(time.Since(start)/time.Second), "%d requests for the key set", fetched)
				},
			})),
	)
}

// worldOfMetadata is what stands in the metadata, and where it is.
func (s *session) worldOfMetadata() []check {
	read := func() bool { return s.as.Requests(bindingtest.MetadataPaths) > 0 }
	const unread = "the server reads no metadata"
	at := func(one start) check { return s.elsewhere(one).when(read, unread) }
	// openIDAlone is an issuer that answers RFC 8414's path with something
	// else.
	openIDAlone := func(name string, h http.Handler, broken bool) check {
		return at(start{name: name, broken: broken, prepare: func(i *issuer) { i.as.Handle(bindingtest.OAuthMetadataPath, h) }})
	}
	status := func(status int) http.Handler { return document(status, `{"error":"no"}`) }
	odd := func(name string, change func(members map[string]any)) check {
		return at(start{name: name, prepare: func(i *issuer) {
			members := i.as.Metadata()
			change(members)
			i.as.Handle(bindingtest.MetadataPaths, document(http.StatusOK, string(must(json.Marshal(members)))))
		}})
	}
	return slices.Concat(
		rule(385, "OpenID Connect Discovery §4", anything, accepted,
			openIDAlone("OpenID discovery alone, 400 for the other path", status(400), false),
			openIDAlone("OpenID discovery alone, 401 for the other path", status(401), false),
			openIDAlone("OpenID discovery alone, 403 for the other path", status(403), false),
			openIDAlone("OpenID discovery alone, 406 for the other path", status(406), false),
			openIDAlone("OpenID discovery alone, a redirect for the other path",
				http.RedirectHandler(s.kit.trap.plain.URL, http.StatusFound), false),
			openIDAlone("OpenID discovery alone, HTML for the other path", document(http.StatusOK, "<html></html>"), false)),
		rule(386, "RFC 8414 §3.3", anything, unavailable,
			openIDAlone("500 for the first path, OpenID discovery beside it", status(500), true),
			openIDAlone("another issuer's at the first path, OpenID discovery beside it",
				document(http.StatusOK, `{"issuer":"https://other.example","jwks_uri":"https://other.example/jwks"}`), true)),
		rule(387, "RFC 8414 §2", anything, accepted,
			odd("members that are null", func(members map[string]any) {
				for _, name := range []string{
					"token_endpoint_auth_methods_supported", "mtls_endpoint_aliases", "tls_client_certificate_bound_access_tokens",
				} {
					members[name] = nil
				}
			}),
			odd("members of other types", func(members map[string]any) {
				members["token_endpoint_auth_methods_supported"] = "client_secret_basic"
				members["mtls_endpoint_aliases"] = []string{}
				members["tls_client_certificate_bound_access_tokens"] = "true"
			}),
			at(start{name: "an unrelated name twice", prepare: func(i *issuer) {
				text := must(json.Marshal(i.as.Metadata()))
				text = append(bytes.Clone(text[:len(text)-1]), `,"odd":1,"odd":2}`...)
				i.as.Handle(bindingtest.MetadataPaths, document(http.StatusOK, string(text)))
			}})),
	)
}

// worldOfOpaqueTokens is what introspection endpoints answer.
func (s *session) worldOfOpaqueTokens() []check {
	claims := s.claims(s.holder)
	var nulls []check
	for _, name := range []string{"sub", "client_id", "nbf", "iat", "jti", "iss", "exp"} {
		nulls = append(nulls, s.token(name+" null", s.opaque.token(claims.with(name, "null").String())))
	}
	return slices.Concat(
		rule(396, "RFC 7662 §2.2", anything, accepted, nulls...),
		rule(426, "RFC 6749 §5.1, §7.1", anything, accepted,
			s.token("token_type bearer", s.opaque.answeredWith(claims.behind("token_type", `"bearer"`).behind("active", "true").String())),
			s.token("token_type BEARER", s.opaque.answeredWith(claims.behind("token_type", `"BEARER"`).behind("active", "true").String()))),
		rule(431, "RFC 7516 §7.1", anything, accepted,
			s.token("a token of five parts, as a JWE has", s.opaque.named(
				b64([]byte(`{"alg":"dir","enc":"A256GCM"}`))+"..AAAA.AAAA."+newID(), claims.String()))),
	)
}
