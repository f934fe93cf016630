package story

import (
	"crypto/tls"
	"net/http"
	"time"

	"github.com/certbound/certbound/binding/bindingtest"
)

// certificateScenes are those of a client that has a certificate.
func (w *world) certificateScenes(token string) ([]scene, error) {
	forged, err := w.as.Token(bindingtest.TokenSpec{Certificate: w.thief.Leaf, Scopes: []string{"accounts"}, ForgedSignature: true})
	if err != nil {
		return nil, err
	}
	expired, err := w.as.Token(bindingtest.TokenSpec{Certificate: w.client.Leaf, Scopes: []string{"accounts"}, ExpiresIn: -time.Hour})
	if err != nil {
		return nil, err
	}
	unbound, err := w.as.Token(bindingtest.TokenSpec{Scopes: []string{"accounts"}})
	if err != nil {
		return nil, err
	}
	client, thief := []tls.Certificate{w.client}, []tls.Certificate{w.thief}
	scenes := []scene{
		{who: "The client, with its certificate and its token.",
			path: "/accounts", token: token, certificates: client, status: http.StatusOK,
			why: "The token's binding and the certificate agree: the handler runs."},
		{who: "A thief, with the stolen token and a certificate of their own.", thief: true,
			path: "/accounts", token: token, certificates: thief, status: http.StatusUnauthorized, code: "invalid_token",
			why: "The token names another certificate."},
		{who: "The thief, with the stolen token and no certificate.", thief: true,
			path: "/accounts", token: token, status: http.StatusUnauthorized, code: "invalid_token",
			why: "A bound token without a certificate is never a bearer token."},
		{who: "The thief, with a forged token that is bound to their own certificate.", thief: true,
			path: "/accounts", token: forged, certificates: thief, status: http.StatusUnauthorized, code: "invalid_token",
			why: "The binding would hold, but the authorization server did not sign it."},
		{who: "Somebody, with a genuine token that is bound to no certificate.", thief: true,
			path: "/accounts", token: unbound, certificates: thief, status: http.StatusUnauthorized, code: "invalid_token",
			why: "The guard requires a binding, unless its policy says otherwise."},
		{who: "The client again, where a scope is needed that it was not given.",
			path: "/payments", token: token, certificates: client, status: http.StatusForbidden, code: "insufficient_scope",
			why: "The binding holds, so the answer may say what is missing."},
		{who: "The client, without a token.",
			path: "/accounts", certificates: client, status: http.StatusUnauthorized,
			why: "No credentials, so no error: only how to authenticate."},
		{who: "The client, with an expired token.",
			path: "/accounts", token: expired, certificates: client, status: http.StatusUnauthorized, code: "invalid_token",
			why: "Its own certificate does not revive it."},
	}
	for i := range scenes {
		scenes[i].url, scenes[i].scheme = w.api.url, "Bearer"
	}
	return scenes, nil
}
