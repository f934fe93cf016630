package ownverifier

import (
	"context"
	"errors"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/certbound/certbound/binding"
)

// golangJWT is for an application that has a golang-jwt parser, and a key
// function such as that of newKeyfunc.
func golangJWT(parser *jwt.Parser, keys jwt.Keyfunc, issuer, audience string) binding.TokenVerifier {
	return binding.TokenVerifierFunc(func(_ context.Context, token string) (*binding.Token, error) {
		if _, err := parser.Parse(token, keys); errors.Is(err, errNoKeys) {
			return nil, err // 503
		} else if err != nil {
			return nil, badToken(err)
		}
		// The payload as it came: jwt.MapClaims lose what stands twice.
		payload, err := parser.DecodeSegment(strings.Split(token, ".")[1])
		if err != nil {
			return nil, badToken(err)
		}
		return judge(payload, issuer, audience)
	})
}
