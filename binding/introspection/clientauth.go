package introspection

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"time"
)

// AuthMethod is how a resource server authenticates to the introspection
// endpoint, by its name in the IANA registry "OAuth Token Endpoint
// Authentication Methods".
type AuthMethod string

const (
	// TLSClientAuth is RFC 8705 §2.1: a certificate from a CA that the
	// authorization server trusts, with the subject that is registered there.
	TLSClientAuth AuthMethod = "tls_client_auth"

	// SelfSignedTLSClientAuth is RFC 8705 §2.2: the very certificate that is
	// registered at the authorization server.
	SelfSignedTLSClientAuth AuthMethod = "self_signed_tls_client_auth"

	// PrivateKeyJWT is RFC 7523 §2.2: an assertion signed with our key, made for
	// each call and good for a minute.
	PrivateKeyJWT AuthMethod = "private_key_jwt"

	// ClientSecretBasic is RFC 6749 §2.3.1: a shared secret. Whoever reads it can
	// ask about tokens.
	ClientSecretBasic AuthMethod = "client_secret_basic"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func (c *Config) presentsCertificate() bool {
	return len(c.ClientCertificate.Certificate) > 0 || c.GetClientCertificate != nil
}

func (c *Config) checkClient(mistake func(field, format string, args ...any)) {
	if c.ClientID == "" {
		mistake("ClientID", "is required")
	}
	static := c.ClientCertificate
	switch {
	case len(static.Certificate) > 0 && c.GetClientCertificate != nil:
		mistake("GetClientCertificate", "and ClientCertificate are both set: only one of them can be presented")
	case len(static.Certificate) > 0 && static.PrivateKey == nil:
		mistake("ClientCertificate", "has no private key")
	}
	switch c.AuthMethod {
	case TLSClientAuth, SelfSignedTLSClientAuth:
		if !c.presentsCertificate() {
			mistake("ClientCertificate", "or GetClientCertificate is required for %s", c.AuthMethod)
		}
	case PrivateKeyJWT:
		c.checkSigningKey(mistake)
	case ClientSecretBasic:
		if c.ClientSecret == "" {
			mistake("ClientSecret", "is required for %s", c.AuthMethod)
		}
	case "":
		mistake("AuthMethod", "is required")
	default:
		mistake("AuthMethod", "%q is not one that can be used", c.AuthMethod)
	}
	// A credential that is not used is a mistake about which one is.
	unused := func(field string, set bool, method AuthMethod) {
		if set && c.AuthMethod != method {
			mistake(field, "is for %s alone", method)
		}
	}
	unused("ClientSecret", c.ClientSecret != "", ClientSecretBasic)
	unused("SigningKey", c.SigningKey != nil, PrivateKeyJWT)
	unused("SigningAlgorithm", c.SigningAlgorithm != "", PrivateKeyJWT)
	unused("SigningKeyID", c.SigningKeyID != "", PrivateKeyJWT)
	unused("AssertionAudience", c.AssertionAudience != "", PrivateKeyJWT)
}

// A credential authenticates us in a request.
type credential struct {
	method   AuthMethod
	clientID string
	secret   string
	signer   assertionSigner
}

// put adds the credential to a request (RFC 7662 §2.1).
func (c *credential) put(form url.Values, header http.Header, now time.Time) error {
	switch c.method {
	case TLSClientAuth, SelfSignedTLSClientAuth:
		form.Set("client_id", c.clientID) // RFC 8705 §2: says whose certificate it is
	case ClientSecretBasic:
		// RFC 6749 §2.3.1: both are form-encoded first.
		userinfo := url.QueryEscape(c.clientID) + ":" + url.QueryEscape(c.secret)
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(userinfo)))
	case PrivateKeyJWT:
		assertion, err := c.signer.sign(now)
		if err != nil {
			return err
		}
		// RFC 7521 §4.2: optional here, and some servers require it.
		form.Set("client_id", c.clientID)
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
		return nil // used once: a request that carries it is not sent again
	}
	// Asking changes nothing, so that net/http may ask again when a connection
	// turns out to have been closed. An empty value is not sent.
	header["Idempotency-Key"] = nil
	return nil
}
