package dpop

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/internal/jws"
)

// Config is what a [Verifier] demands of proofs. Origins is required; the zero
// value of everything else is the safe choice.
type Config struct {
	// Origins are the schemes and authorities under which clients know this
	// resource server, such as https://api.bank.example: htu must name one of
	// them (RFC 9449 §4.3). Behind a proxy they are the proxy's. They are
	// configuration, because whatever a request says of itself (Host, Forwarded,
	// X-Forwarded-Host) its sender has written. All of them must lead to one and
	// the same resource: for two APIs on two hosts make two Verifiers. A "/"
	// after the authority is ignored.
	Origins []string

	// PathPrefix is what a proxy in front removes from the path, such as /v1:
	// it begins with "/" and does not end in one. Empty means nothing. A
	// request for /v1 alone comes as one for "/": a proof for either, /v1 or
	// /v1/, is good for it.
	PathPrefix string

	// Algorithms are the signature algorithms that are accepted (RFC 9449 §4.3,
	// §11.6). Nil means ES256, EdDSA, Ed25519, PS256 and RS256; see [FAPI2]. The
	// client chooses among them what its proof costs: ES384 and ES512 cost many
	// times as much as ES256. RSA keys have 2048 to 4096 bits.
	Algorithms []string

	// MaxAge is how old a proof may be, by its iat (RFC 9449 §11.1). 0 means 60
	// seconds; from 1 second to 5 minutes. If RequireNonce is set, the nonce
	// tells the age instead, and MaxAge is not used: see NonceLifetime.
	MaxAge time.Duration

	// Leeway is how far a client's clock may be ahead, and how far the clocks of
	// replicas may be apart. 0 means 30 seconds, a negative value none; at most
	// 60 seconds.
	Leeway time.Duration

	// Replays remembers the proofs that were used, for all replicas that share
	// it. Nil: each Verifier remembers its own, so that with several replicas a
	// proof is good once at each. After a restart a proof that is recent enough
	// is good once more, unless RequireNonce is set and NonceKeys is nil.
	//
	// Replicas need the same MaxAge, Leeway, RequireNonce and NonceLifetime: what
	// one remembers ends with the proof's life there, and another that takes older
	// proofs would take it once more.
	Replays ReplayStore

	// MaxProofs bounds the memory of a Verifier without Replays: it holds that many
	// proofs in at most 32 bytes each. When it is full, older proofs are refused
	// sooner than MaxAge; nothing that could still be accepted is forgotten. 0 is
	// 1,000,000: 15,000 requests a second at the full MaxAge, or 3,000 at the full
	// NonceLifetime. 1,000 to 100,000,000.
	MaxProofs int

	// DangerouslyAcceptReplays accepts a proof any number of times. Whoever gets
	// hold of a request can repeat it until the proof is too old.
	DangerouslyAcceptReplays bool

	// RequireNonce requires a nonce of this server in each proof (RFC 9449 §9), so
	// that no proof can be made for later. It costs a client one refused request
	// whenever its nonce has grown old.
	RequireNonce bool

	// NonceKeys make the nonces: the first makes them, all are accepted. Replicas
	// need the same, and the same Origins, NonceLifetime and time, or they refuse
	// each other's nonces: [binding.ReasonProofNonce] says which. Each has at least
	// 32 random bytes; at most 8. To replace one, put the new one second
	// everywhere, then first, and take the old one away after NonceLifetime;
	// [Verifier.SetNonceKeys] needs no restart. Nil is one that is made at random,
	// for one process.
	NonceKeys [][]byte

	// NonceLifetime bounds how long a nonce is good: for at least four fifths of
	// it, and never longer. 0 means 5 minutes; from 30 seconds to 1 hour.
	NonceLifetime time.Duration

	// Clock returns the time against which proofs are checked. Nil means
	// time.Now.
	Clock func() time.Time

	// DangerouslyAllowHTTP also allows http in Origins, for development.
	DangerouslyAllowHTTP bool
}

// FAPI2 returns the algorithms that the FAPI 2.0 Security Profile §5.4 allows:
// PS256, ES256, and EdDSA on Ed25519 under both of its names.
func FAPI2() []string { return []string{"PS256", "ES256", "EdDSA", "Ed25519"} }

// Limits that nobody has to set.
const (
	maxProofLength = 8 << 10 // bytes; one with an RSA key of 4096 bits has some 2,000
	maxJTILength   = 256     // bytes
	nonceSteps     = 5       // of a nonce's lifetime
	leastNonceKey  = 32      // bytes
)

// New returns a Verifier, or an error that joins a [binding.ConfigError] for every
// mistake in the configuration.
func New(config Config) (*Verifier, error) {
	config.Algorithms = slices.Clone(config.Algorithms)
	origins, prefix, err := config.check()
	if err != nil {
		return nil, fmt.Errorf("dpop: the Config is wrong: %w", err)
	}
	return newVerifier(config, origins, prefix), nil
}

// check puts the defaults in place and collects the mistakes. It returns the
// origins and the prefix in normal form.
func (c *Config) check() (origins []string, prefix string, err error) {
	var mistakes []error
	mistake := func(field, format string, args ...any) {
		mistakes = append(mistakes, binding.ConfigError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if len(c.Origins) == 0 {
		mistake("Origins", "at least one is required: the scheme and authority by which clients know this server")
	}
	for n, origin := range c.Origins {
		normal, problem := normalOrigin(origin, c.DangerouslyAllowHTTP)
		if problem != "" {
			mistake("Origins", "number %d %s", n+1, problem)
		}
		origins = append(origins, normal)
	}
	if c.PathPrefix != "" {
		path, ok := appendNormalPath(nil, c.PathPrefix)
		if !ok || c.PathPrefix[0] != '/' || strings.HasSuffix(c.PathPrefix, "/") || strings.ContainsAny(c.PathPrefix, "?# \\") {
			mistake("PathPrefix", `must begin with "/", not end in one, and be a path`)
		}
		prefix = string(path)
	}
	if c.Algorithms == nil {
		c.Algorithms = []string{"ES256", "EdDSA", "Ed25519", "PS256", "RS256"}
	}
	if len(c.Algorithms) == 0 {
		mistake("Algorithms", "must be nil for the default, or name at least one")
	}
	for _, alg := range c.Algorithms {
		if !jws.Supports(alg) {
			mistake("Algorithms", "%q is not one that can be verified", alg)
		}
	}
	duration := func(field string, value *time.Duration, otherwise, least, most time.Duration) {
		if *value == 0 {
			*value = otherwise
		}
		if *value < least || *value > most {
			mistake(field, "must be from %v to %v", least, most)
		}
	}
	duration("MaxAge", &c.MaxAge, time.Minute, time.Second, 5*time.Minute)
	if c.Leeway < 0 {
		c.Leeway = 0
	} else {
		duration("Leeway", &c.Leeway, 30*time.Second, 0, time.Minute)
	}
	c.checkReplays(mistake)
	c.checkNonces(mistake)
	duration("NonceLifetime", &c.NonceLifetime, 5*time.Minute, 30*time.Second, time.Hour)
	return origins, prefix, errors.Join(mistakes...)
}

func (c *Config) checkReplays(mistake func(field, format string, args ...any)) {
	if isNilPointer(c.Replays) {
		mistake("Replays", "holds a nil pointer")
	}
	switch {
	case c.DangerouslyAcceptReplays && (c.Replays != nil || c.MaxProofs != 0):
		mistake("DangerouslyAcceptReplays", "cannot be set with Replays or MaxProofs, which remember proofs")
	case c.Replays != nil && c.MaxProofs != 0:
		mistake("MaxProofs", "is for the memory in this process, which Replays replaces")
	}
	if c.MaxProofs == 0 {
		c.MaxProofs = 1_000_000
	}
	if c.MaxProofs < 1_000 || c.MaxProofs > 100_000_000 {
		mistake("MaxProofs", "must be from 1000 to 100000000")
	}
}

func (c *Config) checkNonces(mistake func(field, format string, args ...any)) {
	const mostKeys = 8
	if !c.RequireNonce && (c.NonceKeys != nil || c.NonceLifetime != 0) {
		mistake("RequireNonce", "is false, and NonceKeys or NonceLifetime is set")
	}
	if c.NonceKeys == nil {
		return
	}
	if len(c.NonceKeys) == 0 || len(c.NonceKeys) > mostKeys {
		mistake("NonceKeys", "must be from 1 to %d keys, or nil in a Config for a key of this process alone", mostKeys)
	}
	keys := make([][]byte, 0, len(c.NonceKeys))
	for n, key := range c.NonceKeys {
		if len(key) < leastNonceKey {
			mistake("NonceKeys", "number %d has less than %d bytes", n+1, leastNonceKey)
		}
		if slices.ContainsFunc(keys, func(other []byte) bool { return string(other) == string(key) }) {
			mistake("NonceKeys", "number %d is the same as another", n+1)
		}
		keys = append(keys, slices.Clone(key))
	}
	c.NonceKeys = keys
}

// normalOrigin returns an origin as htu is compared with it, or what is wrong with
// it.
func normalOrigin(origin string, allowHTTP bool) (normal, problem string) {
	u, err := url.Parse(origin)
	switch {
	case err != nil || u.Hostname() == "":
		return "", "must be a scheme and an authority, such as https://api.example"
	case u.Scheme != "https" && (u.Scheme != "http" || !allowHTTP):
		return "", "must be https (or http with DangerouslyAllowHTTP)"
	case u.User != nil || u.Path != "" && u.Path != "/" || strings.ContainsAny(origin, "?#"):
		return "", "must not have a user, a path, a query or a fragment"
	case slices.ContainsFunc([]byte(u.Host), isNoHost):
		return "", "must have a host of ASCII letters, digits, dots and hyphens, or an IP literal: write an international name in its A-label form (xn--...)"
	}
	if port := u.Port(); port != "" && (port[0] == '0' || len(port) > 5) {
		return "", "has an odd port"
	}
	return string(appendNormalOrigin(nil, []byte(u.Scheme), []byte(u.Host))), ""
}

func isNoHost(c byte) bool { return !isUnreserved(c) && strings.IndexByte(":[]", c) < 0 }

// isNilPointer reports whether an interface holds a pointer, map or function that
// is nil, and so is not nil itself.
func isNilPointer(value any) bool {
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Chan, reflect.Slice:
		return v.IsNil()
	}
	return false
}
