// Package ownverifier puts the guard behind verifiers that an application has
// already: go-oidc, golang-jwt with keyfunc, jwx with a jwk.Cache, and echo-jwt.
// binding/ownverifier.md explains them; the tests run the conformance kit against
// each, take the issuer's keys away from each, and hold the guide's table against
// what came.
package ownverifier

import (
	"time"

	"github.com/certbound/certbound/binding"
)

// judge is the end of each verifier: what the payload of a verified token says is
// read strictly, cnf and all, and judged. Without Validate there is no token.
func judge(payload []byte, issuer, audience string) (*binding.Token, error) {
	claims, err := binding.ParseClaims(payload)
	if err != nil {
		return nil, err
	}
	return claims.Validate(binding.Expect{
		Issuer:    issuer,
		Audiences: []string{audience},
		Now:       time.Now(),
		// What the library allows on exp may be less, and holds then: go-oidc and
		// echo-jwt allow nothing, golang-jwt what jwt.WithLeeway says.
		Leeway: time.Minute,
	})
}

// badToken is the answer 401. A guard answers 503 to every error that is not a
// *binding.Error: the verifier failed, and the token may be good.
func badToken(err error) error {
	return &binding.Error{Reason: binding.ReasonTokenInvalid, Cause: err}
}
