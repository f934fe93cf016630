package conformance

import (
	"crypto/sha1" //nolint:gosec // RFC 7515's x5t, to see it refused
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"slices"
	"strings"
)

// confirmation is section F: the binding itself.
//
// A thumbprint in a wrong form is sent twice: by the client whose certificate
// it is meant for, where a server may be lenient, and without a certificate,
// where to accept it would mean that what is not understood binds nobody.
//
// Not here: 174, constant time, which no answer shows.
func (s *session) confirmation() []check {
	leaf := s.holder.certificate.Leaf
	digest := sha256.Sum256(leaf.Raw)
	right := s.holder.thumbprint()
	old, long := sha1.Sum(leaf.Raw), sha512.Sum512(leaf.Raw) //nolint:gosec // see above
	sum := func(b []byte) string { d := sha256.Sum256(b); return b64(d[:]) }
	claims := s.claims(nil)
	with := func(cnf string) string { return s.sign(s.issuer.header(), claims.with("cnf", cnf)) }
	member := func(value string) string { return `{"x5t#S256":` + value + `}` }
	noConnection := invalidToken.or(noAnswer)

	holder := func(name, cnf string) check { return s.token(name, with(cnf)) }
	nobody := func(name, cnf string) check {
		return s.probe(name+", and no certificate", bearer(s.nobody, with(cnf))).expect(refused, noConnection)
	}
	// malformed is a thumbprint that is none, from both.
	malformed := func(name, value string) []check {
		return []check{holder(name, member(value)), nobody(name, member(value))}
	}
	malformedToken := invalidToken
	if s.opaque != nil { // an answer of the authorization server's that is none
		malformedToken = invalidToken.or(unavailable)
	}
	noBinding := invalidToken
	if s.kit.config.AcceptsUnbound {
		noBinding = accepted
	}
	// absent is what most readers of JSON do not tell from a member that is not
	// there.
	absent := func(checks []check) []check {
		for i := range checks {
			if s.kit.config.AcceptsUnbound {
				checks[i] = checks[i].expect(anything, invalidToken.or(noAnswer))
			}
		}
		return checks
	}
	standard, standardHolder := s.standardForm()
	hexadecimal := hex.EncodeToString(digest[:])
	return slices.Concat(
		rule(145, "RFC 8705 §3", accepted, accepted,
			s.token("the right certificate", s.good(s.holder)),
			s.probe("the right certificate, over HTTP/2", http2(bearer(s.holder, s.good(s.holder))))),
		rule(146, "RFC 8705 §3", refused, noConnection,
			s.binds(s.probe("no certificate", bearer(s.nobody, s.good(s.holder))))),
		rule(147, "RFC 8705 §3", invalidToken, invalidToken,
			s.binds(s.probe("another certificate", bearer(s.other, s.good(s.holder)))),
			s.probe("another certificate, over HTTP/2", http2(bearer(s.other, s.good(s.holder))))),
		rule(148, "RFC 8705 §3", anything, noBinding,
			s.token("no cnf", s.sign(s.issuer.header(), claims)),
			s.probe("no cnf and no certificate", bearer(s.nobody, s.sign(s.issuer.header(), claims))).expect(anything, noBinding.or(noAnswer))),
		rule(150, "RFC 7800 §3.1", refused, invalidToken,
			holder("cnf null", "null").expect(anything, invalidToken), holder("cnf a string", quote(right)), holder("cnf an array", "["+confirm(right)+"]"),
			holder("cnf a number", "1"), holder("cnf true", "true"), nobody("cnf a string", quote(right))),
		rule(151, "RFC 7800 §3.1", anything, invalidToken,
			holder("cnf empty", "{}")),
		rule(152, "RFC 8705 §3.1", refused, invalidToken, slices.Concat(
			absent(malformed("x5t#S256 null", "null")), malformed("x5t#S256 a number", "1"), malformed("x5t#S256 an array", "[]"),
			malformed("x5t#S256 an array with the right one", "["+quote(right)+"]"),
			malformed("x5t#S256 an object", "{}"), malformed("x5t#S256 true", "true"))...),
		rule(153, "RFC 8705 §3.1", refused, noConnection, slices.Concat(
			malformed("x5t#S256 empty", `""`),
			[]check{nobody("x5t#S256 the digest of nothing", confirm(sum(nil))), nobody("x5t#S256 of zeros", confirm(strings.Repeat("A", 43)))})...),
		rule(154, "RFC 8705 §3.1, RFC 7515 §2", anything, invalidToken,
			malformed("x5t#S256 with padding", quote(right+"="))...),
		rule(155, "RFC 8705 §3.1, RFC 7515 §2", anything, invalidToken,
			s.probe("x5t#S256 in the standard alphabet", bearer(standardHolder, with(confirm(standard)))),
			nobody("x5t#S256 in the standard alphabet", confirm(standard))),
		rule(156, "RFC 8705 §3.1", anything, invalidToken, slices.Concat(
			malformed("x5t#S256 in hex", quote(hexadecimal)), malformed("x5t#S256 in hex, capitals", quote(strings.ToUpper(hexadecimal))),
			malformed("x5t#S256 in hex with colons", quote(colons(hexadecimal))))...),
		rule(157, "RFC 8705 §3.1", refused, invalidToken,
			holder("x5t#S256 of SHA-1", confirm(b64(old[:]))), holder("x5t#S256 of SHA-512", confirm(b64(long[:]))),
			holder("x5t#S256 of 31 bytes", confirm(b64(digest[:31]))), holder("x5t#S256 of 33 bytes", confirm(b64(append(digest[:], 0)))),
			nobody("x5t#S256 of SHA-1", confirm(b64(old[:])))),
		rule(158, "RFC 4648 §3.5", anything, invalidToken,
			malformed("x5t#S256 with a last letter that is not canonical", quote(nonCanonical(right)))...),
		rule(159, "RFC 8705 §3.1", anything, invalidToken, slices.Concat(
			malformed("x5t#S256 with a space at the end", quote(right+" ")), malformed("x5t#S256 with LF at the end", quote(right+"\n")),
			malformed("x5t#S256 with NUL at the end", quote(right+"\x00")))...),
		rule(160, "RFC 7519 §4, RFC 7800 §3.1", anything, invalidToken,
			holder("X5T#S256", `{"X5T#S256":`+quote(right)+`}`), holder("x5t#s256", `{"x5t#s256":`+quote(right)+`}`),
			holder("x5t#\u017f256, which folds to S", `{"x5t#ſ256":`+quote(right)+`}`),
			s.probe("X5T#S256 of the thief behind x5t#S256", bearer(s.other, with(`{"x5t#S256":`+quote(right)+`,"X5T#S256":`+quote(s.other.thumbprint())+`}`))).
				expect(refused, invalidToken),
			s.probe("CNF of the thief behind cnf", bearer(s.other, s.sign(s.issuer.header(), claims.with("cnf", confirm(right)).with("CNF", confirm(s.other.thumbprint()))))).
				expect(refused, invalidToken)),
		rule(161, "RFC 8259 §4, RFC 7519 §4", anything, malformedToken,
			holder("x5t#S256 twice, the same", `{"x5t#S256":`+quote(right)+`,"x5t#S256":`+quote(right)+`}`),
			s.probe("x5t#S256 twice, the thief's first", bearer(s.other, with(`{"x5t#S256":`+quote(s.other.thumbprint())+`,"x5t#S256":`+quote(right)+`}`))).
				expect(refused, malformedToken)),
		rule(162, "RFC 7519 §4", anything, malformedToken,
			s.token("cnf twice, the same", s.sign(s.issuer.header(), claims.and("cnf", confirm(right)).and("cnf", confirm(right)))),
			s.probe("cnf twice, the thief's first", bearer(s.other, s.sign(s.issuer.header(), claims.and("cnf", confirm(s.other.thumbprint())).and("cnf", confirm(right))))).
				expect(refused, malformedToken)),
		rule(163, "RFC 8705 §3.1", anything, invalidToken,
			holder("x5t alone", `{"x5t":`+quote(b64(old[:]))+`}`), holder("x5t#S512 alone", `{"x5t#S512":`+quote(b64(long[:]))+`}`)),
		rule(164, "RFC 9449 §7.2", anything, invalidToken,
			holder("jkt alone", `{"jkt":`+quote(right)+`}`)),
		rule(165, "RFC 7800 §3.1", anything, invalidToken,
			holder("jkt beside x5t#S256", `{"jkt":`+quote(right)+`,"x5t#S256":`+quote(right)+`}`)),
		rule(166, "RFC 7800 §3.2 to §3.5", anything, invalidToken,
			holder("jwk", `{"jwk":{"kty":"EC"}}`), holder("jwe", `{"jwe":"x"}`), holder("jku", `{"jku":"https://attacker.example/keys"}`), holder("kid", `{"kid":"x"}`)),
		rule(167, "RFC 7800 §3.1", accepted, accepted,
			holder("a member nobody knows beside x5t#S256", `{"x5t#S256":`+quote(right)+`,"x5t#uri":"spiffe://x"}`)),
		s.chains(with),
		rule(169, "RFC 8705 §3.1", refused, invalidToken,
			holder("x5t#S256 of the public key", confirm(sum(leaf.RawSubjectPublicKeyInfo)))),
		rule(170, "RFC 8705 §3.1", refused, invalidToken,
			holder("x5t#S256 of the PEM text", confirm(sum(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})))),
			holder("x5t#S256 of the TBSCertificate", confirm(sum(leaf.RawTBSCertificate)))),
		rule(172, "RFC 8705 §3.1", anything, noBinding,
			s.token("x5t#S256 outside of cnf", s.sign(s.issuer.header(), claims.with("x5t#S256", quote(right))))),
		rule(173, "RFC 8693 §4.1", anything, noBinding,
			s.token("cnf in act alone", s.sign(s.issuer.header(), claims.with("act", `{"sub":"x","cnf":`+confirm(right)+`}`))),
			s.token("another cnf in act", s.sign(s.issuer.header(), s.claims(s.holder).with("act", `{"cnf":{"jkt":"x"}}`))).expect(anything, accepted),
			s.probe("the thief's cnf in may_act", bearer(s.other, s.sign(s.issuer.header(), s.claims(s.holder).with("may_act", `{"cnf":`+confirm(s.other.thumbprint())+`}`)))).
				expect(refused, invalidToken)),
	)
}

// binds notes that a server accepts a stolen token as it is: what section H
// adds to that says nothing.
func (s *session) binds(c check) check {
	run := c.run
	c.run = func() answer {
		a := run()
		s.bindsNobody = s.bindsNobody || a.accepted
		return a
	}
	return c
}

// chains is rows 168 and 171: certificates that are not the leaf, or not any
// more.
func (s *session) chains(with func(cnf string) string) []check {
	root := newAuthority("root", nil)
	intermediate := newAuthority("intermediate", root)
	chain := intermediate.client(func(*x509.Certificate) {})
	chain.Certificate = append(chain.Certificate, intermediate.certificate.Raw, root.certificate.Raw)
	client := s.withCertificate(chain)
	of := func(certificate *x509.Certificate) string {
		digest := sha256.Sum256(certificate.Raw)
		return with(confirm(b64(digest[:])))
	}
	thief := *s.other.certificate
	thief.Certificate = [][]byte{thief.Certificate[0], s.holder.certificate.Certificate[0]}
	renewed := s.withCertificate(must(s.as.RenewClientCertificate(*s.holder.certificate)))
	free := func() bool { return !s.kit.config.VerifiesClients }
	const verified = "the server verifies certificates"
	return slices.Concat(
		rule(168, "RFC 8705 §3, CVE-2023-2422", refused, invalidToken,
			s.probe("the token of the leaf, sent with its chain", bearer(client, of(chain.Leaf))).expect(anything, accepted).when(free, verified),
			s.probe("the token of an intermediate certificate", bearer(client, of(intermediate.certificate))).when(free, verified),
			s.probe("the token of the root", bearer(client, of(root.certificate))).when(free, verified),
			s.probe("the thief sends the holder's certificate behind its own", bearer(s.withCertificate(thief), s.good(s.holder)))),
		rule(171, "RFC 8705 §6.3", refused, invalidToken,
			s.probe("a renewed certificate of the same key, and the old token", bearer(renewed, s.good(s.holder))),
			s.probe("a renewed certificate of the same key, and a new token", bearer(renewed, s.good(renewed))).expect(accepted, accepted)),
	)
}

func colons(hexadecimal string) string {
	var pairs []string
	for pair := range slices.Chunk([]byte(hexadecimal), 2) {
		pairs = append(pairs, string(pair))
	}
	return strings.Join(pairs, ":")
}

// standardForm is a client whose thumbprint is another in the standard
// alphabet: most are.
func (s *session) standardForm() (string, *client) {
	for {
		certificate := must(s.as.NewClientCertificate("holder"))
		digest := sha256.Sum256(certificate.Leaf.Raw)
		if text := base64.RawStdEncoding.EncodeToString(digest[:]); strings.ContainsAny(text, "+/") {
			return text, s.withCertificate(certificate)
		}
	}
}
