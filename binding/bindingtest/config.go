package bindingtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The client authentication methods of the token endpoint, by their names in
// the IANA registry "OAuth Token Endpoint Authentication Methods". With each of
// them the token is bound to the certificate of the TLS connection, to the key
// of the DPoP proof, or to both: the binding does not depend on how the client
// authenticates (RFC 8705 §3, RFC 9449 §5).
const (
	TLSClientAuth           = "tls_client_auth"             // RFC 8705 §2.1
	SelfSignedTLSClientAuth = "self_signed_tls_client_auth" // RFC 8705 §2.2
	ClientSecretBasic       = "client_secret_basic"         // RFC 6749 §2.3.1
	PrivateKeyJWT           = "private_key_jwt"             // RFC 7523 §2.2
)

// Config configures an [AuthorizationServer]. Its zero value is a good
// configuration: an issuer without a path and without clients, whose tokens are
// ES256 and of the type at+jwt. The server copies what it needs; later changes
// have no effect.
type Config struct {
	// Path is the path component of the issuer identifier, such as "/tenant1".
	// It begins with a slash; a slash at its end is part of the issuer and is
	// dropped only where a metadata URL is built (RFC 8414 §3.1, OpenID Connect
	// Discovery 1.0 §4.1). Default: none.
	Path string

	// Port is the TCP port of the issuer on 127.0.0.1, from 1 to 65534; the one
	// for mutual TLS is the next. Default: two that are free. It is for a person
	// who configures something by hand; a test takes the default.
	Port int

	// Audience is the aud of every token that does not ask for another.
	// Default: "https://api.example".
	Audience string

	// Clients are the registered clients. AddClient registers more.
	Clients []Client

	// Algorithm is the JWS algorithm of the signing key: RS256, RS384, RS512,
	// PS256, PS384, PS512, ES256, ES384, ES512, EdDSA (RFC 7518, RFC 8037) or
	// Ed25519 (RFC 9864). RSA keys have 2048 bits and take a while to make.
	// Default: ES256.
	Algorithm string

	// TokenType is the typ in the JOSE header of a token. Default: "at+jwt"
	// (RFC 9068 §2.1). Header{"typ": nil} leaves it out.
	TokenType string

	// ResponseTokenType is the token_type in the answers of the token endpoint
	// and of the introspection endpoint. Default: "DPoP" for a token that is
	// bound to a key, else "Bearer". Auth0 answers "DPoP" for certificate-bound
	// tokens.
	ResponseTokenType string

	// RequireNonce says that the token endpoint takes a DPoP proof only with
	// its nonce, which it gives in the answer to one without (RFC 9449 §8).
	RequireNonce bool

	// Origin is the origin of the API under test as its clients name it, such
	// as "https://api.example": what DPoPClient puts into the htu of proofs.
	// Default: that of each request's URL.
	Origin string

	// Lifetime is how long a token is valid. Default: 5 minutes; it cannot be
	// negative.
	Lifetime time.Duration

	// Clock tells the time for tokens and client assertions, not for
	// certificates. It is called from several goroutines. Default: time.Now.
	Clock func() time.Time

	// Claims and Header are added to every token, or replace what it would
	// have; a nil value removes it. They come before those of a TokenSpec.
	Claims map[string]any
	Header map[string]any

	// Metadata is added to the issuer metadata or replaces what it would have;
	// a nil value removes it.
	Metadata map[string]any
}

// Client is a client registered for the client_credentials grant (RFC 6749
// §4.4). ID and AuthMethod are required, and what the method needs.
type Client struct {
	ID         string // client_id
	AuthMethod string // one of the four constants of this package

	// SubjectDN is for tls_client_auth: the subject of the client's
	// certificate, as pkix.Name.String writes it, such as "CN=client-1" (RFC
	// 8705 §2.1.2, tls_client_auth_subject_dn). The certificate is one of
	// NewClientCertificate's.
	SubjectDN string

	// Certificate is for self_signed_tls_client_auth: the registered
	// certificate. It is compared byte for byte.
	Certificate *x509.Certificate

	// Secret is for client_secret_basic.
	Secret string

	// PublicKey is for private_key_jwt: an *rsa.PublicKey, an *ecdsa.PublicKey
	// (P-256, P-384, P-521) or an ed25519.PublicKey.
	PublicKey crypto.PublicKey

	// Scopes are what the client may ask for. A request without a scope gets
	// all of them.
	Scopes []string
}

// withDefaults returns a copy that shares no slice or map with c.
func (c Config) withDefaults() Config {
	if c.Audience == "" {
		c.Audience = "https://api.example"
	}
	if c.Algorithm == "" {
		c.Algorithm = "ES256"
	}
	if c.TokenType == "" {
		c.TokenType = "at+jwt"
	}
	if c.Lifetime == 0 {
		c.Lifetime = 5 * time.Minute
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	c.Claims = maps.Clone(c.Claims)
	c.Header = maps.Clone(c.Header)
	c.Metadata = maps.Clone(c.Metadata)
	c.Clients = slices.Clone(c.Clients)
	return c
}

// A path of unreserved characters (RFC 3986 §2.3) needs no escaping, so that
// the issuer has one spelling only.
var validPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*/?$`)

// validate reports every mistake at once. c has its defaults.
func (c Config) validate() error {
	var errs []error
	mistake := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("bindingtest: "+format, args...))
	}
	if !validPath.MatchString(c.Path) || slices.ContainsFunc(strings.Split(c.Path, "/"), isDotSegment) {
		mistake("Path: must be empty, or begin with a slash and have segments of letters, digits and -._~")
	}
	if _, ok := algorithmNamed(c.Algorithm); !ok {
		mistake("Algorithm: %q is not supported", c.Algorithm)
	}
	if origin, err := url.Parse(c.Origin); c.Origin != "" && (err != nil || origin.Scheme == "" || c.Origin != origin.Scheme+"://"+origin.Host) {
		mistake("Origin: must be scheme, host and port, such as https://api.example")
	}
	if c.Port < 0 || c.Port > 65534 {
		mistake("Port: must be from 1 to 65534, or 0 for a free one")
	}
	if c.Lifetime < 0 {
		mistake("Lifetime: must not be negative; a TokenSpec with a negative ExpiresIn is an expired token")
	}
	seen := make(map[string]bool)
	for i, client := range c.Clients {
		if err := client.validate(); err != nil {
			mistake("Clients[%d]: %w", i, err)
		}
		if client.ID != "" && seen[client.ID] {
			mistake("Clients[%d]: ID: %q is registered twice", i, client.ID)
		}
		seen[client.ID] = true
	}
	return errors.Join(errs...)
}

func isDotSegment(segment string) bool { return segment == "." || segment == ".." }

func (c Client) clone() Client {
	c.Scopes = slices.Clone(c.Scopes)
	return c
}

func (c Client) validate() error {
	var errs []error
	mistake := func(text string) { errs = append(errs, errors.New(text)) }
	if c.ID == "" {
		mistake("ID: required")
	}
	switch c.AuthMethod {
	case TLSClientAuth:
		if c.SubjectDN == "" {
			mistake("SubjectDN: required for " + c.AuthMethod)
		}
	case SelfSignedTLSClientAuth:
		if c.Certificate == nil || len(c.Certificate.Raw) == 0 {
			mistake("Certificate: a parsed certificate is required for " + c.AuthMethod)
		}
	case ClientSecretBasic:
		if c.Secret == "" {
			mistake("Secret: required for " + c.AuthMethod)
		}
	case PrivateKeyJWT:
		if len(algorithmsFor(c.PublicKey)) == 0 {
			mistake("PublicKey: an RSA, ECDSA or Ed25519 public key is required for " + c.AuthMethod)
		}
	default:
		mistake("AuthMethod: must be " + strings.Join(authMethods(), ", ") + ", not " + `"` + c.AuthMethod + `"`)
	}
	for _, scope := range c.Scopes {
		if !isScopeToken(scope) {
			mistake("Scopes: not a scope-token of RFC 6749 §3.3")
		}
	}
	return errors.Join(errs...)
}

func authMethods() []string {
	return []string{TLSClientAuth, SelfSignedTLSClientAuth, ClientSecretBasic, PrivateKeyJWT}
}

// algorithmsFor returns the algorithms that fit a client's key; none for a key
// that is no public key of ours. A symmetric key fits nothing, so no HMAC
// and no "none" can come in (RFC 8725 §3.1).
func algorithmsFor(key crypto.PublicKey) []string {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if key != nil {
			return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
		}
	case *ecdsa.PublicKey:
		if key == nil || key.Curve == nil {
			return nil
		}
		switch key.Curve.Params().BitSize {
		case 256:
			return []string{"ES256"}
		case 384:
			return []string{"ES384"}
		case 521:
			return []string{"ES512"}
		}
	case ed25519.PublicKey:
		if len(key) == ed25519.PublicKeySize {
			return []string{"EdDSA"}
		}
	}
	return nil
}

// isScopeToken reports whether s is a scope-token (RFC 6749 §3.3).
func isScopeToken(s string) bool {
	for _, b := range []byte(s) {
		if b <= ' ' || b > '~' || b == '"' || b == '\\' {
			return false
		}
	}
	return s != ""
}
