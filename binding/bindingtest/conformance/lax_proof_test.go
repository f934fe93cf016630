package conformance_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/binding/bindingtest"
)

// provenBugs is what a server does wrong with DPoP proofs, and a case that finds it.
var provenBugs = map[bug]string{
	"takes the first of several proofs":        "two fields, different",
	"looks at no typ of proofs":                "typ JWT",
	"takes proofs with a private key":          "a jwk with d",
	"checks no signature of proofs":            "the owner's jwk, signed by the thief",
	"takes any method":                         "htm POST with GET",
	"takes any path":                           "another path",
	"takes the origin from Host":               "Host: evil.example, and a proof for it",
	"takes proofs of any age":                  "iat an hour ago",
	"takes proofs from the future":             "iat an hour ahead",
	"ignores ath":                              "ath of another token",
	"compares no key":                          "a thief with the token and a good proof by another key",
	"takes tokens bound to a key as Bearer":    "a token bound to a key, as Bearer",
	"ignores exp of proofs":                    "exp an hour ago",
	"ignores crit of proofs":                   "crit, an extension nobody knows",
	"takes proofs without a jti":               "jti missing",
	"fails at a typ that is a number":          "typ a number, and below 500",
	"echoes the proof":                         "nothing of the proof in any refusal",
	"says nothing of algorithms":               "algs in each DPoP challenge",
	"is content with one of two bindings":      "a token bound to both, with another certificate",
	"takes a token bound to nothing if proven": "an unbound token, with a good proof",
}

func newProvenLax(bugs ...bug) func(*bindingtest.AuthorizationServer) (http.Handler, error) {
	return func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
		return &lax{bugs: bugs, as: as, http: as.HTTPClient(), seen: make(map[string]bool), origin: apiOrigin}, nil
	}
}

// proven reports whether a request is under the scheme DPoP.
func proven(r *http.Request) bool {
	authorization := r.Header.Get("Authorization")
	return len(authorization) > 5 && strings.EqualFold(authorization[:5], "DPoP ")
}

func (s *lax) serveProven(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimSpace(r.Header.Get("Authorization")[5:])
	err := s.check(token, r)
	if err == nil {
		return
	}
	challenge := `DPoP error="invalid_dpop_proof"`
	if !s.has("says nothing of algorithms") {
		challenge += `, algs="ES256"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	w.Header().Set("Cache-Control", "no-store")
	if errors.Is(err, errCrash) {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusUnauthorized)
	if s.has("echoes the proof") {
		_, _ = w.Write([]byte(r.Header.Get("DPoP")))
	}
}

var errCrash = errors.New("crash")

// checkKey is done if the token needs nothing more than its key.
func (s *lax) checkKey(cnf map[string]json.RawMessage, r *http.Request) (done bool, err error) {
	jkt, bound := cnf["jkt"]
	if !proven(r) {
		if bound && !s.has("takes tokens bound to a key as Bearer") {
			return false, errors.New("a token bound to a key")
		}
		return bound, nil
	}
	thumbprint, err := s.checkProof(r)
	if err != nil {
		return false, err
	}
	if text(jkt) != thumbprint && !s.has("compares no key") {
		return false, errors.New("another key")
	}
	_, both := cnf["x5t#S256"]
	return !both || s.has("is content with one of two bindings"), nil
}

// checkProof returns the thumbprint of the key.
func (s *lax) checkProof(r *http.Request) (string, error) {
	fields := r.Header.Values("DPoP")
	if len(fields) == 0 || len(fields) > 1 && !s.has("takes the first of several proofs") {
		return "", errors.New("not one proof")
	}
	parts := strings.Split(fields[0], ".")
	if len(parts) != 3 {
		return "", errors.New("no three segments")
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			return "", err
		}
	}
	header, err := parse(decoded[0])
	if err != nil {
		return "", err
	}
	if typ := string(header["typ"]); s.has("fails at a typ that is a number") && len(typ) > 0 && typ[0] >= '0' && typ[0] <= '9' {
		return "", errCrash
	}
	if text(header["typ"]) != "dpop+jwt" && !s.has("looks at no typ of proofs") ||
		text(header["alg"]) != "ES256" || header["crit"] != nil && !s.has("ignores crit of proofs") {
		return "", errors.New("header")
	}
	key, thumbprint, err := s.keyOf(header["jwk"])
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !s.has("checks no signature of proofs") && (len(decoded[2]) != 64 ||
		!ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(decoded[2][:32]), new(big.Int).SetBytes(decoded[2][32:]))) {
		return "", errors.New("signature")
	}
	claims, err := parse(decoded[1])
	if err != nil {
		return "", err
	}
	return thumbprint, s.checkProofClaims(claims, r)
}

func (s *lax) keyOf(jwk json.RawMessage) (*ecdsa.PublicKey, string, error) {
	members, err := parse(jwk)
	if err != nil {
		return nil, "", err
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi"} {
		if members[private] != nil && !s.has("takes proofs with a private key") {
			return nil, "", errors.New("a private key")
		}
	}
	x, err1 := base64.RawURLEncoding.DecodeString(text(members["x"]))
	y, err2 := base64.RawURLEncoding.DecodeString(text(members["y"]))
	if err := errors.Join(err1, err2); err != nil || text(members["kty"]) != "EC" || text(members["crv"]) != "P-256" {
		return nil, "", errors.New("key")
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, "", err
	}
	hash := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + text(members["x"]) + `","y":"` + text(members["y"]) + `"}`))
	return key, base64.RawURLEncoding.EncodeToString(hash[:]), nil
}

func (s *lax) checkProofClaims(claims map[string]json.RawMessage, r *http.Request) error {
	if text(claims["jti"]) == "" && !s.has("takes proofs without a jti") {
		return errors.New("jti")
	}
	if text(claims["htm"]) != r.Method && !s.has("takes any method") {
		return errors.New("htm")
	}
	htu, _, _ := strings.Cut(text(claims["htu"]), "#")
	htu, _, _ = strings.Cut(htu, "?")
	origin := s.origin
	if s.has("takes the origin from Host") && !strings.HasPrefix(r.Host, "127.") {
		origin = "https://" + r.Host
	}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if r.URL.Host != "" {
		path = r.URL.EscapedPath()
	}
	if htu != origin+path && (!s.has("takes any path") || !strings.HasPrefix(htu, origin+"/")) {
		return errors.New("htu")
	}
	now := float64(time.Now().Unix())
	number := func(name string) (value float64, is bool) {
		var at *float64
		if json.Unmarshal(claims[name], &at) != nil || at == nil {
			return 0, false
		}
		return *at, true
	}
	issued, is := number("iat")
	if !is || issued < now-60 && !s.has("takes proofs of any age") || issued > now+60 && !s.has("takes proofs from the future") {
		return errors.New("iat")
	}
	if expires, is := number("exp"); is && expires < now && !s.has("ignores exp of proofs") {
		return errors.New("exp")
	}
	if before, is := number("nbf"); is && before > now+60 {
		return errors.New("nbf")
	}
	hash := sha256.Sum256([]byte(strings.TrimSpace(r.Header.Get("Authorization")[5:])))
	if text(claims["ath"]) != base64.RawURLEncoding.EncodeToString(hash[:]) && !s.has("ignores ath") {
		return errors.New("ath")
	}
	return nil
}
