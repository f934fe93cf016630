package conformance

import (
	"slices"
)

// conduct is section K: what all answers have in common, and tokens that come
// more than once. Its first rows look at every answer of the run until then, so
// the section comes last.
//
// Not here: what a caller cannot see, such as logs.
func (s *session) conduct() []check {
	claims := s.claims(s.holder)
	hostile := func(name string, header, claims object) check {
		return s.token(name, s.sign(header, claims))
	}
	marked := quote(s.canary + "\r\nSet-Cookie: a=b\r\n\r\n\x1b[31m\"<script>")
	return slices.Concat(
		rule(267, "RFC 6750 §3", anything, answered,
			hostile("a kid that is made to hurt", s.issuer.header().with("kid", marked), claims).when(s.jwt, notJWT),
			hostile("a typ that is made to hurt", s.issuer.header().with("typ", marked), claims).when(s.jwt, notJWT),
			hostile("an alg that is made to hurt", s.issuer.header().with("alg", marked), claims).when(s.jwt, notJWT),
			hostile("an iss that is made to hurt", s.issuer.header(), claims.with("iss", marked)),
			hostile("an aud that is made to hurt", s.issuer.header(), claims.with("aud", marked)),
			hostile("a cnf that is made to hurt", s.issuer.header(), claims.with("cnf", `{"x5t#S256":`+marked+`}`))),
		rule(265, "RFC 6750 §3, §5.3", anything, seen("nothing of the request"),
			s.overall("nothing of the credentials in any refusal", &s.seen.leaking),
			s.overall("nothing of the claims or the header in any refusal", &s.seen.revealing)),
		rule(269, "RFC 6750 §3.1", anything, seen("the same answer"),
			custom("an unknown key and a bad signature are answered alike", s.alike).when(s.jwt, notJWT)),
		rule(270, "RFC 9111 §5.2.2.5", anything, seen("no-store"),
			s.overall("every 401, 403 and 503 is no-store", &s.seen.storable)),
		rule(272, "RFC 9110 §15.5.2", seen("a challenge"), seen("a challenge"),
			s.overall("every 401 has a challenge", &s.seen.mute),
			s.overall("no Bearer challenge is without a parameter (RFC 6750 §3)", &s.seen.bare)),
		rule(437, "X-Content-Type-Options", anything, seen("nosniff"),
			s.overall("every 401, 403 and 503 is nosniff", &s.seen.sniffable)),
		s.again(),
	)
}

// overall is a fact about all refusals of the run.
func (s *session) overall(name string, first *string) check {
	return custom(name, func() answer {
		if s.seen.refusals == 0 { // go test -run picked this case alone
			return skip("nothing was refused yet")
		}
		if *first != "" {
			return fact(false, "one of %d refusals or more is not so, such as %s", s.seen.refusals, *first)
		}
		return fact(true, "%d refusals", s.seen.refusals)
	})
}

// alike is row 269.
func (s *session) alike() answer {
	unknown := s.send(bearer(s.holder, s.sign(s.issuer.header().with("kid", quote(newID())), s.claims(s.holder))))
	forged := s.send(bearer(s.holder, s.forged(s.issuer.header(), s.claims(s.holder))))
	same := unknown.status == forged.status && string(unknown.body) == string(forged.body) &&
		slices.Equal(unknown.header.Values("WWW-Authenticate"), forged.header.Values("WWW-Authenticate"))
	switch {
	case unknown.status == 0 || forged.status == 0:
		return answer{problem: "one of the two was not answered"}
	case same:
		return fact(true, "the same, %s", forged.got())
	case later.holds(unknown): // nobody has looked yet
		return fact(true, "503 with Retry-After, and %s", forged.got())
	}
	return fact(false, "%s and %s, or other texts", unknown.got(), forged.got())
}

// again is row 273: what a server remembers of a token, it must not remember of
// a binding.
func (s *session) again() []check {
	seen, seenByThief := s.good(s.holder), s.good(s.holder)
	return rule(273, "RFC 8705 §3", refused, invalidToken.or(noAnswer),
		s.probe("a token, from its holder", bearer(s.holder, seen)).expect(accepted, accepted),
		s.probe("the same token, with another certificate", bearer(s.other, seen)),
		s.probe("the same token, without a certificate", bearer(s.nobody, seen)),
		s.probe("the same token once more, from its holder", bearer(s.holder, seen)).expect(accepted, accepted),
		s.probe("a token, from a thief first", bearer(s.other, seenByThief)),
		s.probe("the same token, from its holder", bearer(s.holder, seenByThief)).expect(accepted, accepted),
		s.probe("the same token, from the thief again", bearer(s.other, seenByThief)),
	)
}
