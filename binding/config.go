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
	"time"

	"github.com/certbound/certbound/binding/internal/grammar"
)

// Config says what a guard requires. [New] validates it, copies it and reports
// every mistake at once.
type Config struct {
	// Tokens verifies access tokens. Required.
	Tokens TokenVerifier

	// Certificates finds the client's certificate. Nil means the TLS connection
	// that the request came over; behind a proxy use package forwarded.
	Certificates CertificateSource

	// Policy says how tokens with and without a binding are treated. The zero
	// value, [RequireBound], requires a binding.
	Policy Policy

	// Audiences, if not nil, narrows the audiences that Tokens accepts: aud must
	// also hold one of these. It must then name at least one.
	Audiences []string

	// Scopes are required of every request's token, all of them.
	Scopes []string

	// AnyScope, if not nil, also requires at least one of these scopes. It must
	// then name at least one.
	AnyScope []string

	// Authentication is required of every request's token (RFC 9470). The zero
	// value requires nothing.
	Authentication Authentication

	// AcceptDPoPScheme also accepts "Authorization: DPoP" (RFC 9449 §7.1)
	// without a DPoP proof, for tokens that are bound to a certificate by
	// x5t#S256 alone. Auth0 answers token_type DPoP for such tokens, and its
	// clients send what they were told. Under this scheme an unbound token is
	// refused by every policy, and one that is bound by jkt still needs a proof
	// (see Proofs).
	AcceptDPoPScheme bool

	// Proofs reads DPoP proofs (RFC 9449): package dpop has a verifier. If it is
	// nil, a token that is bound to a DPoP key (cnf jkt) is refused. If it is
	// set, such a token must be sent under the scheme DPoP, with a proof that was
	// not used before; a token that is also bound to a certificate needs both.
	// Its type must be comparable, such as a pointer, and the policy must not be
	// DangerouslyBearerOnly.
	Proofs ProofVerifier

	// RequireProof refuses a token that is not bound to a DPoP key, and
	// RequireCertificate one that is not bound to a certificate: with both, a
	// token needs two bindings. With neither, a binding of either kind will do.
	// Both need the policy RequireBound, and RequireProof needs Proofs.
	RequireProof, RequireCertificate bool

	// Realm is the challenge's realm, in printable ASCII without quote and
	// backslash (RFC 6750 §3). Without it, a challenge that would have no
	// parameter gets the realm "protected resource".
	Realm string

	// ResourceMetadata is the https URL of this resource's metadata, for the
	// challenge (RFC 9728 §5.1).
	ResourceMetadata string

	// Authorize, if not nil, is the application's own rule, asked last, for every
	// request, whether or not its token was seen before: revocation lists, client
	// allow-lists, rules about certificates. For a token that is not bound to a
	// certificate, certificate is the zero Certificate. Return nil to accept. An
	// error that is an [*Error] is answered by its Reason: [ReasonTokenRevoked]
	// is 401 invalid_token, [ReasonUnavailable] 503. Any other error is 403, or
	// 503 if the request ended and the error is ctx's.
	Authorize func(ctx context.Context, token *Token, certificate Certificate) error

	// OnError, if not nil, writes the body of a refusal, in the same way in every
	// framework. The status and what [Error.SetHeader] sets are decided and
	// cannot be changed; OnError sets Content-Type itself.
	OnError func(w http.ResponseWriter, r *http.Request, refusal *Error)

	// Observe, if not nil, is called with every decision, before the handler
	// runs. It must be quick and safe for concurrent use. [LogEvents] makes one.
	// Without it, answers with status 500, which are the server's own fault, are
	// written to slog.Default(), each kind at most once a minute.
	Observe func(ctx context.Context, event Event)

	// Clock returns the time against which Authentication.MaxAge is checked, here
	// and in [CheckAuthentication]. Nil means time.Now. A token's other times are
	// checked by its verifier, which has a clock of its own.
	Clock func() time.Time
}

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
	default:
		headers = foldedHeaders(config.Certificates)
	}
	if !config.Policy.isKnown() {
		mistake("Policy", "%d is not a policy", int(config.Policy))
	}
	if config.Audiences != nil && (len(config.Audiences) == 0 || slices.Contains(config.Audiences, "")) {
		mistake("Audiences", "must be nil, or name at least one audience and no empty one")
	}
	if config.AnyScope != nil && len(config.AnyScope) == 0 {
		mistake("AnyScope", "must be nil, or name at least one scope")
	}
	for _, list := range []struct {
		field  string
		scopes []string
	}{{"Scopes", config.Scopes}, {"AnyScope", config.AnyScope}} {
		for _, scope := range list.scopes {
			if !grammar.IsScopeToken(scope) {
				mistake(list.field, "%q is not a scope token (RFC 6749 section 3.3)", scope)
			}
		}
	}
	var algorithms string
	switch {
	case config.Proofs == nil:
		if config.RequireProof {
			mistake("RequireProof", "needs Proofs, which reads the proofs")
		}
	case isNil(config.Proofs):
		mistake("Proofs", "the ProofVerifier is nil")
	case !reflect.ValueOf(config.Proofs).Comparable():
		mistake("Proofs", "the ProofVerifier must be of a comparable type, such as a pointer")
	case config.Policy == DangerouslyBearerOnly:
		mistake("Proofs", "DangerouslyBearerOnly refuses every token that a proof could be for")
	default:
		algorithms = strings.Join(config.Proofs.Algorithms(), " ")
		if algorithms == "" || !isQuotable(algorithms) {
			mistake("Proofs", "the ProofVerifier must name the algorithms that it accepts")
		}
	}
	if (config.RequireProof || config.RequireCertificate) && config.Policy != RequireBound {
		mistake("Policy", "RequireProof and RequireCertificate need RequireBound")
	}
	if problem := config.Authentication.problem(); problem != "" {
		mistake("Authentication", "%s", problem)
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
	if config.Clock == nil {
		config.Clock = time.Now
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
		anyScope:           slices.Clone(config.AnyScope),
		authentication:     config.Authentication.clone(),
		acceptDPoP:         config.AcceptDPoPScheme,
		proofs:             config.Proofs,
		proofAlgorithms:    algorithms,
		requireProof:       config.RequireProof,
		requireCertificate: config.RequireCertificate,
		realm:              config.Realm,
		resourceMetadata:   config.ResourceMetadata,
		authorize:          config.Authorize,
		onError:            config.OnError,
		observe:            config.Observe,
		clock:              config.Clock,
	}, nil
}

// isNil also sees a nil function, and a nil pointer in an interface: that is
// what remains when the error of a constructor was dropped.
func isNil(v any) bool {
	value := reflect.ValueOf(v)
	kind := value.Kind()
	return kind == reflect.Invalid || (kind == reflect.Pointer || kind == reflect.Func) && value.IsNil()
}

func foldedHeaders(source CertificateSource) map[string]struct{} {
	folded := make(map[string]struct{})
	for _, name := range source.Headers() {
		folded[grammar.FoldName(name)] = struct{}{}
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
