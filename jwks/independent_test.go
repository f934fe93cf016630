package jwks_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// An independent verifies tokens with crypto/* and encoding/json alone, and
// nothing of the code under test: whatever that accepts, this has to accept too,
// and read the same. It need not refuse all that is refused there.
type independent struct {
	issuer string
	types  []string // in lower case; "": none
	keys   map[string]signer
	now    time.Time
}

func (i independent) verify(token string) (claims map[string]any, err error) {
	segments := strings.Split(token, ".")
	if len(segments) != 3 {
		return nil, errors.New("not three segments")
	}
	var decoded [3][]byte
	for n, segment := range segments {
		if strings.Trim(segment, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return nil, fmt.Errorf("segment %d: alphabet", n)
		}
		if decoded[n], err = base64.RawURLEncoding.Strict().DecodeString(segment); err != nil {
			return nil, fmt.Errorf("segment %d: %w", n, err)
		}
	}
	var header map[string]any
	if err := json.Unmarshal(decoded[0], &header); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	typ, isString := header["typ"].(string)
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	if _, present := header["typ"]; present && (!isString || typ == "") || !slices.Contains(i.types, typ) {
		return nil, errors.New("typ")
	}
	for _, name := range []string{"crit", "b64"} {
		if _, present := header[name]; present {
			return nil, errors.New(name)
		}
	}
	alg, _ := header["alg"].(string)
	if alg == "EdDSA" { // RFC 9864 §2.2: on this curve, the same
		alg = "Ed25519"
	}
	signed := false
	for id, key := range i.keys {
		if kid, present := header["kid"]; present && kid != id {
			continue
		}
		signed = signed || string(key.alg) == alg &&
			holds(key, []byte(token[:strings.LastIndexByte(token, '.')]), decoded[2])
	}
	if !signed {
		return nil, errors.New("signature")
	}
	decoder := json.NewDecoder(strings.NewReader(string(decoded[1])))
	decoder.UseNumber()
	if err := decoder.Decode(&claims); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	if claims["iss"] != i.issuer {
		return nil, errors.New("iss")
	}
	list, _ := claims["aud"].([]any)
	if one, ok := claims["aud"].(string); ok {
		list = []any{one}
	}
	found := false
	for _, one := range list {
		found = found || one == audience
	}
	if !found {
		return nil, errors.New("aud")
	}
	claims["aud"] = list
	exp, err := date(claims["exp"])
	if err != nil || exp.Add(time.Minute).Before(i.now) {
		return nil, fmt.Errorf("exp: %w", err)
	}
	for _, name := range []string{"nbf", "iat"} {
		if claims[name] == nil {
			continue
		}
		at, err := date(claims[name])
		if err != nil || at.After(i.now.Add(time.Minute)) {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return claims, nil
}

// date reads a number of seconds exactly.
func date(value any) (time.Time, error) {
	number, ok := value.(json.Number)
	if !ok {
		return time.Time{}, errors.New("not a number")
	}
	exact, ok := new(big.Float).SetPrec(4096).SetString(number.String())
	if !ok {
		return time.Time{}, errors.New("not a number")
	}
	nanoseconds, _ := new(big.Float).Mul(exact, big.NewFloat(1e9)).Int(nil)
	whole, rest := new(big.Int).DivMod(nanoseconds, big.NewInt(1e9), new(big.Int))
	if !whole.IsInt64() {
		return time.Time{}, errors.New("out of range")
	}
	return time.Unix(whole.Int64(), rest.Int64()), nil
}

func holds(key signer, input, signature []byte) bool {
	switch public := key.private.Public().(type) {
	case *rsa.PublicKey:
		hash, sum := digestFor(key.alg, string(input))
		if key.alg[0] == 'P' {
			return rsa.VerifyPSS(public, hash, sum, signature, &rsa.PSSOptions{SaltLength: hash.Size(), Hash: crypto.Hash(0)}) == nil
		}
		return rsa.VerifyPKCS1v15(public, hash, sum, signature) == nil
	case *ecdsa.PublicKey:
		half := (public.Curve.Params().BitSize + 7) / 8
		if len(signature) != 2*half {
			return false
		}
		return ecdsa.Verify(public, digest(key.alg, string(input)),
			new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]))
	case ed25519.PublicKey:
		return len(signature) == ed25519.SignatureSize && ed25519.Verify(public, input, signature)
	}
	return false
}

// sameReading compares what both have read.
func sameReading(token *binding.Token, claims map[string]any) error {
	text := func(names ...string) string {
		for _, name := range names {
			if value, present := claims[name]; present {
				s, _ := value.(string)
				return s
			}
		}
		return ""
	}
	var audience, scopes []any
	for _, one := range token.Audience() {
		audience = append(audience, one)
	}
	for _, one := range token.Scopes() {
		scopes = append(scopes, one)
	}
	scope, isList := claims["scope"].([]any)
	if !isList && text("scope") != "" {
		for _, one := range strings.Split(text("scope"), " ") {
			scope = append(scope, one)
		}
	}
	for name, at := range map[string]time.Time{"exp": token.Expiry(), "nbf": token.NotBefore(), "iat": token.IssuedAt()} {
		if _, present := claims[name]; !present && at.IsZero() {
			continue
		}
		if exact, err := date(claims[name]); err != nil || at.Sub(exact).Abs() > time.Microsecond {
			return fmt.Errorf("%s differs: %v and %v", name, at, exact)
		}
	}
	thumbprint, bound := token.Thumbprint()
	confirmation, present := claims["cnf"].(map[string]any)
	switch {
	case token.Issuer() != text("iss"):
		return errors.New("iss differs")
	case token.Subject() != text("sub"):
		return errors.New("sub differs")
	case token.ClientID() != text("client_id", "azp", "cid", "appid"):
		return errors.New("client_id differs")
	case fmt.Sprintf("%q", audience) != fmt.Sprintf("%q", claims["aud"]):
		return errors.New("aud differs")
	case fmt.Sprintf("%q", scopes) != fmt.Sprintf("%q", scope):
		return fmt.Errorf("scope differs: %q and %q", scopes, scope)
	case bound != present || bound && confirmation["x5t#S256"] != thumbprint.String():
		return errors.New("cnf differs")
	}
	var all map[string]json.RawMessage
	if err := token.Claims(&all); err != nil || len(all) != len(claims) {
		return fmt.Errorf("%d claims and %d: %w", len(all), len(claims), err)
	}
	return nil
}

// fuzzKeys are the keys of the fuzz tests, by kid; two have the same kind.
func fuzzKeys() map[string]signer {
	return map[string]signer{
		"rs": {jwks.RS256, rsaKey()},
		"ps": {jwks.PS384, otherRSAKey()},
		"es": {jwks.ES256, p256Key()},
		"ed": {jwks.Ed25519, edKey()},
	}
}
