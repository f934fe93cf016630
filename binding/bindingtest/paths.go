package bindingtest

import (
	"net/http"
	"strings"
	"sync"
)

// What the server answers, by the part of the URL's path that is not the
// issuer's: for URL, MTLSURL, Handle and Requests.
const (
	OAuthMetadataPath  = "/.well-known/oauth-authorization-server" // the issuer metadata by RFC 8414 §3.1
	OpenIDMetadataPath = "/.well-known/openid-configuration"       // the same by OpenID Connect Discovery 1.0 §4.1
	MetadataPaths      = "/.well-known/"                           // both of these, for Handle and Requests
	JWKSPath           = "/jwks"                                   // the key set
	TokenPath          = "/token"                                  // the token endpoint
	IntrospectionPath  = "/introspect"                             // the introspection endpoint (RFC 7662)
)

// URL returns where a path is on the socket that asks for no client
// certificate: the issuer's path in front of it, or behind OAuthMetadataPath
// (RFC 8414 §3.1). Pages of any origin may ask there (CORS). The token endpoint
// issues tokens there for DPoP proofs alone, and clients that authenticate with
// a certificate are refused.
func (s *AuthorizationServer) URL(path string) string { return s.plain.url() + s.absolute(path) }

// MTLSURL returns where TokenPath or IntrospectionPath is on the socket that
// asks for a client certificate (RFC 8705 §5, mtls_endpoint_aliases).
func (s *AuthorizationServer) MTLSURL(path string) string { return s.mtls.url() + s.absolute(path) }

// Handle has h answer what is asked for at a path, on both sockets and with any
// method: with a fault, late, or with the server's own answer changed
// (Metadata, JWKS, Introspection). The path is one of the constants, or
// another, where the server itself has nothing; one that ends with a slash
// stands for all that begins with it, and the longest one holds. A nil h
// restores the server's own answer.
//
// To hang up without an answer, h panics with http.ErrAbortHandler. To be late,
// h waits for the request's context too: Close ends it, and waits for h to
// return.
func (s *AuthorizationServer) Handle(path string, h http.Handler) { s.paths.handle(path, h) }

// Requests returns how many requests for a path came, whoever answered them. A
// path that ends with a slash stands for all that begins with it.
func (s *AuthorizationServer) Requests(path string) int { return s.paths.count(path) }

// absolute and relative translate between the paths of Handle and those of
// URLs.
func (s *AuthorizationServer) absolute(path string) string {
	if path == OAuthMetadataPath {
		return path + s.issuerPath()
	}
	return s.issuerPath() + path
}

func (s *AuthorizationServer) relative(path string) string {
	if path == OAuthMetadataPath+s.issuerPath() {
		return OAuthMetadataPath
	}
	return strings.TrimPrefix(path, s.issuerPath())
}

// front counts a request, and gives it to a handler of Handle or to the
// server's own.
func (s *AuthorizationServer) front(own http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler := s.paths.visit(s.relative(r.URL.Path))
		if handler == nil {
			handler = own
		}
		handler.ServeHTTP(w, r)
	})
}

// paths are the handlers of Handle and the counts of Requests.
type paths struct {
	mu       sync.Mutex
	handlers map[string]http.Handler
	requests map[string]int
}

func (p *paths) handle(path string, h http.Handler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h == nil {
		delete(p.handlers, path)
		return
	}
	if p.handlers == nil {
		p.handlers = make(map[string]http.Handler)
	}
	p.handlers[path] = h
}

// visit counts a request and returns the handler of its path, or nil.
func (p *paths) visit(path string) http.Handler {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.requests == nil {
		p.requests = make(map[string]int)
	}
	p.requests[path]++
	longest := ""
	for pattern := range p.handlers {
		if matches(pattern, path) && len(pattern) > len(longest) {
			longest = pattern
		}
	}
	return p.handlers[longest]
}

func (p *paths) count(pattern string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := 0
	for path, count := range p.requests {
		if matches(pattern, path) {
			sum += count
		}
	}
	return sum
}

func matches(pattern, path string) bool {
	return pattern == path || strings.HasSuffix(pattern, "/") && strings.HasPrefix(path, pattern)
}
