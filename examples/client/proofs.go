package main

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// A proofKey is the key that tokens are bound to with -dpop (RFC 9449). It signs
// a new proof for each request.
type proofKey struct {
	signer     jose.Signer
	thumbprint string // jkt

	mu     sync.Mutex
	nonces map[string]string // the newest that each server gave, by its origin
}

func loadProofKey(file string) (*proofKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	key, err := parsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	algorithm, err := algorithmFor(key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key},
		(&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	private := jose.JSONWebKey{Key: key}
	public := private.Public()
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &proofKey{signer: signer, thumbprint: base64.RawURLEncoding.EncodeToString(thumbprint), nonces: make(map[string]string)}, nil
}

// sign makes the proof of one request (RFC 9449 §4.2).
func (k *proofKey) sign(request *http.Request, nonce string) (string, error) {
	uri := *request.URL
	uri.RawQuery, uri.ForceQuery, uri.Fragment, uri.RawFragment, uri.User = "", false, "", "", nil
	claims := struct {
		ID       string           `json:"jti"`
		Method   string           `json:"htm"`
		URI      string           `json:"htu"`
		IssuedAt *jwt.NumericDate `json:"iat"`
		Token    string           `json:"ath,omitempty"`
		Nonce    string           `json:"nonce,omitempty"`
	}{ID: rand.Text(), Method: request.Method, URI: uri.String(), IssuedAt: jwt.NewNumericDate(time.Now()), Nonce: nonce}
	if token, found := strings.CutPrefix(request.Header.Get("Authorization"), "DPoP "); found {
		hash := sha256.Sum256([]byte(token))
		claims.Token = base64.RawURLEncoding.EncodeToString(hash[:])
	}
	return jwt.Signed(k.signer).Claims(claims).Serialize()
}

// A prover sends each request with a proof. A resource server that wants a nonce
// says so and gives one: then the request is sent once more, with a proof of its
// own (RFC 9449 §9). A token request is not repeated here, because it may hold an
// assertion that is good once: see tokenSource.
type prover struct {
	key  *proofKey
	base http.RoundTripper
}

func (p prover) RoundTrip(request *http.Request) (*http.Response, error) {
	response, sent, err := p.send(request)
	if err != nil || !wantsNonce(response) || p.key.nonce(request) == sent {
		return response, err
	}
	again := request.Clone(request.Context())
	if request.Body != nil && request.Body != http.NoBody {
		if request.GetBody == nil {
			return response, nil
		}
		if again.Body, err = request.GetBody(); err != nil {
			return response, nil //nolint:nilerr // the answer that there is
		}
	}
	_ = response.Body.Close()
	response, _, err = p.send(again)
	return response, err
}

// send sends a request with a proof and returns the nonce that was in it. The
// answer's is kept for the next.
func (p prover) send(request *http.Request) (response *http.Response, nonce string, err error) {
	nonce = p.key.nonce(request)
	proof, err := p.key.sign(request, nonce)
	if err != nil {
		return nil, "", fmt.Errorf("proof: %w", err)
	}
	proven := request.Clone(request.Context()) // a RoundTripper changes no request
	proven.Header.Set("DPoP", proof)
	if response, err = p.base.RoundTrip(proven); err == nil {
		p.key.learn(request, response.Header.Get("DPoP-Nonce"))
	}
	return response, nonce, err
}

func (k *proofKey) nonce(request *http.Request) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.nonces[origin(request)]
}

func (k *proofKey) learn(request *http.Request, nonce string) {
	if nonce == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.nonces[origin(request)] = nonce
}

func origin(request *http.Request) string { return request.URL.Scheme + "://" + request.URL.Host }

// useNonce is the error code of who wants a nonce: of a token endpoint in its
// JSON (RFC 9449 §8), of a resource server in a challenge (§9).
const useNonce = "use_dpop_nonce"

func wantsNonce(response *http.Response) bool {
	return response.StatusCode == http.StatusUnauthorized &&
		slices.ContainsFunc(response.Header.Values("WWW-Authenticate"), func(challenge string) bool {
			return strings.HasPrefix(challenge, "DPoP ") && strings.Contains(challenge, `error="`+useNonce+`"`)
		})
}
