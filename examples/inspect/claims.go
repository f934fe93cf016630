package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/binding"
)

// claims is what the token says, and whether it can be read strictly. cnf and
// the claims that are compared with something have lines of their own.
func (i *inspection) claims(ctx context.Context) {
	claims := i.specimen.claims
	if claims == nil {
		i.report.say("claims", notChecked, "not read")
		return
	}
	reason := i.verdict(ctx, question{claimsText: i.specimen.claimsText})
	if reason != binding.ReasonTokenMalformed {
		// Without cnf, whose faults are told at binding, and with what has to be there.
		reason = i.verdict(ctx, question{
			claims: slices.DeleteFunc(slices.Clone(claims), func(m member) bool { return m.name == "cnf" }),
			issuer: i.own("iss", doubtless.issuer)[0], audiences: i.own("aud", doubtless.audience),
			at: i.within(ctx), ownExpiry: true,
		})
	}
	more := i.shown()
	for _, name := range []string{"sub", "exp", "nbf", "iat", "client_id", "scope"} {
		more = append(more, i.miscased(name)...)
	}
	switch reason {
	case binding.ReasonTokenMalformed:
		switch twice := claims.twice(); {
		case twice != nil:
			more = append(more, quoteAll(twice)+": more than once. Readers differ in which one they take (RFC 7519 section 4): the issuer must send each name once")
		case i.nestedTwice():
			more = append(more, "cnf has a name more than once: the issuer must send each name once")
		default:
			more = append(more, "the payload is not one JSON object in UTF-8 without a name twice at any depth")
		}
	case binding.ReasonTokenClaims:
		more = append(more, i.badClaims()...)
	default:
		i.report.say("claims", ok, "readable", more...)
		return
	}
	i.report.say("claims", fail, "not as they must be", more...)
}

// miscased tells of a claim that would be the named one if names were not
// compared exactly.
func (i *inspection) miscased(name string) []string {
	if _, present := i.specimen.claims.get(name); present {
		return nil
	}
	wrong, found := i.specimen.claims.miscased(name)
	if !found {
		return nil
	}
	return []string{fmt.Sprintf("%s is not %s: names are compared exactly (RFC 7519 section 4), so that it counts for nothing", quote(wrong), name)}
}

// shown are the claims that a server reads, and the names of the others.
func (i *inspection) shown() []string {
	claims := i.specimen.claims
	var parts []string
	for _, name := range []string{"sub", "client_id", "azp", "scope", "scp", "jti"} {
		if values := claims.texts(name); values != nil {
			parts = append(parts, name+" "+quoteAll(values))
		}
	}
	var others []string
	for _, name := range claims.names() {
		if !slices.Contains([]string{"iss", "aud", "exp", "nbf", "iat", "cnf", "sub", "client_id", "azp", "scope", "scp", "jti"}, name) && !slices.Contains(others, name) {
			others = append(others, name)
		}
	}
	var lines []string
	if parts != nil {
		lines = append(lines, strings.Join(parts, ", "))
	}
	if others != nil {
		lines = append(lines, "and "+quoteAll(others))
	}
	return lines
}

func (i *inspection) nestedTwice() bool {
	cnf, err := i.confirmation()
	return err == nil && cnf.twice() != nil
}

// badClaims names the claims whose value has the wrong type (RFC 7519 §4.1).
func (i *inspection) badClaims() []string {
	claims := i.specimen.claims
	var more []string
	for _, name := range []string{"iss", "sub", "jti", "client_id", "azp", "cid", "appid"} {
		value, present := claims.get(name)
		if text, isString := textOf(value); present && !isString {
			more = append(more, fmt.Sprintf("%s is %s, and must be a string", name, kindOf(value)))
		} else if present && text == "" && name != "jti" {
			more = append(more, name+" is empty")
		}
	}
	if value, present := claims.get("aud"); present {
		if _, err := claims.strings("aud"); err || len(claims.texts("aud")) == 0 || slices.Contains(claims.texts("aud"), "") {
			more = append(more, fmt.Sprintf("aud is %s, and must be a string or an array of strings that are not empty", kindOf(value)))
		}
	}
	for _, name := range []string{"exp", "nbf", "iat"} {
		if value, present := claims.get(name); present {
			if problem := badDate(value); problem != "" {
				more = append(more, name+" "+problem)
			}
		} else if name == "exp" {
			more = append(more, "there is no exp, and an access token must expire (RFC 9068 section 2.2)")
		}
	}
	for _, name := range i.scopeClaims() {
		if value, present := claims.get(name); present {
			if s, isString := textOf(value); kindOf(value) != "an array" && !isString || strings.Contains(s, "  ") || strings.TrimSpace(s) != s {
				more = append(more, fmt.Sprintf("%s is %s that is not scope tokens with one space between them (RFC 6749 section 3.3), nor an array of them", name, kindOf(value)))
			}
		}
	}
	if more == nil {
		more = append(more, "a claim that the server reads has the wrong type or form")
	}
	return more
}

// strings reports the strings of a claim, and whether it holds anything else.
func (o object) strings(name string) (all []string, others bool) {
	value, _ := o.get(name)
	all = o.texts(name)
	if kindOf(value) == "a string" {
		return all, false
	}
	items, err := readArray(value)
	return all, err != nil || items != len(all)
}

func (i *inspection) scopeClaims() []string {
	if i.options.scopeClaims != nil {
		return i.options.scopeClaims
	}
	return []string{"scope"}
}

// issuer compares iss.
func (i *inspection) issuer(ctx context.Context) {
	value, present := i.specimen.claims.get("iss")
	iss, isString := textOf(value)
	if i.specimen.claims == nil {
		i.report.say("issuer", notChecked, "not read")
		return
	}
	if !present || !isString {
		i.report.say("issuer", fail, "the token does not say who issued it (iss), and must (RFC 9068 section 2.2)", i.miscased("iss")...)
		return
	}
	if i.options.issuer == "" {
		i.report.say("issuer", notChecked, "NOT checked, the token says "+quote(iss)+": give -issuer as the server has it")
		return
	}
	if i.verdict(ctx, question{claims: object{{"iss", value}}, issuer: i.options.issuer}) != binding.ReasonTokenIssuer {
		i.report.say("issuer", ok, quote(iss))
		return
	}
	i.report.say("issuer", fail, fmt.Sprintf("the token says %s, the server expects %s", quote(iss), quote(i.options.issuer)),
		"iss "+difference(i.options.issuer, iss), "it is compared exactly, character by character: correct the server's setting, or ask the right issuer")
}

// audience compares aud.
func (i *inspection) audience(ctx context.Context) {
	claims := i.specimen.claims
	if claims == nil {
		i.report.say("audience", notChecked, "not read")
		return
	}
	value, present := claims.get("aud")
	audiences := claims.texts("aud")
	if !present || len(audiences) == 0 {
		i.report.say("audience", fail, "the token does not say whom it is for (aud)", append(i.miscased("aud"),
			"the issuer must name this resource server in it (RFC 9068 section 2.2)",
			"Keycloak's lightweight access tokens have none: then the server must ask about them (binding/introspection)")...)
		return
	}
	if i.options.audiences == nil {
		i.report.say("audience", notChecked, "NOT checked, the token says "+quoteAll(audiences)+": give -audience as the server has it")
		return
	}
	if i.verdict(ctx, question{claims: object{{"aud", value}}, audiences: i.options.audiences}) == "" {
		i.report.say("audience", ok, quoteAll(audiences))
		return
	}
	var more []string
	for _, expected := range i.options.audiences {
		for _, got := range audiences[:min(len(audiences), 4)] {
			more = append(more, fmt.Sprintf("%s beside %s: it %s", quote(got), quote(expected), difference(expected, got)))
		}
	}
	clientID, _ := claims.text("client_id")
	azp, _ := claims.text("azp")
	switch {
	case slices.Contains(audiences, clientID) || slices.Contains(audiences, azp):
		more = append(more, "it is for the client itself, as an ID token is: did the client send the wrong token?")
	case slices.Contains(audiences, "account"):
		more = append(more, "account is what Keycloak sends until the client has an audience mapper for this resource server")
	case slices.ContainsFunc(audiences, func(a string) bool { return strings.HasSuffix(a, "/userinfo") }):
		more = append(more, "userinfo is what Auth0 sends when the client asks for no audience")
	}
	more = append(more, "the client must ask for a token for this resource server (resource, RFC 8707, or the issuer's own audience parameter)")
	i.report.say("audience", fail, fmt.Sprintf("the token is for %s, the server is %s", quoteAll(audiences), quoteAll(i.options.audiences)), more...)
}

// scopes are what the request needs and the token has.
func (i *inspection) scopes(ctx context.Context) {
	claims := i.specimen.claims
	if len(i.options.scopes) == 0 || claims == nil {
		return
	}
	names := i.scopeClaims()
	var missing []string
	for _, scope := range i.options.scopes {
		if i.scopeMissing(ctx, scope) {
			missing = append(missing, scope)
		}
	}
	if missing == nil {
		i.report.say("scopes", ok, quoteAll(i.options.scopes))
		return
	}
	var more []string
	for _, name := range []string{"scope", "scp", "permissions", "roles"} {
		if values := claims.texts(name); values != nil && !slices.Contains(names, name) {
			more = append(more, fmt.Sprintf("note: the token has %s %s; the server reads %s (-scope-claim)", name, quoteAll(values), strings.Join(names, ", ")))
		}
	}
	more = append(more, "the client must ask for the scope, and the issuer grant it")
	i.report.say("scopes", fail, "missing: "+quoteAll(missing), more...)
}

func (i *inspection) scopeMissing(ctx context.Context, scope string) bool {
	return i.verdict(ctx, question{claims: i.specimen.claims.only(i.scopeClaims()...), scopes: []string{scope}}) == binding.ReasonScopeMissing
}

// times are exp, nbf and iat.
func (i *inspection) times(ctx context.Context) {
	claims := i.specimen.claims
	if claims == nil {
		i.report.say("times", notChecked, "not read")
		return
	}
	reason := i.timesVerdict(ctx)
	dates := i.dates()
	var parts []string
	for _, name := range []string{"iat", "nbf", "exp"} {
		word := map[string]string{"iat": "issued", "nbf": "valid from", "exp": "expires"}[name]
		if date, known := dates[name]; known {
			parts = append(parts, word+" "+i.moment(date))
		}
	}
	text := strings.Join(parts, ", ")
	leeway := fmt.Sprintf("a leeway of %v is allowed (-leeway)", i.options.leeway)
	switch reason {
	case binding.ReasonTokenExpired:
		i.report.say("times", fail, text, fmt.Sprintf("it expired %s; %s", i.moment(dates["exp"]), leeway), i.skew(i.now.Sub(dates["exp"])))
	case binding.ReasonTokenNotYetValid:
		ahead := max(dates["iat"].Sub(i.now), dates["nbf"].Sub(i.now))
		i.report.say("times", fail, text, fmt.Sprintf("it comes from the future, by %v; %s", ahead.Round(time.Second), leeway),
			"one of two clocks is wrong, the issuer's or this machine's: "+i.keys.clocks())
	case binding.ReasonTokenLifetime:
		i.report.say("times", fail, text, fmt.Sprintf("it lives longer than the server accepts: %v (-max-lifetime)", i.options.maxLifetime))
	case "":
		i.report.say("times", ok, text)
	default:
		i.report.say("times", fail, "not as they must be: see claims")
	}
}

func (i *inspection) skew(late time.Duration) string {
	if late < 15*time.Minute {
		return "the client must renew its token in time; or one of two clocks is wrong, the issuer's or this machine's: " + i.keys.clocks()
	}
	return "the client must get a new token before this one ends"
}
