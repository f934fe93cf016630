package story

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

const (
	audience = "https://api.bank.example"
	clientID = "budget-app"
	lifetime = 12 * time.Hour // of a token: those of -serve last for a day's work
)

// A world is everybody in the story: the authorization server, the protected
// API and one that takes bearer tokens, the client's certificate and its key,
// and the thief's certificate.
type world struct {
	as     *bindingtest.AuthorizationServer
	tokens *jwks.Verifier
	api    *server
	bearer *server
	client tls.Certificate
	key    *ecdsa.PrivateKey
	thief  tls.Certificate
}

// A server is one of the APIs.
type server struct {
	url  string
	http *http.Server
}

// observed is what the protected API tells of itself; nil for nothing.
type observed struct {
	keys      func(jwks.Event)
	decisions func(context.Context, binding.Event)
}

// observers write the log of an API that stays up: that of a story is the story.
func observers(serve bool, out io.Writer) observed {
	if !serve {
		return observed{}
	}
	logger := slog.New(slog.NewTextHandler(out, nil))
	return observed{jwks.LogEvents(logger), binding.LogEvents(logger)}
}

// newWorld makes one. The API's port is the one that is named, and the next ones
// are the bearer API's and the authorization server's; 0 takes free ones.
func newWorld(newAPI NewAPI, port int, observe observed) (*world, error) {
	config := bindingtest.Config{
		Audience: audience,
		Lifetime: lifetime,
		Clients: []bindingtest.Client{{
			ID:         clientID,
			AuthMethod: bindingtest.TLSClientAuth,
			SubjectDN:  "CN=" + clientID,
			Scopes:     []string{"accounts", "payments"},
		}},
	}
	if port != 0 {
		config.Port = port + 2
	}
	as, err := bindingtest.NewAuthorizationServer(config)
	if err != nil {
		return nil, err
	}
	w := &world{as: as}
	if err := w.build(newAPI, port, observe); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) build(newAPI NewAPI, port int, observe observed) (err error) {
	if w.client, err = w.as.NewClientCertificate(clientID); err != nil {
		return err
	}
	if w.thief, err = w.as.NewClientCertificate("thief"); err != nil {
		return err
	}
	if w.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}

	// The resource server. A real one needs no Transport: this one has to trust
	// the story's own certificate authority.
	w.tokens, err = jwks.New(jwks.Config{
		Issuer:    w.as.Issuer(),
		Audiences: []string{audience},
		Transport: w.as.Transport(),
		Observe:   observe.keys,
	})
	if err != nil {
		return err
	}
	own := &tls.Config{Certificates: []tls.Certificate{w.as.ServerCertificate()}}
	w.api, err = listen(port, binding.TLSConfig(own), func(origin string) (http.Handler, error) {
		guard, err := newGuard(w.tokens, origin, observe)
		if err != nil {
			return nil, err
		}
		return newAPI(guard), nil
	})
	if err != nil {
		return err
	}
	if port != 0 {
		port++
	}
	w.bearer, err = listen(port, own, func(string) (http.Handler, error) { return newBearerAPI(w.tokens), nil })
	return err
}

// newGuard takes tokens that are bound to a certificate, to a key, or to both.
func newGuard(tokens binding.TokenVerifier, origin string, observe observed) (*binding.Guard, error) {
	proofs, err := dpop.New(dpop.Config{Origins: []string{origin}})
	if err != nil {
		return nil, err
	}
	return binding.New(binding.Config{Tokens: tokens, Proofs: proofs, Observe: observe.decisions})
}

// listen serves an API until it is closed. The API learns by which origin its
// clients know it.
func listen(port int, config *tls.Config, newHandler func(origin string) (http.Handler, error)) (*server, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	s := &server{url: "https://" + listener.Addr().String()}
	handler, err := newHandler(s.url)
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	s.http = &http.Server{
		Handler:           handler,
		TLSConfig:         config,
		ReadHeaderTimeout: 10 * time.Second,
		// Handshakes that fail, such as with a certificate that Go does not parse.
		ErrorLog: slog.NewLogLogger(slog.NewTextHandler(os.Stderr, nil), slog.LevelWarn),
	}
	go func() { _ = s.http.ServeTLS(listener, "", "") }() // until close
	return s, nil
}

func (w *world) close() {
	for _, s := range []*server{w.api, w.bearer} {
		if s != nil {
			_ = s.http.Close()
		}
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
