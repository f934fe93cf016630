package bindingtest

import (
	"encoding/json"
	"net/http"
)

// Metadata returns the issuer metadata (RFC 8414 §2, RFC 8705 §3.3 and §5, RFC
// 9449 §5.1) that the server publishes, with what OpenID Connect Discovery 1.0
// §3 requires of signatures and subjects: clients of it, such as go-oidc, take
// no token of an algorithm that is not named there. The map is the caller's to
// change.
func (s *AuthorizationServer) Metadata() map[string]any {
	metadata := map[string]any{
		"issuer":                                s.Issuer(),
		"jwks_uri":                              s.URL(JWKSPath),
		"token_endpoint":                        s.URL(TokenPath),
		"token_endpoint_auth_methods_supported": authMethods(),
		"token_endpoint_auth_signing_alg_values_supported": signatureAlgorithms(),
		"dpop_signing_alg_values_supported":                signatureAlgorithms(),
		"grant_types_supported":                            []string{"client_credentials"},
		"response_types_supported":                         []string{},
		"subject_types_supported":                          []string{"public"},
		"id_token_signing_alg_values_supported":            []string{s.config.Algorithm},
		"tls_client_certificate_bound_access_tokens":       true,
		"introspection_endpoint":                           s.URL(IntrospectionPath),
		"mtls_endpoint_aliases": map[string]any{
			"token_endpoint":         s.MTLSURL(TokenPath),
			"introspection_endpoint": s.MTLSURL(IntrospectionPath),
		},
	}
	amend(metadata, s.config.Metadata)
	return metadata
}

// signatureAlgorithms are those of client assertions and of proofs: what
// algorithmsFor returns of any key.
func signatureAlgorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

func (s *AuthorizationServer) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	document, err := json.Marshal(s.Metadata())
	if err != nil {
		// A value of Config.Metadata that NewAuthorizationServer could encode,
		// and that was changed since.
		http.Error(w, "metadata", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(document)
}

func (s *AuthorizationServer) serveJWKS(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(s.JWKS())
}
