package subject

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/forwarded"
)

// Encodings are the formats that are no product's: a product is one of them and a header.
func Encodings() []forwarded.Format {
	var list []forwarded.Format
	for _, format := range forwarded.Formats() {
		if format.Encoding() == format {
			list = append(list, format)
		}
	}
	return list
}

// Forward returns a request with the certificate in a header, as a proxy writes it in the encoding, and the source that reads
// it.
func Forward(encoding forwarded.Format, certificate *x509.Certificate) (*http.Request, *forwarded.Source, error) {
	const header = "X-Client-Certificate"
	source, err := forwarded.New(forwarded.Config{
		Format: encoding, Header: header,
		Trust: []forwarded.Trust{forwarded.TrustPeers(netip.MustParsePrefix("203.0.113.0/24"))},
	})
	if err != nil {
		return nil, nil, err
	}
	value, err := encode(encoding, certificate)
	if err != nil {
		return nil, nil, err
	}
	r := NewRequest("token", certificate)
	r = r.WithContext(forwarded.PeerContext(r.Context(), net.TCPAddrFromAddrPort(netip.MustParseAddrPort(r.RemoteAddr))))
	r.TLS = nil
	r.Header.Set(header, value)
	return r, source, nil
}

func encode(encoding forwarded.Format, certificate *x509.Certificate) (string, error) {
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}))
	escaped := strings.ReplaceAll(url.QueryEscape(text), "+", "%20") // as nginx and Envoy do
	der := base64.StdEncoding.EncodeToString(certificate.Raw)
	digest := binding.ThumbprintOf(certificate)
	switch encoding {
	case forwarded.RFC9440:
		return ":" + der + ":", nil
	case forwarded.URLPEM, forwarded.URLPEMChain:
		return escaped, nil
	case forwarded.PEMSpaces:
		return strings.ReplaceAll(text, "\n", " "), nil
	case forwarded.Base64DER, forwarded.Traefik:
		return der, nil
	case forwarded.Base64PEM:
		return base64.StdEncoding.EncodeToString([]byte(text)), nil
	case forwarded.XFCC:
		return "Hash=" + hex.EncodeToString(digest[:]) + `;Cert="` + escaped + `"`, nil
	case forwarded.XFCCJSON:
		return `[{"hash":"` + hex.EncodeToString(digest[:]) + `","cert":"` + strings.ReplaceAll(text, "\n", `\n`) + `"}]`, nil
	case forwarded.SHA256Hex:
		return hex.EncodeToString(digest[:]), nil
	case forwarded.SHA256Base64:
		return base64.StdEncoding.EncodeToString(digest[:]), nil
	case forwarded.SHA256Base64URL:
		return digest.String(), nil
	}
	return "", fmt.Errorf("subject: no proxy of ours writes %s", encoding)
}

// NewClientCertificate returns a client certificate for a P-256 key.
func NewClientCertificate() (*x509.Certificate, error) {
	certificate, err := bindingtest.NewSelfSignedCertificate("tpp-4711")
	return certificate.Leaf, err
}
