package bindingtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// algorithm is what a JWS algorithm name stands for.
type algorithm struct {
	signature jwa.SignatureAlgorithm // jwx's name for it
	generate  func() (crypto.Signer, error)
}

func algorithmNamed(name string) (algorithm, bool) {
	switch name {
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		return algorithm{jwa.SignatureAlgorithm(name), generateRSA}, true
	case "ES256":
		return algorithm{jwa.ES256, generateECDSA(elliptic.P256())}, true
	case "ES384":
		return algorithm{jwa.ES384, generateECDSA(elliptic.P384())}, true
	case "ES512":
		return algorithm{jwa.ES512, generateECDSA(elliptic.P521())}, true
	case "EdDSA", "Ed25519":
		// RFC 9864 §2.2: Ed25519 is EdDSA on that curve under a name of its
		// own, which jwx v2 does not know.
		return algorithm{jwa.EdDSA, generateEd25519}, true
	}
	return algorithm{}, false
}

func generateRSA() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }

func generateECDSA(curve elliptic.Curve) func() (crypto.Signer, error) {
	return func() (crypto.Signer, error) { return ecdsa.GenerateKey(curve, rand.Reader) }
}

func generateEd25519() (crypto.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

// signingKey is a private key with the JWK of its public half.
type signingKey struct {
	id        string // kid: the key's RFC 7638 thumbprint
	algorithm string // alg, as header and JWK name it
	private   crypto.Signer
	public    json.RawMessage
}

func newSigningKey(algorithmName string) (*signingKey, error) {
	algorithm, ok := algorithmNamed(algorithmName)
	if !ok {
		return nil, errors.New("bindingtest: unsupported algorithm")
	}
	private, err := algorithm.generate()
	if err != nil {
		return nil, fmt.Errorf("bindingtest: key generation: %w", err)
	}
	public, err := publicJWK(private.Public())
	if err != nil {
		return nil, err
	}
	key := &signingKey{algorithm: algorithmName, private: private}
	if key.id, err = KeyThumbprint(private.Public()); err != nil {
		return nil, err
	}
	members, err := json.Marshal(public)
	if err != nil {
		return nil, fmt.Errorf("bindingtest: public key: %w", err)
	}
	document := make(map[string]any)
	if err := json.Unmarshal(members, &document); err != nil {
		return nil, fmt.Errorf("bindingtest: public key: %w", err)
	}
	document["kid"], document["alg"], document["use"] = key.id, algorithmName, "sig"
	if key.public, err = json.Marshal(document); err != nil {
		return nil, fmt.Errorf("bindingtest: public key: %w", err)
	}
	return key, nil
}

// sign returns the compact serialization (RFC 7515 §7.1) of header and payload,
// taken as they are.
func (k *signingKey) sign(header, payload []byte) (string, error) {
	algorithm, _ := algorithmNamed(k.algorithm)
	signer, err := jws.NewSigner(algorithm.signature)
	if err != nil {
		return "", fmt.Errorf("bindingtest: signature: %w", err)
	}
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := signer.Sign([]byte(input), k.private)
	if err != nil {
		return "", fmt.Errorf("bindingtest: signature: %w", err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// KeyID returns the kid of the key that signs tokens now.
func (s *AuthorizationServer) KeyID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key.id
}

// Rotate makes a new signing key and publishes it. Tokens are signed with it
// from now on; the old keys stay published until RetireOldKeys. An error is the
// random source's, and then nothing has changed.
func (s *AuthorizationServer) Rotate() error {
	key, err := newSigningKey(s.config.Algorithm)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = append(s.retired, s.key.public)
	s.key = key
	return nil
}

// RetireOldKeys publishes the current key alone, without the keys that were
// rotated away and those of PublishJWK.
func (s *AuthorizationServer) RetireOldKeys() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired, s.extra = nil, nil
}

// PublishJWK adds an entry to the key set, behind the server's own keys: a JWK,
// or whatever an issuer might publish in place of one. It is an error if it is
// not JSON; it is not looked at beyond that.
func (s *AuthorizationServer) PublishJWK(entry json.RawMessage) error {
	if !json.Valid(entry) {
		return errors.New("bindingtest: the JWK is not JSON")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.extra = append(s.extra, append(json.RawMessage(nil), entry...))
	return nil
}

// JWKS returns the JWK set (RFC 7517 §5) that the server publishes now: the
// current key first, then older ones, then those of PublishJWK.
func (s *AuthorizationServer) JWKS() []byte {
	s.mu.Lock()
	keys := []json.RawMessage{s.key.public}
	keys = append(keys, s.retired...)
	keys = append(keys, s.extra...)
	s.mu.Unlock()
	// Every entry was checked or made by this package: this cannot fail.
	document, _ := json.Marshal(map[string]any{"keys": keys})
	return document
}
