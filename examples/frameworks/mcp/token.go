package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/certbound/certbound/binding"
)

// maxMessage is how long a request's body may be.
const maxMessage = 1 << 20

// requireToolScopes answers a call of a tool that needs more scopes with the
// guard's 403, by which MCP's clients step up. The SDK's own refusal of a call
// has status 200, and they would not. It reads what it must of the message;
// whoever writes one that the SDK reads otherwise meets the tool's own check.
func requireToolScopes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
		if err != nil {
			http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var message struct {
			Params struct {
				Name string `json:"name"`
			} `json:"params"`
		}
		_ = json.Unmarshal(body, &message) // what is no such message is the SDK's to refuse
		if scopes, isTool := toolScopes[message.Params.Name]; isTool {
			if err := binding.CheckScopes(r.Context(), scopes...); err != nil {
				binding.AsError(err).Write(w, r)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// withTokenInfo gives the SDK the token that the guard has admitted, for each
// request. A tool must not take binding.TokenFromContext: where there are
// sessions, its context is that of the request that began the session, whose
// token may be another, or have expired. withTokenInfo verifies nothing, and
// refuses everything where no guard is in front.
func withTokenInfo(next http.Handler) http.Handler {
	informed := auth.RequireBearerToken(func(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
		token, ok := binding.TokenFromContext(ctx)
		if !ok {
			return nil, errors.Join(auth.ErrInvalidToken, errors.New("no guard has admitted this request"))
		}
		return &auth.TokenInfo{
			Scopes: token.Scopes(), Expiration: token.Expiry(), UserID: token.Subject(), Extra: map[string]any{"token": token},
		}, nil
	}, &auth.RequireBearerTokenOptions{AllowMissingExpiration: true})(next) // the guard has judged that
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer of-the-guard") // the SDK knows no scheme DPoP
		informed.ServeHTTP(w, r)
	})
}

// tokenOf is the other end of withTokenInfo.
func tokenOf(extra *mcp.RequestExtra) (token *binding.Token, ok bool) {
	if extra == nil || extra.TokenInfo == nil {
		return nil, false
	}
	token, ok = extra.TokenInfo.Extra["token"].(*binding.Token)
	return token, ok
}
