package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"embed"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"sync/atomic"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

//go:embed pages
var files embed.FS

// A world is the servers, each of an origin of its own.
type world struct {
	as               *bindingtest.AuthorizationServer
	tokens           *jwks.Verifier
	servers          []*httptest.Server
	api, page, thief string
}

// newWorld starts the servers. The API's answers expose these fields to pages.
func newWorld(observe func(context.Context, binding.Event), expose string) (_ *world, err error) {
	w := &world{}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.as, err = bindingtest.NewAuthorizationServer(bindingtest.Config{RequireNonce: true}); err != nil {
		return nil, err
	}
	w.tokens, err = jwks.New(jwks.Config{
		Issuer:    w.as.Issuer(),
		Audiences: []string{w.as.Audience()},
		Transport: w.as.Transport(), // a real one is not needed: its authority is known
	})
	if err != nil {
		return nil, err
	}
	if err := w.serveAPI(observe, expose); err != nil {
		return nil, err
	}
	pages, err := fs.Sub(files, "pages")
	if err != nil {
		return nil, err
	}
	w.thief = w.serve(http.FileServerFS(pages)) + "/thief.html"
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(pages))
	mux.HandleFunc("POST /clients", w.register)
	mux.HandleFunc("GET /config.json", func(rw http.ResponseWriter, _ *http.Request) {
		writeJSON(rw, map[string]string{"issuer": w.as.Issuer(), "api": w.api, "thief": w.thief})
	})
	w.page = w.serve(mux) + "/app.html"
	return w, nil
}

func (w *world) serveAPI(observe func(context.Context, binding.Event), expose string) error {
	// The guard must know the API's origin, which is known when it is served.
	var handler atomic.Pointer[http.Handler]
	w.api = w.serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { (*handler.Load()).ServeHTTP(rw, r) }))
	proofs, err := dpop.New(dpop.Config{Origins: []string{w.api}, RequireNonce: true})
	if err != nil {
		return err
	}
	guard, err := binding.New(binding.Config{Tokens: w.tokens, Proofs: proofs, RequireProof: true, Observe: observe})
	if err != nil {
		return err
	}
	guarded := crossOrigin(expose, bindhttp.Protect(guard)(http.HandlerFunc(accounts)))
	handler.Store(&guarded)
	return nil
}

func accounts(w http.ResponseWriter, r *http.Request) {
	token, _ := binding.TokenFromContext(r.Context())
	_, _ = io.WriteString(w, "the accounts of "+token.ClientID())
}

// exposed are the fields that a page must see to read a refusal, and to learn a
// nonce.
const exposed = "WWW-Authenticate, Retry-After, DPoP-Nonce"

// crossOrigin stands in front of the guard: a preflight has no token, and a
// refusal needs these fields too. Pages of every origin may ask here, the thief's
// included, because no cookie and no client certificate counts.
func crossOrigin(expose string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Access-Control-Allow-Origin", "*")
		header.Set("Access-Control-Expose-Headers", expose)
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			header.Set("Access-Control-Allow-Methods", "GET")
			header.Set("Access-Control-Allow-Headers", "Authorization, DPoP")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// register makes a client of a browser, by its public key.
func (w *world) register(rw http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, 1<<10))
	if err != nil {
		http.Error(rw, "too long", http.StatusBadRequest)
		return
	}
	client := bindingtest.Client{ID: "browser-" + rand.Text(), AuthMethod: bindingtest.PrivateKeyJWT, Scopes: []string{"accounts"}}
	key, err := jwk.ParseKey(text)
	if err == nil {
		err = key.Raw(&client.PublicKey)
	}
	if err == nil {
		err = w.as.AddClient(client)
	}
	if err != nil {
		http.Error(rw, "no public key", http.StatusBadRequest)
		return
	}
	writeJSON(rw, map[string]string{"client_id": client.ID})
}

func writeJSON(w http.ResponseWriter, members map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(members) // the browser may be gone
}

// serve starts a server and returns its origin.
func (w *world) serve(handler http.Handler) string {
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{Certificates: []tls.Certificate{w.as.ServerCertificate()}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	w.servers = append(w.servers, server)
	return server.URL
}

func (w *world) close() {
	for _, server := range w.servers {
		server.Close()
	}
	if w.tokens != nil {
		_ = w.tokens.Close()
	}
	if w.as != nil {
		w.as.Close()
	}
}
