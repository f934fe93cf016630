package proxies_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/certbound/certbound/binding"
)

const debian = "apt-get install --no-install-recommends "

// A product is a proxy, its configuration, and what is special about it.
type product struct {
	name    string
	config  string // the file
	program func() (string, error)
	args    func(config, dir string) []string

	format string // of -forwarded-format
	header string
	encode func(*x509.Certificate) string // as it writes the header, more or less

	upstream func(b backend) string // as its configuration names one

	// resumes: with client certificates it resumes TLS sessions.
	resumes bool

	// fault is the line, one of the right configuration's, without which the
	// client's own header passes, or in whose place the line faulty lets it pass.
	fault, faulty string

	// naming is the line, one of the right configuration's, with naming[1] in
	// whose place the proxy names CAs to its clients.
	naming [2]string

	// refused are the forgeries that cost an honest client its access, for the
	// proxy lets another name pass, which makes the header ambiguous.
	refused []string
}

var products = []product{
	{
		name: "nginx", config: "nginx/nginx.conf",
		program: installed("nginx", debian+"nginx"),
		args: func(config, dir string) []string {
			return []string{"-p", dir, "-c", config, "-g", "daemon off;"}
		},
		resumes: true, format: "nginx", header: "X-Ssl-Client-Cert", encode: escapedPEM,
		upstream: func(b backend) string {
			if b.socket != "" {
				return "http://unix:" + b.socket
			}
			return b.scheme() + "://127.0.0.1:" + b.port
		},
		fault:  "proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;",
		naming: [2]string{"ssl_verify_client optional_no_ca;", "ssl_verify_client optional_no_ca; ssl_client_certificate {{.Dir}}/client-ca.pem;"},
	},
	{
		name: "haproxy", config: "haproxy/haproxy.cfg",
		program: installed("haproxy", debian+"haproxy"),
		args:    func(config, _ string) []string { return []string{"-db", "-f", config} },
		resumes: true, format: "haproxy", header: "Client-Cert", encode: byteSequence,
		upstream: func(b backend) string {
			if b.socket != "" {
				return "unix@" + b.socket
			}
			return "127.0.0.1:" + b.port
		},
		fault:   "http-request del-header Client-Cert\n",
		naming:  [2]string{" no-ca-names crt-ignore-err", " crt-ignore-err"},
		refused: []string{"with underscores", "with dots"},
	},
	{
		name: "apache", config: "apache/httpd.conf",
		program: installed("apache2", debian+"apache2"),
		args:    func(config, dir string) []string { return []string{"-D", "FOREGROUND", "-d", dir, "-f", config} },
		resumes: true, format: "apache", header: "X-Ssl-Client-Cert", encode: pemSpaces,
		upstream: func(b backend) string {
			if b.socket != "" {
				return "unix:" + b.socket + "|http://localhost/"
			}
			return b.scheme() + "://localhost:" + b.port + "/" // it knows no addresses in certificates
		},
		fault:   "RequestHeader unset X-SSL-Client-Cert\n",
		naming:  [2]string{"SSLVerifyClient optional_no_ca\n", "SSLVerifyClient optional_no_ca\nSSLCACertificateFile {{.Dir}}/client-ca.pem\n"},
		refused: []string{"with underscores", "with dots"},
	},
	{
		name: "caddy", config: "caddy/Caddyfile",
		program: installed("caddy", "doc.go says how to get it"),
		args:    func(config, _ string) []string { return []string{"run", "--adapter", "caddyfile", "--config", config} },
		format:  "caddy", header: "Client-Cert", encode: byteSequence,
		upstream: func(b backend) string {
			if b.socket != "" {
				return "unix/" + b.socket
			}
			return b.scheme() + "://127.0.0.1:" + b.port
		},
		fault:  "header_up -Client-Cert\n",
		naming: [2]string{"mode request\n", "mode request\ntrust_pool file {{.Dir}}/client-ca.pem\n"},
	},
	{
		name: "envoy", config: "envoy/envoy.yaml",
		program: installed("envoy", "doc.go says how to get it"),
		args:    envoyArgs,
		resumes: true, format: "envoy", header: "X-Forwarded-Client-Cert", encode: xfcc,
		upstream: func(b backend) string {
			if b.socket != "" {
				return "{ pipe: { path: " + b.socket + " } }"
			}
			return "{ socket_address: { address: 127.0.0.1, port_value: " + b.port + " } }"
		},
		fault:   "forward_client_cert_details: SANITIZE_SET\n",
		faulty:  "forward_client_cert_details: ALWAYS_FORWARD_ONLY\n",
		naming:  [2]string{envoyTrust + "\n", envoyTrust + "\n              trusted_ca: { filename: {{.Dir}}/client-ca.pem }\n"},
		refused: []string{"with dots"},
	},
}

// each runs a test for every product.
func each(t *testing.T, test func(t *testing.T, p product)) {
	for _, p := range products {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			test(t, p)
		})
	}
}

func pemOf(certificate *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}))
}

func escapedPEM(c *x509.Certificate) string {
	return strings.ReplaceAll(url.QueryEscape(pemOf(c)), "+", "%20")
}

func pemSpaces(c *x509.Certificate) string {
	return strings.TrimSpace(strings.ReplaceAll(pemOf(c), "\n", " "))
}

func byteSequence(c *x509.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":"
}

func xfcc(c *x509.Certificate) string {
	digest := binding.ThumbprintOf(c)
	return "Hash=" + hex.EncodeToString(digest[:]) + `;Cert="` + escapedPEM(c) + `"`
}

// A forgery is one way for a client to send the header. Names that are not
// canonical are sent as they are assigned.
type forgery struct {
	name  string
	http1 bool // HTTP/2 has no such thing
	set   func(h http.Header, name, value string)
}

var forgeries = []forgery{
	{"once", false, func(h http.Header, name, value string) { h[name] = []string{value} }},
	{"twice", false, func(h http.Header, name, value string) { h[name] = []string{value, value} }},
	{"empty, then once", false, func(h http.Header, name, value string) { h[name] = []string{"", value} }},
	{"in lower case", true, func(h http.Header, name, value string) { h[strings.ToLower(name)] = []string{value} }},
	{"in two cases", true, func(h http.Header, name, value string) {
		h[strings.ToUpper(name)] = []string{value}
		h[strings.ToLower(name)] = []string{value}
	}},
	{"named in Connection", true, func(h http.Header, name, value string) {
		h[name] = []string{value}
		h["Connection"] = []string{"close, " + name}
	}},
	{"named in Connection, in lower case", true, func(h http.Header, name, value string) {
		h[name] = []string{value}
		h["Connection"] = []string{"close, " + strings.ToLower(name)}
	}},
	{"named in Connection alone", true, func(h http.Header, name, _ string) {
		h["Connection"] = []string{"close, " + name}
	}},
	{"with underscores", false, func(h http.Header, name, value string) {
		h[strings.ReplaceAll(name, "-", "_")] = []string{value}
	}},
	{"with dots", false, func(h http.Header, name, value string) {
		h[strings.ReplaceAll(name, "-", ".")] = []string{value}
	}},
	{"once, and with underscores", false, func(h http.Header, name, value string) {
		h[name] = []string{value}
		h[strings.ReplaceAll(name, "-", "_")] = []string{value}
	}},
}
