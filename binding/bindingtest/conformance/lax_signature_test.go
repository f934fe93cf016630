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

	"github.com/certbound/certbound/binding/bindingtest"
)

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
	response, err := s.http.Get(s.as.URL(bindingtest.OpenIDMetadataPath))
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

// bareRSA looks at the end of what comes out, and at neither the key nor the
// padding.
func bareRSA(public *rsa.PublicKey, digest, signature []byte) error {
	encoded := new(big.Int).Exp(new(big.Int).SetBytes(signature), big.NewInt(int64(public.E)), public.N).Bytes()
	if !bytes.HasSuffix(encoded, digest) {
		return errors.New("signature")
	}
	return nil
}
