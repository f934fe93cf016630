package binding

import "errors"

// LackOnlyAudience reports whether the claims have no aud at all, and Validate
// would accept them if they had the right one. Some authorization servers issue
// such JWTs and state the audience only in an introspection response. An aud
// that is null or empty counts as present. It is for verifiers of JWTs: see
// introspection.FormsConfig.
func (c Claims) LackOnlyAudience(expect Expect) bool {
	if c.audience != nil || expect.Introspection {
		return false
	}
	// Validate refuses an aud that was null or empty.
	c.audience = expect.Audiences
	_, err := c.Validate(expect)
	return err == nil
}

var errLostBinding = errors.New("binding: the authorization server's answer lacks the binding that the JWT names")

// Within returns the token, which an introspection response describes, limited
// by c, the unverified claims of the same token as a JWT. The response is
// believed, with two limits: it must name every binding that the JWT has (RFC
// 7800 §3.1), and the earlier exp of the two counts. If a binding is missing or
// differs, the error is an [*Error] with [ReasonConfirmationMalformed], which
// refuses the request under every policy: a token that lost its binding on the
// way is not an unbound token.
func (t *Token) Within(c Claims) (*Token, error) {
	ours, theirs := t.claims.confirmation, c.confirmation
	if theirs.hasCertificate && (!ours.hasCertificate || ours.certificate != theirs.certificate) ||
		theirs.hasKey && (!ours.hasKey || ours.key != theirs.key) {
		return nil, &Error{Reason: ReasonConfirmationMalformed, Cause: errLostBinding, Opaque: t.opaque}
	}
	if c.expiry.IsZero() || !t.claims.expiry.IsZero() && !c.expiry.Before(t.claims.expiry) {
		return t, nil
	}
	within := *t
	within.claims.expiry = c.expiry
	return &within, nil
}
