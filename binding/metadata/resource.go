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
	"strings"
	"time"

	"github.com/certbound/certbound/binding"
)

// ResourceConfig says what a protected resource tells of itself (RFC 9728 §2).
// [NewResource] validates it, copies it and reports every mistake at once.
type ResourceConfig struct {
	// Resource is the resource identifier: an https URL without query and
	// fragment (RFC 9728 §1.2), as clients know it. It is also a good audience
	// (RFC 8707 §2). Required.
	Resource string

	// AuthorizationServers are the issuer identifiers of the servers whose
	// tokens the resource accepts. Required.
	AuthorizationServers []string

	// Scopes are those that a client may ask for. Not all need be named.
	Scopes []string

	// Guards are all the guards in front of the resource. That access tokens
	// must be bound to certificates is said only if each of them refuses tokens
	// that are not: its policy is [binding.RequireBound]. Required.
	Guards []*binding.Guard
}

// A Resource serves the metadata of a protected resource (RFC 9728 §3). It is an
// [http.Handler] for the path of its URL alone:
//
//	resource, err := metadata.NewResource(metadata.ResourceConfig{...})
//	// ...
//	http.Handle(resource.Path(), resource)
//
// It needs no access token, and so stands outside of any guard. Make one with
// [NewResource]; it is immutable and safe for concurrent use. The zero Resource
// answers 404.
type Resource struct {
	url      string
	path     string
	document []byte
}

// wellKnownResource is registered by RFC 9728 §8.2.
const wellKnownResource = "/.well-known/oauth-protected-resource"

// resourceFresh is how long others may keep the document: so long may a client
// believe an older configuration.
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
			mistake("AuthorizationServers", "%q is no issuer identifier (RFC 8414 section 2)", issuer)
		}
	}
	for _, scope := range config.Scopes {
		if !isScopeToken(scope) {
			mistake("Scopes", "%q is no scope token (RFC 6749 section 3.3)", scope)
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
		Bound         bool     `json:"tls_client_certificate_bound_access_tokens"`
	}{
		Resource:             config.Resource,
		AuthorizationServers: config.AuthorizationServers,
		Scopes:               config.Scopes,
		BearerMethods:        []string{"header"}, // a guard looks nowhere else
		Bound: !slices.ContainsFunc(config.Guards, func(g *binding.Guard) bool {
			return g.Policy() != binding.RequireBound
		}),
	})
	if err != nil { // strings and a bool: it cannot
		return nil, fmt.Errorf("metadata: %w", err)
	}
	return &Resource{url: u.String(), path: u.EscapedPath(), document: document}, nil
}

// ResourceMetadataURL returns where the metadata of a resource is (RFC 9728
// §3.1), for Config.ResourceMetadata of the guards in front of it. It is an
// error if resource is not what ResourceConfig.Resource must be.
func ResourceMetadataURL(resource string) (string, error) {
	u, err := resourceMetadataURL(resource)
	if err != nil {
		return "", fmt.Errorf("metadata: the resource %w", err)
	}
	return u.String(), nil
}

var errResource = errors.New("must be an https URL without user, query, fragment, dot segments and empty segments (RFC 9728 section 1.2)")

// resourceMetadataURL inserts the well-known path between host and path. A path
// that is a slash alone is dropped for that (RFC 9728 §3.1); a slash at the end
// of another stays.
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

// URL returns where the metadata is: the value for Config.ResourceMetadata of
// the guards.
func (r *Resource) URL() string { return r.url }

// Path returns the path of URL, escaped, for a router.
func (r *Resource) Path() string { return r.path }

// ServeHTTP answers GET and HEAD at the resource's own well-known path with 200
// and the metadata. At any other path it answers 404: a client must not use a
// document whose resource is not the URL that the well-known path was inserted
// into (RFC 9728 §3.3).
func (r *Resource) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if r.path == "" || request.URL.EscapedPath() != r.path {
		http.NotFound(w, request)
		return
	}
	if request.Method != http.MethodGet && request.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(r.document)))
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(resourceFresh.Seconds())))
	w.WriteHeader(http.StatusOK)
	if request.Method == http.MethodGet {
		_, _ = w.Write(r.document) // the client may be gone
	}
}

// isScopeToken: 1*( %x21 / %x23-5B / %x5D-7E ), RFC 6749 §3.3.
func isScopeToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' })
}
