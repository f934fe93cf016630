package forwarded

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"

	"github.com/certbound/certbound/binding"
)

// A decoder reads a value that is not a placeholder. Its error is a
// *binding.Error.
type decoder func(value string) (binding.Certificate, error)

// decoders has every encoding but xfcc and xfcc-json, which are configured: see
// xfccDecoder and xfccJSONDecoder.
var decoders = map[Format]decoder{
	RFC9440:         decodeRFC9440,
	URLPEM:          decodeURLPEM,
	URLPEMChain:     decodeURLPEMChain,
	PEMSpaces:       decodePEMSpaces,
	Base64DER:       decodeBase64DER,
	Base64PEM:       decodeBase64PEM,
	Traefik:         decodeTraefik,
	SHA256Hex:       decodeSHA256Hex,
	SHA256Base64:    decodeSHA256Base64,
	SHA256Base64URL: decodeSHA256Base64URL,
}

// decodeRFC9440 reads a byte sequence (RFC 8941 §4.2.7). The RFC leaves it open
// whether a parser takes missing padding and asks for parameters to be parsed;
// no proxy is known to send either.
func decodeRFC9440(value string) (binding.Certificate, error) {
	if strings.Contains(value, ",") { // RFC 9440 §2.2: an item, not a list
		return binding.Certificate{}, refused(binding.ReasonForwardedAmbiguous, errList)
	}
	inner, begins := strings.CutPrefix(value, ":")
	inner, ends := strings.CutSuffix(inner, ":")
	if !begins || !ends {
		return binding.Certificate{}, malformed(errColons)
	}
	return decodeBase64DER(inner)
}

func decodeBase64DER(value string) (binding.Certificate, error) {
	der, err := decodeBase64(value)
	if err != nil {
		return binding.Certificate{}, malformed(err)
	}
	return certificateOf(der)
}

// decodeTraefik reads what Traefik sends: base64 without armour, comma-separated,
// the client's own certificate first. Before 2.9.2 it was percent-encoded.
func decodeTraefik(value string) (binding.Certificate, error) {
	var first binding.Certificate
	for text := range strings.SplitSeq(value, ",") {
		unescaped, err := unescape(text)
		if err != nil {
			return binding.Certificate{}, malformed(err)
		}
		certificate, err := decodeBase64DER(unescaped)
		if err != nil {
			return binding.Certificate{}, err
		}
		if first.DER == nil {
			first = certificate
		}
	}
	return first, nil
}

func decodeSHA256Hex(value string) (binding.Certificate, error) {
	digest, err := decodeHexDigest(value)
	if err != nil {
		return binding.Certificate{}, malformed(err)
	}
	return digestOnly(digest), nil
}

func decodeHexDigest(value string) (digest binding.Thumbprint, err error) {
	if len(value) != hex.EncodedLen(len(digest)) { // 40 digits are SHA-1
		return digest, errDigest
	}
	if _, err := hex.Decode(digest[:], []byte(value)); err != nil {
		return binding.Thumbprint{}, errDigest
	}
	return digest, nil
}

// decodeSHA256Base64 reads Google Cloud's fingerprint, whose padding is not
// documented, and HAProxy's, which is padded.
func decodeSHA256Base64(value string) (binding.Certificate, error) {
	var digest binding.Thumbprint
	bare := strings.TrimSuffix(value, "=")
	if len(bare) != base64.RawStdEncoding.EncodedLen(len(digest)) || strings.ContainsAny(bare, "\r\n") {
		return binding.Certificate{}, malformed(errDigest)
	}
	if _, err := rawBase64.Decode(digest[:], []byte(bare)); err != nil {
		return binding.Certificate{}, malformed(errDigest)
	}
	return digestOnly(digest), nil
}

func decodeSHA256Base64URL(value string) (binding.Certificate, error) {
	digest, err := binding.ParseThumbprint(value)
	if err != nil {
		return binding.Certificate{}, malformed(errDigest)
	}
	return digestOnly(digest), nil
}

// digestOnly returns a certificate of which only the digest is known, or none
// for the digest of nothing, which Caddy sends if there is no certificate.
func digestOnly(digest binding.Thumbprint) binding.Certificate {
	if !digest.Matches(digest) {
		return binding.Certificate{}
	}
	return binding.Certificate{Thumbprint: digest}
}

// certificateOf hashes what is DER by its outer form. It does not use
// crypto/x509: proxies forward certificates that it refuses, such as one with a
// negative serial number, and the binding is about the bytes.
func certificateOf(der []byte) (binding.Certificate, error) {
	if !isDER(der) {
		return binding.Certificate{}, malformed(errDER)
	}
	return binding.Certificate{Thumbprint: sha256.Sum256(der), DER: der}, nil
}

// isDER reports whether the bytes are one SEQUENCE with something in it, its
// length definite and in its shortest form (X.690 §8.1.3, §10.1), and nothing
// after it.
func isDER(der []byte) bool {
	const sequence = 0x30 // universal, constructed, 16
	if len(der) < 3 || der[0] != sequence {
		return false
	}
	if der[1] < 0x80 {
		return int(der[1]) == len(der)-2
	}
	octets := int(der[1] & 0x7f)
	if octets > 3 || len(der) < 2+octets { // 3: 16 MiB
		return false
	}
	length := 0 // also that of the indefinite form, which has no octets
	for _, b := range der[2 : 2+octets] {
		length = length<<8 | int(b)
	}
	shortest := length >= 0x80 && length>>(8*(octets-1)) > 0
	return shortest && length == len(der)-2-octets
}

var (
	paddedBase64 = base64.StdEncoding.Strict()
	rawBase64    = base64.RawStdEncoding.Strict()
)

// decodeBase64 is strict: encoding/base64 alone skips line breaks.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errBase64
	}
	decoded, err := paddedBase64.DecodeString(text)
	if err != nil {
		return nil, errBase64
	}
	return decoded, nil
}

// unescape undoes percent-encoding once. "+" is itself: AWS sends it so, and
// base64 has it.
func unescape(value string) (string, error) {
	if strings.ContainsAny(value, " \t\r\n") {
		return "", errPercent
	}
	unescaped, err := url.PathUnescape(value)
	if err != nil { // which would tell what came
		return "", errPercent
	}
	return unescaped, nil
}

// What is wrong with a value. The texts are fixed: they never contain the
// value.
var (
	errColons  = errors.New("forwarded: not a byte sequence between colons")
	errList    = errors.New("forwarded: a list of certificates where one is expected")
	errBase64  = errors.New("forwarded: not strictly base64")
	errPercent = errors.New("forwarded: not percent-encoded")
	errPEM     = errors.New("forwarded: not exactly the PEM text that is expected")
	errDER     = errors.New("forwarded: not one DER sequence")
	errDigest  = errors.New("forwarded: not a SHA-256 digest in the encoding that is expected")

	errPair      = errors.New("forwarded: not pairs of key and value")
	errPairTwice = errors.New("forwarded: Hash, Cert or Chain occurs twice in one element")
	errObjects   = errors.New("forwarded: not a JSON array of objects whose names are distinct")
	errMember    = errors.New("forwarded: a name in the JSON is hash or cert in other letters")
	errElements  = errors.New("forwarded: the number of elements is not the configured one")
	errNoElement = errors.New("forwarded: one element less than configured: the client presented no certificate to the outermost proxy, or there is one proxy less (Config.Format, Config.Elements)")
	errHash      = errors.New("forwarded: Hash and Cert disagree")
)

func malformed(cause error) *binding.Error {
	return refused(binding.ReasonForwardedMalformed, cause)
}
