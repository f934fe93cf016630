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
// In numbers and durations, 0 means the default and, where the comment says so,
// a negative value means none.
type Config struct {
	// Issuer is the issuer identifier: iss, when the answer has one, is compared
	// with it exactly, including any port and slash at its end. Required.
	Issuer string

	// Audiences names this resource server: aud must hold one of them, compared
	// exactly. Required.
	Audiences []string

	// DangerouslyAcceptMissingAudience accepts an answer without aud (RFC 7662
	// §2.2 makes it optional) that states its token_type. A token that was issued
	// for any other resource server of the same authorization server is then
	// accepted here.
	DangerouslyAcceptMissingAudience bool

	// URL is the URL of the introspection endpoint. If empty, it is taken from
	// the issuer's metadata (RFC 8414, OpenID Connect Discovery): the alias in
	// mtls_endpoint_aliases, if there is one and a certificate is configured (RFC
	// 8705 §5), and otherwise introspection_endpoint. The metadata is read again
	// every 10 minutes, and some 10 seconds after the endpoint seems to be elsewhere:
	// its answer is 404, 405, 410, 421 or a redirect, or it cannot be connected to,
	// and it has answered about no token for 10 seconds.
	URL string

	// MetadataURL is where the issuer's metadata is, if not at one of the
	// well-known paths of Issuer. The metadata must still name Issuer. Not
	// together with URL.
	MetadataURL string

	// ClientID is the client identifier of this resource server. Required.
	ClientID string

	// AuthMethod says how this resource server authenticates (RFC 7662 §2.1).
	// Required.
	AuthMethod AuthMethod

	// ClientCertificate is presented to a server that asks for a certificate. It,
	// or GetClientCertificate in its place, is required for [TLSClientAuth] and
	// [SelfSignedTLSClientAuth], and possible with any other method.
	ClientCertificate tls.Certificate

	// GetClientCertificate returns the certificate for each new connection, so
	// that it may be renewed. Connections end when they have been idle for half
	// a minute, or when the server refuses our credentials; one that stays busy
	// keeps the certificate that it began with. It must be safe for concurrent
	// use.
	GetClientCertificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

	// ClientSecret is required for [ClientSecretBasic], and must be empty for any
	// other method.
	ClientSecret string

	// SigningKey is required for [PrivateKeyJWT], and must be nil for any other
	// method: RSA of at least 2048 bits, ECDSA on P-256, P-384 or P-521, or
	// Ed25519. It must be safe for concurrent use, as keys of the standard
	// library are.
	SigningKey crypto.Signer

	// SigningAlgorithm is for [PrivateKeyJWT]. Empty means PS256 for RSA, ES256,
	// ES384 or ES512 by the curve, and EdDSA for Ed25519. Others that can be
	// named, if they fit the key, are PS384, PS512, RS256, RS384, RS512 and
	// Ed25519 (RFC 9864).
	SigningAlgorithm string

	// SigningKeyID is for [PrivateKeyJWT]: the assertion's kid. Empty means none.
	SigningKeyID string

	// AssertionAudience is for [PrivateKeyJWT]: the assertion's aud. Empty means
	// Issuer; some servers require the URL of their token or introspection
	// endpoint.
	AssertionAudience string

	// ScopeClaims names the members that may hold the scopes, as one string or as
	// an array; the first that is present is read. Nil means scope (RFC 7662
	// §2.2).
	ScopeClaims []string

	// ClientIDClaims names the members that may hold the client; the first that
	// is present is read. Nil means client_id, azp, cid, appid.
	ClientIDClaims []string

	// Leeway is how far the server's clock may differ from ours. 0 means 60
	// seconds, a negative value none; at most 5 minutes. No answer is remembered
	// past exp, whatever the Leeway.
	Leeway time.Duration

	// MaxLifetime, if positive, refuses a token whose answer has no exp, which RFC
	// 7662 permits, or an exp that lay more than MaxLifetime and Leeway in the
	// future when the answer came. The client is told what it is told of a token
	// that is not active. 0 means no limit; it must not be negative.
	MaxLifetime time.Duration

	// Clock returns the time against which tokens are checked and with which
	// assertions are dated. Nil means time.Now.
	Clock func() time.Time

	// Transport makes the requests: for root certificates of your own, a proxy,
	// or another User-Agent. Nil means one of [metadata.NewTransport].
	//
	// An *http.Transport is copied. The copy shares no connection with the
	// original, ends idle connections after at most 30 seconds, pings silent
	// HTTP/2 connections, and speaks HTTP/2 unless that is switched off in the
	// original. Any other Transport is used as it is. With a certificate
	// configured it must be an *http.Transport without DialTLS and
	// DialTLSContext.
	Transport http.RoundTripper

	// DangerouslyAllowHTTP also allows http URLs, for development. Whoever is on
	// the network path can then read tokens and our credentials, and forge the
	// answers.
	DangerouslyAllowHTTP bool

	// ActiveFor is how long it is remembered that a token is active, and so how
	// long a token that was revoked may still be accepted (RFC 7662 §4). 0 means
	// 10 seconds, a negative value not at all; at most 5 minutes. Requests that
	// come while the server is asked about the same token get the same answer, so
	// that it is Timeout where that is longer.
	ActiveFor time.Duration

	// InactiveFor is how long it is remembered that a token is not active, or
	// that it was refused for its claims. 0 means 1 second, a negative value not
	// at all; at most 1 minute.
	InactiveFor time.Duration

	// CachedTokens is how many active tokens are remembered, and as many refused
	// ones beside them. The active ones share a memory of 2 KiB for each, so that
	// longer answers leave room for fewer tokens; an answer longer than 32 KiB is
	// not remembered. 0 means 10,000; at most 10,000,000.
	CachedTokens int

	// Timeout is how long one call may take, and one fetch of metadata, from the
	// connection to the last byte. 0 means 5 seconds; from 10 milliseconds to 1
	// minute.
	Timeout time.Duration

	// MaxBody is how long an answer may be, in bytes after decompression. 0 means
	// 512 KiB; at most 16 MiB.
	MaxBody int

	// MaxInFlight is how many tokens may be asked about at one time; a request
	// beyond that is answered 503 at once. Requests with the same token share one
	// call. A quarter of the places is kept for tokens that were active before,
	// and for clients that have presented one. One client's other tokens take no
	// more places than are still free for everybody: half of them, if it is
	// alone. 0 means 64; at most 10,000.
	MaxInFlight int

	// MaxTokenBytes is the length of the longest token that is asked about, in
	// bytes. 0 means 16 KiB; at most 64 KiB.
	MaxTokenBytes int

	// Observe, if not nil, is called with every [Event]: for every call, and for
	// what happens to the endpoint. One goroutine calls it, one event at a time,
	// and no request and no call waits for it: if it is too slow, events are
	// dropped, and counted in Event.Lost. Close waits until it has returned, so
	// it must not call Close. [LogEvents] makes one.
	Observe func(Event)
}

const maxLeeway = 5 * time.Minute

// New returns a verifier, or an error that joins a [binding.ConfigError] for
// every mistake in the configuration. It starts to look for the endpoint and
// does not wait for it: it is no error if the server is down. See
// [Verifier.Ready].
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
		case *value < 0:
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
	if c.MaxLifetime < 0 {
		mistake("MaxLifetime", "must not be negative")
	}
	duration("Leeway", &c.Leeway, time.Minute, 0, maxLeeway)
	duration("ActiveFor", &c.ActiveFor, 10*time.Second, 0, 5*time.Minute)
	duration("InactiveFor", &c.InactiveFor, time.Second, 0, time.Minute)
	duration("Timeout", &c.Timeout, metadata.DefaultTimeout, 10*time.Millisecond, time.Minute)
	number("CachedTokens", &c.CachedTokens, 10_000, 10_000_000)
	number("MaxBody", &c.MaxBody, metadata.DefaultMaxBody, 16<<20)
	number("MaxInFlight", &c.MaxInFlight, 64, 10_000)
	number("MaxTokenBytes", &c.MaxTokenBytes, 16<<10, 64<<10)
	return errors.Join(mistakes...)
}

func (c *Config) checkServer(mistake func(field, format string, args ...any)) {
	issuer := metadata.Issuer{
		Client: &metadata.Client{DangerouslyAllowHTTP: c.DangerouslyAllowHTTP}, Name: c.Issuer, MetadataURL: c.MetadataURL,
	}
	issuer.Check(c.URL, false, mistake)
	c.checkTransport(mistake)
}
