package forwarded

import (
	"crypto/sha256"
	"strings"

	"github.com/certbound/certbound/binding"
)

const (
	pemBegin = "-----BEGIN CERTIFICATE-----"
	pemEnd   = "-----END CERTIFICATE-----"
)

func decodeURLPEM(value string) (binding.Certificate, error) {
	text, err := unescape(value)
	if err != nil {
		return binding.Certificate{}, malformed(err)
	}
	return decodePEM(text, "\n")
}

func decodePEMSpaces(value string) (binding.Certificate, error) {
	return decodePEM(value, " ")
}

func decodeBase64PEM(value string) (binding.Certificate, error) {
	text, err := decodeBase64(value)
	if err != nil {
		return binding.Certificate{}, malformed(err)
	}
	return decodePEM(string(text), "\n")
}

// decodePEM reads exactly one block, with or without a line break after it.
func decodePEM(text, lineBreak string) (binding.Certificate, error) {
	der, rest, err := pemBlock(text, lineBreak)
	switch {
	case err != nil:
		return binding.Certificate{}, malformed(err)
	case rest != "" && rest != lineBreak:
		return binding.Certificate{}, malformed(errPEM)
	}
	return certificateOf(der)
}

// decodeURLPEMChain reads one block or more, and returns the first: the
// client's own.
func decodeURLPEMChain(value string) (binding.Certificate, error) {
	text, err := unescape(value)
	if err != nil {
		return binding.Certificate{}, malformed(err)
	}
	var first binding.Certificate
	for more := true; more; {
		der, rest, err := pemBlock(text, "\n")
		switch {
		case err != nil:
			return binding.Certificate{}, malformed(err)
		case !isDER(der):
			return binding.Certificate{}, malformed(errDER)
		case rest != "" && !strings.HasPrefix(rest, "\n"):
			return binding.Certificate{}, malformed(errPEM)
		}
		if first.DER == nil {
			first = binding.Certificate{Thumbprint: sha256.Sum256(der), DER: der}
		}
		text = strings.TrimPrefix(rest, "\n")
		more = text != ""
	}
	return first, nil
}

// pemBlock reads the block at the start of the text and returns what is between
// its lines BEGIN and END, decoded, and what follows. It does not use
// encoding/pem, which skips text in front of a block, accepts headers, blanks
// and an empty body in it, and cannot read a block whose line breaks are
// spaces.
//
// RFC 7468 §3 has lines of 64 characters; lines of other lengths are read too.
func pemBlock(text, lineBreak string) (decoded []byte, rest string, err error) {
	body, begins := strings.CutPrefix(text, pemBegin+lineBreak)
	body, rest, ends := strings.Cut(body, lineBreak+pemEnd)
	emptyLine := body == "" || strings.HasPrefix(body, lineBreak) || strings.HasSuffix(body, lineBreak) ||
		strings.Contains(body, lineBreak+lineBreak)
	if !begins || !ends || emptyLine {
		return nil, "", errPEM
	}
	decoded, err = decodeBase64(strings.ReplaceAll(body, lineBreak, ""))
	return decoded, rest, err
}
