package conformance_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/certbound/certbound/binding/bindingtest"
)

// bug is something that a resource server does wrong.
type bug string

// lax is a resource server that has nothing of this project in it: written with
// the standard library alone, to be correct by the RFCs and no stricter, and
// then wrong in one way.
type lax struct {
	bugs []bug
	as   *bindingtest.AuthorizationServer
	http *http.Client

	origin string // of DPoP proofs; "": it knows none

	mu   sync.Mutex
	keys []map[string]json.RawMessage
	seen map[string]bool // of the bug "caches the decision"
	n    int
}

func (s *lax) has(b bug) bool { return slices.Contains(s.bugs, b) }

func newLax(bugs ...bug) func(*bindingtest.AuthorizationServer) (http.Handler, error) {
	return func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
		return &lax{bugs: bugs, as: as, http: as.HTTPClient(), seen: make(map[string]bool)}, nil
	}
}

func (s *lax) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if s.has("dies") && s.n > 100 {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if s.origin != "" && proven(r) {
		s.serveProven(w, r)
		return
	}
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if scheme := r.Header.Get("Authorization"); !found && len(scheme) > 7 && strings.EqualFold(scheme[:7], "Bearer ") {
		token, found = scheme[7:], true
	}
	if !found && s.has("reads the query") {
		token = r.URL.Query().Get("access_token")
		found = token != ""
	}
	if !found {
		challenge := `Bearer realm="api"`
		if s.has("challenges without a parameter") {
			challenge = "Bearer"
		}
		s.refuse(w, http.StatusUnauthorized, challenge, token)
		return
	}
	if !s.has("takes one space") {
		token = strings.TrimLeft(token, " ")
	}
	err := s.check(token, r)
	switch {
	case err == nil && !s.has("refuses everything"):
	case errors.Is(err, errKeys):
		s.refuse(w, http.StatusServiceUnavailable, "", token)
	default:
		s.refuse(w, http.StatusUnauthorized, `Bearer error="invalid_token"`, token)
	}
}

func (s *lax) refuse(w http.ResponseWriter, status int, challenge, token string) {
	if s.has("fails with 500") {
		status, challenge = http.StatusInternalServerError, ""
	}
	if challenge != "" && !s.has("sends no challenge") {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if s.has("echoes the token") {
		_, _ = io.WriteString(w, token)
	}
}

var errKeys = errors.New("no keys")

func (s *lax) check(token string, r *http.Request) error {
	if s.has("caches the decision") && s.seen[token] {
		return nil
	}
	if s.has("asks about opaque tokens") {
		claims, err := s.introspect(token)
		if err != nil {
			return err
		}
		return s.checkClaimsAndBinding(claims, r)
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("no three segments")
	}
	encoding := base64.RawURLEncoding
	decoded := make([][]byte, 3)
	for i, part := range parts {
		var err error
		if strings.ContainsAny(part, "\r\n") {
			return errors.New("line breaks")
		}
		if decoded[i], err = encoding.DecodeString(part); err != nil {
			return err
		}
	}
	header, err := parse(decoded[0])
	if err != nil {
		return err
	}
	if err := s.checkSignature(header, parts[0]+"."+parts[1], decoded[2]); err != nil {
		return err
	}
	if inner, isJWT := strings.CutPrefix(string(decoded[1]), "ey"); isJWT && text(header["cty"]) == "JWT" && s.has("unwraps") {
		return s.check("ey"+inner, r)
	}
	claims, err := parse(decoded[1])
	if err != nil {
		return err
	}
	if typ := strings.TrimPrefix(strings.ToLower(text(header["typ"])), "application/"); typ != "at+jwt" && !s.has("looks at no typ") {
		return errors.New("typ")
	}
	if err := s.checkClaimsAndBinding(claims, r); err != nil {
		return err
	}
	s.seen[token] = true
	return nil
}

func (s *lax) checkClaimsAndBinding(claims map[string]json.RawMessage, r *http.Request) error {
	if err := s.checkClaims(claims); err != nil {
		return err
	}
	return s.checkBinding(claims, r)
}

func (s *lax) introspect(token string) (map[string]json.RawMessage, error) {
	response, err := s.http.PostForm(s.as.URL(bindingtest.IntrospectionPath), url.Values{"token": {token}})
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	document, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	claims, err := parse(document)
	if err != nil {
		return nil, err
	}
	var active *bool
	if !s.has("does not look whether it is active") && (json.Unmarshal(claims["active"], &active) != nil || active == nil || !*active) {
		return nil, errors.New("not active")
	}
	return claims, nil
}

// parse reads one JSON object; of names that occur twice the last counts, which
// RFC 7519 §4 allows.
func parse(text []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, err
	}
	if members == nil {
		return nil, errors.New("null")
	}
	return members, nil
}

func (s *lax) get(members map[string]json.RawMessage, name string) json.RawMessage {
	if s.has("folds names") {
		for found, value := range members {
			if found != name && strings.EqualFold(found, name) {
				return value
			}
		}
	}
	return members[name]
}

func text(value json.RawMessage) string {
	var s *string
	if json.Unmarshal(value, &s) != nil || s == nil {
		return ""
	}
	return *s
}

func (s *lax) checkClaims(claims map[string]json.RawMessage) error {
	if text(s.get(claims, "iss")) != s.as.Issuer() && !s.has("takes any issuer") {
		return errors.New("iss")
	}
	if !s.has("takes any audience") {
		var several []string
		if text(s.get(claims, "aud")) != s.as.Audience() &&
			(json.Unmarshal(s.get(claims, "aud"), &several) != nil || !slices.Contains(several, s.as.Audience())) {
			return errors.New("aud")
		}
	}
	now := float64(time.Now().Unix())
	if exp := s.get(claims, "exp"); !s.has("ignores exp") {
		var at *float64
		err := json.Unmarshal(exp, &at)
		if s.has("reads dates") && err != nil {
			at, err = dateOf(text(exp))
		}
		if err != nil && s.has("takes a strange exp for none") {
			err, at = nil, &now
			*at++
		}
		if err != nil || at == nil || *at <= now {
			return errors.New("exp")
		}
	}
	if nbf := s.get(claims, "nbf"); nbf != nil && !s.has("ignores nbf") {
		var at *float64
		if json.Unmarshal(nbf, &at) != nil || at == nil || *at > now {
			return errors.New("nbf")
		}
	}
	return nil
}

// dateOf reads a date in a string, as seconds or by RFC 3339.
func dateOf(text string) (*float64, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		return &seconds, nil
	}
	date, err := time.Parse(time.RFC3339, text)
	seconds := float64(date.Unix())
	return &seconds, err
}

func (s *lax) checkBinding(claims map[string]json.RawMessage, r *http.Request) error {
	if s.has("checks no binding") {
		return nil
	}
	raw := s.get(claims, "cnf")
	if members, err := parse(raw); s.has("takes null for absent") && (string(raw) == "null" || err == nil && text(members["x5t#S256"]) == "" && !strings.ContainsAny(string(members["x5t#S256"]), "0123456789[{t\"")) {
		raw = nil
	}
	if raw == nil {
		if s.has("accepts tokens without a binding") || proven(r) && s.has("takes a token bound to nothing if proven") {
			return nil
		}
		return errors.New("no cnf")
	}
	cnf, err := parse(raw)
	if err != nil {
		if s.has("takes a malformed cnf for none") {
			return nil
		}
		return err
	}
	if s.origin != "" {
		if done, err := s.checkKey(cnf, r); done || err != nil {
			return err
		}
	}
	thumbprint := text(s.get(cnf, "x5t#S256"))
	digest, err := base64.RawURLEncoding.DecodeString(thumbprint)
	if err != nil || len(digest) == 0 || len(digest) != sha256.Size && !s.has("compares the beginning") {
		if s.has("takes a malformed cnf for none") {
			return nil
		}
		return errors.New("x5t#S256")
	}
	presented := r.TLS.PeerCertificates
	if value := r.Header.Get("Client-Cert"); value != "" && s.has("trusts Client-Cert from anybody") {
		der, err := base64.StdEncoding.DecodeString(strings.Trim(value, ":"))
		if err != nil {
			return err
		}
		presented = []*x509.Certificate{{Raw: der}}
	}
	if len(presented) == 0 {
		if s.has("lets in who has no certificate") {
			return nil
		}
		return errors.New("no certificate")
	}
	if !s.has("compares with any certificate of the chain") {
		presented = presented[:1]
	}
	for _, certificate := range presented {
		sum := sha256.Sum256(certificate.Raw)
		spki := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
		if bytes.Equal(sum[:], digest) || s.has("compares the public key too") && bytes.Equal(spki[:], digest) ||
			s.has("compares the beginning") && bytes.HasPrefix(sum[:], digest) {
			return nil
		}
	}
	return errors.New("another certificate")
}

// always is a server that gives everybody the same answer.
func always(status int) func(*bindingtest.AuthorizationServer) (http.Handler, error) {
	return func(*bindingtest.AuthorizationServer) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }), nil
	}
}
