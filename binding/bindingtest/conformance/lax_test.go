package conformance_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/certbound/certbound/binding/bindingtest"
)

// bug is something that a resource server does wrong.
type bug string

// lax is a resource server that has nothing of this project in it: written with the standard library alone, to be correct by
// the RFCs and no stricter, and then wrong in one way.
type lax struct {
	bugs []bug
	as   *bindingtest.AuthorizationServer
	http *http.Client

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
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if scheme := r.Header.Get("Authorization"); !found && len(scheme) > 7 && strings.EqualFold(scheme[:7], "Bearer ") {
		token, found = scheme[7:], true
	}
	if !found && s.has("reads the query") {
		token = r.URL.Query().Get("access_token")
		found = token != ""
	}
	if !found {
		s.refuse(w, http.StatusUnauthorized, "Bearer", token)
		return
	}
	err := s.check(strings.TrimLeft(token, " "), r)
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
	response, err := s.http.PostForm(s.as.IntrospectionEndpoint(), url.Values{"token": {token}})
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

// parse reads one JSON object; of names that occur twice the last counts, which RFC 7519 §4 allows.
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

func (s *lax) checkSignature(header map[string]json.RawMessage, input string, signature []byte) error {
	alg, kid := text(header["alg"]), text(header["kid"])
	if _, critical := header["crit"]; critical && !s.has("ignores crit") {
		return errors.New("crit")
	}
	switch {
	case s.has("checks no signature"):
		return nil
	case s.has("accepts alg none") && strings.EqualFold(alg, "none"):
		return nil
	case s.has("reads a secret from the file that kid names") && alg == "HS256" && strings.Contains(kid, "/dev/null"):
		return sameMAC(nil, input, signature)
	}
	if jwk := header["jwk"]; jwk != nil && s.has("takes the key of the header") {
		key, err := parse(jwk)
		if err != nil {
			return err
		}
		return s.verify(alg, key, input, signature)
	}
	if jku := text(header["jku"]); jku != "" && s.has("fetches jku") {
		keys, err := s.fetchKeys(jku, true)
		if err != nil {
			return err
		}
		return s.verifyAny(alg, kid, keys, input, signature)
	}
	err := s.verifyAny(alg, kid, s.keys, input, signature)
	if err == nil {
		return nil
	}
	if !slices.ContainsFunc(s.keys, func(key map[string]json.RawMessage) bool { return text(key["kid"]) == kid }) {
		// A kid that nobody knows, or the first token of all.
		keys, fetchErr := s.discover()
		if fetchErr != nil {
			return fmt.Errorf("%w: %w", errKeys, fetchErr)
		}
		s.keys = keys
		return s.verifyAny(alg, kid, s.keys, input, signature)
	}
	return err
}

func (s *lax) verifyAny(alg, kid string, keys []map[string]json.RawMessage, input string, signature []byte) error {
	for _, key := range keys {
		if kid == "" || text(key["kid"]) == kid {
			if s.verify(alg, key, input, signature) == nil {
				return nil
			}
		}
	}
	return errors.New("no key verifies it")
}

func (s *lax) discover() ([]map[string]json.RawMessage, error) {
	response, err := s.http.Get(s.as.OpenIDConfigurationURL())
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	document, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	members, err := parse(document)
	if err != nil || response.StatusCode != http.StatusOK {
		return nil, errors.New("no metadata")
	}
	if text(members["issuer"]) != s.as.Issuer() && !s.has("takes the metadata of anybody") {
		return nil, errors.New("another issuer")
	}
	return s.fetchKeys(text(members["jwks_uri"]), s.has("fetches keys by http"))
}

func (s *lax) fetchKeys(address string, byHTTP bool) ([]map[string]json.RawMessage, error) {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "https" && !byHTTP {
		return nil, errors.New("not https")
	}
	response, err := s.http.Get(address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	document, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return nil, errors.New("no key set")
	}
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, err
	}
	var keys []map[string]json.RawMessage
	for _, each := range set.Keys {
		if key, err := parse(each); err == nil {
			keys = append(keys, key)
		}
	}
	if keys == nil {
		return nil, errors.New("no keys")
	}
	return keys, nil
}

func number(value json.RawMessage) *big.Int {
	b, _ := base64.RawURLEncoding.DecodeString(text(value))
	return new(big.Int).SetBytes(b)
}

func (s *lax) verify(alg string, key map[string]json.RawMessage, input string, signature []byte) error {
	if stated := text(key["alg"]); stated != "" && stated != alg && !s.has("confuses algorithms") {
		return errors.New("the key is for another algorithm")
	}
	if use := text(key["use"]); use != "" && use != "sig" {
		return errors.New("the key is for encryption")
	}
	kty := text(key["kty"])
	if alg == "HS256" {
		switch {
		case kty == "oct" && s.has("takes oct keys"):
			return sameMAC(number(key["k"]).Bytes(), input, signature)
		case kty == "RSA" && s.has("confuses algorithms"):
			der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: number(key["n"]), E: int(number(key["e"]).Int64())})
			if err != nil {
				return err
			}
			return sameMAC(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), input, signature)
		}
	}
	digest := sha256.Sum256([]byte(input))
	if (alg == "RS256" || alg == "PS256") && kty == "RSA" {
		public := &rsa.PublicKey{N: number(key["n"]), E: int(number(key["e"]).Int64())}
		if s.has("takes any RSA key") && alg == "RS256" {
			return bareRSA(public, digest[:], signature)
		}
		if public.N.BitLen() < 2048 {
			return errors.New("weak")
		}
		if alg == "RS256" {
			return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature)
		}
		return rsa.VerifyPSS(public, crypto.SHA256, digest[:], signature, nil)
	}
	if alg == "ES256" && kty == "EC" {
		return s.verifyECDSA(key, digest[:], signature)
	}
	return errors.New("no such algorithm")
}

func (s *lax) verifyECDSA(key map[string]json.RawMessage, digest, signature []byte) error {
	curve := elliptic.P256()
	if text(key["crv"]) == "P-384" && s.has("takes any curve") {
		curve = elliptic.P384()
	} else if text(key["crv"]) != "P-256" {
		return errors.New("another curve")
	}
	size := (curve.Params().BitSize + 7) / 8
	x, y := number(key["x"]), number(key["y"])
	public, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x.FillBytes(make([]byte, size)), y.FillBytes(make([]byte, size))))
	if err != nil {
		return err
	}
	if s.has("takes DER") {
		var der struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(signature, &der); err == nil && ecdsa.Verify(public, digest, der.R, der.S) {
			return nil
		}
	}
	if len(signature) != 2*size {
		return errors.New("length")
	}
	r, v := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
	if s.has("does not look at the range of r and s") && r.Sign() == 0 && v.Sign() == 0 {
		return nil
	}
	if !ecdsa.Verify(public, digest, r, v) {
		return errors.New("signature")
	}
	return nil
}

func sameMAC(secret []byte, input string, signature []byte) error {
	mac := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(mac, input)
	if !hmac.Equal(mac.Sum(nil), signature) {
		return errors.New("signature")
	}
	return nil
}

// bareRSA looks at the end of what comes out, and at neither the key nor the padding.
func bareRSA(public *rsa.PublicKey, digest, signature []byte) error {
	encoded := new(big.Int).Exp(new(big.Int).SetBytes(signature), big.NewInt(int64(public.E)), public.N).Bytes()
	if !bytes.HasSuffix(encoded, digest) {
		return errors.New("signature")
	}
	return nil
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
		if json.Unmarshal(exp, &at) != nil || at == nil || *at <= now {
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

func (s *lax) checkBinding(claims map[string]json.RawMessage, r *http.Request) error {
	if s.has("checks no binding") {
		return nil
	}
	raw := s.get(claims, "cnf")
	if raw == nil {
		if s.has("accepts tokens without a binding") {
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
