package bindingtest

import "net/http"

// crossOrigin lets pages of every origin ask: clients in browsers have to. No
// cookie is ever looked at, so that any origin may (CORS protocol of
// https://fetch.spec.whatwg.org).
func crossOrigin(own http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Access-Control-Allow-Origin", "*")
		header.Set("Access-Control-Expose-Headers", "DPoP-Nonce, WWW-Authenticate")
		if r.Method != http.MethodOptions {
			own.ServeHTTP(w, r)
			return
		}
		header.Set("Access-Control-Allow-Methods", "GET, POST")
		header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
		w.WriteHeader(http.StatusNoContent)
	})
}
