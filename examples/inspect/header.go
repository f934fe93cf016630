package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/certbound/certbound/binding"
)

// header is the JOSE header but for typ.
func (i *inspection) header(ctx context.Context) {
	s := i.specimen
	if s.header == nil {
		i.report.say("header", notChecked, "not read")
		return
	}
	reason := i.verdict(ctx, question{headerText: s.headerText})
	alg, _ := s.header.text("alg")
	text := "alg " + quote(alg)
	if _, present := s.header.get("alg"); !present {
		text = "no alg"
	}
	if typ, present := s.header.text("typ"); present {
		text += ", typ " + quote(typ)
	} else {
		text += ", no typ"
	}
	if kid, present := s.header.text("kid"); present {
		text += ", kid " + quote(kid)
	}
	var more []string
	var ignored []string
	for _, name := range []string{"jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256"} {
		if _, present := s.header.get(name); present {
			ignored = append(ignored, name)
		}
	}
	if ignored != nil {
		more = append(more, "note: "+strings.Join(ignored, ", ")+" in the header is ignored, and says nothing about a binding")
	}
	switch reason {
	case binding.ReasonTokenMalformed:
		if twice := s.header.twice(); twice != nil {
			more = append(more, quoteAll(twice)+" occurs twice in it: the issuer must send each name once")
		} else {
			more = append(more, "the header is no JSON object in UTF-8 that can be read strictly")
		}
	case binding.ReasonTokenHeader:
		more = append(more, i.badHeader()...)
	case binding.ReasonTokenAlgorithm:
		more = append(more, i.badAlgorithm(alg)...)
	default: // typ has a line of its own
		i.report.say("header", ok, text, more...)
		return
	}
	i.report.say("header", fail, text, more...)
}

func (i *inspection) badHeader() []string {
	var more []string
	for _, name := range []string{"crit", "b64"} {
		if _, present := i.specimen.header.get(name); present {
			more = append(more, name+" demands an extension that this library does not know (RFC 7515 section 4.1.11): the issuer must not use it")
		}
	}
	for _, name := range []string{"typ", "kid"} {
		if value, present := i.specimen.header.get(name); present {
			if text, isString := textOf(value); !isString {
				more = append(more, fmt.Sprintf("%s is %s, and must be a string", name, kindOf(value)))
			} else if name == "kid" && (text == "" || len(text) > 256 || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f })) {
				more = append(more, "kid is empty, longer than 256 bytes or has control characters")
			}
		}
	}
	return more
}

func (i *inspection) badAlgorithm(alg string) []string {
	switch {
	case strings.EqualFold(alg, "none"):
		return []string{"none is no signature: whoever likes can write such a token (RFC 8725 section 3.1). The issuer must sign it"}
	case strings.HasPrefix(strings.ToUpper(alg), "HS"):
		return []string{"HMAC needs a secret that issuer and server share, and whoever verifies could issue: not accepted at all",
			"the issuer must sign with an asymmetric key, such as ES256 or PS256"}
	case len(i.options.algorithms) > 0:
		return []string{fmt.Sprintf("the server accepts %v (-alg)", i.options.algorithms)}
	}
	return []string{"it is none of the algorithms of package jwks: RS, PS and ES with 256, 384 and 512, EdDSA and Ed25519, written exactly so"}
}

// typ is whether the token is an access token, by its typ and by its claims (RFC
// 9068 §2.1, RFC 8725 §3.11 and §3.12).
func (i *inspection) typ(ctx context.Context) {
	s := i.specimen
	if s.header == nil {
		i.report.say("type", notChecked, "not read")
		return
	}
	others := s.claims.only("nonce", "at_hash", "c_hash", "s_hash", "events", "typ", "token_use")
	reason := i.verdict(ctx, question{header: s.header.only("typ"), claims: others, types: i.options.types})
	accepted := strings.Join(i.options.types, ", ")
	typ, present := s.header.text("typ")
	switch {
	case reason != binding.ReasonTokenType && present:
		i.report.say("type", ok, fmt.Sprintf("typ %s is accepted (%s)", quote(typ), accepted))
		return
	case reason != binding.ReasonTokenType:
		i.report.say("type", ok, fmt.Sprintf("no typ, which is accepted (%s)", accepted))
		return
	}
	text := fmt.Sprintf("typ %s is not accepted here (%s)", quote(typ), accepted)
	var more []string
	normal := strings.TrimPrefix(strings.ToLower(typ), "application/")
	switch {
	case i.verdict(ctx, question{header: s.header.only("typ"), types: i.options.types}) == "":
		text = fmt.Sprintf("its typ would do, but its claims are those of another kind of token: %s", quoteAll(others.names()))
		more = append(more, "is it an ID token or a refresh token? The client must send its access token")
	case !present:
		text = fmt.Sprintf("it has no typ, and %s is accepted here", accepted)
		more = append(more, "Okta sends none, and Spring Authorization Server only what a token customizer sets; the server can accept that (-typ at+jwt,absent), and gives up telling other tokens of this issuer by their typ",
			"better: have the issuer send at+jwt (RFC 9068 section 2.1; in Spring getJwsHeader().type(\"at+jwt\") in an OAuth2TokenCustomizer)")
	case normal == "jwt":
		more = append(more, "Auth0's default profile and Keycloak send JWT; the server can accept it (-typ at+jwt,JWT), and gives up telling other tokens of this issuer by their typ",
			"better: have the issuer send at+jwt (RFC 9068 section 2.1; at Auth0 the RFC 9068 token profile)")
	case normal == "at+jwt":
		more = append(more, "it is RFC 9068's for access tokens; why does the server not accept it (-typ)?")
	case normal == "dpop+jwt":
		more = append(more, "it is a DPoP proof (RFC 9449), not an access token")
	case normal == "logout+jwt" || normal == "secevent+jwt":
		more = append(more, "it is a security event or a logout token, not an access token")
	default:
		more = append(more, "it is no access token's by RFC 9068 section 2.1, and no setting accepts it")
	}
	i.report.say("type", fail, text, more...)
}
