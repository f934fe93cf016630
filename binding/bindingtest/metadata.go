package bindingtest

import (
	"encoding/json"
	"net/http"
)

// Metadata returns the issuer metadata (RFC 8414 §2, RFC 8705 §3.3 and §5) that the server publishes. The map is the
// caller's to change.
func (s *AuthorizationServer) Metadata() map[string]any {
	metadata := map[string]any{
		"issuer":                                s.Issuer(),
		"jwks_uri":                              s.JWKSURL(),
		"token_endpoint":                        s.TokenEndpoint(),
		"token_endpoint_auth_methods_supported": authMethods(),
		"token_endpoint_auth_signing_alg_values_supported": []string{
			"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
		},
		"grant_types_supported":                      []string{"client_credentials"},
		"response_types_supported":                   []string{},
		"tls_client_certificate_bound_access_tokens": true,
		"introspection_endpoint":                     s.IntrospectionEndpoint(),
		"mtls_endpoint_aliases": map[string]any{
			"token_endpoint":         s.MTLSTokenEndpoint(),
			"introspection_endpoint": s.MTLSIntrospectionEndpoint(),
		},
	}
	amend(metadata, s.config.Metadata)
	return metadata
}

// SetMetadataHandler has h answer the requests for issuer metadata at both of its paths. A nil h restores the server's own
// answer. SetJWKSHandler says what h has to heed.
func (s *AuthorizationServer) SetMetadataHandler(h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.metadataHandler = h
}

// SetJWKSHandler has h answer the requests for the key set: with a fault, late, or with JWKS changed. A nil h restores the
// server's own answer. To hang up without an answer, h panics with http.ErrAbortHandler. To be late, h waits for the
// request's context too: Close ends it, and waits for h to return.
func (s *AuthorizationServer) SetJWKSHandler(h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jwksHandler = h
}

// MetadataRequests returns how many requests for issuer metadata came, at both paths, whoever answered them.
func (s *AuthorizationServer) MetadataRequests() int { return int(s.metadataRequests.Load()) }

// JWKSRequests returns how many requests for the key set came, whoever answered them.
func (s *AuthorizationServer) JWKSRequests() int { return int(s.jwksRequests.Load()) }

func (s *AuthorizationServer) serveMetadata(w http.ResponseWriter, r *http.Request) {
	s.metadataRequests.Add(1)
	s.mu.Lock()
	handler := s.metadataHandler
	s.mu.Unlock()
	if handler != nil {
		handler.ServeHTTP(w, r)
		return
	}
	document, err := json.Marshal(s.Metadata())
	if err != nil {
		// A value of Config.Metadata that NewAuthorizationServer could encode, and that was changed since.
		http.Error(w, "metadata", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(document)
}

func (s *AuthorizationServer) serveJWKS(w http.ResponseWriter, r *http.Request) {
	s.jwksRequests.Add(1)
	s.mu.Lock()
	handler := s.jwksHandler
	s.mu.Unlock()
	if handler != nil {
		handler.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(s.JWKS())
}
