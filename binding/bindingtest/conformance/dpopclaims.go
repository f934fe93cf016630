package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// proofClaims is the claims, but for what they say of the request.
func (p *proving) proofClaims() []check {
	var absent, wrong []check
	for _, name := range []string{"jti", "htm", "htu", "iat", "ath"} {
		absent = append(absent, p.claim(name+" missing", name, ""))
		wrong = append(wrong, p.claim(name+" an object", name, "{}"))
		if name != "iat" {
			wrong = append(wrong, p.claim(name+" empty", name, `""`), p.claim(name+" a number", name, "1"))
		}
	}
	// What time is, with nonces the nonce says.
	timed := func(c check) check {
		if p.kit.config.Nonces {
			return c.expect(anything, invalidProof)
		}
		return c
	}
	renamed := func(from, to string) check {
		return p.changed(to+" in place of "+from, func(o object) object {
			for i, m := range o {
				if m.name == from {
					return o.without(from).with(to, o[i].value)
				}
			}
			return o
		})
	}
	now := func(format string) string { return fmt.Sprintf(format, time.Now().Unix()) }
	return slices.Concat(
		rule(320, "RFC 9449 §4.3", badProof, invalidProof, slices.Concat(absent, wrong)...),
		rule(321, "RFC 9449 §11.1", anything, invalidProof,
			p.claim("a jti of 257 bytes", "jti", quote(strings.Repeat("j", 257)))),
		rule(322, "RFC 9449 §4.2", anything, accepted,
			p.changed("a jti with a NUL", func(o object) object { return o.with("jti", quote("\x00"+newID())) }),
			p.changed("a jti that is not ASCII", func(o object) object { return o.with("jti", quote("ж"+newID())) })),
		rule(323, "RFC 7519 §4", badProof, invalidProof,
			renamed("htu", "HTU"), renamed("htm", "Htm"), renamed("jti", "JTI")),
		rule(324, "RFC 7519 §2, §4.1.6", badProof, invalidProof,
			p.changed("iat a string", func(o object) object { return o.with("iat", now(`"%d"`)) }).expect(anything, invalidProof),
			timed(p.claim("iat true", "iat", "true")), timed(p.claim("iat null", "iat", "null")), timed(p.claim("iat negative", "iat", "-1")),
			timed(p.claim("iat beyond all numbers", "iat", "1e400")),
			timed(p.changed("iat in milliseconds", func(o object) object { return o.with("iat", now("%d000")) }))),
		rule(325, "RFC 7519 §2", accepted, accepted,
			p.changed("iat with a fraction", func(o object) object { return o.with("iat", now("%d.5")) }),
			p.changed("iat with an exponent", func(o object) object { return o.with("iat", now("%d00e-2")) }).expect(anything, accepted)),
		rule(326, "RFC 7519 §4.1.4, §4.1.5", badProof, invalidProof,
			p.claim("exp an hour ago", "exp", seconds(time.Now().Add(-time.Hour))),
			p.claim("nbf in an hour", "nbf", seconds(time.Now().Add(time.Hour)))),
		rule(327, "RFC 7519 §4.1.4, §4.1.5", accepted, accepted,
			p.changed("nbf now, exp in five minutes", func(o object) object {
				return o.with("nbf", seconds(time.Now())).with("exp", seconds(time.Now().Add(5*time.Minute)))
			})),
		rule(328, "RFC 7519 §4.1.4", anything, invalidProof,
			p.claim("exp a string", "exp", quote(seconds(time.Now().Add(time.Hour)))), p.claim("nbf a string", "nbf", quote(seconds(time.Now()))),
			p.claim("nonce a number", "nonce", "1")),
	)
}

// target is method and URI. What a server answers at another path than
// Config.Path depends on its routes: what is sent there is only asked of a
// server that accepts the good request there.
func (p *proving) target() []check {
	origin, path := p.origin(), p.path()
	uri := func(name, htu string) check { return p.claim(name, "htu", quote(htu)) }
	at := func(name, path, htu string) check {
		c := p.sends(name, func() request {
			r := dpop(p.token, p.owner.sign(proofOf(p.owner), p.statement(p.token).with("htu", quote(htu))))
			r.path = path
			return r
		})
		return c.when(func() bool {
			r := bearer(p.holder, p.session.good(p.holder))
			r.path = path
			return p.send(r).accepted
		}, "the server has no such route")
	}
	method := func(name, method string) check {
		return p.sends(name, func() request {
			r := dpop(p.token, p.good())
			r.method = method
			return r
		}).expect(refused, refused)
	}
	there := must(url.Parse(origin))
	host, elsewhere := there.Hostname(), there.Scheme+"://"+there.Hostname()
	first := len(path) > 1 && strings.TrimLeft(path[1:2], "abcdefghijklmnopqrstuvwxyz") == ""
	inner := strings.LastIndexByte(path, '/') > 0
	evil := "https://evil.example" + path
	forged := func(fields ...string) func() request {
		return func() request {
			r := dpop(p.token, p.owner.sign(proofOf(p.owner), p.statement(p.token).with("htu", quote(evil))))
			r.header = make(http.Header)
			for i := 0; i < len(fields); i += 2 {
				r.header[fields[i]] = []string{fields[i+1]}
			}
			return r
		}
	}
	behindEvil := []string{
		"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https", "Forwarded", "host=evil.example;proto=https", "Origin", "https://evil.example",
	}
	ports := uri("the default port", origin+":443"+path)
	letter := func(name string, make func() check) check {
		if !first {
			return custom(name, func() answer { return skip("the path begins with no small letter") })
		}
		return make()
	}
	slash := func(name string, make func() check) check {
		if !inner {
			return custom(name, func() answer { return skip("the path has one segment") })
		}
		return make()
	}
	return slices.Concat(
		rule(329, "RFC 9449 §4.3", badProof, invalidProof,
			p.claim("htm POST with GET", "htm", `"POST"`), p.claim("htm PUT with GET", "htm", `"PUT"`), p.claim("htm HEAD with GET", "htm", `"HEAD"`),
			method("htm GET with POST", http.MethodPost), method("htm GET with HEAD", http.MethodHead)),
		rule(330, "RFC 9110 §9.1", badProof, invalidProof,
			p.claim("htm get", "htm", `"get"`), p.claim("htm Get", "htm", `"Get"`), p.claim("htm GET and a space", "htm", `"GET "`), p.claim("htm an array", "htm", `["GET"]`)),
		rule(331, "RFC 9449 §4.3", badProof, invalidProof,
			uri("another path", origin+strings.TrimSuffix(path, "/")+"/other"), uri("another host", "https://evil.example"+path),
			uri("another port", elsewhere+":1"+path), uri("another scheme", "http"+strings.TrimPrefix(origin, there.Scheme)+path).
				when(func() bool { return there.Scheme == "https" }, "the origin is http"),
			uri("wss", "wss"+strings.TrimPrefix(origin, there.Scheme)+path)),
		rule(332, "RFC 9449 §4.2", accepted, accepted,
			p.sends("a query in the request alone", func() request {
				r := dpop(p.token, p.good())
				r.query = "page=2"
				return r
			})),
		rule(333, "RFC 9449 §4.3", accepted, accepted,
			uri("a query and a fragment in htu", origin+path+"?page=2#top"), uri("a question mark in htu", origin+path+"?"), uri("a hash in htu", origin+path+"#")),
		rule(334, "RFC 3986 §6.2.2.1, §6.2.3", anything, accepted,
			uri("scheme and host in capitals", strings.ToUpper(origin)+path),
			ports.when(func() bool { return there.Scheme == "https" && there.Port() == "" }, "the origin has a port"),
			uri("a colon without a port", origin+":"+path).when(func() bool { return there.Port() == "" }, "the origin has a port"),
			uri("no path", origin).when(func() bool { return path == "/" }, "the path is not /")),
		rule(335, "RFC 3986 §3.2.3", badProof, invalidProof,
			uri("a port with a zero in front", elsewhere+":0443"+path).expect(anything, invalidProof), uri("two ports", elsewhere+":443:443"+path),
			uri("port 8443", elsewhere+":8443"+path).when(func() bool { return there.Port() != "8443" }, "it is the server's"),
			uri("no host", there.Scheme+"://"+path), uri("one slash", there.Scheme+":/"+there.Host+path)),
		rule(336, "RFC 3986 §6.2.2.1", badProof, invalidProof,
			letter("the path in capitals", func() check { return uri("the path in capitals", origin+strings.ToUpper(path)) }),
			uri("a slash more at the end", origin+path+"/"), uri("a slash more in front", origin+"/"+path), uri("a parameter of the path", origin+path+";v=1")),
		rule(337, "RFC 3986 §6.2.2.1, §6.2.2.2", anything, accepted,
			letter("an escaped letter in htu", func() check { return uri("an escaped letter in htu", origin+fmt.Sprintf("/%%%x", path[1])+path[2:]) }),
			letter("an escaped letter in the request", func() check {
				return at("an escaped letter in the request", fmt.Sprintf("/%%%x", path[1])+path[2:], origin+path)
			})),
		rule(338, "RFC 3986 §2.2, §6.2.2.2", badProof, invalidProof,
			slash("an escaped slash in htu", func() check {
				i := strings.LastIndexByte(path, '/')
				return uri("an escaped slash in htu", origin+path[:i]+"%2F"+path[i+1:])
			}),
			slash("an escaped slash in the request", func() check {
				i := strings.LastIndexByte(path, '/')
				return at("an escaped slash in the request", path[:i]+"%2F"+path[i+1:], origin+path)
			})),
		rule(339, "RFC 3986 §6.2.2.3", anything, accepted,
			uri("two dots in htu", origin+"/x/.."+path), uri("a dot in htu", origin+"/."+path), uri("escaped dots in htu", origin+"/x/%2e%2e"+path)),
		rule(340, "RFC 9449 §4.3", badProof, invalidProof,
			at("two dots in the request", "/x/.."+path, origin+path), at("a dot in the request", "/."+path, origin+path)),
		rule(341, "RFC 3986 §3.1, §3.2.1", badProof, invalidProof,
			uri("userinfo", there.Scheme+"://user@"+there.Host+path).expect(anything, invalidProof),
			uri("a backslash", origin+`\`+path[1:]).expect(anything, invalidProof), uri("a space", origin+path+" ").expect(anything, invalidProof),
			uri("%zz", origin+path+"%zz"), uri("%00", origin+path+"%00"), uri("a path alone", path), uri("no scheme", "//"+there.Host+path)),
		rule(342, "RFC 3986 §3.2.2", anything, invalidProof,
			uri("a dot behind the host", strings.Replace(origin, host, host+".", 1)+path),
			uri("an escaped character in the host", strings.Replace(origin, host, fmt.Sprintf("%%%x", host[0])+host[1:], 1)+path),
			uri("a letter outside of ASCII", there.Scheme+"://bücher.example"+path).expect(badProof, invalidProof)),
		rule(345, "RFC 9449 §4.3", badProof, invalidProof,
			p.sends("Host: evil.example, and a proof for it", func() request {
				r := forged()()
				r.host = "evil.example"
				return r
			}).expect(refused, invalidProof.or(withStatus(http.StatusMisdirectedRequest)))),
		rule(346, "RFC 9449 §4.3", badProof, invalidProof,
			p.sends("forwarded fields of the client's, and a proof for them", forged(behindEvil...)),
			p.sends("forwarded fields of the client's, and a good proof", func() request {
				r := forged(behindEvil...)()
				r.proofs = []string{p.good()}
				return r
			}).expect(anything, accepted)),
		rule(349, "RFC 9112 §3.2.2", anything, accepted,
			p.sends("another host in the target, and a proof for the server's own", func() request {
				return request{
					client: p.nobody, target: "https://other.example" + p.kit.config.Path,
					wire: "Authorization: DPoP " + p.token + "\r\nDPoP: " + p.good(),
				}
			})),
	)
}

// times is iat and nonces. With nonces iat is not looked at.
func (p *proving) times() []check {
	after := func(name string, d time.Duration) check {
		return p.changed(name, func(o object) object { return o.with("iat", seconds(time.Now().Add(d))) })
	}
	free := func(c check) check {
		return c.when(func() bool { return !p.kit.config.Nonces }, "with nonces the nonce says when")
	}
	nonces := func(c check) check {
		return c.when(func() bool { return p.kit.config.Nonces }, "the server wants no nonces")
	}
	nonce := func(name string, make func() string) check {
		return nonces(p.changed(name, func(o object) object { return o.with("nonce", quote(make())) }))
	}
	always := func(nonce string) func() string { return func() string { return nonce } }
	return slices.Concat(
		rule(351, "RFC 9449 §4.3", accepted, accepted,
			free(after("iat 10 seconds ago", -10*time.Second)), free(after("iat 8 seconds ahead", 8*time.Second)).expect(anything, accepted)),
		rule(352, "RFC 9449 §4.3, §11.1", badProof, invalidProof,
			free(after("iat 61 seconds ago", -61*time.Second)).expect(anything, invalidProof), free(after("iat an hour ago", -time.Hour)),
			free(p.claim("iat 0", "iat", "0"))),
		rule(353, "RFC 9449 §11.1, §11.2", badProof, invalidProof,
			free(after("iat 45 seconds ahead", 45*time.Second)).expect(anything, invalidProof), free(after("iat an hour ahead", time.Hour)),
			free(p.claim("iat 1e10", "iat", "1e10"))),
		rule(354, "RFC 9449 §4.2", anything, accepted,
			free(p.claim("a nonce that nobody gave", "nonce", `"n"`))),
		rule(355, "RFC 9449 §9, §11.3", badProof, wantsNonce,
			nonces(p.claim("no nonce", "nonce", "")),
			nonces(p.fields("no nonce, and no proof", func() []string { return nil })).expect(badProof, expectation{
				invalidProof.text + ", and one DPoP-Nonce", func(a answer) bool { return invalidProof.holds(a) && len(a.header.Values("DPoP-Nonce")) == 1 },
			})),
		rule(356, "RFC 9449 §8, §9", badProof, wantsNonce,
			nonce("a nonce of somebody's", newID), nonce("a nonce that is x with a space", always(" x")), nonce("a nonce that is empty", always("")),
			nonce("a nonce, cut", func() string { return p.newest()[1:] }), nonce("a nonce, longer", func() string { return p.newest() + "A" })),
		rule(357, "RFC 9449 §4.3", anything, accepted,
			nonces(after("a good nonce, iat an hour ago", -time.Hour)), nonces(after("a good nonce, iat an hour ahead", time.Hour))),
		rule(359, "RFC 9449 §8.2", anything, seen("accepted, and no DPoP-Nonce"),
			nonces(custom("the newest nonce", func() (a answer) {
				count := 0
				for range 3 { // an answer may bring a newer one
					a = p.send(dpop(p.token, p.good()))
					if count = len(a.header.Values("DPoP-Nonce")); count == 0 {
						break
					}
				}
				return fact(a.accepted && count == 0, "%s, with %d DPoP-Nonce", a.got(), count)
			}))),
	)
}
