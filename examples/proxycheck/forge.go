package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/url"
	"strings"
	"time"

	"github.com/certbound/certbound/binding/forwarded"
)

// throwAway makes a client certificate that nobody has heard of.
func throwAway(commonName string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: commonName},
		NotBefore:   time.Now().Add(-time.Hour),
		NotAfter:    time.Now().Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// forge writes a certificate as a proxy would in the format.
func forge(format forwarded.Format, der []byte) string {
	digest := sha256.Sum256(der)
	inBase64 := base64.StdEncoding.EncodeToString(der)
	inPEM := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	escapedPEM := strings.ReplaceAll(url.QueryEscape(inPEM), "+", "%20")
	switch format.Encoding() {
	case forwarded.URLPEM, forwarded.URLPEMChain:
		return escapedPEM
	case forwarded.PEMSpaces:
		return strings.TrimSpace(strings.ReplaceAll(inPEM, "\n", " "))
	case forwarded.Base64DER, forwarded.Traefik:
		return inBase64
	case forwarded.Base64PEM:
		return base64.StdEncoding.EncodeToString([]byte(inPEM))
	case forwarded.XFCC:
		return "Hash=" + hex.EncodeToString(digest[:]) + `;Cert="` + escapedPEM + `"`
	case forwarded.XFCCJSON:
		return `[{"hash":"` + hex.EncodeToString(digest[:]) + `","cert":"` + strings.ReplaceAll(inPEM, "\n", `\n`) + `"}]`
	case forwarded.SHA256Hex:
		return hex.EncodeToString(digest[:])
	case forwarded.SHA256Base64:
		return base64.StdEncoding.EncodeToString(digest[:])
	case forwarded.SHA256Base64URL:
		return base64.RawURLEncoding.EncodeToString(digest[:])
	default:
		return ":" + inBase64 + ":" // RFC 9440 §2.2
	}
}

// A forgery is one way to get a header past a proxy. Names that are not
// canonical are assigned, and sent, as they are.
type forgery struct {
	name string
	// fields adds the forged value to the request.
	fields func(header map[string][]string, name, value string)
	// alias: it arrives under a name that only looks like the header's.
	alias bool
	// http1 says that HTTP/2 has no such thing.
	http1 bool
}

var forgeries = []forgery{
	{name: "once", fields: func(h map[string][]string, name, value string) {
		h[name] = []string{value}
	}},
	{name: "twice", fields: func(h map[string][]string, name, value string) {
		h[name] = []string{value, value}
	}},
	{name: "lower case", http1: true, fields: func(h map[string][]string, name, value string) {
		h[strings.ToLower(name)] = []string{value}
	}},
	{name: "upper and lower case", http1: true, fields: func(h map[string][]string, name, value string) {
		h[strings.ToUpper(name)] = []string{value}
		h[strings.ToLower(name)] = []string{value}
	}},
	{name: "named in Connection", http1: true, fields: func(h map[string][]string, name, value string) {
		h[name] = []string{value}
		h["Connection"] = []string{"close, " + name}
	}},
	{name: "named in Connection, in lower case", http1: true, fields: func(h map[string][]string, name, value string) {
		h[name] = []string{value}
		h["Connection"] = []string{"close, " + strings.ToLower(name)}
	}},
	{name: "with underscores", alias: true, fields: func(h map[string][]string, name, value string) {
		h[strings.ReplaceAll(name, "-", "_")] = []string{value}
	}},
	{name: "with dots", alias: true, fields: func(h map[string][]string, name, value string) {
		h[strings.ReplaceAll(name, "-", ".")] = []string{value}
	}},
}

// otherHeaders are forgeries in each header that a format has for its own, in
// each of its encodings, but for the header that is checked anyway.
func otherHeaders(header string, der []byte) []forgery {
	type spelling struct {
		header   string
		encoding forwarded.Format
	}
	var all []forgery
	known := make(map[spelling]bool)
	for _, format := range forwarded.Formats() {
		s := spelling{format.Header(), format.Encoding()}
		if s.header == "" || s.header == header || known[s] {
			continue
		}
		known[s] = true
		value := forge(format, der)
		all = append(all, forgery{name: "not named, yet tried: " + s.header + " as " + string(format), fields: func(h map[string][]string, _, _ string) {
			h[s.header] = []string{value}
		}})
	}
	return all
}
