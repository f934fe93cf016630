package story

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"

	"github.com/certbound/certbound/binding/bindingtest"
)

// keyScenes are those of a client that has a key and no certificate, and the
// token's confirmation.
func (w *world) keyScenes() (scenes []scene, confirmation string, err error) {
	client := w.key
	thief, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	token, err := w.as.Token(bindingtest.TokenSpec{ClientID: clientID, Scopes: []string{"accounts"}, Key: client.Public()})
	if err != nil {
		return nil, "", err
	}
	// What a client says of one request (RFC 9449 §4.2).
	prove := func(key crypto.Signer) (string, error) {
		return bindingtest.NewProof(bindingtest.ProofSpec{Key: key, URL: w.api.url + "/accounts", Token: token})
	}
	proof, err := prove(client)
	if err != nil {
		return nil, "", err
	}
	forged, err := prove(thief)
	if err != nil {
		return nil, "", err
	}
	if confirmation, err = confirmationIn(token); err != nil {
		return nil, "", err
	}
	scenes = []scene{
		{who: "The client, with its token and a new proof.",
			path: "/accounts", scheme: "DPoP", token: token, proof: proof, status: http.StatusOK,
			why: "The proof is for this request, by the token's key: the handler runs."},
		{who: "A thief, with the stolen token and the proof that went with it.", thief: true,
			path: "/accounts", scheme: "DPoP", token: token, proof: proof, status: http.StatusUnauthorized, code: "invalid_dpop_proof",
			why: "A proof is good once."},
		{who: "The thief, with the stolen token and a proof by a key of their own.", thief: true,
			path: "/accounts", scheme: "DPoP", token: token, proof: forged, status: http.StatusUnauthorized, code: "invalid_token",
			why: "The token names another key."},
		{who: "The thief, with the stolen token as if it were a bearer token.", thief: true,
			path: "/accounts", scheme: "Bearer", token: token, status: http.StatusUnauthorized, code: "invalid_token",
			why: "A token that is bound to a key never is one."},
	}
	for i := range scenes {
		scenes[i].url = w.api.url
	}
	return scenes, confirmation, nil
}
