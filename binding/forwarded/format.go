package forwarded

import "slices"

// A Format says how a proxy forwards the certificate. It is an encoding, for
// which Config.Header names the header unless the encoding has one of its own,
// or a product, which stands for an encoding, a header and what else belongs to
// that product. The zero value is an error: a format is never detected.
type Format string

// The encodings. Each is read strictly: a value that does not have exactly this
// form is refused, for instance for whitespace or trailing bytes.
const (
	// RFC9440 is a structured field's byte sequence, ":" base64(DER) ":" (RFC
	// 9440 §2.2, RFC 8941 §3.3.5), with padding and without parameters. A list is
	// refused. Its header is Client-Cert, unless Config.Header names another.
	RFC9440 Format = "rfc9440"

	// URLPEM is one PEM block, percent-encoded; "+" stands for itself.
	URLPEM Format = "url-pem"

	// URLPEMChain is one or more such blocks in a row, the client's own
	// certificate first. The others must be well formed, and are not used.
	URLPEMChain Format = "url-pem-chain"

	// PEMSpaces is one PEM block with a space for each line break.
	PEMSpaces Format = "pem-spaces"

	// Base64DER is the padded standard base64 of the DER encoding, in one line.
	Base64DER Format = "base64-der"

	// Base64PEM is the padded standard base64 of a PEM block's text.
	Base64PEM Format = "base64-pem"

	// XFCC is Envoy's x-forwarded-client-cert: elements separated by commas, one
	// for each proxy, of pairs separated by semicolons. Hash is required, and
	// Cert, if present, must agree with it. There must be exactly Config.Elements
	// elements. Its header is X-Forwarded-Client-Cert, unless Config.Header names
	// another.
	XFCC Format = "xfcc"

	// XFCCJSON is the same header in JSON, which Envoy writes where
	// set_current_client_cert_details names that format: an array of objects, one
	// for each proxy, with names in lower case. hash is required, and cert, if
	// present, must agree with it. There must be exactly Config.Elements objects;
	// an empty array says that there is no certificate. It is never read where
	// XFCC is named, nor the reverse.
	XFCCJSON Format = "xfcc-json"

	// SHA256Hex is the SHA-256 of the DER encoding in 64 hexadecimal digits.
	SHA256Hex Format = "sha256-hex"

	// SHA256Base64 is that digest in standard base64, padded or not.
	SHA256Base64 Format = "sha256-base64"

	// SHA256Base64URL is that digest in base64url without padding, as in x5t#S256
	// (RFC 8705 §3.1).
	SHA256Base64URL Format = "sha256-base64url"
)

// Formats returns all formats: the encodings, then the products.
func Formats() []Format {
	names := make([]Format, len(profiles))
	for i := range profiles {
		names[i] = profiles[i].format
	}
	return names
}

// Encoding returns the encoding of a product, or an encoding itself. It returns
// "" for an unknown format.
func (f Format) Encoding() Format {
	p, _ := profileOf(f)
	return p.encoding
}

// Header returns the header that the format reads unless Config.Header names
// another, in its canonical form. It returns "" if Config.Header is required.
func (f Format) Header() string {
	p, _ := profileOf(f)
	return p.header
}

// A profile is what a format stands for.
type profile struct {
	format   Format
	encoding Format
	header   string   // the default; "" where there is none
	strip    []string // further headers that carry certificates

	maxBytes          int  // 0: defaultMaxBytes
	elements, element int  // xfcc, xfcc-json
	optional          bool // the first element is of the client, if it has a certificate

	verifyHeader string
	verifyValues []string
	secretHeader string // that Trust must know
}

func profileOf(f Format) (profile, bool) {
	i := slices.IndexFunc(profiles, func(p profile) bool { return p.format == f })
	if i < 0 {
		return profile{}, false
	}
	return profiles[i], true
}

const (
	clientCert      = "Client-Cert"
	clientCertChain = "Client-Cert-Chain"
	xfccHeader      = "X-Forwarded-Client-Cert"
	sslClientCert   = "X-Ssl-Client-Cert"
	albLeaf         = "X-Amzn-Mtls-Clientcert-Leaf"
	albChain        = "X-Amzn-Mtls-Clientcert"
)

// rfc9440Headers are removed whichever header is read: a server further on that
// knows RFC 9440 would trust them.
var rfc9440Headers = []string{clientCert, clientCertChain}

var profiles = []profile{
	{format: RFC9440, encoding: RFC9440, header: clientCert, strip: rfc9440Headers},
	{format: URLPEM, encoding: URLPEM},
	{format: URLPEMChain, encoding: URLPEMChain},
	{format: PEMSpaces, encoding: PEMSpaces},
	{format: Base64DER, encoding: Base64DER},
	{format: Base64PEM, encoding: Base64PEM},
	{format: Traefik, encoding: Traefik, header: "X-Forwarded-Tls-Client-Cert"},
	{format: XFCC, encoding: XFCC, header: xfccHeader},
	{format: XFCCJSON, encoding: XFCCJSON, header: xfccHeader},
	{format: SHA256Hex, encoding: SHA256Hex},
	{format: SHA256Base64, encoding: SHA256Base64},
	{format: SHA256Base64URL, encoding: SHA256Base64URL},

	{format: Nginx, encoding: URLPEM, header: sslClientCert},
	{format: Envoy, encoding: XFCC, header: xfccHeader},
	{format: Istio, encoding: XFCC, header: xfccHeader, elements: 2, element: 1, optional: true},
	{format: HAProxy, encoding: RFC9440, header: clientCert, strip: rfc9440Headers},
	{format: Caddy, encoding: RFC9440, header: clientCert, strip: rfc9440Headers},
	{format: Apache, encoding: PEMSpaces, header: sslClientCert},
	{format: AWSALBVerify, encoding: URLPEM, header: albLeaf, strip: []string{albChain}},
	{format: AWSALBPassthrough, encoding: URLPEMChain, header: albChain, strip: []string{albLeaf}},
	{format: CloudFront, encoding: URLPEM, header: "Cloudfront-Viewer-Cert-Pem", strip: []string{"Cloudfront-Viewer-Cert-Sha256"}},
	{format: GCP, encoding: RFC9440, header: "X-Client-Cert-Leaf", strip: append([]string{"X-Client-Cert-Chain"}, rfc9440Headers...)},
	{format: AzureAppService, encoding: Base64DER, header: "X-Arr-Clientcert"},
	{format: AzureContainerApps, encoding: XFCC, header: xfccHeader},
	{format: Cloudflare, encoding: RFC9440, header: clientCert, strip: rfc9440Headers},
	{format: Kong, encoding: URLPEM, header: "X-Client-Cert"},
	{format: Fastly, encoding: Base64PEM, header: sslClientCert},
	{format: F5, encoding: Base64DER, header: sslClientCert},
	{format: CloudFoundry, encoding: Base64DER, header: xfccHeader},
	{
		format: Auth0, encoding: URLPEM, header: "Client-Certificate", maxBytes: 4096,
		verifyHeader: "Client-Certificate-Ca-Verified", verifyValues: []string{verifySuccess, verifyFailed},
		secretHeader: "Cname-Api-Key",
	},
}
