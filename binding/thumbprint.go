package binding

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"strings"

	"github.com/certbound/certbound/binding/internal/grammar"
)

// A Thumbprint is the SHA-256 digest of a certificate's DER encoding, the
// value that the x5t#S256 confirmation member carries (RFC 8705 §3.1).
//
// The zero Thumbprint belongs to no certificate: it matches nothing, not even
// itself. Compare Thumbprints with [Thumbprint.Matches], not with ==.
type Thumbprint [sha256.Size]byte

// digestOfNothing is what a proxy sends if it hashes a certificate that is not
// there.
var digestOfNothing = Thumbprint(sha256.Sum256(nil))

// ThumbprintOf returns the thumbprint of a certificate: of the whole
// certificate, not of its key, so that a renewed certificate has a different
// one. It is the zero Thumbprint for nil and for a certificate without Raw
// bytes.
func ThumbprintOf(certificate *x509.Certificate) Thumbprint {
	if certificate == nil || len(certificate.Raw) == 0 {
		return Thumbprint{}
	}
	return sha256.Sum256(certificate.Raw)
}

// Matches reports, in constant time, whether both are the thumbprint of the
// same certificate. The zero Thumbprint and the digest of no bytes match
// nothing, on either side: two absent certificates are not the same
// certificate.
func (t Thumbprint) Matches(other Thumbprint) bool {
	return !t.empty() && !other.empty() && subtle.ConstantTimeCompare(t[:], other[:]) == 1
}

func (t Thumbprint) empty() bool {
	return t == Thumbprint{} || t == digestOfNothing
}

// String returns the form in which x5t#S256 carries a thumbprint: base64url
// without padding, 43 characters (RFC 8705 §3.1). A thumbprint is no secret.
func (t Thumbprint) String() string {
	return base64.RawURLEncoding.EncodeToString(t[:])
}

// ParseThumbprint reads the value of x5t#S256: exactly 43 characters of
// base64url without padding, the last one canonical (RFC 8705 §3.1, RFC 7515
// §2, RFC 4648 §3.5). The error is an [*Error] whose Reason names the mistake,
// because issuers do get it wrong: [ReasonThumbprintHex],
// [ReasonThumbprintPadded], [ReasonThumbprintStandardAlphabet],
// [ReasonThumbprintSHA1] or [ReasonThumbprintMalformed].
func ParseThumbprint(value string) (Thumbprint, error) {
	digest, refusal := parseDigest(value)
	if refusal != nil {
		return Thumbprint{}, refusal
	}
	return digest, nil
}

// A KeyThumbprint is the SHA-256 thumbprint of a public key as a JWK (RFC 7638),
// the value that the jkt confirmation member carries (RFC 9449 §6.1).
//
// The zero KeyThumbprint belongs to no key: it matches nothing, not even
// itself. Compare KeyThumbprints with [KeyThumbprint.Matches], not with ==.
type KeyThumbprint [sha256.Size]byte

// Matches reports, in constant time, whether both are the thumbprint of the
// same key. The zero KeyThumbprint matches nothing, on either side.
func (t KeyThumbprint) Matches(other KeyThumbprint) bool {
	return t != KeyThumbprint{} && subtle.ConstantTimeCompare(t[:], other[:]) == 1
}

// String returns the form in which jkt carries a thumbprint: base64url without
// padding, 43 characters (RFC 9449 §6.1). A thumbprint is no secret.
func (t KeyThumbprint) String() string {
	return base64.RawURLEncoding.EncodeToString(t[:])
}

// ParseKeyThumbprint reads the value of jkt, with the rules and the errors of
// [ParseThumbprint] (RFC 9449 §6.1).
func ParseKeyThumbprint(value string) (KeyThumbprint, error) {
	digest, refusal := parseDigest(value)
	if refusal != nil {
		return KeyThumbprint{}, refusal
	}
	return digest, nil
}

const (
	thumbprintBytes  = sha256.Size
	thumbprintLength = 43 // characters of 32 bytes in base64url
)

// strictBase64URL has one text for each digest (RFC 4648 §3.5).
var strictBase64URL = base64.RawURLEncoding.Strict()

func parseDigest(value string) ([thumbprintBytes]byte, *Error) {
	var digest [thumbprintBytes]byte
	if len(value) != thumbprintLength || !isBase64URL(value) {
		return digest, &Error{Reason: wrongForm(value)}
	}
	var text [thumbprintLength]byte
	copy(text[:], value)
	if _, err := strictBase64URL.Decode(digest[:], text[:]); err != nil {
		return [thumbprintBytes]byte{}, &Error{Reason: ReasonThumbprintMalformed}
	}
	return digest, nil
}

// wrongForm names the mistake in a value that is no thumbprint.
func wrongForm(value string) Reason {
	const sha1Length = 27 // 20 bytes in base64url
	bare := strings.TrimRight(value, "=")
	digits := strings.ReplaceAll(value, ":", "")
	switch {
	case (len(digits) == 64 || len(digits) == 40) && isHex(digits):
		return ReasonThumbprintHex
	case len(bare) == sha1Length && (isBase64URL(bare) || isBase64Standard(bare)):
		return ReasonThumbprintSHA1
	case len(bare) == thumbprintLength && strings.ContainsAny(bare, "+/") && isBase64Standard(bare):
		return ReasonThumbprintStandardAlphabet
	case len(bare) == thumbprintLength && bare != value && isBase64URL(bare):
		return ReasonThumbprintPadded
	}
	return ReasonThumbprintMalformed
}

func isBase64URL(s string) bool {
	return onlyAlnumOr(s, '-', '_')
}

func isBase64Standard(s string) bool {
	return onlyAlnumOr(s, '+', '/')
}

func onlyAlnumOr(s string, a, b byte) bool {
	for i := range len(s) {
		if c := s[i]; !grammar.IsAlphanumeric(c) && c != a && c != b {
			return false
		}
	}
	return true
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
