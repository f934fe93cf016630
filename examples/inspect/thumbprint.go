package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// A find says what a wrong x5t#S256 is.
type find struct {
	digest      string // "the SHA-256"
	of          string // "the certificate"
	encoding    string // "in base64url"
	certificate certificate
	der, sha256 bool // as they should be
	encoded     bool // as it should be
}

func (f find) String() string { return f.digest + " of " + f.of + " " + f.encoding }

// identify finds out what value is: a digest of what, of which certificate, in
// which encoding. The first certificate is tried first, and what is right first.
func identify(value string, certificates []certificate) (find, bool) {
	for _, reading := range readings(value) {
		for _, c := range certificates {
			for _, source := range c.sources() {
				for _, hash := range hashes {
					if bytes.Equal(reading.digest, hash.of(source.bytes)) {
						return find{
							digest: "the " + hash.name, of: source.name, encoding: reading.encoding, certificate: c,
							der: source.der, sha256: hash.name == "SHA-256", encoded: reading.right,
						}, true
					}
				}
			}
		}
	}
	return find{}, false
}

var hashes = []struct {
	name string
	of   func([]byte) []byte
}{
	{"SHA-256", func(b []byte) []byte { d := sha256.Sum256(b); return d[:] }},
	{"SHA-1", func(b []byte) []byte { d := sha1.Sum(b); return d[:] }},
	{"SHA-384", func(b []byte) []byte { d := sha512.Sum384(b); return d[:] }},
	{"SHA-512", func(b []byte) []byte { d := sha512.Sum512(b); return d[:] }},
}

type source struct {
	name  string
	bytes []byte
	der   bool // what RFC 8705 §3.1 wants
}

// sources are what issuers have hashed.
func (c certificate) sources() []source {
	all := []source{{name: "the certificate", bytes: c.Raw, der: true}}
	if c.unparsed == nil {
		all = append(all,
			source{name: "the public key (SubjectPublicKeyInfo)", bytes: c.RawSubjectPublicKeyInfo},
			source{name: "the TBSCertificate, the certificate without its signature,", bytes: c.RawTBSCertificate})
	}
	parts := len(all)
	for name, text := range c.pemTexts() {
		if len(text) > 0 {
			all = append(all, source{name: name, bytes: text})
		}
	}
	slices.SortStableFunc(all[parts:], func(a, b source) int { return strings.Compare(a.name, b.name) })
	if jwk, ok := c.canonicalJWK(); ok {
		all = append(all, source{name: "the public key as a JWK (RFC 7638, as jkt has it)", bytes: jwk})
	}
	return all
}

// canonicalJWK is what RFC 7638 §3 hashes of a key.
func (c certificate) canonicalJWK() ([]byte, bool) {
	inBase64 := base64.RawURLEncoding.EncodeToString
	var members map[string]string // encoding/json sorts them, as RFC 7638 does
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		members = map[string]string{"kty": "RSA", "n": inBase64(key.N.Bytes()), "e": inBase64(big.NewInt(int64(key.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			return nil, false
		}
		half := (len(point) - 1) / 2
		members = map[string]string{"kty": "EC", "crv": key.Curve.Params().Name, "x": inBase64(point[1 : 1+half]), "y": inBase64(point[1+half:])}
	case ed25519.PublicKey:
		members = map[string]string{"kty": "OKP", "crv": "Ed25519", "x": inBase64(key)}
	default:
		return nil, false
	}
	text, err := json.Marshal(members)
	return text, err == nil
}

type reading struct {
	encoding string
	digest   []byte
	right    bool // RFC 7515 §2
}

// readings are the bytes that value may stand for, in each encoding that has
// been seen.
func readings(value string) []reading {
	var all []reading
	add := func(encoding string, digest []byte, err error, right bool) {
		if err == nil && len(digest) > 0 {
			all = append(all, reading{encoding, digest, right})
		}
	}
	trimmed := strings.TrimSpace(value)
	if trimmed != value {
		for _, r := range readings(trimmed) {
			add(r.encoding+" with white space around it", r.digest, nil, false)
		}
		return all
	}
	digits := strings.NewReplacer(":", "", " ", "").Replace(value)
	digest, err := hex.DecodeString(digits)
	switch {
	case err != nil:
	case digits != value:
		add("in hexadecimal with separators", digest, nil, false)
	default:
		add("in hexadecimal", digest, nil, false)
	}
	bare := strings.TrimRight(value, "=")
	digest, err = base64.RawURLEncoding.DecodeString(bare)
	switch _, strict := base64.RawURLEncoding.Strict().DecodeString(bare); {
	case err != nil || strings.ContainsAny(value, "\r\n"):
	case bare != value:
		add("in base64url with padding", digest, nil, false)
	case strict != nil:
		add("in base64url with a last character that no encoder writes", digest, nil, false)
	default:
		add("in base64url", digest, nil, true)
	}
	digest, err = base64.RawStdEncoding.DecodeString(bare)
	if strings.ContainsAny(bare, "+/") {
		add("in standard base64", digest, err, false)
	}
	plain := all
	all = nil
	for _, r := range plain {
		// The text of a digest encoded once more: "3c4f..." in base64url.
		inner, err := hex.DecodeString(strings.ReplaceAll(string(r.digest), ":", ""))
		add("in hexadecimal, and that text "+r.encoding, inner, err, false)
	}
	return append(all, plain...)
}

// whatThumbprint explains a value of x5t#S256 that does not do, beside the
// library's reason.
func (i *inspection) whatThumbprint(value string) (text string, more []string) {
	certificates := i.options.certificates
	if len(certificates) == 0 {
		return "cnf x5t#S256 " + shapeOf(value), []string{"give the client's certificate with -cert to see what it is of"}
	}
	right := certificates[0].thumbprint()
	found, known := identify(value, certificates)
	switch {
	case value == thumbprintOfNothing:
		return "cnf x5t#S256 is the SHA-256 of nothing: the issuer saw no certificate and hashed it all the same",
			[]string{"the issuer must take the certificate of the token request's handshake, and bind no token without one"}
	case len(value) >= 8 && value != right && strings.HasPrefix(right, value):
		return fmt.Sprintf("cnf x5t#S256 is the beginning of the thumbprint of the certificate, %d of %d characters", len(value), len(right)),
			[]string{"it was cut off: is the issuer's field for it too short?", fmt.Sprintf("the issuer must send %q", right)}
	case value != right && strings.EqualFold(value, right):
		return "cnf x5t#S256 is the thumbprint of the certificate with another upper and lower case, which makes it another one",
			[]string{"was it stored where case is lost?", fmt.Sprintf("the issuer must send %q", right)}
	case !known:
		return fmt.Sprintf("cnf x5t#S256 %s, and is no digest of %s in a form that is known", shapeOf(value), allOf(certificates)),
			[]string{
				"it is of another certificate: another client's, one from before a renewal, or that of a proxy in front of the issuer",
				fmt.Sprintf("compare with one that may be it by -other; for this certificate the issuer must send %q", right),
			}
	case found.der && found.sha256 && found.encoded:
		return i.ofAnother(found.certificate)
	}
	text = fmt.Sprintf("cnf x5t#S256 is %s", found)
	if found.certificate.number != 1 || found.certificate.flag != "-cert" {
		text += ", of " + i.another(found.certificate)
	}
	return text, []string{
		"RFC 8705 section 3.1 wants the SHA-256 of the certificate's DER bytes, base64url of its 32 bytes, without padding",
		fmt.Sprintf("the issuer must send %q", right),
	}
}

// ofAnother explains a good thumbprint, of another certificate than the one that
// is presented.
func (i *inspection) ofAnother(c certificate) (text string, more []string) {
	text = "cnf x5t#S256 is the thumbprint of " + i.another(c)
	leaf := i.options.certificates[0]
	switch {
	case c.IsCA:
		return text, []string{
			"the issuer must bind to the client's own certificate, the first of the handshake, not to one of its chain",
			fmt.Sprintf("the issuer must send %q", leaf.thumbprint()),
		}
	case c.sameKey(leaf):
		return text, []string{
			"the binding is to a certificate, not to its key: after a renewal the client needs a new connection and a new token",
			"nothing is wrong at the issuer; the client must get its token with the certificate that it presents",
		}
	}
	return text, []string{
		"the client must present that certificate, or get a token with the one that it presents",
		fmt.Sprintf("a token for this certificate has %q", leaf.thumbprint()),
	}
}

func (i *inspection) another(c certificate) string {
	switch {
	case c.IsCA:
		return c.place() + ", which is a CA's (" + quote(c.Subject.String()) + ")"
	case c.sameKey(i.options.certificates[0]):
		return c.place() + ", with the same key: the certificate was renewed"
	}
	return c.place() + " (" + quote(c.Subject.String()) + ")"
}

func allOf(certificates []certificate) string {
	if len(certificates) == 1 {
		return "the certificate"
	}
	return fmt.Sprintf("any of the %d certificates", len(certificates))
}

// thumbprintOfNothing is what is left of hashing a certificate that is absent.
var thumbprintOfNothing = base64.RawURLEncoding.EncodeToString(hashes[0].of(nil))

// shapeOf says what a value looks like, whatever it is of.
func shapeOf(value string) string {
	lengths := map[int]string{20: "SHA-1's", 32: "SHA-256's", 48: "SHA-384's", 64: "SHA-512's"}
	for _, r := range readings(value) {
		if whose, known := lengths[len(r.digest)]; known {
			return fmt.Sprintf("is %d bytes, the length of a %s, %s", len(r.digest), strings.TrimSuffix(whose, "'s"), r.encoding)
		}
	}
	if value == "" {
		return "is empty"
	}
	return "is " + quote(value) + ", which is no digest"
}
