package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/certbound/certbound/binding"
)

// A scene is one request to the API, and the answer that it must get.
type scene struct {
	who          string
	path         string
	token        string
	certificates []tls.Certificate
	status       int
	code         string // of the challenge; "" for none
	why          string
}

// tell lets everybody act, and prints what happens. It returns an error if an
// answer is not as it should be.
func (w *world) tell(ctx context.Context, out io.Writer) error {
	fmt.Fprintf(out, `Certificate-bound access tokens (RFC 8705), with %s.

The authorization server   %s
The protected API          %s

`, w.framework, w.as.Issuer(), w.url)

	server, err := w.discover(ctx)
	if err != nil {
		return err
	}
	endpoint := server.MTLSEndpoint("token_endpoint")
	fmt.Fprintf(out, `1. The client reads the authorization server's metadata. Bound tokens: %t.
   Clients with a certificate get them at the mTLS alias of the token endpoint:
     %s

`, server.CertificateBoundAccessTokens, endpoint)

	token, err := w.requestToken(ctx, endpoint)
	if err != nil {
		return err
	}
	confirmation, err := confirmationIn(token)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, `2. The client authenticates itself with its certificate and gets a token, which
   the authorization server has bound to that certificate:
     in the token                   cnf: %s
     SHA-256 of the certificate          %s

3. Requests to the API, and its answers.

`, confirmation, binding.ThumbprintOf(w.client.Leaf))

	scenes, err := w.scenes(token)
	if err != nil {
		return err
	}
	wrong := 0
	for _, s := range scenes {
		got, err := w.call(ctx, s.path, s.token, s.certificates...)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "   %s\n     GET %s -> %d %s\n", s.who, s.path, got.status, http.StatusText(got.status))
		if got.challenge != "" {
			fmt.Fprintf(out, "     WWW-Authenticate: %s\n", got.challenge)
		} else {
			fmt.Fprintf(out, "     %s\n", got.body)
		}
		if !s.isAnsweredBy(got) {
			wrong++
			fmt.Fprintf(out, "     WRONG: this should be %d %s\n", s.status, s.code)
		}
		fmt.Fprintf(out, "     %s\n\n", s.why)
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d answers are not as they should be", wrong, len(scenes))
	}
	fmt.Fprintf(out, "All %d answers are as they should be. The stolen token was worth nothing without the\nclient's private key.\n", len(scenes))
	return nil
}

func (s scene) isAnsweredBy(got answer) bool {
	if got.status != s.status {
		return false
	}
	if s.status == http.StatusOK {
		return got.challenge == ""
	}
	if !strings.HasPrefix(got.challenge, "Bearer") {
		return false
	}
	if s.code == "" {
		return !strings.Contains(got.challenge, "error")
	}
	return strings.Contains(got.challenge, `error="`+s.code+`"`)
}

func (w *world) scenes(token string) ([]scene, error) {
	forged, err := w.as.ForgedToken(w.thief.Leaf, "accounts")
	if err != nil {
		return nil, err
	}
	expired, err := w.as.ExpiredToken(w.client.Leaf, "accounts")
	if err != nil {
		return nil, err
	}
	unbound, err := w.as.UnboundToken("accounts")
	if err != nil {
		return nil, err
	}
	client, thief := []tls.Certificate{w.client}, []tls.Certificate{w.thief}
	return []scene{
		{"The client, with its certificate and its token.",
			"/accounts", token, client, http.StatusOK, "",
			"The token's binding and the certificate agree: the handler runs."},
		{"The client again, where a scope is needed that it was not given.",
			"/payments", token, client, http.StatusForbidden, "insufficient_scope",
			"The binding holds, so the answer may say what is missing."},
		{"The client, without a token.",
			"/accounts", "", client, http.StatusUnauthorized, "",
			"No credentials, so no error: only how to authenticate."},
		{"A thief, with the stolen token and a certificate of their own.",
			"/accounts", token, thief, http.StatusUnauthorized, "invalid_token",
			"The token names another certificate."},
		{"The thief, with the stolen token and no certificate.",
			"/accounts", token, nil, http.StatusUnauthorized, "invalid_token",
			"A bound token without a certificate is never a bearer token."},
		{"The thief, with a forged token that is bound to their own certificate.",
			"/accounts", forged, thief, http.StatusUnauthorized, "invalid_token",
			"The binding would hold, but the authorization server did not sign it."},
		{"The client, with an expired token.",
			"/accounts", expired, client, http.StatusUnauthorized, "invalid_token",
			"Its own certificate does not revive it."},
		{"Somebody, with a genuine token that is bound to no certificate.",
			"/accounts", unbound, thief, http.StatusUnauthorized, "invalid_token",
			"The guard requires a binding, unless its policy says otherwise."},
	}, nil
}

// confirmationIn shows what a token says, to a reader who knows it is genuine:
// nothing is verified here.
func confirmationIn(token string) (string, error) {
	segments := strings.Split(token, ".")
	if len(segments) != 3 {
		return "", fmt.Errorf("the token is no JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(segments[1])
	if err != nil {
		return "", err
	}
	var claims struct {
		Confirmation json.RawMessage `json:"cnf"`
	}
	err = json.Unmarshal(payload, &claims)
	return string(claims.Confirmation), err
}
