package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/jwks"
)

const (
	audience = "https://api.bank.example"
	clientID = "budget-app"
)

// A world is everybody in the story: the authorization server, the protected
// API, the client's certificate and the thief's.
type world struct {
	framework string
	as        *bindingtest.AuthorizationServer
	tokens    *jwks.Verifier
	api       *http.Server
	url       string // of the API
	client    tls.Certificate
	thief     tls.Certificate
}

func newWorld(framework string) (*world, error) {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{
		Audience: audience,
		Lifetime: time.Hour,
		Clients: []bindingtest.Client{{
			ID:         clientID,
			AuthMethod: bindingtest.TLSClientAuth,
			SubjectDN:  "CN=" + clientID,
			Scopes:     []string{"accounts", "payments"},
		}},
	})
	if err != nil {
		return nil, err
	}
	w := &world{framework: framework, as: as}
	if err := w.build(); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) build() (err error) {
	if w.client, err = w.as.NewClientCertificate(clientID); err != nil {
		return err
	}
	if w.thief, err = w.as.NewClientCertificate("thief"); err != nil {
		return err
	}

	// The resource server. A real one needs no Transport: this one has to trust
	// the story's own certificate authority.
	w.tokens, err = jwks.New(jwks.Config{
		Issuer:    w.as.Issuer(),
		Audiences: []string{audience},
		Transport: w.as.Transport(),
	})
	if err != nil {
		return err
	}
	guard, err := binding.New(binding.Config{Tokens: w.tokens})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.url = "https://" + listener.Addr().String()
	w.api = &http.Server{
		Handler:           newAPI(w.framework, guard),
		TLSConfig:         binding.TLSConfig(&tls.Config{Certificates: []tls.Certificate{w.as.ServerCertificate()}}),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	go func() { _ = w.api.ServeTLS(listener, "", "") }() // until close
	return nil
}

func (w *world) close() {
	if w.api != nil {
		_ = w.api.Close()
	}
	if w.tokens != nil {
		_ = w.tokens.Close()
	}
	w.as.Close()
}

// discover reads the authorization server's metadata as a client does.
func (w *world) discover(ctx context.Context) (*metadata.AuthorizationServer, error) {
	transport := w.as.Transport()
	defer transport.CloseIdleConnections()
	client := metadata.Client{Transport: transport}
	return client.AuthorizationServer(ctx, w.as.Issuer())
}

// requestToken asks for a token for the client, which authenticates itself by
// its certificate (tls_client_auth, RFC 8705 §2.1).
func (w *world) requestToken(ctx context.Context, endpoint string) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "scope": {"accounts"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := w.as.HTTPClient(w.client)
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		return "", fmt.Errorf("the token endpoint answered %s without a token", response.Status)
	}
	return answer.AccessToken, nil
}

// An answer is what the API said.
type answer struct {
	status    int
	challenge string
	body      string
}

// call sends a request to the API, with a certificate or none, and with a token
// or none.
func (w *world) call(ctx context.Context, path, token string, certificates ...tls.Certificate) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+path, nil)
	if err != nil {
		return answer{}, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	client := w.as.HTTPClient(certificates...)
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header.Get("WWW-Authenticate"), strings.TrimSpace(string(body))}, err
}
