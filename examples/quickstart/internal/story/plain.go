package story

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"

	"github.com/certbound/certbound/binding"
)

// newBearerAPI is an API as there are many: it verifies all that an access token
// says, and does not ask who sends it.
func newBearerAPI(tokens binding.TokenVerifier) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /accounts", func(w http.ResponseWriter, r *http.Request) {
		text, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		token, err := tokens.VerifyToken(r.Context(), text)
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
			return
		}
		fmt.Fprintln(w, "the accounts of", token.ClientID())
	})
	return mux
}

// bearerScenes are those at the API that takes bearer tokens.
func (w *world) bearerScenes(token string) []scene {
	return []scene{
		{who: "The client, with its token.",
			url: w.bearer.url, path: "/accounts", scheme: "Bearer", token: token, certificates: []tls.Certificate{w.client},
			status: http.StatusOK,
			why:    "The token is genuine, and nobody asks for more."},
		{who: "A thief, with the stolen token.", thief: true,
			url: w.bearer.url, path: "/accounts", scheme: "Bearer", token: token,
			status: http.StatusOK,
			why:    "The same token, and the same answer: whoever holds it is served."},
	}
}
