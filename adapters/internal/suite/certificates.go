package suite

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// certificates is what of section G a request can show.
//
// Not here: rows 177, 179, 181, 185, 186, where the handshake fails and no adapter is asked; 187 and 188, which are
// configurations of a server's names; 189 to 193, which crypto/tls excludes; 194, a parser's; 196, a server's start.
func (s *suite) certificates(t *testing.T) {
	guard := s.Guard(t, binding.Config{})
	site := s.serve(t, Protect(guard))
	good := s.Good(t)

	t.Run("175 plain HTTP", func(t *testing.T) {
		t.Parallel()
		plain := s.servePlain(t, site.Handler)
		plain.check(t, site.Probe, Bearer(s.Holder, good), NoCertificate, 1)
	})

	for _, mode := range []struct {
		name string
		base *tls.Config
	}{
		{"asked", nil},
		{"verified if given", &tls.Config{ //nolint:gosec // the least version is TLSConfig's
			ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: s.AS.ClientCAs(),
		}},
	} {
		t.Run("176 no certificate where it is "+mode.name, func(t *testing.T) {
			t.Parallel()
			server := s.serveTLS(t, site.Handler, mode.base)
			server.Check(t, site.Probe, Bearer(s.Nobody, good), NoCertificate)
			server.Check(t, site.Probe, Bearer(s.Holder, good), OK)
			server.Check(t, site.Probe, Bearer(s.Other, good), OtherCertificate)
		})
	}

	t.Run("178 expired certificate", func(t *testing.T) {
		t.Parallel()
		expired := s.newChain(t, time.Now().Add(-time.Hour)).client
		site.Check(t, site.Probe, Bearer(expired, s.boundTo(t, expired.Certificate.Leaf)), OK)
		site.Check(t, site.Probe, Bearer(expired, good), OtherCertificate)
	})

	t.Run("180 self-signed certificate", func(t *testing.T) {
		t.Parallel()
		certificate, err := bindingtest.NewSelfSignedCertificate("self")
		require.NoError(t, err)
		client := s.newClient(&certificate)
		site.Check(t, site.Probe, Bearer(client, s.boundTo(t, certificate.Leaf)), OK)
		site.Check(t, site.Probe, Bearer(client, good), OtherCertificate)
	})

	t.Run("182 to 184 a resumed session has the certificate of its first handshake", func(t *testing.T) {
		t.Parallel()
		s.resumed(t, site, good, s.boundTo(t, s.Other.Certificate.Leaf))
	})

	t.Run("195 handshake not complete", func(t *testing.T) {
		t.Parallel()
		request := httptest.NewRequest(http.MethodGet, "https://api.example/", nil)
		request.Header.Set("Authorization", "Bearer "+good)
		request.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{s.Holder.Certificate.Leaf}}
		site.checkDirectly(t, site.Probe, request.Clone(t.Context()), NoCertificate)
		request.TLS.HandshakeComplete = true
		site.checkDirectly(t, site.Probe, request.Clone(t.Context()), OK)
		request.TLS.PeerCertificates = []*x509.Certificate{{}}
		site.checkDirectly(t, site.Probe, request, NoCertificate)
	})
}

// boundCertificates are the rows of section F that need certificates of their own.
func (s *suite) boundCertificates(t *testing.T) {
	site := s.guarded(t, binding.Config{})
	good := s.Good(t)

	t.Run("168 bound to another certificate of the chain", func(t *testing.T) {
		t.Parallel()
		chain := s.newChain(t, time.Now().Add(time.Hour))
		site.Check(t, site.Probe, Bearer(chain.client, s.boundTo(t, chain.client.Certificate.Leaf)), OK)
		site.Check(t, site.Probe, Bearer(chain.client, s.boundTo(t, chain.intermediate)), OtherCertificate)
		site.Check(t, site.Probe, Bearer(chain.client, s.boundTo(t, chain.root)), OtherCertificate)
	})

	t.Run("168 the thief sends the holder's certificate behind its own", func(t *testing.T) {
		t.Parallel()
		thief := *s.Other.Certificate
		thief.Certificate = [][]byte{thief.Certificate[0], s.Holder.Certificate.Certificate[0]}
		site.Check(t, site.Probe, Bearer(s.newClient(&thief), good), OtherCertificate)
	})

	t.Run("171 renewed certificate, same key pair", func(t *testing.T) {
		t.Parallel()
		renewed, err := s.AS.RenewClientCertificate(*s.Holder.Certificate)
		require.NoError(t, err)
		client := s.newClient(&renewed)
		site.Check(t, site.Probe, Bearer(client, good), OtherCertificate)
		site.Check(t, site.Probe, Bearer(client, s.boundTo(t, renewed.Leaf)), OK)
	})
}

func (s *suite) boundTo(t *testing.T, certificate *x509.Certificate) string {
	t.Helper()
	return s.Token(t, bindingtest.TokenSpec{Certificate: certificate})
}

// resumed makes connection after connection with one session cache, while the client's certificate changes.
func (s *suite) resumed(t *testing.T, site site, holders, others string) {
	t.Helper()
	for _, first := range []*Client{s.Holder, s.Nobody} {
		var presented *tls.Certificate
		transport := s.transport(nil, false)
		transport.DisableKeepAlives = true
		transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if presented == nil {
				return new(tls.Certificate), nil
			}
			return presented, nil
		}
		client := &Client{one: &http.Client{Transport: sees{t, transport, new(int)}}}

		presented = first.Certificate
		atFirst, later := OK, OK
		if first == s.Nobody {
			atFirst, later = NoCertificate, NoCertificate
		}
		site.check(t, site.Probe, Bearer(client, holders), atFirst, 1)
		presented = s.Other.Certificate
		site.check(t, site.Probe, Bearer(client, holders), later, 1)
		if first == s.Nobody {
			site.check(t, site.Probe, Bearer(client, others), NoCertificate, 1)
		} else {
			site.check(t, site.Probe, Bearer(client, others), OtherCertificate, 1)
		}
	}
}

// sees asserts that every connection but the first is a resumed one.
type sees struct {
	t         *testing.T
	transport *http.Transport
	count     *int
}

func (s sees) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := s.transport.RoundTrip(r)
	if err == nil {
		require.Equal(s.t, *s.count > 0, response.TLS.DidResume)
		*s.count++
	}
	return response, err
}

// A chain is a client with a certificate of a CA of the test's own, which it sends with both of its issuers.
type chain struct {
	client             *Client
	intermediate, root *x509.Certificate
}

func (s *suite) newChain(t *testing.T, notAfter time.Time) chain {
	t.Helper()
	issue := func(name string, isCA bool, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		template := &x509.Certificate{
			Subject:   pkix.Name{CommonName: name},
			NotBefore: notAfter.Add(-24 * time.Hour), NotAfter: notAfter,
			IsCA: isCA, BasicConstraintsValid: true,
		}
		if parent == nil {
			parent, signer = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		require.NoError(t, err)
		certificate, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		return certificate, key
	}
	root, rootKey := issue("root", true, nil, nil)
	intermediate, intermediateKey := issue("intermediate", true, root, rootKey)
	leaf, leafKey := issue("leaf", false, intermediate, intermediateKey)
	return chain{
		client: s.newClient(&tls.Certificate{
			Certificate: [][]byte{leaf.Raw, intermediate.Raw, root.Raw}, PrivateKey: leafKey, Leaf: leaf,
		}),
		intermediate: intermediate, root: root,
	}
}
