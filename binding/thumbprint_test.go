package binding_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// appendixA is the x5t#S256 that RFC 8705, Appendix A, gives for its certificate.
const appendixA = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"

func TestThumbprintOfRFC8705AppendixA(t *testing.T) {
	t.Parallel()
	thumbprint := binding.ThumbprintOf(readCertificate(t, "rfc8705-appendix-a.pem"))
	require.Equal(t, appendixA, thumbprint.String())

	parsed, err := binding.ParseThumbprint(appendixA)
	require.NoError(t, err)
	require.Equal(t, thumbprint, parsed)
	require.True(t, parsed.Matches(thumbprint))
	require.True(t, thumbprint.Matches(parsed))
}

func TestThumbprintOfNoCertificateIsZero(t *testing.T) {
	t.Parallel()
	require.Zero(t, binding.ThumbprintOf(nil))
	require.Zero(t, binding.ThumbprintOf(&x509.Certificate{}))
	require.Zero(t, binding.ThumbprintOf(&x509.Certificate{Raw: []byte{}}))
}

func TestThumbprintMatches(t *testing.T) {
	t.Parallel()
	zero, nothing := binding.Thumbprint{}, binding.Thumbprint(sha256.Sum256(nil))
	one, other := binding.Thumbprint{1}, binding.Thumbprint{31: 1}
	for name, test := range map[string]struct {
		a, b binding.Thumbprint
		want bool
	}{
		"itself":                             {one, one, true},
		"another":                            {one, other, false},
		"zero and zero":                      {zero, zero, false},
		"zero and a certificate's":           {zero, one, false},
		"digest of nothing and itself":       {nothing, nothing, false},
		"digest of nothing and zero":         {nothing, zero, false},
		"digest of nothing and another":      {nothing, one, false},
		"differ in the first byte":           {binding.Thumbprint{1, 9}, binding.Thumbprint{2, 9}, false},
		"differ in the last byte, last bit":  {binding.Thumbprint{5, 31: 2}, binding.Thumbprint{5, 31: 3}, false},
		"differ in the last byte, first bit": {binding.Thumbprint{5, 31: 2}, binding.Thumbprint{5, 31: 0x82}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, test.a.Matches(test.b))
			require.Equal(t, test.want, test.b.Matches(test.a))
		})
	}
}

// wrongThumbprints are the values of x5t#S256 that are not one, each with the reason that tells an operator what the issuer
// did wrong. They stand for the digest of the certificate of RFC 8705, Appendix A, where they stand for any.
func wrongThumbprints(t testing.TB) map[string]wrongThumbprint {
	certificate := readCertificate(t, "rfc8705-appendix-a.pem")
	digest := sha256.Sum256(certificate.Raw)
	short, long := sha1.Sum(certificate.Raw), sha512.Sum512(certificate.Raw)
	lower := hex.EncodeToString(digest[:])
	url, std := base64.RawURLEncoding.EncodeToString, base64.RawStdEncoding.EncodeToString
	const (
		malformed = binding.ReasonThumbprintMalformed
		hexa      = binding.ReasonThumbprintHex
		padded    = binding.ReasonThumbprintPadded
		standard  = binding.ReasonThumbprintStandardAlphabet
		sha1Sized = binding.ReasonThumbprintSHA1
	)
	// A digest whose base64 forms differ: 0xfb 0xff gives "-" and "_", or "+" and "/".
	both := append([]byte{0xfb, 0xff}, digest[:30]...)
	sha1Both := append([]byte{0xfb, 0xff}, short[:18]...)
	require.NotEqual(t, url(both), std(both))
	return map[string]wrongThumbprint{
		"F/153 empty":                          {"", malformed},
		"F/154 padded":                         {appendixA + "=", padded},
		"F/154 padded twice":                   {appendixA + "==", padded},
		"F/154 padded, of no alphabet":         {"!" + appendixA[1:] + "=", malformed},
		"F/154 nothing but padding":            {"====", malformed},
		"F/154 padding in the middle":          {appendixA[:20] + "=" + appendixA[21:], malformed},
		"F/155 standard alphabet":              {std(both), standard},
		"F/155 standard alphabet, padded":      {base64.StdEncoding.EncodeToString(both), standard},
		"F/155 both alphabets":                 {"+" + appendixA[1:42] + "_", malformed},
		"F/156 hex, lower case":                {lower, hexa},
		"F/156 hex, upper case":                {strings.ToUpper(lower), hexa},
		"F/156 hex with colons":                {colons(lower), hexa},
		"F/156 hex of a SHA-1 digest":          {hex.EncodeToString(short[:]), hexa},
		"F/156 hex of a SHA-1 with colons":     {colons(hex.EncodeToString(short[:])), hexa},
		"F/156 64 characters, one no hex":      {lower[:63] + "g", malformed},
		"F/156 64 characters, one a colon's":   {lower[:63] + "@", malformed},
		"F/157 SHA-1":                          {url(short[:]), sha1Sized},
		"F/157 SHA-1, standard alphabet":       {std(sha1Both), sha1Sized},
		"F/157 SHA-1, URL alphabet":            {url(sha1Both), sha1Sized},
		"F/157 SHA-1, padded":                  {base64.URLEncoding.EncodeToString(short[:]), sha1Sized},
		"F/157 27 characters of nothing known": {strings.Repeat("!", 27), malformed},
		"F/157 31 bytes":                       {url(digest[:31]), malformed},
		"F/157 33 bytes":                       {url(append(digest[:], 0)), malformed},
		"F/157 48 bytes":                       {url(long[:48]), malformed},
		"F/157 64 bytes":                       {url(long[:]), malformed},
		"F/157 42 characters":                  {appendixA[:42], malformed},
		"F/157 44 characters":                  {appendixA + "A", malformed},
		"F/158 last character not canonical 1": {appendixA[:42] + "1", malformed},
		"F/158 last character not canonical 2": {appendixA[:42] + "2", malformed},
		"F/158 last character not canonical 3": {appendixA[:42] + "3", malformed},
		"F/159 trailing space":                 {appendixA + " ", malformed},
		"F/159 leading space":                  {" " + appendixA, malformed},
		"F/159 trailing LF":                    {appendixA + "\n", malformed},
		"F/159 LF in place of a character":     {appendixA[:20] + "\n" + appendixA[21:], malformed},
		"F/159 CR LF in the middle":            {appendixA[:20] + "\r\n" + appendixA[20:], malformed},
		"F/159 LF within 44":                   {appendixA[:20] + "\n" + appendixA[20:], malformed},
		"F/159 trailing NUL":                   {appendixA + "\x00", malformed},
		"F/159 NUL in place of the last":       {appendixA[:42] + "\x00", malformed},
		"F/159 character beyond ASCII":         {appendixA[:41] + "é", malformed},
	}
}

type wrongThumbprint struct {
	value  string
	reason binding.Reason
}

func colons(digits string) string {
	var pairs []string
	for i := 0; i < len(digits); i += 2 {
		pairs = append(pairs, digits[i:i+2])
	}
	return strings.Join(pairs, ":")
}

func TestParseThumbprintNamesTheWrongForm(t *testing.T) {
	t.Parallel()
	for name, test := range wrongThumbprints(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			thumbprint, err := binding.ParseThumbprint(test.value)
			requireRefused(t, err, test.reason, 401)
			require.Zero(t, thumbprint)
			key, err := binding.ParseKeyThumbprint(test.value)
			requireRefused(t, err, test.reason, 401)
			require.Zero(t, key)
		})
	}
}

func TestParseThumbprintReadsWhatStringWrites(t *testing.T) {
	t.Parallel()
	for _, thumbprint := range []binding.Thumbprint{
		{}, {1}, {31: 1}, {0xfb, 0xff, 0xbf}, binding.Thumbprint(sha256.Sum256([]byte("any"))),
	} {
		text := thumbprint.String()
		require.Len(t, text, 43)
		parsed, err := binding.ParseThumbprint(text)
		require.NoError(t, err)
		require.Equal(t, thumbprint, parsed)

		key, err := binding.ParseKeyThumbprint(text)
		require.NoError(t, err)
		require.Equal(t, binding.KeyThumbprint(thumbprint), key)
		require.Equal(t, text, key.String())
	}
}

func TestKeyThumbprintMatches(t *testing.T) {
	t.Parallel()
	zero, one := binding.KeyThumbprint{}, binding.KeyThumbprint{5, 31: 2}
	require.True(t, one.Matches(one))
	for _, other := range []binding.KeyThumbprint{zero, {5, 31: 3}, {5, 31: 0x82}, {4, 31: 2}} {
		require.False(t, one.Matches(other))
		require.False(t, other.Matches(one))
	}
	require.False(t, zero.Matches(zero), "two absent keys are not the same key")
}
