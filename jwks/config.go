package jwks

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/jwks/internal/jws"
	"github.com/certbound/certbound/jwks/internal/keyset"
)

// Config says whose tokens a [Verifier] accepts. [New] validates it, copies it
// and reports every mistake at once.
//
// In numbers and durations, 0 means the default and, where the comment says so,
// a negative value means none.
type Config struct {
	// Issuer is the issuer identifier: iss is compared with it exactly, including
	// any port and slash at its end (RFC 9068 §4). Required.
	Issuer string

	// Audiences names this resource server: aud must hold one of them, compared
	// exactly (RFC 9068 §4). Required.
	Audiences []string

	// URL is the key set's URL. If empty, it is taken from the issuer's metadata
	// (RFC 8414, OpenID Connect Discovery).
	URL string

	// Keys is the text of a JWK set (RFC 7517 §5), for keys that come from a file
	// or a secret store: nothing is fetched, the keys do not age, and Ready is nil
	// at once. A token signed with another key is refused, 401. New reads and
	// copies it; a set without any usable key is a mistake, which names each key
	// and why it cannot be used. To change the keys, make another verifier. Not
	// together with URL, MetadataURL or Transport.
	Keys []byte

	// MetadataURL is where the issuer's metadata is, if not at one of the
	// well-known paths of Issuer. The metadata must still name Issuer. Not
	// together with URL.
	MetadataURL string

	// Algorithms are the signature algorithms that are accepted. Nil means all
	// that this package knows, which are all asymmetric; see [FAPI2].
	Algorithms []Algorithm

	// TokenTypes are the values of the header's typ that are accepted: "at+jwt",
	// "JWT" and [TypeAbsent]. Nil means at+jwt only (RFC 9068 §2.1, §4).
	//
	// Auth0's default profile and Keycloak send JWT, Okta sends none. To accept
	// these is to give up the purpose of typ: to tell an access token from every
	// other JWT of the same issuer (RFC 8725 §3.11). All that then remains is
	// that a token is refused for claims which belong to another kind of token
	// (nonce, at_hash, events, Keycloak's typ, ...): an ID token that has none of
	// them, and has one of Audiences, is accepted. Other types are never
	// accepted.
	TokenTypes []string

	// ScopeClaims names the claims that may hold the scopes, as one string or
	// as an array; the first that is present is read. Nil means scope (RFC 9068
	// §2.2.3); Okta, Connect2id and Entra send scp, Auth0 also permissions.
	ScopeClaims []string

	// ClientIDClaims names the claims that may hold the client; the first that
	// is present is read. Nil means client_id, azp, cid, appid.
	ClientIDClaims []string

	// Leeway is how far the issuer's clock may differ from ours. 0 means 60
	// seconds, a negative value none; at most 5 minutes.
	Leeway time.Duration

	// MaxLifetime, if positive, refuses tokens whose exp lies more than
	// MaxLifetime and Leeway in the future. 0 means no limit; it must not be
	// negative.
	MaxLifetime time.Duration

	// MaxTokenBytes is how long a token may be, in bytes. 0 means 16 KiB
	// (16,384); at most 64 KiB. The server and any proxy in front must let such
	// header fields pass: http.Server.MaxHeaderBytes is 1 MiB by default, many
	// proxies allow 8 KiB.
	MaxTokenBytes int

	// Clock returns the time against which tokens are checked. Nil means
	// time.Now.
	Clock func() time.Time

	// Transport makes the requests to the issuer: for root certificates of your
	// own, a proxy, or a client certificate. Nil means one of
	// [metadata.NewTransport], which then keeps no connections.
	Transport http.RoundTripper

	// DangerouslyAllowHTTP also allows http URLs, for development. Whoever is on
	// the network path can then choose the keys that tokens are verified with.
	DangerouslyAllowHTTP bool

	// Fresh is how long fetched keys count as current, give or take a random
	// tenth. They are fetched again, in the background, when 90 % of that time is
	// over. 0 means 10 minutes; from 1 second to 24 hours. The issuer's
	// Cache-Control is ignored.
	//
	// After a fetch that failed, the next follows after a random time of at most
	// 1 second, then 2, 4 and so on up to 1 minute, or up to 5 seconds while
	// there are no usable keys. A token with an unknown key causes a fetch at
	// once, but however many such tokens come, there are at most 2 such fetches,
	// and one more every 5 seconds. A fetch that brings a key which was not
	// published before does not count.
	Fresh time.Duration

	// MaxStale is how long the last good keys are used while the issuer cannot be
	// reached, from when they were fetched. 0 means 24 hours; at most 7 days.
	// With a negative value, or one less than Fresh, they are used only as long
	// as they are fresh.
	MaxStale time.Duration

	// FetchTimeout is how long one fetch may take, metadata and keys together,
	// from the connection to the last byte. Metadata that is read anew while the
	// key set is where it was may take half of it. 0 means 5 seconds; from 10
	// milliseconds to 1 minute.
	FetchTimeout time.Duration

	// MaxBody is how long a document of the issuer's may be, in bytes after
	// decompression. 0 means 512 KiB; at most 16 MiB.
	MaxBody int

	// MaxKeys is how many keys a set may have. 0 means 100; at most 10,000.
	MaxKeys int

	// MaxWaiters is how many requests may wait for one fetch; more are answered
	// 503 at once. 0 means 1,000; at most 1,000,000.
	MaxWaiters int

	// SeenTokens is how many verified tokens are remembered, so that their
	// signature is not verified again. Times, key and binding are checked at
	// every use, whether or not a token is remembered: its key must still be
	// published for the same algorithm, under any kid. 0 means 10,000, a negative
	// value none; at most 10,000,000.
	SeenTokens int

	// Observe, if not nil, is called with every [Event], one for each fetch and a
	// few others. It is called by one goroutine at a time, and no request and no
	// fetch waits for it: events that it is too slow for are dropped, and counted
	// in Event.Lost. Close waits for a call that is under way, so Observe must
	// not call Close. [LogEvents] makes one.
	Observe func(Event)

	keySet *keyset.Set // what Keys holds
}

// TypeAbsent ("absent"), in Config.TokenTypes, accepts tokens without typ.
const TypeAbsent = "absent"

const typeAccessToken = "at+jwt"

const defaultMaxKeys = 100

const maxLeeway = 5 * time.Minute

// maxTokenBytes is the most that MaxTokenBytes may be.
const maxTokenBytes = 64 << 10

// New returns a verifier, or an error that joins a [binding.ConfigError] for
// every mistake in the configuration. It starts to fetch the keys and does not
// wait for them: it is no error if the issuer is down. See [Verifier.Ready].
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
	issuer := metadata.Issuer{
		Client: &metadata.Client{DangerouslyAllowHTTP: c.DangerouslyAllowHTTP}, Name: c.Issuer, MetadataURL: c.MetadataURL,
	}
	issuer.Check(c.URL, c.Keys != nil, mistake)
	if c.Keys != nil {
		c.checkKeys(mistake)
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
	number("MaxTokenBytes", &c.MaxTokenBytes, 16<<10, maxTokenBytes)
	number("MaxBody", &c.MaxBody, metadata.DefaultMaxBody, 16<<20)
	number("MaxKeys", &c.MaxKeys, defaultMaxKeys, 10_000)
	number("MaxWaiters", &c.MaxWaiters, 1_000, 1_000_000)
	if c.SeenTokens >= 0 {
		number("SeenTokens", &c.SeenTokens, 10_000, 10_000_000)
	}
	return errors.Join(mistakes...)
}

// checkKeys reads Keys, for newFixedKeys.
func (c *Config) checkKeys(mistake func(field, format string, args ...any)) {
	var err error
	var none *keyset.NoKeyError
	c.keySet, err = keyset.Read(c.Keys, cmp.Or(c.MaxKeys, defaultMaxKeys))
	switch {
	case errors.As(err, &none) && len(none.Ignored) > 0:
		for n, key := range none.Ignored {
			mistake("Keys", "number %d, kid %q, cannot be used: %v", n+1, key.KeyID, key.Problem)
		}
	case err != nil:
		mistake("Keys", "is not a key set that can be used: %v", err)
	}
	if c.URL != "" || c.MetadataURL != "" || c.Transport != nil {
		mistake("Keys", "and URL, MetadataURL or Transport are set: with Keys nothing is fetched")
	}
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
		normal := normalizeType(typ)
		if normal != typeAccessToken && normal != "jwt" {
			mistake("TokenTypes", "%q is not the type of an access token: name at+jwt, JWT or %s", typ, TypeAbsent)
		}
		types = append(types, normal)
	}
	return types
}
