package story

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/certbound/certbound/binding"
)

// tell lets everybody act, and prints what happens. It returns an error if an
// answer is not as it should be.
func (w *world) tell(ctx context.Context, on screen, framework string) error {
	server, err := w.discover(ctx)
	if err != nil {
		return err
	}
	endpoint := server.MTLSEndpoint("token_endpoint")
	token, err := w.requestToken(ctx, endpoint)
	if err != nil {
		return err
	}
	confirmation, err := confirmationIn(token)
	if err != nil {
		return err
	}
	scenes, err := w.certificateScenes(token)
	if err != nil {
		return err
	}
	proven, keyConfirmation, err := w.keyScenes()
	if err != nil {
		return err
	}

	on.printf(`%s

   the authorization server   %s
   the API, with Certbound    %s
   an API without it          %s

`, on.paint(strong, fmt.Sprintf("Bound access tokens (RFC 8705, RFC 9449), with %s.", framework)), w.as.Issuer(), w.api.url, w.bearer.url)

	on.heading("1. Without Certbound: an API that takes bearer tokens.")
	on.printf(`   It verifies the token's signature, issuer, audience and times. That is all.

`)
	unguarded := w.bearerScenes(token)
	wrong, err := w.play(ctx, on, unguarded)
	if err != nil {
		return err
	}

	on.heading("2. The authorization server binds the token to the client's certificate.")
	on.printf(`   The client authenticates itself with its certificate where the issuer's
   metadata says: %s
   in the token  cnf: %s
   %-31s%s

`, endpoint, confirmation, "SHA-256 of the certificate", binding.ThumbprintOf(w.client.Leaf))

	on.heading("3. With Certbound: the same token.")
	more, err := w.play(ctx, on, scenes)
	if err != nil {
		return err
	}
	wrong += more

	on.heading("4. Another client has a key and no certificate (RFC 9449).")
	on.printf(`   Its token is bound to the key, which signs a proof for each request:
   in the token  cnf: %s

`, keyConfirmation)
	if more, err = w.play(ctx, on, proven); err != nil {
		return err
	}
	all := len(unguarded) + len(scenes) + len(proven)
	if wrong += more; wrong > 0 {
		return fmt.Errorf("%d of %d answers are not as they should be", wrong, all)
	}
	on.printf("%s\nThe stolen tokens were worth nothing without the clients' private keys.\n",
		on.paint(good, fmt.Sprintf("All %d answers are as they should be.", all)))
	return nil
}

// confirmationIn shows what a token says, to a reader who knows it is genuine:
// nothing is verified here.
func confirmationIn(token string) (string, error) {
	segments := strings.Split(token, ".")
	if len(segments) != 3 {
		return "", errors.New("the token is no JWT")
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
