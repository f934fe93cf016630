package introspection

import (
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/metadata"
)

// Config says which authorization server a [Verifier] asks, as whom, and whose
// tokens it accepts. [New] validates it, copies it and reports every mistake at
// once.
//
// In the numbers and durations, 0 is the default and, where it has a meaning, a
// negative value is none.
type Config struct {
	// Issuer is the issuer identifier: iss, when the answer has one, is compared
	// with it exactly, slash and port and all. Required.
	Issuer string

	// Audiences names this resource server: aud must hold one of them, compared
	// exactly. Required.
	Audiences []string

	// DangerouslyAcceptMissingAudience accepts an answer without aud (RFC 7662
	// §2.2 makes it optional) that states its token_type. A token that was issued
	// for any other resource server of the same authorization server is then
	// accepted here.
	DangerouslyAcceptMissingAudience bool

	// URL is the introspection endpoint's. Empty: it is taken from the issuer's
	// metadata (RFC 8414, OpenID Connect Discovery): its alias in
	// mtls_endpoint_aliases, if there is one and a certificate is configured
	// (RFC 8705 §5), and otherwise introspection_endpoint.
	URL string

	// MetadataURL is where the issuer's metadata is, if not at a well-known
	// path below Issuer. The metadata must still name Issuer.
	MetadataURL string

	// ClientID is the client identifier of this resource server. Required.
	ClientID string

	// AuthMethod says how this resource server authenticates (RFC 7662 §2.1).
	// Required.
	AuthMethod AuthMethod

	// ClientCertificate, or GetClientCertificate in its place, is presented to a
	// server that asks for one: required for [TLSClientAuth] and
	// [SelfSignedTLSClientAuth], and possible with any method.
	ClientCertificate tls.Certificate

	// GetClientCertificate returns the certificate for each new connection, so
	// that it may be renewed. Connections end when they have been idle for half
	// a minute, or when the server refuses our credentials; one that stays busy
	// keeps the certificate that it began with. It must be safe for concurrent
	// use.
	GetClientCertificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

	// ClientSecret is for [ClientSecretBasic], and required there.
	ClientSecret string

	// SigningKey is for [PrivateKeyJWT], and required there: RSA from 2048 bits,
	// ECDSA on P-256, P-384 or P-521, or Ed25519. It must be safe for
	// concurrent use, as keys of the standard library are.
	SigningKey crypto.Signer

	// SigningAlgorithm is for [PrivateKeyJWT]. Empty: PS256 for RSA, ES256,
	// ES384 or ES512 by the curve, EdDSA for Ed25519. It may name RS256, RS384,
	// RS512, PS384, PS512 or Ed25519 (RFC 9864) where the key fits.
	SigningAlgorithm string

	// SigningKeyID is for [PrivateKeyJWT]: the assertion's kid. Empty: none.
	SigningKeyID string

	// AssertionAudience is for [PrivateKeyJWT]: the assertion's aud. Empty: Issuer.
	// Some servers want the URL of their token or introspection endpoint.
	AssertionAudience string

	// ScopeClaims names the members that may hold the scopes, as one string or as
	// an array; the first that is present is read. Nil is scope (RFC 7662 §2.2).
	ScopeClaims []string

	// ClientIDClaims names the members that may hold the client; the first that
	// is present is read. Nil is client_id, azp, cid, appid.
	ClientIDClaims []string

	// Leeway is how far the server's clock may be from ours. 0 is 60 seconds, at
	// most 5 minutes, negative is none. No answer is remembered past exp,
	// Leeway or not.
	Leeway time.Duration

	// Clock is the time by which tokens are judged and assertions dated. Nil is
	// time.Now.
	Clock func() time.Time

	// Transport makes the requests: for roots of your own, or a proxy. With a
	// certificate configured it must be an *http.Transport, of which a copy that
	// presents the certificate is used. Nil is [metadata.NewTransport]'s.
	Transport http.RoundTripper

	// DangerouslyAllowHTTP also allows http URLs, for development. Whoever is on
	// the path then reads tokens and our credentials, and writes the answers.
	DangerouslyAllowHTTP bool

	// ActiveFor is how long it is remembered that a token is active, and so how
	// long one that is revoked may still be accepted (RFC 7662 §4). 0 is 10
	// seconds, at most 5 minutes, negative is not at all.
	ActiveFor time.Duration

	// InactiveFor is how long it is remembered that a token is not active, or
	// that its claims refuse it. 0 is 1 second, at most 1 minute, negative is not
	// at all.
	InactiveFor time.Duration

	// CachedTokens is how many active tokens are remembered, and as many others
	// beside them. 0 is 10,000, at most 10,000,000.
	CachedTokens int

	// Timeout is how long one call may take, and one fetch of metadata, from the
	// connection to the last byte. 0 is 5 seconds, from 10 milliseconds to 1
	// minute.
	Timeout time.Duration

	// MaxBody is how many bytes, decoded, an answer may have. 0 is 512 KiB, at
	// most 16 MiB.
	MaxBody int

	// MaxInFlight is how many tokens are asked about at one time; more are
	// answered 503 at once. Requests with the same token share one call. 0 is
	// 64, at most 10,000.
	MaxInFlight int

	// Observe, if not nil, is told of every call and of what becomes of the
	// endpoint; of calls that end together in any order. No request waits for
	// it. It must be quick, for it holds a place in MaxInFlight, safe for
	// concurrent use, and must not call Close. [LogEvents] makes one.
	Observe func(Event)
}

const maxLeeway = 5 * time.Minute

// New returns a verifier, or an error that joins a [binding.ConfigError] for
// every mistake in the configuration. It starts to look for the endpoint and
// does not wait for it: a server that is down is no error. See [Verifier.Ready].
func New(config Config) (*Verifier, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("introspection: the Config is wrong: %w", err)
	}
	return newVerifier(config), nil
}

// check puts the defaults in place and collects the mistakes.
func (c *Config) check() error {
	var mistakes []error
	mistake := func(field, format string, args ...any) {
		mistakes = append(mistakes, binding.ConfigError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	c.checkServer(mistake)
	c.checkClient(mistake)
	if len(c.Audiences) == 0 || slices.Contains(c.Audiences, "") {
		mistake("Audiences", "at least one is required, and none may be empty")
	}
	for _, names := range []struct {
		field  string
		claims []string
	}{{"ScopeClaims", c.ScopeClaims}, {"ClientIDClaims", c.ClientIDClaims}} {
		if names.claims != nil && (len(names.claims) == 0 || slices.Contains(names.claims, "")) {
			mistake(names.field, "must be nil, or name at least one claim and no empty one")
		}
	}
	duration := func(field string, value *time.Duration, otherwise, least, most time.Duration) {
		switch {
		case *value == 0:
			*value = otherwise
		case *value < 0 && least == 0:
			*value = 0
		}
		if *value < least || *value > most {
			mistake(field, "must be from %v to %v", least, most)
		}
	}
	number := func(field string, value *int, otherwise, most int) {
		if *value == 0 {
			*value = otherwise
		}
		if *value < 1 || *value > most {
			mistake(field, "must be from 1 to %d", most)
		}
	}
	duration("Leeway", &c.Leeway, time.Minute, 0, maxLeeway)
	duration("ActiveFor", &c.ActiveFor, 10*time.Second, 0, 5*time.Minute)
	duration("InactiveFor", &c.InactiveFor, time.Second, 0, time.Minute)
	duration("Timeout", &c.Timeout, metadata.DefaultTimeout, 10*time.Millisecond, time.Minute)
	number("CachedTokens", &c.CachedTokens, 10_000, 10_000_000)
	number("MaxBody", &c.MaxBody, metadata.DefaultMaxBody, 16<<20)
	number("MaxInFlight", &c.MaxInFlight, 64, 10_000)
	return errors.Join(mistakes...)
}

func (c *Config) checkServer(mistake func(field, format string, args ...any)) {
	client := metadata.Client{DangerouslyAllowHTTP: c.DangerouslyAllowHTTP}
	checkURL := func(field, address string) {
		if address != "" && client.CheckURL(address) != nil {
			mistake(field, "must be an absolute https URL without user and fragment")
		}
	}
	switch {
	case c.Issuer == "":
		mistake("Issuer", "is required")
	case c.URL != "" || c.MetadataURL != "":
	default:
		if _, err := metadata.WellKnown(c.Issuer); err != nil {
			mistake("Issuer", "must be an https URL without user, query and fragment (RFC 8414 section 2), unless URL or MetadataURL says where to ask")
		} else {
			checkURL("Issuer", c.Issuer)
		}
	}
	checkURL("URL", c.URL)
	checkURL("MetadataURL", c.MetadataURL)
	if c.URL != "" && c.MetadataURL != "" {
		mistake("MetadataURL", "and URL are both set: one of them says where to ask")
	}
	if c.Transport == nil || !c.presentsCertificate() {
		return
	}
	transport, ok := c.Transport.(*http.Transport)
	switch {
	case !ok || transport == nil:
		mistake("Transport", "must be an *http.Transport, to present a certificate")
	case transport.DialTLSContext != nil:
		mistake("Transport", "must leave TLS to net/http, to present a certificate")
	}
}
