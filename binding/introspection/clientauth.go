package introspection

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/certbound/certbound/binding/metadata"
)

// AuthMethod is how a resource server authenticates to the introspection
// endpoint, by its name in the IANA registry "OAuth Token Endpoint
// Authentication Methods".
type AuthMethod string

const (
	// TLSClientAuth is RFC 8705 §2.1: a certificate of a CA that the server
	// trusts, and the subject that it has registered.
	TLSClientAuth AuthMethod = "tls_client_auth"

	// SelfSignedTLSClientAuth is RFC 8705 §2.2: the certificate that the server
	// has registered.
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
		mistake("GetClientCertificate", "and ClientCertificate are both set: one of them is presented")
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
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
		return nil // used once: a request that carries it is not sent again
	}
	// Asking changes nothing, so that net/http may ask again when a connection
	// turns out to have been closed. An empty value is not sent.
	header["Idempotency-Key"] = nil
	return nil
}

// idleTimeout ends connections that are not used, and with them the certificate
// that they began with.
const idleTimeout = 30 * time.Second

// transport returns what makes the requests; own is it if it is ours to close.
func (c *Config) transport() (transport http.RoundTripper, own *http.Transport) {
	switch {
	case c.Transport == nil:
		own = metadata.NewTransport()
		own.MaxIdleConnsPerHost = c.MaxInFlight
		own.IdleConnTimeout = idleTimeout
	case !c.presentsCertificate():
		return c.Transport, nil
	default:
		own = c.Transport.(*http.Transport).Clone() // of this type: see checkServer
	}
	if !c.presentsCertificate() {
		return own, own
	}
	if own.TLSClientConfig == nil {
		own.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	own.TLSClientConfig.Certificates = nil
	// tls.Config.Certificates would silently present none to a server whose list
	// of CAs lacks the issuer, as that of a self-signed one does.
	certificate := c.ClientCertificate
	own.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &certificate, nil
	}
	if c.GetClientCertificate != nil {
		own.TLSClientConfig.GetClientCertificate = orError(c.GetClientCertificate)
	}
	// A resumed session has the certificate of its first handshake.
	own.TLSClientConfig.ClientSessionCache = nil
	return own, own
}

type getCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

// orError makes an error of no certificate, and of a panic: both would end the
// process, for net/http calls it in a goroutine of its own.
func orError(get getCertificate) getCertificate {
	return func(request *tls.CertificateRequestInfo) (certificate *tls.Certificate, err error) {
		err = errors.New("introspection: GetClientCertificate did not return") // stays after panic(nil), as in call
		defer func() {
			if p := recover(); p != nil {
				certificate, err = nil, fmt.Errorf("introspection: GetClientCertificate panicked with a %T", p)
			}
		}()
		if certificate, err = get(request); err == nil && certificate == nil {
			err = errors.New("introspection: GetClientCertificate returned no certificate")
		}
		return certificate, err
	}
}
