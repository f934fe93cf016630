package proxies_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// A world is an authorization server, and files for the programs of one test.
type world struct {
	as    *bindingtest.AuthorizationServer
	dir   string
	proxy tls.Certificate // the proxy's own, for the resource server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	require.NoError(t, err)
	t.Cleanup(as.Close)
	w := &world{as: as, dir: t.TempDir()}
	w.proxy, err = bindingtest.NewSelfSignedCertificate("proxy")
	require.NoError(t, err)
	ca, err := authority()
	require.NoError(t, err)
	w.writePair(t, "server", as.ServerCertificate())
	w.writePair(t, "proxy", w.proxy)
	w.write(t, "roots.pem", as.RootPEM())
	w.write(t, "client-ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate[0]}))
	return w
}

func (w *world) write(t *testing.T, name string, content []byte) string {
	t.Helper()
	file := filepath.Join(w.dir, name)
	require.NoError(t, os.WriteFile(file, content, 0o600))
	return file
}

// writePair writes certificate and key into two files, and into one.
func (w *world) writePair(t *testing.T, name string, pair tls.Certificate) {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(pair.PrivateKey.(*ecdsa.PrivateKey)) // Apache reads no PKCS #8 for its own
	require.NoError(t, err)
	key := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	certificate := []byte(pemOf(pair.Leaf))
	w.write(t, name+".pem", certificate)
	w.write(t, name+"-key.pem", key)
	w.write(t, name+"-pair.pem", append(certificate, key...))
}

// token is bound to the party's certificate.
func (w *world) token(t *testing.T, p *party) string {
	t.Helper()
	token, err := w.as.Token(bindingtest.TokenSpec{Certificate: p.leaf()})
	require.NoError(t, err)
	return token
}

// A backend is what a proxy forwards to.
type backend struct {
	port   string // on 127.0.0.1
	socket string // or this
	tls    bool
	trust  []string // the values of -trust
	secret string   // that the proxy sends
}

func (b backend) scheme() string {
	if b.tls {
		return "https"
	}
	return "http"
}

// byAddress is the trust that most tests use.
var byAddress = []string{"cidr:127.0.0.1/32"}

// server starts examples/server, and returns where it is and its process.
func (w *world) server(t *testing.T, p product, b backend) (backend, *process) {
	t.Helper()
	listen := "127.0.0.1:0"
	if b.socket != "" {
		listen = "unix:" + b.socket
	}
	args := []string{
		"-listen", listen, "-issuer", w.as.Issuer(), "-audience", "https://api.example", "-as-ca", filepath.Join(w.dir, "roots.pem"),
		"-forwarded-format", p.format, "-forwarded-header", p.header,
	}
	if b.tls {
		args = append(args, "-tls-cert", filepath.Join(w.dir, "server.pem"), "-tls-key", filepath.Join(w.dir, "server-key.pem"))
	}
	for _, trust := range b.trust {
		args = append(args, "-trust", trust)
	}
	process := start(t, program(t, buildServer), args, nil)
	address := process.firstLine(t, "listening on ")
	if b.socket != "" {
		// nginx and Apache do not stay root. Yours is for the proxy's group alone.
		require.NoError(t, os.Chmod(b.socket, 0o666))
	} else {
		b.port = address[strings.LastIndexByte(address, ':')+1:]
	}
	return b, process
}

// A front is a running proxy.
type front struct {
	address, url string
	run          string // its folder
}

// front starts the proxy with its configuration as it is, or changed.
func (w *world) front(t *testing.T, p product, b backend, change func(config string) string) front {
	t.Helper()
	return w.configured(t, p, change, map[string]any{
		"Upstream": p.upstream(b), "Secret": b.secret, "ProxyCertificate": b.tls, "Trust": strings.Join(b.trust, " -trust "),
	})
}

// configured starts the proxy with what its configuration has in braces.
func (w *world) configured(t *testing.T, p product, change func(config string) string, braces map[string]any) front {
	t.Helper()
	text, err := os.ReadFile(p.config)
	require.NoError(t, err)
	config := string(text)
	if change != nil {
		config = change(config)
	}
	parsed, err := template.New(p.name).Option("missingkey=error").Parse(config)
	require.NoError(t, err)
	name := program(t, p.program)
	for range 3 { // somebody else may be quicker to take the port
		port, run := freePort(t), openFolder(t) // nginx does not stay root, and writes uploads there
		f := front{address: "127.0.0.1:" + port, url: "https://localhost:" + port + "/whoami", run: run}
		var filled strings.Builder
		braces["Dir"], braces["Run"], braces["Listen"], braces["Port"] = w.dir, run, f.address, port
		require.NoError(t, parsed.Execute(&filled, braces))
		file := filepath.Join(run, filepath.Base(p.config))
		require.NoError(t, os.WriteFile(file, []byte(filled.String()), 0o600))
		process := start(t, name, p.args(file, run), []string{"HOME=" + run, "XDG_DATA_HOME=" + run, "XDG_CONFIG_HOME=" + run})
		if process.listens(t, f.address) {
			return f
		}
		t.Logf("%s did not start: %s", p.name, process.log)
	}
	require.Fail(t, p.name+" does not start")
	return front{}
}

// behind starts the server, trusting by address, and the proxy in front of it.
func (w *world) behind(t *testing.T, p product) (front, *process) {
	t.Helper()
	b, server := w.server(t, p, backend{trust: byAddress})
	return w.front(t, p, b, nil), server
}

// without takes the line out of a configuration that the product's fault names,
// or has the faulty one in its place.
func (p product) without(t *testing.T) func(string) string {
	return func(config string) string {
		require.Equal(t, 1, strings.Count(config, p.fault), "the line is in the configuration once")
		replacement := p.faulty
		if replacement == "" {
			replacement = strings.Repeat("\n", strings.Count(p.fault, "\n"))
		}
		return strings.Replace(config, p.fault, replacement, 1)
	}
}
