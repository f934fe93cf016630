package metadata

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/internal/grammar"
)

// ResourceConfig says what a protected resource's metadata states (RFC 9728
// §2). [NewResource] validates it, copies it and reports every mistake at once.
type ResourceConfig struct {
	// Resource is the resource identifier: an https URL without query and
	// fragment (RFC 9728 §1.2), as clients know it. It is also a good audience
	// for its tokens (RFC 8707 §2). Required.
	Resource string

	// AuthorizationServers are the issuer identifiers of the servers whose
	// tokens the resource accepts. Required.
	AuthorizationServers []string

	// Scopes are the scopes that a client may ask for. Not all of them need to be
	// named.
	Scopes []string

	// Guards are all the guards in front of the resource. The metadata states
	// their requirements: that access tokens must be bound to certificates, or to
	// DPoP keys (RFC 9449), is stated only if every one of the guards refuses
	// tokens that are not. Required.
	Guards []*binding.Guard
}

// A Resource serves the metadata of a protected resource (RFC 9728 §3). It is
// an [http.Handler] for one path, its [Resource.Path]:
//
//	resource, err := metadata.NewResource(metadata.ResourceConfig{...})
//	// ...
//	http.Handle(resource.Path(), resource)
//
// It asks for no access token, so put it outside of any guard. Make one with
// [NewResource]; it is immutable and safe for concurrent use. The zero Resource
// answers 404.
type Resource struct {
	path     string
	document []byte
}

// wellKnownResource is registered by RFC 9728 §8.2.
const wellKnownResource = "/.well-known/oauth-protected-resource"

// resourceFresh is how long others may cache the document, and so how long a
// client may act on an older configuration.
const resourceFresh = 10 * time.Minute

// NewResource returns the handler, or an error that joins a
// [binding.ConfigError] for every mistake in the configuration.
func NewResource(config ResourceConfig) (*Resource, error) {
	var mistakes []error
	mistake := func(field, format string, args ...any) {
		mistakes = append(mistakes, binding.ConfigError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	u, err := resourceMetadataURL(config.Resource)
	if err != nil {
		mistake("Resource", "%v", err)
	}
	if len(config.AuthorizationServers) == 0 {
		mistake("AuthorizationServers", "at least one is required")
	}
	for _, issuer := range config.AuthorizationServers {
		_, err := WellKnown(issuer)
		if err != nil || new(Client).CheckURL(issuer) != nil {
			mistake("AuthorizationServers", "%q is not an issuer identifier (RFC 8414 section 2)", issuer)
		}
	}
	for _, scope := range config.Scopes {
		if !grammar.IsScopeToken(scope) {
			mistake("Scopes", "%q is not a scope token (RFC 6749 section 3.3)", scope)
		}
	}
	if len(config.Guards) == 0 || slices.Contains(config.Guards, nil) {
		mistake("Guards", "at least one is required, and none may be nil")
	}
	if len(mistakes) > 0 {
		return nil, fmt.Errorf("metadata: the ResourceConfig is wrong: %w", errors.Join(mistakes...))
	}
	document, err := json.Marshal(struct {
		Resource             string   `json:"resource"`
		AuthorizationServers []string `json:"authorization_servers"`
		// RFC 9728 §3.2: an empty list is left out.
		Scopes        []string `json:"scopes_supported,omitempty"`
		BearerMethods []string `json:"bearer_methods_supported"`
		Certificates  bool     `json:"tls_client_certificate_bound_access_tokens"`
		Algorithms    []string `json:"dpop_signing_alg_values_supported,omitempty"`
		Proofs        bool     `json:"dpop_bound_access_tokens_required,omitempty"`
	}{
		Resource:             config.Resource,
		AuthorizationServers: config.AuthorizationServers,
		Scopes:               config.Scopes,
		BearerMethods:        []string{"header"}, // a guard looks nowhere else
		Certificates:         everyGuard(config.Guards, requiresCertificate),
		Algorithms:           proofAlgorithms(config.Guards),
		Proofs:               everyGuard(config.Guards, func(r binding.Requirements) bool { return r.Proof }),
	})
	if err != nil { // strings and a bool: it cannot
		return nil, fmt.Errorf("metadata: %w", err)
	}
	return &Resource{path: u.EscapedPath(), document: document}, nil
}

func everyGuard(guards []*binding.Guard, requires func(binding.Requirements) bool) bool {
	return !slices.ContainsFunc(guards, func(g *binding.Guard) bool { return !requires(g.Requirements()) })
}

// requiresCertificate: a guard that takes DPoP proofs is content with a key.
func requiresCertificate(r binding.Requirements) bool {
	return r.Certificate || r.Policy == binding.RequireBound && r.ProofAlgorithms == nil
}

// proofAlgorithms returns what every guard that takes DPoP proofs accepts.
func proofAlgorithms(guards []*binding.Guard) []string {
	var common []string
	for _, g := range guards {
		accepted := g.Requirements().ProofAlgorithms
		if common == nil {
			common = accepted
		} else if accepted != nil {
			common = slices.DeleteFunc(common, func(a string) bool { return !slices.Contains(accepted, a) })
		}
	}
	return common
}

// ResourceMetadataURL returns the URL of a resource's metadata (RFC 9728 §3.1),
// for ResourceMetadata in the [binding.Config] of the guards in front of it. It
// is an error if resource is not a valid ResourceConfig.Resource.
func ResourceMetadataURL(resource string) (string, error) {
	u, err := resourceMetadataURL(resource)
	if err != nil {
		return "", fmt.Errorf("metadata: the resource %w", err)
	}
	return u.String(), nil
}

var errResource = errors.New("must be an https URL without user, query, fragment, dot segments and empty segments (RFC 9728 section 1.2)")

// resourceMetadataURL inserts the well-known path between host and path. A path
// that is only a slash is dropped for that (RFC 9728 §3.1); a slash at the end
// of a longer path stays.
func resourceMetadataURL(resource string) (*url.URL, error) {
	u, err := url.Parse(resource)
	if err != nil || new(Client).CheckURL(resource) != nil || u.RawQuery != "" || u.ForceQuery {
		return nil, errResource
	}
	// A router cleans other paths before anybody sees them.
	if cleaned := path.Clean("/" + u.Path); u.Path != "" && u.Path != cleaned && (cleaned == "/" || u.Path != cleaned+"/") {
		return nil, errResource
	}
	escaped := u.EscapedPath()
	if escaped == "/" {
		escaped = ""
	}
	return url.Parse(originOf(u) + wellKnownResource + escaped)
}

// Path returns the path of the metadata's URL ([ResourceMetadataURL]), escaped,
// for a router.
func (r *Resource) Path() string { return r.path }

// ServeHTTP answers GET and HEAD at the resource's own well-known path with 200
// and the metadata, which may be cached for 10 minutes. It answers OPTIONS with
// 204, and other methods with 405. At any other path it answers 404: a client
// must not use a document whose resource is not the URL that the well-known
// path was inserted into (RFC 9728 §3.3).
//
// The document is public, so a script of any origin may read it (CORS). No
// answer depends on a credential, and a browser must not send any with the
// request.
func (r *Resource) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("X-Content-Type-Options", "nosniff")
	if r.path == "" || request.URL.EscapedPath() != r.path {
		http.NotFound(w, request)
		return
	}
	switch request.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		header.Set("Allow", allowedMethods)
		header.Set("Access-Control-Allow-Methods", "GET, HEAD")
		header.Set("Access-Control-Allow-Headers", "*")
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		header.Set("Allow", allowedMethods)
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(r.document)))
	header.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(resourceFresh.Seconds())))
	if request.Method == http.MethodGet {
		_, _ = w.Write(r.document) // the client may be gone
	}
}

const allowedMethods = "GET, HEAD, OPTIONS"
