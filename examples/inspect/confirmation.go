package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/certbound/certbound/binding"
)

var errNoConfirmation = errors.New("there is no cnf")

// confirmation is the value of cnf, if it is an object.
func (i *inspection) confirmation() (object, error) {
	value, present := i.specimen.claims.get("cnf")
	if !present {
		return nil, errNoConfirmation
	}
	return readObject(value)
}

// binding is cnf, and whether the certificate is the one that it names (RFC 8705
// §3.1).
func (i *inspection) binding(ctx context.Context) {
	claims := i.specimen.claims
	if claims == nil {
		i.report.say("binding", notChecked, "not read")
		return
	}
	reason := i.verdict(ctx, question{claims: claims.only("cnf"), bound: true})
	value, _ := claims.get("cnf")
	cnf, _ := i.confirmation()
	thumbprint, _ := cnf.text("x5t#S256")
	switch reason {
	case "":
		if cnf == nil {
			i.report.say("binding", ok, "the token is bound to nothing, which the server's policy accepts: whoever steals it can use it", i.nearlyBound()...)
			return
		}
		if !i.needsProof() {
			i.report.say("binding", ok, "cnf x5t#S256 is the thumbprint of the certificate", i.unusedMembers(cnf)...)
			return
		}
		key, _ := cnf.text("jkt")
		var more []string
		if thumbprint != "" {
			more = append(more, "cnf x5t#S256 beside jkt is the thumbprint of the certificate: a request needs both")
		}
		i.report.say("binding", notChecked, fmt.Sprintf("NOT checked, the token is bound to the DPoP key %q (cnf jkt, RFC 9449): each request needs a proof by it, see -proof", key),
			append(more, i.unusedMembers(cnf)...)...)
	case binding.ReasonTokenUnbound:
		i.report.say("binding", fail, "the token is bound to nothing: it has no cnf", i.unbound()...)
	case binding.ReasonTokenBound:
		i.report.say("binding", fail, fmt.Sprintf("the token is bound to certificate %q, and this route has no mutual TLS to prove it (-policy refuse-bound)", thumbprint),
			"the client must call the address that asks for its certificate")
	case binding.ReasonCertificateMissing:
		i.report.say("binding", notChecked, fmt.Sprintf("NOT checked, the token is bound to certificate %q: give the client's with -cert", thumbprint))
	case binding.ReasonConfirmationMalformed:
		i.report.say("binding", fail, fmt.Sprintf("cnf is %s, and must be an object (RFC 7800 section 3.1)", kindOf(value)), i.wanted()...)
	case binding.ReasonConfirmationDPoP:
		text := "cnf has jkt: the token is bound to a DPoP key (RFC 9449)"
		if _, both := cnf.get("x5t#S256"); both {
			text = "cnf has jkt beside x5t#S256: the token is bound to a DPoP key (RFC 9449) as well, and both would have to be proven"
		}
		i.report.say("binding", fail, text, "a server with -policy refuse-bound takes no proofs (Config.Proofs)")
	case binding.ReasonTokenScheme:
		i.report.say("binding", fail, adviceFor[reason].meaning, adviceFor[reason].change)
	case binding.ReasonConfirmationUnsupported:
		i.report.say("binding", fail, i.unsupported(cnf), i.wanted()...)
	case binding.ReasonThumbprintMalformed, binding.ReasonThumbprintHex, binding.ReasonThumbprintPadded,
		binding.ReasonThumbprintStandardAlphabet, binding.ReasonThumbprintSHA1, binding.ReasonThumbprintMismatch:
		member, present := cnf.get("x5t#S256")
		if _, err := binding.ParseThumbprint(thumbprint); reason != binding.ReasonThumbprintMismatch && (!present || err == nil) {
			i.report.say("binding", fail, "cnf jkt is no thumbprint of a key: 32 bytes, which are 43 characters of base64url (RFC 9449 section 6.1)")
			return
		}
		if _, isString := textOf(member); !isString {
			i.report.say("binding", fail, fmt.Sprintf("cnf x5t#S256 is %s, and must be a string", kindOf(member)), i.wanted()...)
			return
		}
		text, more := i.whatThumbprint(thumbprint)
		i.report.say("binding", fail, text, more...)
	case binding.ReasonTokenMalformed:
		i.report.say("binding", fail, "cnf cannot be read strictly: see claims", i.wanted()...)
	default:
		i.report.say("binding", fail, adviceFor[reason].meaning)
	}
}

// wanted is what the issuer must send.
func (i *inspection) wanted() []string {
	right := "BASE64URL(SHA-256(DER))"
	if len(i.options.certificates) > 0 {
		right = i.options.certificates[0].thumbprint()
	}
	return []string{fmt.Sprintf(`the issuer must send "cnf":{"x5t#S256":%q} for this certificate (RFC 8705 section 3.1)`, right)}
}

// unusedMembers are beside what binds the token, and do no harm (RFC 7800 §3.1).
func (i *inspection) unusedMembers(cnf object) []string {
	var names []string
	for _, name := range cnf.names() {
		if name != "x5t#S256" && name != "jkt" {
			names = append(names, name)
		}
	}
	if names == nil {
		return nil
	}
	return []string{"note: " + quoteAll(names) + " beside it is ignored"}
}

func (i *inspection) unsupported(cnf object) string {
	if len(cnf) == 0 {
		return "cnf is empty"
	}
	if wrong, found := cnf.miscased("x5t#S256"); found {
		return fmt.Sprintf("cnf has %s, which is not x5t#S256: names are compared exactly, case and sign and all", quote(wrong))
	}
	for _, other := range []string{"jwk", "jwe", "jku"} {
		for _, ours := range []string{"x5t#S256", "jkt"} {
			_, besides := cnf.get(other)
			if _, present := cnf.get(ours); present && besides {
				return fmt.Sprintf("cnf names another key beside %s, by %s: the issuer must send one alone (RFC 7800 section 3.1)", ours, other)
			}
		}
	}
	for _, known := range []struct{ name, what string }{
		{"x5t", "x5t, a SHA-1 thumbprint, which does not do: SHA-256 is needed"},
		{"x5t#S512", "x5t#S512, and RFC 8705 has x5t#S256 alone"},
		{"jwk", "jwk, a key itself (RFC 7800 section 3.2), which TLS does not prove here"},
		{"kid", "kid, a key's name (RFC 7800 section 3.4), which TLS does not prove"},
	} {
		if _, present := cnf.get(known.name); present {
			return "cnf has " + known.what
		}
	}
	return "cnf has no x5t#S256, but " + quoteAll(cnf.names())
}

// nearlyBound is what an issuer may have meant for a binding.
func (i *inspection) nearlyBound() []string {
	claims := i.specimen.claims
	var more []string
	more = append(more, i.miscased("cnf")...)
	if _, outside := claims.get("x5t#S256"); outside {
		more = append(more, "x5t#S256 is a claim of its own: the issuer must put it into cnf")
	} else if wrong, found := claims.miscased("x5t#S256"); found {
		more = append(more, quote(wrong)+" is a claim of its own: the issuer must send x5t#S256, inside cnf")
	}
	if _, outside := claims.get("jkt"); outside {
		more = append(more, "jkt is a claim of its own, and means nothing there")
	}
	for _, name := range []string{"act", "may_act"} {
		value, _ := claims.get(name)
		if nested, err := readObject(value); err == nil {
			if _, inside := nested.get("cnf"); inside {
				more = append(more, "the cnf inside "+name+" is another party's (RFC 8693 section 4.1)")
			}
		}
	}
	if _, inHeader := i.specimen.header.get("x5t#S256"); inHeader {
		more = append(more, "x5t#S256 in the header names the issuer's certificate (RFC 7515 section 4.1.8), and binds nothing")
	}
	return more
}

func (i *inspection) unbound() []string {
	more := i.nearlyBound()
	if more != nil {
		return append(more, i.wanted()...)
	}
	if i.given.scheme == "DPoP" {
		more = append(more, "under the scheme DPoP no policy accepts that")
	}
	return append(more,
		"the client must ask for its token over mutual TLS, at the token_endpoint of mtls_endpoint_aliases (RFC 8705 section 5),",
		"and the issuer must be set to bind this client's tokens (tls_client_certificate_bound_access_tokens, RFC 8705 section 3.4);",
		"some bind only where the client authenticates by its certificate: tls_client_auth or self_signed_tls_client_auth")
}
