// Package subject is what is measured: the verifiers, each for the same work, and the parties that they need. The work is
// everything from the Authorization value of a request to a token that is proven to be its client's.
package subject

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/certbound/certbound/binding/bindingtest"
)

// Audience is the resource server.
const Audience = "https://api.bank.example"

// Algorithms are the ones that are measured: one of each kind of signature that FAPI 2.0 allows, and RS256, the most used.
func Algorithms() []string { return []string{"ES256", "EdDSA", "RS256", "PS256"} }

// An Issuer is an authorization server whose key set comes over HTTPS.
type Issuer struct {
	*bindingtest.AuthorizationServer
	Algorithm string
	KeySet    jwk.Set          // as it publishes it
	PublicKey crypto.PublicKey // of the key that signs
}

// NewIssuer starts an issuer whose set has one key for the algorithm, and other keys besides.
func NewIssuer(algorithm string, others int) (*Issuer, error) {
	server, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Algorithm: algorithm, Audience: Audience})
	if err != nil {
		return nil, err
	}
	i := &Issuer{AuthorizationServer: server, Algorithm: algorithm}
	if err := i.publish(others); err != nil {
		server.Close()
		return nil, err
	}
	return i, nil
}

func (i *Issuer) publish(others int) error {
	for n := range others {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		key, err := jwk.FromRaw(private.Public())
		if err != nil {
			return err
		}
		for name, value := range map[string]string{"kid": fmt.Sprintf("other-%d", n), "alg": "ES256", "use": "sig"} {
			if err := key.Set(name, value); err != nil {
				return err
			}
		}
		entry, err := json.Marshal(key)
		if err != nil {
			return err
		}
		if err := i.PublishJWK(entry); err != nil {
			return err
		}
	}
	var err error
	if i.KeySet, err = jwk.Parse(i.JWKS()); err != nil {
		return err
	}
	key, ok := i.KeySet.LookupKeyID(i.KeyID())
	if !ok {
		return fmt.Errorf("subject: the issuer publishes no key %q", i.KeyID())
	}
	return key.Raw(&i.PublicKey)
}

// NewToken signs a token (RFC 9068) that was not there before, bound to the certificate: about 600 bytes with a signature of
// 64, as ES256 and EdDSA have it.
func (i *Issuer) NewToken(certificate *x509.Certificate) (string, error) {
	return i.Token(tokenSpec(certificate))
}

func tokenSpec(certificate *x509.Certificate) bindingtest.TokenSpec {
	return bindingtest.TokenSpec{
		Subject:     "c2a4f1b0-3d7e-4e36-9a55-0f8f6f1f7d21",
		ClientID:    "tpp-4711",
		Scopes:      []string{"accounts", "payments"},
		Certificate: certificate,
		ExpiresIn:   lifetime,
	}
}
