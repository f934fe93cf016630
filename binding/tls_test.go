package binding_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// api is a protected API on a TLS socket.
type api struct {
	*httptest.Server
	ran       atomic.Int64 // times that the handler ran
	handshake chan string  // what the server says of each handshake that failed
}

// Write takes the server's log.
func (a *api) Write(line []byte) (int, error) {
	if strings.Contains(string(line), "TLS handshake error") {
		a.handshake <- string(line)
	}
	return len(line), nil
}

// serveTLS starts an API with the guard. Its certificate is for 127.0.0.1, example.com and *.example.com.
func serveTLS(t *testing.T, guard *binding.Guard, config *tls.Config) *api {
	t.Helper()
	a := &api{handshake: make(chan string, 100)}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.ran.Add(1)
		w.WriteHeader(http.StatusNoContent)
	})
	a.Server = httptest.NewUnstartedServer(bindhttp.Protect(guard)(handler))
	a.Config.ErrorLog = log.New(a, "", 0)
	a.EnableHTTP2 = true
	a.TLS = config
	a.StartTLS()
	t.Cleanup(a.Close)
	return a
}

// client makes an HTTP client with its own connections that trusts the API. A change may add certificates.
func (a *api) client(t *testing.T, change func(*tls.Config)) *http.Client {
	t.Helper()
	trusted := a.Client().Transport.(*http.Transport)
	config := &tls.Config{RootCAs: trusted.TLSClientConfig.RootCAs}
	if change != nil {
		change(config)
	}
	// Every name is the API's: httptest's own client knows that of
	// example.com, and only since Go 1.26.
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, a.Listener.Addr().String())
	}
	transport := &http.Transport{TLSClientConfig: config, DialContext: dial, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// with makes a client present a certificate whichever CAs the server names. Nil is no certificate.
func with(certificate *tls.Certificate) func(*tls.Config) {
	return func(config *tls.Config) {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if certificate == nil {
				return &tls.Certificate{}, nil
			}
			return certificate, nil
		}
	}
}

// get sends a token, and returns the status and the error code of the answer, such as "401 invalid_token", or "TLS" when
// the handshake failed.
func (a *api) get(t *testing.T, client *http.Client, token string) (string, *tls.ConnectionState) {
	t.Helper()
	return a.getFrom(t, client, a.URL, token)
}

func (a *api) getFrom(t *testing.T, client *http.Client, url, token string) (string, *tls.ConnectionState) {
	t.Helper()
	ran := a.ran.Load()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(r)
	if err != nil {
		select { // the client may see no more than a closed connection
		case <-a.handshake:
		case <-time.After(10 * time.Second):
			require.NoError(t, err, "the server knows of no handshake that failed")
		}
		require.Equal(t, ran, a.ran.Load())
		return "TLS", nil
	}
	defer func() { require.NoError(t, response.Body.Close()) }()
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	if response.StatusCode == http.StatusNoContent {
		require.Equal(t, ran+1, a.ran.Load())
		return "OK", response.TLS
	}
	require.Equal(t, ran, a.ran.Load(), "the handler ran")
	code := parseChallenge(t, response.Header.Get("WWW-Authenticate"))["error"]
	return strings.TrimSpace(fmt.Sprint(response.StatusCode, " ", code)), response.TLS
}

const refused = "401 invalid_token"

// certify issues a certificate for the template's subject, by itself if there is no issuer.
func certify(t testing.TB, template *x509.Certificate, issuer *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	template.SerialNumber = big.NewInt(1)
	parent, signer := template, crypto.PrivateKey(key)
	if issuer != nil {
		parent, signer = issuer.Leaf, issuer.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func authority(t testing.TB, name string, issuer *tls.Certificate) tls.Certificate {
	return certify(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, issuer)
}

func clientTemplate(name string) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}

func poolOf(certificates ...tls.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, certificate := range certificates {
		pool.AddCert(certificate.Leaf)
	}
	return pool
}

// Each setting of a server, for each certificate that a client may present, with a token that is bound to that very
// certificate. The binding asks for no chain; a server that verifies chains does so before the guard is asked.
func TestTLSClientAuth(t *testing.T) {
	t.Parallel()
	ca := authority(t, "CA", nil)
	selfSigned := newCertificate(t, "client-1")
	otherCA := authority(t, "other CA", nil)
	issued, foreign := certify(t, clientTemplate("client-1"), &ca), certify(t, clientTemplate("client-1"), &otherCA)
	expired := clientTemplate("client-1")
	expired.NotBefore, expired.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	outdated := certify(t, expired, &ca)
	certificates := map[string]*tls.Certificate{
		"none": nil, "issued": &issued, "self-signed": &selfSigned, "of another CA": &foreign, "expired": &outdated,
	}
	for name, test := range map[string]struct {
		config *tls.Config
		want   map[string]string // OK where nothing is said
	}{
		"G/176 Request":       {nil, map[string]string{"none": refused}},
		"G/176 VerifyIfGiven": {&tls.Config{ClientCAs: poolOf(ca)}, map[string]string{"none": refused, "self-signed": "TLS", "of another CA": "TLS", "expired": "TLS"}},
		"G/177 RequireAny":    {&tls.Config{ClientAuth: tls.RequireAnyClientCert}, map[string]string{"none": "TLS"}},
		"G/177 RequireAndVerify": {&tls.Config{ClientCAs: poolOf(ca), ClientAuth: tls.RequireAnyClientCert},
			map[string]string{"none": "TLS", "self-signed": "TLS", "of another CA": "TLS", "expired": "TLS"}},
		"G/196 verify without CAs": {&tls.Config{ClientAuth: tls.VerifyClientCertIfGiven},
			map[string]string{"none": refused, "issued": "TLS", "self-signed": "TLS", "of another CA": "TLS", "expired": "TLS"}},
		"G/196 verify all without CAs": {&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert},
			map[string]string{"none": "TLS", "issued": "TLS", "self-signed": "TLS", "of another CA": "TLS", "expired": "TLS"}},
	} {
		for kind, certificate := range certificates {
			row := map[string]string{"expired": "G/178, G/179 ", "self-signed": "G/180, G/181 ", "of another CA": "G/180, G/181 "}[kind]
			t.Run(name+", "+row+kind, func(t *testing.T) {
				t.Parallel()
				a := serveTLS(t, newGuard(t, binding.Config{}), binding.TLSConfig(test.config))
				owner := issued.Leaf
				if certificate != nil {
					owner = certificate.Leaf
				}
				want := test.want[kind]
				if want == "" {
					want = "OK"
				}
				got, _ := a.get(t, a.client(t, with(certificate)), bearer(claims(t, boundTo(owner))))
				require.Equal(t, want, got)
			})
		}
	}
}

// A plain client (tls.Config.Certificates) presents its certificate, self-signed or of whichever CA, unless CAs of others
// are named: as TLSConfig makes it, none are.
func TestTLSNamesNoAuthorities(t *testing.T) {
	t.Parallel()
	ca, otherCA := authority(t, "CA", nil), authority(t, "other CA", nil)
	certificates := map[string]tls.Certificate{
		"issued": certify(t, clientTemplate("client-1"), &ca), "self-signed": newCertificate(t, "client-1"),
		"of another CA": certify(t, clientTemplate("client-1"), &otherCA),
	}
	for name, test := range map[string]struct {
		config *tls.Config
		others string // what clients that the CA does not know get
	}{
		"request":     {nil, "OK"},
		"require any": {&tls.Config{ClientAuth: tls.RequireAnyClientCert}, "OK"},
		"a PKI":       {&tls.Config{ClientCAs: poolOf(ca)}, refused},
	} {
		a := serveTLS(t, newGuard(t, binding.Config{}), binding.TLSConfig(test.config))
		for kind, certificate := range certificates {
			want := test.others
			if kind == "issued" {
				want = "OK"
			}
			client := a.client(t, func(c *tls.Config) { c.Certificates = []tls.Certificate{certificate} })
			got, _ := a.get(t, client, bearer(claims(t, boundTo(certificate.Leaf))))
			require.Equal(t, want, got, "%s, %s", name, kind)
			other := newCertificate(t, "client-2")
			got, _ = a.get(t, client, bearer(claims(t, boundTo(other.Leaf))))
			require.Equal(t, refused, got, "%s, %s, another's token", name, kind)
		}
	}
}

// Of what a client presents, the leaf counts, whose key it has proven to hold, and nothing else of the chain.
func TestTLSLeafAlone(t *testing.T) {
	t.Parallel()
	root := authority(t, "root", nil)
	intermediate := authority(t, "intermediate", &root)
	leaf := certify(t, clientTemplate("client-1"), &intermediate)
	leaf.Certificate = append(leaf.Certificate, intermediate.Certificate[0], root.Certificate[0])
	renewed, err := bindingtest.RenewSelfSignedCertificate(leaf)
	require.NoError(t, err)
	another := newCertificate(t, "client-1")
	require.Equal(t, leaf.Leaf.RawSubjectPublicKeyInfo, renewed.Leaf.RawSubjectPublicKeyInfo)

	for name, config := range map[string]*tls.Config{"Request": nil, "VerifyIfGiven": {ClientCAs: poolOf(root)}} {
		a := serveTLS(t, newGuard(t, binding.Config{}), binding.TLSConfig(config))
		for _, test := range []struct {
			name  string
			bound *x509.Certificate
			want  string
		}{
			{"F/145 the leaf", leaf.Leaf, "OK"},
			{"F/168 the intermediate", intermediate.Leaf, refused},
			{"F/168 the root", root.Leaf, refused},
			{"F/171 the leaf's renewal, of the same key", renewed.Leaf, refused},
			{"F/147 another certificate of that name", another.Leaf, refused},
		} {
			got, _ := a.get(t, a.client(t, with(&leaf)), bearer(claims(t, boundTo(test.bound))))
			require.Equal(t, test.want, got, name+", "+test.name)
		}
	}
}

// A token that was verified a moment ago is worth nothing on another connection.
func TestTLSSameTokenOnOtherConnections(t *testing.T) {
	t.Parallel()
	owner, thief := newCertificate(t, "client-1"), newCertificate(t, "client-2")
	token := valid(t, claims(t, boundTo(owner.Leaf)))
	a := serveTLS(t, newGuard(t, binding.Config{
		Tokens: verifierFunc(func(context.Context, string) (*binding.Token, error) { return token, nil }), // as from a cache
	}), binding.TLSConfig(nil))
	for _, test := range []struct {
		name        string
		certificate *tls.Certificate
		want        string
	}{
		{"F/145", &owner, "OK"}, {"K/273, F/147", &thief, refused}, {"K/273, F/146", nil, refused}, {"again", &owner, "OK"},
	} {
		got, _ := a.get(t, a.client(t, with(test.certificate)), "t")
		require.Equal(t, test.want, got, test.name)
	}
}

// G/175: without TLS there is no certificate, whatever a header field says.
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	server := httptest.NewServer(bindhttp.Protect(newGuard(t, binding.Config{}))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the handler ran")
	})))
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+bearer(claims(t, boundTo(certificate))))
	r.Header.Set("Client-Cert", ":"+base64Of(certificate)+":")
	forward(r, certificate)
	response, err := server.Client().Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, 401, response.StatusCode)
	require.Equal(t, "invalid_token", parseChallenge(t, response.Header.Get("WWW-Authenticate"))["error"])
}
