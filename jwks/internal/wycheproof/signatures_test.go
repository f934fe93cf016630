package wycheproof

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks/internal/jws"
	"github.com/certbound/certbound/jwks/internal/keyset"
)

// Why a signature that is mathematically good is refused.
const (
	otherHash  = "RFC 7518 §3.3 to §3.5: the hash is none that an algorithm has for such a key"
	otherMask  = "RFC 7518 §3.5: MGF1 is with the algorithm's own hash"
	otherSalt  = "RFC 7518 §3.5: the salt is as long as the hash"
	shortKey   = "RFC 7518 §3.3: an RSA key has 2048 bits or more"
	otherCurve = "the curve is none of ES256, ES384, ES512 and Ed25519"
)

// A signatureGroup is a group of vectors by one key. The names are those of the
// files, several for one thing.
type signatureGroup struct {
	PublicKeyPEM string          `json:"publicKeyPem"`
	KeyPEM       string          `json:"keyPem"`
	PublicKeyJWK json.RawMessage `json:"publicKeyJwk"`
	KeyJWK       json.RawMessage `json:"keyJwk"`
	KeySize      int             `json:"keySize"`
	PublicKey    struct {
		Curve string
		X     string `json:"wx"`
		Y     string `json:"wy"`
	}
	SHA, MGFSHA string
	SLen        int
	Tests       []struct {
		ID              int    `json:"tcId"`
		Message         string `json:"msg"`
		Signature       string `json:"sig"`
		Result, Comment string
	}
}

// A signatureKind is how the files of one kind of key are judged: the algorithms
// by which a signature of a group is good, or why there is none.
type signatureKind func(group signatureGroup) (algorithms []string, reason string)

func pkcs1(group signatureGroup) ([]string, string) {
	if group.KeySize < 2048 {
		return nil, shortKey
	}
	return byHash("RS", group.SHA)
}

func pss(group signatureGroup) ([]string, string) {
	algorithms, reason := byHash("PS", group.SHA)
	switch {
	case reason != "":
		return nil, reason
	case group.MGFSHA != group.SHA:
		return nil, otherMask
	case group.SLen*8 != hashBits[group.SHA]:
		return nil, otherSalt
	}
	return algorithms, ""
}

var hashBits = map[string]int{"SHA-256": 256, "SHA-384": 384, "SHA-512": 512}

func byHash(prefix, hash string) ([]string, string) {
	if hashBits[hash] == 0 {
		return nil, otherHash
	}
	return []string{prefix + hash[len("SHA-"):]}, ""
}

func p1363(group signatureGroup) ([]string, string) {
	own := map[string]string{"secp256r1": "SHA-256", "secp384r1": "SHA-384", "secp521r1": "SHA-512"}[group.PublicKey.Curve]
	switch own {
	case "":
		return nil, otherCurve
	case group.SHA:
		return byHash("ES", own)
	}
	return nil, otherHash
}

func eddsa(group signatureGroup) ([]string, string) {
	if group.PublicKey.Curve != "edwards25519" {
		return nil, otherCurve
	}
	return []string{"EdDSA", "Ed25519"}, ""
}

// byOther returns the algorithm by which a vector is good that is invalid by the
// one of its file, if its comment says that it is another's.
func byOther(comment string, group signatureGroup) []string {
	for hash, bits := range hashBits {
		switch {
		case strings.HasPrefix(comment, "The message is hashed with "+hash+" instead of "),
			comment == "PKCS #1 v1.5 signature with "+hash:
			return []string{fmt.Sprintf("RS%d", bits)}
		case hash == group.SHA && (comment == "RSASSA-PSS signature" || comment == fmt.Sprintf("s_len changed to %d", bits/8)):
			return []string{fmt.Sprintf("PS%d", bits)}
		}
	}
	return nil
}

// algorithms are all that there are: a signature is tried by each.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}

// TestSignatures: each valid signature is good by the algorithms that it is of,
// and by no other; each invalid one by none.
func TestSignatures(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		kind signatureKind
		want count // accepted, refused on purpose, refused, either
	}{
		"ecdsa_secp256r1_sha256_p1363":    {p1363, count{173, 0, 89, 0}},
		"ecdsa_secp384r1_sha384_p1363":    {p1363, count{193, 0, 87, 0}},
		"ecdsa_secp521r1_sha512_p1363":    {p1363, count{231, 0, 87, 0}},
		"ecdsa_secp256r1_sha512_p1363":    {p1363, count{0, 242, 90, 0}},
		"ecdsa_secp384r1_sha512_p1363":    {p1363, count{0, 230, 88, 0}},
		"ecdsa_secp256k1_sha256_p1363":    {p1363, count{0, 167, 85, 0}},
		"ed25519":                         {eddsa, count{88, 0, 63, 0}},
		"ed448":                           {eddsa, count{0, 17, 70, 0}},
		"rsa_pkcs1_1024_sig_gen":          {pkcs1, count{0, 0, 0, 33}},
		"rsa_pkcs1_1536_sig_gen":          {pkcs1, count{0, 0, 0, 32}},
		"rsa_pkcs1_2048_sig_gen":          {pkcs1, count{24, 8, 0, 11}},
		"rsa_pkcs1_3072_sig_gen":          {pkcs1, count{24, 0, 0, 2}},
		"rsa_pkcs1_4096_sig_gen":          {pkcs1, count{24, 0, 0, 0}},
		"rsa_signature_2048_sha224":       {pkcs1, count{0, 7, 250, 1}},
		"rsa_signature_2048_sha256":       {pkcs1, count{9, 0, 249, 1}},
		"rsa_signature_2048_sha384":       {pkcs1, count{7, 0, 250, 1}},
		"rsa_signature_2048_sha512":       {pkcs1, count{8, 0, 250, 1}},
		"rsa_signature_2048_sha512_256":   {pkcs1, count{0, 7, 249, 1}},
		"rsa_signature_3072_sha256":       {pkcs1, count{8, 0, 250, 1}},
		"rsa_signature_3072_sha384":       {pkcs1, count{7, 0, 251, 1}},
		"rsa_signature_3072_sha512":       {pkcs1, count{8, 0, 251, 1}},
		"rsa_signature_4096_sha256":       {pkcs1, count{7, 0, 250, 1}},
		"rsa_signature_4096_sha384":       {pkcs1, count{7, 0, 251, 1}},
		"rsa_signature_4096_sha512":       {pkcs1, count{7, 0, 251, 1}},
		"rsa_signature_8192_sha256":       {pkcs1, count{7, 0, 250, 1}},
		"rsa_signature_8192_sha384":       {pkcs1, count{7, 0, 251, 1}},
		"rsa_signature_8192_sha512":       {pkcs1, count{7, 0, 251, 1}},
		"rsa_pss_2048_sha1_mgf1_20":       {pss, count{0, 42, 46, 0}},
		"rsa_pss_2048_sha256_mgf1_0":      {pss, count{0, 61, 42, 0}},
		"rsa_pss_2048_sha256_mgf1_32":     {pss, count{63, 0, 45, 0}},
		"rsa_pss_2048_sha256_mgf1sha1_20": {pss, count{0, 63, 45, 0}},
		"rsa_pss_2048_sha384_mgf1_48":     {pss, count{95, 0, 46, 0}},
		"rsa_pss_2048_sha512_256_mgf1_32": {pss, count{0, 69, 46, 0}},
		"rsa_pss_3072_sha256_mgf1_32":     {pss, count{63, 0, 45, 0}},
		"rsa_pss_4096_sha256_mgf1_32":     {pss, count{63, 0, 45, 0}},
		"rsa_pss_4096_sha384_mgf1_48":     {pss, count{95, 0, 46, 0}},
		"rsa_pss_4096_sha512_mgf1_32":     {pss, count{0, 132, 45, 0}},
		"rsa_pss_4096_sha512_mgf1_64":     {pss, count{132, 0, 47, 0}},
		"rsa_pss_misc":                    {pss, count{3, 147, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := read[signatureGroup](t, name)
			var got count
			for _, group := range file.TestGroups {
				of, reason := row.kind(group)
				set, err := keyset.Read(group.keySet(t), 1)
				if err != nil {
					require.NotEmpty(t, reason, "the key is not used: %v", err)
					set = &keyset.Set{}
				}
				// The same key as a client sends it along with a proof.
				sent, err := jws.ParseKey(group.jwk(t))
				tooLong := errors.Is(err, jws.ErrKeyWeak) && group.KeySize > 4096
				require.True(t, tooLong || (err == nil) == (len(set.Keys) == 1), "a key that is sent: %v", err)
				for _, test := range group.Tests {
					good := goodBy(set, fromHex(t, test.Message), fromHex(t, test.Signature))
					if sent != nil {
						require.Equal(t, good, goodByKey(sent, fromHex(t, test.Message), fromHex(t, test.Signature)), "vector %d", test.ID)
					}
					if test.Result == invalid && len(good) > 0 {
						require.Equal(t, byOther(test.Comment, group), good, "vector %d", test.ID)
						require.NotSubset(t, of, good, "vector %d", test.ID)
						good = nil
					}
					if len(good) > 0 {
						require.Equal(t, of, good, "vector %d", test.ID)
					}
					got.judge(t, test.ID, test.Result, len(good) > 0, reason)
				}
			}
			require.Equal(t, file.NumberOfTests, got.sum())
			report(t, row.want, got)
		})
	}
}

// goodBy returns the algorithms by which the signature is good.
func goodBy(keys *keyset.Set, message, signature []byte) (good []string) {
	for _, alg := range algorithms {
		signer, _ := keys.Verify(&keyset.Header{Alg: alg}, &jws.Message{SigningInput: message, Signature: signature})
		if signer != nil {
			good = append(good, alg)
		}
	}
	return good
}

// goodByKey does so for one key.
func goodByKey(key *jws.Key, message, signature []byte) (good []string) {
	for _, alg := range algorithms {
		if jws.Verify(alg, key, message, signature) {
			good = append(good, alg)
		}
	}
	return good
}

// keySet is the group's key as an issuer publishes it.
func (g signatureGroup) keySet(t *testing.T) []byte {
	t.Helper()
	document, err := json.Marshal(map[string]any{"keys": []any{json.RawMessage(g.jwk(t))}})
	require.NoError(t, err)
	return document
}

// jwk is the group's key as the vectors have it, but for no algorithm alone, so
// that all are tried.
func (g signatureGroup) jwk(t *testing.T) []byte {
	t.Helper()
	var key map[string]any
	switch {
	case g.PublicKeyJWK != nil:
		require.NoError(t, json.Unmarshal(g.PublicKeyJWK, &key))
	case g.KeyJWK != nil:
		require.NoError(t, json.Unmarshal(g.KeyJWK, &key))
	default:
		key = g.jwkOfPEM(t)
	}
	delete(key, "alg")
	document, err := json.Marshal(key)
	require.NoError(t, err)
	return document
}

func fromHex(t *testing.T, text string) []byte {
	t.Helper()
	decoded, err := hex.DecodeString(text)
	require.NoError(t, err)
	return decoded
}

// jwkOfPEM makes a JWK where the vectors have none.
func (g signatureGroup) jwkOfPEM(t *testing.T) map[string]any {
	t.Helper()
	if g.PublicKey.Curve == "secp256k1" { // crypto/x509 does not know it
		return map[string]any{"kty": "EC", "crv": "secp256k1", "x": base64URL(fromHex(t, g.PublicKey.X)), "y": base64URL(fromHex(t, g.PublicKey.Y))}
	}
	block, _ := pem.Decode([]byte(g.PublicKeyPEM + g.KeyPEM))
	require.NotNil(t, block)
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	require.NoError(t, err)
	switch public := public.(type) {
	case *rsa.PublicKey:
		return map[string]any{"kty": "RSA", "n": base64URL(public.N.Bytes()), "e": base64URL(big.NewInt(int64(public.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // 4, x, y
		require.NoError(t, err)
		x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
		return map[string]any{"kty": "EC", "crv": public.Curve.Params().Name, "x": base64URL(x), "y": base64URL(y)}
	}
	require.FailNow(t, "a key of another type", "%T", public)
	return nil
}

func base64URL(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
