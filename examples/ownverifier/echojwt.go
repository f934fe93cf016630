package ownverifier

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"

	"github.com/certbound/certbound/binding"
)

// verifiedKey is where the token is in a request's context that echo-jwt has let
// pass. Nobody else can put one there.
type verifiedKey struct{}

// remember is an echojwt.Config's SuccessHandler.
func remember(c echo.Context) {
	if token, ok := c.Get("user").(*jwt.Token); ok {
		r := c.Request()
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), verifiedKey{}, token.Raw)))
	}
}

// echoJWT is for an application that has echo-jwt in front of the guard: it takes
// the very token that echo-jwt verified, and no other.
func echoJWT(issuer, audience string) binding.TokenVerifier {
	return binding.TokenVerifierFunc(func(ctx context.Context, token string) (*binding.Token, error) {
		if verified, _ := ctx.Value(verifiedKey{}).(string); verified == "" || verified != token {
			return nil, badToken(errors.New("echo-jwt has not verified this token"))
		}
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if err != nil {
			return nil, badToken(err)
		}
		return judge(payload, issuer, audience)
	})
}

// before is echo-jwt, which stands before the guard. keys are those of
// newKeyfunc.
func before(keys jwt.Keyfunc) echo.MiddlewareFunc {
	return echojwt.WithConfig(echojwt.Config{KeyFunc: keys, SuccessHandler: remember, ErrorHandler: echoJWTRefused})
}

// echoJWTRefused is an echojwt.Config's ErrorHandler: without it, echo-jwt answers
// 401 where keys cannot be had, before the guard is asked.
func echoJWTRefused(c echo.Context, err error) error {
	if errors.Is(err, errNoKeys) {
		c.Response().Header().Set("Retry-After", "5")
		return echo.ErrServiceUnavailable.WithInternal(err)
	}
	return echojwt.ErrJWTInvalid.WithInternal(err)
}
