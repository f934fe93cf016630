package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// access is the access token of each call, and with a key a new DPoP proof (RFC
// 9449): credentials of grpc-go, which never leave without TLS.
type access struct {
	token  string
	key    *ecdsa.PrivateKey // nil: the token is bound to the certificate
	origin string            // as the server's clients know it

	mu    sync.Mutex
	nonce string // the newest that the server gave
}

// RequireTransportSecurity returns true.
func (*access) RequireTransportSecurity() bool { return true }

// GetRequestMetadata is called for each call, and each repetition of one.
func (a *access) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	if a.key == nil {
		return map[string]string{"authorization": "Bearer " + a.token}, nil
	}
	call, known := credentials.RequestInfoFromContext(ctx)
	if !known {
		return nil, errors.New("a call without a method")
	}
	proof, err := a.proof(a.origin+call.Method, a.newest())
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "DPoP " + a.token, "dpop": proof}, nil
}

// proof signs the proof of one call: a POST to the URI (RFC 9449 §4.2).
func (a *access) proof(uri, nonce string) (string, error) {
	public, err := a.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return "", err
	}
	ath := sha256.Sum256([]byte(a.token))
	claims := map[string]any{
		"jti": rand.Text(), "htm": "POST", "htu": uri, "iat": time.Now().Unix(), "ath": base64.RawURLEncoding.EncodeToString(ath[:]),
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	header, err := segment(map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": map[string]string{
		"kty": "EC", "crv": "P-256",
		"x": base64.RawURLEncoding.EncodeToString(public[1:33]), "y": base64.RawURLEncoding.EncodeToString(public[33:]),
	}})
	if err != nil {
		return "", err
	}
	payload, err := segment(claims)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(header + "." + payload))
	r, s, err := ecdsa.Sign(rand.Reader, a.key, digest[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64) // RFC 7518 §3.4
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return header + "." + payload + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func segment(object any) (string, error) {
	text, err := json.Marshal(object)
	return base64.RawURLEncoding.EncodeToString(text), err
}

// withNonce makes a unary call, and makes it once more where the server wants a
// nonce that it has just given (RFC 9449 §9). A stream that is refused for its
// nonce is opened once more by whoever opened it; here a unary call comes first.
func (a *access) withNonce(ctx context.Context, method string, request, reply any, connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	var trailer metadata.MD
	options = append(options, grpc.Trailer(&trailer))
	err := invoke(ctx, method, request, reply, connection, options...)
	if a.learn(trailer) && wantsNonce(err) {
		err = invoke(ctx, method, request, reply, connection, options...)
		a.learn(trailer)
	}
	return err
}

// learn keeps the nonce of an answer, and reports whether there was one.
func (a *access) learn(trailer metadata.MD) bool {
	given := trailer.Get("dpop-nonce")
	if len(given) != 1 {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.nonce = given[0]
	return true
}

func (a *access) newest() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.nonce
}

func wantsNonce(err error) bool {
	for _, detail := range status.Convert(err).Details() {
		if info, is := detail.(*errdetails.ErrorInfo); is && info.GetReason() == "use_dpop_nonce" {
			return true
		}
	}
	return false
}
