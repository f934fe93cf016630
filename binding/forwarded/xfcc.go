package forwarded

import (
	"strings"

	"github.com/certbound/certbound/binding"
)

// xfccDecoder reads Envoy's x-forwarded-client-cert:
//
//	header  = element *( "," element )   ; one for each proxy, the newest last
//	element = pair *( ";" pair ) [ ";" ]
//	pair    = key "=" ( value / DQUOTE quoted DQUOTE )
//
// There must be exactly count elements; the one with the number index, counted
// from 1, is the client's. Envoy does not quote By, URI and DNS
// (envoyproxy/envoy#32945), and so a client whose certificate has a comma or a
// semicolon in a name writes elements and pairs of its own. The exact number of
// elements and the one Hash in each refuse that; "the leftmost", "the last" or
// "any" would take it.
//
// Without a client certificate the outermost proxy writes no element. If
// optional is true, one element less means that there is no certificate.
func xfccDecoder(count, index int, optional bool) decoder {
	return func(value string) (binding.Certificate, error) {
		var client binding.Certificate
		n := 0
		for more := true; more; {
			if n++; n > count {
				return binding.Certificate{}, refused(binding.ReasonForwardedAmbiguous, errElements)
			}
			var element binding.Certificate
			var err error
			if element, value, more, err = xfccElement(value); err != nil {
				return binding.Certificate{}, err
			}
			if n == index {
				client = element
			}
		}
		if optional && n == count-1 {
			return binding.Certificate{}, missing(errNoElement)
		}
		if n < count {
			return binding.Certificate{}, refused(binding.ReasonForwardedAmbiguous, errElements)
		}
		return client, nil
	}
}

// xfccElement reads the element at the start of s, and reports whether a comma
// followed it.
func xfccElement(s string) (certificate binding.Certificate, rest string, more bool, err error) {
	var hash, cert, chain *xfccPair
	for {
		pair, after, ok := xfccNext(s)
		if !ok {
			return certificate, "", false, malformed(errPair)
		}
		var once **xfccPair
		switch {
		case strings.EqualFold(pair.key, "Hash"):
			once = &hash
		case strings.EqualFold(pair.key, "Cert"):
			once = &cert
		case strings.EqualFold(pair.key, "Chain"):
			once = &chain // not read; but two of them are somebody's injection
		}
		if once != nil {
			if *once != nil {
				return certificate, "", false, refused(binding.ReasonForwardedAmbiguous, errPairTwice)
			}
			*once = &pair
		}
		after = strings.TrimPrefix(after, ";")
		if after != "" && after[0] != ',' {
			s = after
			continue
		}
		rest, more = strings.CutPrefix(after, ",")
		break
	}
	certificate, err = xfccCertificate(hash, cert)
	return certificate, rest, more, err
}

// xfccCertificate makes a certificate of Hash and, where there is one, Cert.
func xfccCertificate(hash, cert *xfccPair) (binding.Certificate, error) {
	if hash == nil || hash.quoted {
		return binding.Certificate{}, malformed(errDigest)
	}
	digest, err := decodeHexDigest(hash.value)
	if err != nil {
		return binding.Certificate{}, malformed(err)
	}
	if cert == nil {
		return digestOnly(digest), nil
	}
	if !cert.quoted {
		return binding.Certificate{}, malformed(errPair)
	}
	certificate, err := decodeURLPEM(cert.value)
	if err != nil {
		return binding.Certificate{}, err
	}
	if certificate.Thumbprint != digest {
		return binding.Certificate{}, malformed(errHash)
	}
	return certificate, nil
}

type xfccPair struct {
	key, value string
	quoted     bool
}

// xfccNext reads the pair at the start of s. What follows it is empty or begins
// with the separator. A quote counts only directly behind "=", and must end
// directly before a separator: elsewhere it would hide separators from us that
// Envoy meant, or the reverse.
func xfccNext(s string) (pair xfccPair, rest string, ok bool) {
	pair.key, s, ok = strings.Cut(s, "=")
	if !ok || !isLetters(pair.key) {
		return pair, "", false
	}
	end := 0
	if strings.HasPrefix(s, `"`) {
		if end = closingQuote(s); end < 0 {
			return pair, "", false
		}
		pair.value, pair.quoted, rest = s[1:end], true, s[end+1:]
		return pair, rest, rest == "" || rest[0] == ';' || rest[0] == ','
	}
	if end = strings.IndexAny(s, `;,"`); end < 0 {
		end = len(s)
	}
	pair.value, rest = s[:end], s[end:]
	return pair, rest, rest == "" || rest[0] != '"'
}

// closingQuote returns the index of the quote that ends the one at s[0], past
// those with a backslash in front of them, or -1. A semicolon within has a
// backslash too: a bare one is where another reader sees the next pair.
func closingQuote(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		case ';':
			return -1
		}
	}
	return -1
}

func isLetters(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return s != ""
}
