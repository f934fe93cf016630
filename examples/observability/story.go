package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

const (
	audience = "https://api.bank.example"
	lifetime = 24 * time.Hour // of a token
)

// The clients of the story.
const (
	budget  = "budget-app"  // whose token is stolen
	payroll = "payroll-app" // which renews its certificate badly
	reports = "reports-app" // which has still to change over to bound tokens
	wallet  = "wallet-app"  // which has a key, and proves each request by it
)

// When it happens, in rounds from 0.
const (
	troubled = 6  // from here on there is trouble in each
	rotation = 9  // the authorization server takes a new key
	outage   = 12 // it takes another one, and is away when it is asked for it
)

// timetable is for a person who watches.
var timetable = []struct {
	round int
	what  string
}{
	{0, "clients that are served, all the time"},
	{troubled, "a thief with a stolen token, a captured proof, a renewed certificate with the old token, tokens that are expired, forged or not bound, in each round"},
	{rotation, "the authorization server takes a new key: once"},
	{outage, "it takes another one, and is away when it is asked for it: once; so is the store of used proofs"},
}

// A world is everybody in the story: the authorization server, the API and its
// metrics, the clients and a thief.
type world struct {
	as      *bindingtest.AuthorizationServer
	api     *api
	server  *httptest.Server
	metrics *http.Server
	scraped string // the URL of the metrics
	clock   func() time.Time
	used    *usedProofs

	budget, payroll, renewed, thief         tls.Certificate
	issued                                  time.Time // the tokens, all at once
	budgetToken, payrollToken               string
	expiredToken, forgedToken, unboundToken string
	reportsToken                            string
	walletKey                               crypto.Signer
	walletToken                             string
}

// newWorld makes one, with its metrics on a loopback address and, unless the
// address of it is "", a Redis for used proofs. Its tokens live by the clock,
// which is called from several goroutines.
func newWorld(address, redis string, logger *slog.Logger, clock func() time.Time) (w *world, err error) {
	w = &world{clock: clock}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.as, err = bindingtest.NewAuthorizationServer(bindingtest.Config{Audience: audience, Lifetime: lifetime, Clock: clock}); err != nil {
		return w, err
	}
	keys := jwks.Config{Issuer: w.as.Issuer(), Audiences: []string{audience}, Transport: w.as.Transport(), Clock: clock}
	if w.used, err = newUsedProofs(redis); err != nil {
		return w, err
	}
	proofs := dpop.Config{Origins: []string{origin}, Replays: w.used, Clock: clock}
	if w.api, err = newAPI(keys, proofs, logger); err != nil {
		return w, err
	}
	w.server = w.as.Serve(w.api.routes)
	if err = w.dress(); err != nil {
		return w, err
	}
	if err = w.issue(); err != nil {
		return w, err
	}

	listener, err := net.Listen("tcp", address)
	if err != nil {
		return w, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", w.api.metrics)
	w.metrics = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	w.scraped = "http://" + listener.Addr().String() + "/metrics"
	go func() { _ = w.metrics.Serve(listener) }() // until close
	return w, nil
}

// dress gives everybody a certificate, or a key.
func (w *world) dress() (err error) {
	certificate := func(name string) (c tls.Certificate) {
		if err == nil {
			c, err = w.as.NewClientCertificate(name)
		}
		return c
	}
	w.budget, w.payroll, w.renewed, w.thief = certificate(budget), certificate(payroll), certificate(payroll), certificate("thief")
	if err == nil {
		w.walletKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	return err
}

// issue gives everybody tokens: payroll's again for the certificate that it had,
// for its token comes from where it kept the old one.
func (w *world) issue() (err error) {
	token := func(spec bindingtest.TokenSpec) (text string) {
		if err == nil {
			text, err = w.as.Token(spec)
		}
		return text
	}
	w.issued = w.clock()
	w.budgetToken = token(bindingtest.TokenSpec{ClientID: budget, Certificate: w.budget.Leaf})
	w.payrollToken = token(bindingtest.TokenSpec{ClientID: payroll, Certificate: w.payroll.Leaf})
	w.expiredToken = token(bindingtest.TokenSpec{ClientID: budget, Certificate: w.budget.Leaf, ExpiresIn: -time.Hour})
	w.forgedToken = token(bindingtest.TokenSpec{ClientID: budget, Certificate: w.thief.Leaf, ForgedSignature: true})
	w.unboundToken = token(bindingtest.TokenSpec{ClientID: budget})
	w.reportsToken = token(bindingtest.TokenSpec{ClientID: reports})
	w.walletToken = token(bindingtest.TokenSpec{ClientID: wallet, Key: w.walletKey.Public()})
	return err
}

func (w *world) close() {
	if w.metrics != nil {
		_ = w.metrics.Close()
	}
	if w.server != nil {
		w.server.Close()
	}
	if w.api != nil {
		w.api.close()
	}
	if w.used != nil {
		w.used.close()
	}
	if w.as != nil {
		w.as.Close()
	}
}

// An act is one request to the API, and the status of its answer.
type act struct {
	who          string
	path         string
	token        string
	certificates []tls.Certificate
	status       int
}

// tell plays the story, round after round, until pause returns false. It calls
// pause between two rounds.
func (w *world) tell(ctx context.Context, pause func() bool) error {
	for n := 0; ; n++ {
		if err := w.round(ctx, n); err != nil {
			return err
		}
		if !pause() {
			return nil
		}
	}
}

func (w *world) round(ctx context.Context, n int) error {
	if w.clock().Sub(w.issued) > lifetime/2 {
		if err := w.issue(); err != nil {
			return err
		}
	}
	acts := w.ordinary()
	switch {
	case n == 0:
		acts = append(acts, w.beforeRenewal())
	case n >= troubled:
		acts = append(acts, w.trouble()...)
	}
	if err := w.play(ctx, acts); err != nil {
		return err
	}
	if err := w.proofs(ctx, n >= troubled, n == outage); err != nil {
		return err
	}
	switch n {
	case rotation:
		return w.newKey(ctx, false)
	case outage:
		return w.newKey(ctx, true)
	}
	return nil
}

// proofs has the client with a key come, and a thief with the proof that it has
// just used. Then, once, the store of used proofs is away.
func (w *world) proofs(ctx context.Context, captured, away bool) error {
	send := func(who string, status int, proof string) error {
		return w.expect(ctx, act{who, accounts, w.walletToken, nil, status}, proof)
	}
	proof, err := w.proof()
	if err != nil {
		return err
	}
	if err := send("a client with a key", http.StatusOK, proof); err != nil {
		return err
	}
	if captured {
		if err := send("a thief with its proof", http.StatusUnauthorized, proof); err != nil {
			return err
		}
	}
	if !away {
		return nil
	}
	w.used.setAway(true)
	defer w.used.setAway(false)
	if proof, err = w.proof(); err != nil {
		return err
	}
	return send("a client with a key, while the store is away", http.StatusServiceUnavailable, proof)
}

// proof is for one request of the accounts.
func (w *world) proof() (string, error) {
	return bindingtest.NewProof(bindingtest.ProofSpec{Key: w.walletKey, URL: origin + accounts, Token: w.walletToken, IssuedAt: w.clock()})
}

// ordinary is what happens on every day.
func (w *world) ordinary() []act {
	return []act{{"a client", accounts, w.budgetToken, []tls.Certificate{w.budget}, http.StatusOK}}
}

// beforeRenewal is the second client while it has the certificate that its token
// is bound to. Once is enough: a client that was served again in the last
// quarter of an hour, and refused, looks like one whose token was stolen.
func (w *world) beforeRenewal() act {
	return act{"another client", accounts, w.payrollToken, []tls.Certificate{w.payroll}, http.StatusOK}
}

// trouble is what happens besides on a bad one.
func (w *world) trouble() []act {
	return []act{
		{"a thief with its token", accounts, w.budgetToken, []tls.Certificate{w.thief}, http.StatusUnauthorized},
		{"the thief without a certificate", accounts, w.budgetToken, nil, http.StatusUnauthorized},
		{"the thief with a forged token", accounts, w.forgedToken, []tls.Certificate{w.thief}, http.StatusUnauthorized},
		{"a client with a new certificate and the old token", accounts, w.payrollToken, []tls.Certificate{w.renewed}, http.StatusUnauthorized},
		{"a client with an expired token", accounts, w.expiredToken, []tls.Certificate{w.budget}, http.StatusUnauthorized},
		{"a client whose token was issued without a binding", accounts, w.unboundToken, []tls.Certificate{w.budget}, http.StatusUnauthorized},
		{"a client that has still to change over", rates, w.reportsToken, nil, http.StatusOK},
	}
}

// play sends the requests.
func (w *world) play(ctx context.Context, acts []act) error {
	for _, a := range acts {
		if err := w.expect(ctx, a, ""); err != nil {
			return err
		}
	}
	return nil
}

// expect sends a request, with a proof under the scheme DPoP unless that is "".
func (w *world) expect(ctx context.Context, a act, proof string) error {
	status, err := w.send(ctx, a, proof)
	if err == nil && status != a.status {
		err = fmt.Errorf("%s: the answer is %d and not %d", a.who, status, a.status)
	}
	return err
}

func (w *world) send(ctx context.Context, a act, proof string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL+a.path, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	if proof != "" {
		request.Header.Set("Authorization", "DPoP "+a.token)
		request.Header.Set("DPoP", proof)
	}
	client := w.as.HTTPClient(a.certificates...)
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// newKey has the authorization server sign with a new key: a client with a new
// token is admitted at once if the server publishes it, and asked to come back
// if the server is away. It is so for that request alone.
func (w *world) newKey(ctx context.Context, away bool) error {
	status := http.StatusOK
	if away {
		status = http.StatusServiceUnavailable
		w.as.Handle(bindingtest.JWKSPath, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadGateway) }))
		defer w.as.Handle(bindingtest.JWKSPath, nil)
	}
	if err := w.as.Rotate(); err != nil {
		return err
	}
	token, err := w.as.Token(bindingtest.TokenSpec{ClientID: budget, Certificate: w.budget.Leaf})
	if err != nil {
		return err
	}
	return w.play(ctx, []act{{"a client with a token by a new key", accounts, token, []tls.Certificate{w.budget}, status}})
}
