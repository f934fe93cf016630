package binding

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// Config says what a guard requires. [New] validates it, copies it and reports
// every mistake at once.
type Config struct {
	// Tokens verifies access tokens. Required.
	Tokens TokenVerifier

	// Certificates finds the client's certificate. Nil is the TLS connection
	// that the request came over; behind a proxy use package forwarded.
	Certificates CertificateSource

	// Policy says what becomes of tokens with and without a binding. The zero
	// value requires one.
	Policy Policy

	// Audiences, if not nil, narrows the audiences that Tokens accepts: aud must
	// hold one of these as well.
	Audiences []string

	// Scopes are required of every request, all of them.
	Scopes []string

	// AcceptDPoPScheme also accepts "Authorization: DPoP" (RFC 9449 §7.1)
	// without a DPoP proof, for tokens that are bound to a certificate by
	// x5t#S256 alone. Auth0 answers token_type DPoP for such tokens, and its
	// clients send what they were told. An unbound token is refused under this
	// scheme by every policy, and one bound by jkt always.
	AcceptDPoPScheme bool

	// Realm is the challenge's realm, in printable ASCII without quote and
	// backslash (RFC 6750 §3).
	Realm string

	// ResourceMetadata is the https URL of this resource's metadata, for the
	// challenge (RFC 9728 §5.1).
	ResourceMetadata string

	// Authorize, if not nil, is the application's own rule, asked last, for
	// every request, whether or not its token was seen before: revocation
	// lists, client allow-lists, rules about certificates. The certificate is
	// the zero Certificate for a token without binding. Return nil to accept;
	// an error that wraps [ErrTokenRevoked] answers 401 invalid_token, one that
	// wraps [ErrUnavailable] 503, any other 403.
	Authorize func(ctx context.Context, token *Token, certificate Certificate) error

	// OnError, if not nil, writes the body of a refusal, in every framework
	// alike. Status, challenge and Cache-Control are decided and cannot be
	// changed; Content-Type is OnError's to set.
	OnError func(w http.ResponseWriter, r *http.Request, refusal *Error)

	// Observe, if not nil, is told of every decision, before the handler runs.
	// It must be quick and safe for concurrent use. [LogEvents] makes one.
	Observe func(ctx context.Context, event Event)
}

// A Policy says what a guard makes of tokens with and without a binding. A
// token whose confirmation is present but not understood is refused under every
// policy, and no policy ignores a binding.
type Policy int

const (
	// RequireBound, the zero value: a token must be bound, and match.
	RequireBound Policy = iota

	// DangerouslyAcceptUnbound accepts tokens without a confirmation as bearer
	// tokens: whoever steals one can use it. A bound token must match. It is
	// for the time in which clients change over.
	DangerouslyAcceptUnbound

	// DangerouslyBearerOnly accepts tokens without a confirmation and refuses
	// bound ones: for a route that has no mutual TLS, where a bound token
	// should never have been sent.
	DangerouslyBearerOnly
)

// New returns a guard, or an error that joins a [ConfigError] for every mistake
// in the configuration.
func New(config Config) (*Guard, error) {
	var mistakes []error
	mistake := func(field, format string, args ...any) {
		mistakes = append(mistakes, ConfigError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if isNil(config.Tokens) {
		mistake("Tokens", "a TokenVerifier is required")
	}
	if config.Certificates == nil {
		config.Certificates = new(connection)
	}
	var headers map[string]struct{}
	switch {
	case isNil(config.Certificates):
		mistake("Certificates", "the CertificateSource is nil")
	case !reflect.ValueOf(config.Certificates).Comparable():
		mistake("Certificates", "the CertificateSource must be of a comparable type, such as a pointer")
	default:
		headers = foldedHeaders(config.Certificates)
	}
	if config.Policy < RequireBound || config.Policy > DangerouslyBearerOnly {
		mistake("Policy", "%d is no policy", config.Policy)
	}
	if config.Audiences != nil && (len(config.Audiences) == 0 || slices.Contains(config.Audiences, "")) {
		mistake("Audiences", "must be nil, or name at least one audience and no empty one")
	}
	for _, scope := range config.Scopes {
		if !isScopeToken(scope) {
			mistake("Scopes", "%q is no scope token (RFC 6749 section 3.3)", scope)
		}
	}
	if !isQuotable(config.Realm) {
		mistake("Realm", "must be printable ASCII without quote and backslash (RFC 6750 section 3)")
	}
	if m := config.ResourceMetadata; m != "" {
		u, err := url.Parse(m)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.Fragment != "" || u.User != nil || !isQuotable(m) || strings.Contains(m, " ") {
			mistake("ResourceMetadata", "must be an https URL (RFC 9728 section 3)")
		}
	}
	if len(mistakes) > 0 {
		return nil, fmt.Errorf("binding: the guard's Config is wrong: %w", errors.Join(mistakes...))
	}
	return &Guard{
		tokens:             config.Tokens,
		certificates:       config.Certificates,
		certificateHeaders: headers,
		policy:             config.Policy,
		audiences:          slices.Clone(config.Audiences),
		scopes:             slices.Clone(config.Scopes),
		acceptDPoP:         config.AcceptDPoPScheme,
		realm:              config.Realm,
		resourceMetadata:   config.ResourceMetadata,
		authorize:          config.Authorize,
		onError:            config.OnError,
		observe:            config.Observe,
	}, nil
}

// isNil also sees a nil pointer in an interface, which is what is left of a
// constructor whose error was dropped, and a nil function.
func isNil(v any) bool {
	value := reflect.ValueOf(v)
	kind := value.Kind()
	return kind == reflect.Invalid || (kind == reflect.Pointer || kind == reflect.Func) && value.IsNil()
}

func foldedHeaders(source CertificateSource) map[string]struct{} {
	reader, ok := source.(headerSource)
	if !ok {
		return nil
	}
	folded := make(map[string]struct{})
	for _, name := range reader.Headers() {
		folded[foldName(name)] = struct{}{}
	}
	return folded
}

// isQuotable: %x20-21 / %x23-5B / %x5D-7E, RFC 6750 §3.
func isQuotable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
