package main

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/certbound/certbound/binding"
)

// A certificate is one of the command line's.
type certificate struct {
	*x509.Certificate // with Raw alone, if it was not parsed

	unparsed error // what crypto/x509 objects to, or nil

	flag    string
	number  int    // in its file, from 1
	block   []byte // in PEM as it stands in the file, or nil
	content []byte // of the whole file
}

// loadCertificates reads the certificates of a file, and of nothing else in it
// more than that it is there.
func loadCertificates(flag, file string) ([]certificate, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var found []certificate
	var passed []string
	for rest := content; ; {
		before := rest
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			passed = append(passed, block.Type)
			continue
		}
		c, err := readCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate number %d: %w", len(found)+1, err)
		}
		c.flag, c.number, c.content = flag, len(found)+1, content
		c.block = before[bytes.Index(before, []byte("-----BEGIN")) : len(before)-len(rest)]
		found = append(found, c)
	}
	switch {
	case len(found) > 0:
		return found, nil
	case len(passed) > 0:
		return nil, fmt.Errorf("holds no certificate, but %s", quoteAll(passed))
	}
	c, err := readCertificate(content)
	if err != nil {
		return nil, errors.New("holds no certificate in PEM, and is none in DER")
	}
	c.flag, c.number, c.content = flag, 1, content
	return []certificate{c}, nil
}

// readCertificate reads DER. The binding looks at the bytes alone (RFC 8705
// §3.1), and so one that crypto/x509 does not parse will do, as it does for a
// guard behind a proxy.
func readCertificate(der []byte) (certificate, error) {
	parsed, err := x509.ParseCertificate(der)
	if err == nil {
		return certificate{Certificate: parsed}, nil
	}
	var whole asn1.RawValue
	rest, malformed := asn1.Unmarshal(der, &whole)
	if malformed != nil || len(rest) > 0 || whole.Tag != asn1.TagSequence || !whole.IsCompound {
		return certificate{}, errors.New("is not DER")
	}
	return certificate{Certificate: &x509.Certificate{Raw: der}, unparsed: err}, nil
}

// thumbprint is what x5t#S256 should be.
func (c certificate) thumbprint() string { return binding.ThumbprintOf(c.Certificate).String() }

// sameKey reports whether both are for one key pair.
func (c certificate) sameKey(other certificate) bool {
	return c.unparsed == nil && string(c.RawSubjectPublicKeyInfo) == string(other.RawSubjectPublicKeyInfo)
}

// place is where the certificate came from.
func (c certificate) place() string { return fmt.Sprintf("certificate %d of %s", c.number, c.flag) }

// certificate says which one the request presents. Nothing about it is a fault:
// the binding looks at its bytes alone (RFC 8705 §6.2).
func (i *inspection) certificate() {
	if len(i.options.certificates) == 0 {
		i.report.say("certificate", notChecked, "none given: the request is as from a client that presents none; name one with -cert")
		return
	}
	leaf := i.options.certificates[0]
	var notes []string
	if count := i.inFirstFile(); count > 1 {
		notes = append(notes, fmt.Sprintf("the first of %d in its file is what the handshake proves; the others are only compared with", count))
	}
	if leaf.unparsed != nil {
		i.report.say("certificate", plain, fmt.Sprintf("thumbprint %q", leaf.thumbprint()), append(notes,
			"note: Go does not parse it: "+clean(leaf.unparsed),
			"the binding looks at its bytes alone; but a handshake with a server in Go fails, so that it can come through a proxy only")...)
		return
	}
	if leaf.IsCA {
		notes = append(notes, "note: it is a CA's; a client's own certificate stands first in its file")
	}
	switch {
	case i.now.After(leaf.NotAfter):
		notes = append(notes, "note: it expired "+i.moment(leaf.NotAfter)+"; the binding does not look at that, but a server that verifies chains does")
	case i.now.Before(leaf.NotBefore):
		notes = append(notes, "note: it is valid only from "+i.moment(leaf.NotBefore)+"; the binding does not look at that, but a server that verifies chains does")
	}
	name := quote(leaf.Subject.String())
	if leaf.Subject.String() == "" {
		name = "without a subject"
	}
	i.report.say("certificate", plain, fmt.Sprintf("%s, until %s, thumbprint %q", name, leaf.NotAfter.UTC().Format(time.DateOnly), leaf.thumbprint()), notes...)
}

func (i *inspection) inFirstFile() (count int) {
	for _, c := range i.options.certificates {
		if c.flag == "-cert" {
			count++
		}
	}
	return count
}

// presented is the chain of the request's handshake.
func (i *inspection) presented() []*x509.Certificate {
	var chain []*x509.Certificate
	for _, c := range i.options.certificates {
		if c.flag == "-cert" {
			chain = append(chain, c.Certificate)
		}
	}
	return chain
}

// pemTexts are the texts that may have been hashed in place of the bytes.
func (c certificate) pemTexts() map[string][]byte {
	canonical := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	own := string(c.block)
	inBase64 := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(canonical,
		"-----BEGIN CERTIFICATE-----\n"), "-----END CERTIFICATE-----\n"), "\n", "")
	return map[string][]byte{
		"the PEM text":                                                []byte(canonical),
		"the PEM text without its last line end":                      []byte(strings.TrimSpace(canonical)),
		"the PEM text with CRLF line ends":                            []byte(strings.ReplaceAll(canonical, "\n", "\r\n")),
		"the PEM text as it stands in the file":                       []byte(own),
		"the whole file":                                              c.content,
		"the base64 text of the PEM, without its first and last line": []byte(inBase64),
	}
}
