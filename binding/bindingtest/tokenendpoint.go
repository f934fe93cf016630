package bindingtest

import (
	"crypto/x509"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// tokenError is an error answer of the token endpoint (RFC 6749 §5.2).
type tokenError struct {
	status      int
	code        string
	description string
	challenge   bool   // the client used the Authorization header, and is told the scheme
	nonce       string // for DPoP-Nonce
}

func invalidRequest(description string) *tokenError {
	return &tokenError{status: http.StatusBadRequest, code: "invalid_request", description: description}
}

func invalidClient(description string) *tokenError {
	return &tokenError{status: http.StatusUnauthorized, code: "invalid_client", description: description}
}

const maxTokenRequest = 64 << 10

func (s *AuthorizationServer) serveToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenRequest)
	answer, refused := s.grant(r)
	// RFC 6749 §5.1: no answer that may hold a token is kept.
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	w.Header().Set("Content-Type", "application/json")
	if refused == nil {
		writeJSON(w, http.StatusOK, answer)
		return
	}
	if refused.challenge {
		w.Header().Set("WWW-Authenticate", `Basic realm="token endpoint"`)
	}
	if refused.nonce != "" {
		w.Header().Set("DPoP-Nonce", refused.nonce)
	}
	writeJSON(w, refused.status, map[string]any{
		"error":             refused.code,
		"error_description": refused.description,
	})
}

func writeJSON(w http.ResponseWriter, status int, members map[string]any) {
	document, err := json.Marshal(members)
	if err != nil {
		status, document = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	w.WriteHeader(status)
	_, _ = w.Write(document)
}

// grant handles the client_credentials grant (RFC 6749 §4.4).
func (s *AuthorizationServer) grant(r *http.Request) (map[string]any, *tokenError) {
	if refused := parseForm(r); refused != nil {
		return nil, refused
	}
	// The proof comes first, so that a client that is told a nonce can send the
	// same client assertion again.
	key, refused := s.provenKey(r)
	if refused != nil {
		return nil, refused
	}
	client, refused := s.authenticate(r)
	if refused != nil {
		return nil, refused
	}
	certificate := clientCertificate(r)
	if certificate == nil && key == nil {
		// The client is known, but there is nothing to bind its token to:
		// better none than an unbound one.
		return nil, invalidRequest("a client certificate is required, or a DPoP proof; for a certificate use the endpoint of mtls_endpoint_aliases")
	}
	switch r.PostForm.Get("grant_type") {
	case "client_credentials":
	case "":
		return nil, invalidRequest("grant_type is missing")
	default:
		return nil, &tokenError{
			status: http.StatusBadRequest, code: "unsupported_grant_type",
			description: "only client_credentials is supported",
		}
	}
	scopes, refused := grantedScopes(client, r)
	if refused != nil {
		return nil, refused
	}
	// RFC 8705 §3: whatever the client authenticated with, the token is bound
	// to the certificate of this connection. RFC 9449 §5: and to the key of the
	// proof.
	spec := TokenSpec{ClientID: client.ID, Scopes: scopes, Certificate: certificate, Key: key}
	token, err := s.Token(spec)
	if err != nil {
		return nil, &tokenError{status: http.StatusInternalServerError, code: "server_error", description: "signature"}
	}
	answer := map[string]any{
		"access_token": token,
		"token_type":   s.tokenType(spec),
		"expires_in":   int64(s.config.Lifetime.Seconds()),
	}
	if len(scopes) > 0 {
		answer["scope"] = strings.Join(scopes, " ")
	}
	return answer, nil
}

// parseForm reads the body alone: RFC 6749 §2.3.1 keeps credentials out of the
// query.
func parseForm(r *http.Request) *tokenError {
	contentType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || contentType != "application/x-www-form-urlencoded" {
		return invalidRequest("the body must be application/x-www-form-urlencoded")
	}
	if err := r.ParseForm(); err != nil {
		return invalidRequest("the form cannot be read")
	}
	for _, values := range r.PostForm {
		// RFC 6749 §3.2: no parameter more than once.
		if len(values) > 1 {
			return invalidRequest("a parameter occurs more than once")
		}
	}
	return nil
}

// clientCertificate returns the certificate whose key the client has proven to
// hold, if it sent one.
func clientCertificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}

// grantedScopes returns the scopes that were asked for, all of the client's if
// none were (RFC 6749 §3.3).
func grantedScopes(client Client, r *http.Request) ([]string, *tokenError) {
	asked := r.PostForm.Get("scope")
	if asked == "" {
		return client.Scopes, nil
	}
	var scopes []string
	for scope := range strings.SplitSeq(asked, " ") {
		if !slices.Contains(client.Scopes, scope) {
			return nil, &tokenError{
				status: http.StatusBadRequest, code: "invalid_scope",
				description: "a scope is malformed or not one of the client's",
			}
		}
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes, nil
}
