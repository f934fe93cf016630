package jwks

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/jwks/internal/jws"
)

// Config says whose tokens a [Verifier] accepts. [New] validates it, copies it
// and reports every mistake at once.
//
// In the numbers and durations, 0 is the default and, where it has a meaning, a
// negative value is none.
type Config struct {
	// Issuer is the issuer identifier: iss is compared with it exactly, slash
	// and port and all (RFC 9068 §4). Required.
	Issuer string

	// Audiences names this resource server: aud must hold one of them, compared
	// exactly (RFC 9068 §4). Required.
	Audiences []string

	// URL is the key set's URL. Empty: it is taken from the issuer's metadata
	// (RFC 8414, OpenID Connect Discovery).
	URL string

	// MetadataURL is where the issuer's metadata is, if not at a well-known
	// path below Issuer. The metadata must still name Issuer.
	MetadataURL string

	// Algorithms are the signature algorithms that are accepted. Nil is all that
	// this package knows, all of them asymmetric; see [FAPI2].
	Algorithms []Algorithm

	// TokenTypes are the values of the header's typ that are accepted: "at+jwt",
	// "JWT" and [TypeAbsent]. Nil is at+jwt alone (RFC 9068 §2.1, §4).
	//
	// Auth0's default profile and Keycloak send JWT, Okta sends none. To accept
	// these gives up what typ is for, telling an access token from every other
	// JWT of the same issuer (RFC 8725 §3.11). What is then left is that claims
	// which belong to another kind of token refuse it (nonce, at_hash, events,
	// Keycloak's typ, ...): an ID token without any of them, whose audience is
	// this resource server's, is accepted. Other types are never accepted.
	TokenTypes []string

	// ScopeClaims names the claims that may hold the scopes, as one string or
	// as an array; the first that is present is read. Nil is scope (RFC 9068
	// §2.2.3); Okta, Connect2id and Entra send scp, Auth0 also permissions.
	ScopeClaims []string

	// ClientIDClaims names the claims that may hold the client; the first that
	// is present is read. Nil is client_id, azp, cid, appid.
	ClientIDClaims []string

	// Leeway is how far the issuer's clock may be from ours. 0 is 60 seconds, at
	// most 5 minutes, negative is none.
	Leeway time.Duration

	// MaxLifetime, if positive, refuses tokens whose exp lies further ahead.
	MaxLifetime time.Duration

	// Clock is the time by which tokens are judged. Nil is time.Now.
	Clock func() time.Time

	// Transport makes the requests to the issuer: for roots of your own, a
	// proxy, or a client certificate. Nil is [metadata.NewTransport]'s.
	Transport http.RoundTripper

	// DangerouslyAllowHTTP also allows http URLs, for development. Whoever is on
	// the path can then choose the keys that tokens are verified with.
	DangerouslyAllowHTTP bool

	// Fresh is how long fetched keys are taken for current. They are fetched
	// again, in the background, when 90 % of it is over; a tenth of it more or
	// less, by chance. 0 is 10 minutes, from 1 second to 24 hours. What the
	// issuer says in Cache-Control changes nothing.
	Fresh time.Duration

	// MaxStale is how long after they were fetched the last good keys serve
	// while the issuer is away. 0 is 24 hours, at most 7 days; negative, or less
	// than Fresh, is only as long as they are fresh.
	MaxStale time.Duration

	// FetchTimeout is how long one fetch may take, metadata and keys together,
	// from the connection to the last byte. 0 is 5 seconds, from 10
	// milliseconds to 1 minute.
	FetchTimeout time.Duration

	// MaxBody is how many bytes, decoded, a document of the issuer's may have.
	// 0 is 512 KiB, at most 16 MiB.
	MaxBody int

	// MaxKeys is how many keys a set may have. 0 is 100, at most 10,000.
	MaxKeys int

	// MaxWaiters is how many requests may wait for one fetch; more are answered
	// 503 at once. 0 is 1,000, at most 1,000,000.
	MaxWaiters int

	// SeenTokens is how many verified tokens are remembered, so that their
	// signature is not verified again. Times, keys and binding are checked
	// whether or not a token is remembered; the key must still be published for
	// the same algorithm, under whatever kid. 0 is 10,000, at most 10,000,000;
	// negative is none.
	SeenTokens int

	// Observe, if not nil, is told of every fetch. It is called by one goroutine
	// at a time, and no request and no fetch waits for it: events that it is too
	// slow for are dropped, and counted in Event.Lost. Close waits for a call
	// that is under way, and so it must not call Close. [LogEvents] makes one.
	Observe func(Event)
}

// TypeAbsent ("absent"), in Config.TokenTypes, accepts tokens without typ.
const TypeAbsent = jws.TypeAbsent

const typeAccessToken = "at+jwt"

const maxLeeway = 5 * time.Minute

// New returns a verifier, or an error that joins a [binding.ConfigError] for
// every mistake in the configuration. It starts to fetch the keys and does not
// wait for them: an issuer that is down is no error. See [Verifier.Ready].
func New(config Config) (*Verifier, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("jwks: the Config is wrong: %w", err)
	}
	return newVerifier(config), nil
}

// check puts the defaults in place and collects the mistakes.
func (c *Config) check() error {
	var mistakes []error
	mistake := func(field, format string, args ...any) {
		mistakes = append(mistakes, binding.ConfigError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	client := metadata.Client{DangerouslyAllowHTTP: c.DangerouslyAllowHTTP}
	checkURL := func(field, address string) {
		if client.CheckURL(address) != nil {
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
	if c.URL != "" {
		checkURL("URL", c.URL)
	}
	if c.MetadataURL != "" {
		checkURL("MetadataURL", c.MetadataURL)
	}
	if c.URL != "" && c.MetadataURL != "" {
		mistake("MetadataURL", "and URL are both set: one of them says where the keys are")
	}
	if len(c.Audiences) == 0 || slices.Contains(c.Audiences, "") {
		mistake("Audiences", "at least one is required, and none may be empty")
	}
	if c.Algorithms != nil && len(c.Algorithms) == 0 {
		mistake("Algorithms", "must be nil for all, or name at least one")
	}
	for _, alg := range c.Algorithms {
		if !jws.Supports(string(alg)) {
			mistake("Algorithms", "%q is not one that can be verified", alg)
		}
	}
	c.TokenTypes = c.readTokenTypes(mistake)
	for _, names := range []struct {
		field  string
		claims []string
	}{{"ScopeClaims", c.ScopeClaims}, {"ClientIDClaims", c.ClientIDClaims}} {
		if names.claims != nil && (len(names.claims) == 0 || slices.Contains(names.claims, "")) {
			mistake(names.field, "must be nil, or name at least one claim and no empty one")
		}
	}
	if c.MaxLifetime < 0 {
		mistake("MaxLifetime", "must not be negative")
	}
	duration := func(field string, value *time.Duration, otherwise, least, most time.Duration) {
		if *value == 0 {
			*value = otherwise
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
	c.Leeway = noneIfNegative(c.Leeway, time.Minute)
	duration("Leeway", &c.Leeway, 0, 0, maxLeeway)
	duration("Fresh", &c.Fresh, 10*time.Minute, time.Second, 24*time.Hour)
	c.MaxStale = noneIfNegative(c.MaxStale, 24*time.Hour)
	duration("MaxStale", &c.MaxStale, 0, 0, 7*24*time.Hour)
	duration("FetchTimeout", &c.FetchTimeout, 5*time.Second, 10*time.Millisecond, time.Minute)
	number("MaxBody", &c.MaxBody, metadata.DefaultMaxBody, 16<<20)
	number("MaxKeys", &c.MaxKeys, 100, 10_000)
	number("MaxWaiters", &c.MaxWaiters, 1_000, 1_000_000)
	if c.SeenTokens >= 0 {
		number("SeenTokens", &c.SeenTokens, 10_000, 10_000_000)
	}
	return errors.Join(mistakes...)
}

func noneIfNegative(value, otherwise time.Duration) time.Duration {
	switch {
	case value == 0:
		return otherwise
	case value < 0:
		return 0
	}
	return value
}

func (c *Config) readTokenTypes(mistake func(field, format string, args ...any)) []string {
	if c.TokenTypes == nil {
		return []string{typeAccessToken}
	}
	if len(c.TokenTypes) == 0 {
		mistake("TokenTypes", "must be nil, or name at least one type")
	}
	types := make([]string, 0, len(c.TokenTypes))
	for _, typ := range c.TokenTypes {
		if typ == TypeAbsent {
			types = append(types, typ)
			continue
		}
		// RFC 8725 §3.11: a type that is another kind of token's is accepted in
		// no configuration.
		normal := jws.NormalizeType(typ)
		if normal != typeAccessToken && normal != "jwt" {
			mistake("TokenTypes", "%q is no access token's: name at+jwt, JWT or %s", typ, TypeAbsent)
		}
		types = append(types, normal)
	}
	return types
}
