package conformance

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"time"

	"github.com/certbound/certbound/binding/bindingtest"
)

// certificates is section G: the client certificate of the TLS connection.
//
// Not here: 175, a server without TLS; 185 to 188, which are configurations of
// names; 189 to 193, which TLS libraries exclude; 195, which no connection
// shows; 196, a server's start.
func (s *session) certificates() []check {
	good := s.good(s.holder)
	verifies := s.kit.config.VerifiesClients
	free := func() bool { return !verifies }
	strict := func() bool { return verifies }
	const isFree, isStrict = "the server takes any certificate", "the server verifies certificates"
	noConnection := refused.or(noAnswer)
	self := s.withCertificate(must(bindingtest.NewSelfSignedCertificate("self-signed")))
	expired := s.withCertificate(s.issued(func(template *x509.Certificate) {
		template.NotBefore, template.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}))
	large := s.withCertificate(s.issued(func(template *x509.Certificate) {
		for i := range 500 {
			template.DNSNames = append(template.DNSNames, fmt.Sprintf("name-%04d.of-a-large-certificate.example", i))
		}
	}))
	return slices.Concat(
		rule(176, "RFC 8705 §3", refused, invalidToken.or(noAnswer),
			s.probe("no certificate", bearer(s.nobody, good)),
			s.probe("no certificate, over HTTP/2", http2(bearer(s.nobody, good)))),
		rule(178, "RFC 8705 §6.3", anything, accepted,
			s.probe("a certificate that expired, and its own token", bearer(expired, s.good(expired))).when(free, isStrict),
			s.probe("a certificate that expired, and the token of another", bearer(expired, good)).expect(refused, invalidToken.or(noAnswer))),
		rule(179, "RFC 5280 §6.1", refused, noConnection,
			s.probe("a certificate that expired, and its own token, where certificates are verified", bearer(expired, s.good(expired))).when(strict, isFree)),
		rule(180, "RFC 8705 §6.2", anything, accepted,
			s.probe("self-signed, and its own token", bearer(self, s.good(self))).when(free, isStrict),
			s.probe("self-signed, and the token of another", bearer(self, good)).expect(refused, invalidToken.or(noAnswer))),
		rule(181, "RFC 5280 §6.1", refused, noConnection,
			s.probe("self-signed, and its own token, where certificates are verified", bearer(self, s.good(self))).when(strict, isFree)),
		s.resumption(),
		rule(194, "CVE-2024-24783", anything, accepted,
			s.probe("a certificate of 20 KiB, and its own token", bearer(large, s.good(large)))),
	)
}

func http2(r request) request {
	r.http2 = true
	return r
}

// withCertificate is a client with a certificate of its own.
func (s *session) withCertificate(certificate tls.Certificate) *client {
	return s.newClient(&certificate)
}

// resumption is rows 182 to 184: what a resumed session carries is the
// certificate of its first handshake.
func (s *session) resumption() []check {
	renewed := s.withCertificate(must(s.as.RenewClientCertificate(*s.holder.certificate)))
	// resumed opens a session as one client, and asks over it as another.
	resumed := func(name string, first, second *client, token func() string) check {
		return custom(name, func() answer {
			sessions := tls.NewLRUClientSessionCache(1)
			ask := func(c *client, token string) answer {
				transport := &http.Transport{
					TLSClientConfig: c.tlsConfig(), DisableKeepAlives: true, TLSHandshakeTimeout: c.timeout,
					ForceAttemptHTTP2: s.kit.config.HTTP2,
				}
				transport.TLSClientConfig.ClientSessionCache = sessions
				defer transport.CloseIdleConnections()
				r, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.url+s.kit.config.Path, nil)
				if err != nil {
					return answer{problem: "the URL cannot be used"}
				}
				r.Header.Set("Authorization", "Bearer "+token)
				return s.do(&http.Client{Transport: transport, Timeout: c.timeout}, r)
			}
			if a := ask(first, s.good(first.orHolder(s))); a.status == 0 {
				return skip("a session without that certificate cannot be opened")
			}
			a := ask(second, token())
			if a.status != 0 && !a.resumed {
				return skip("the server resumes no session")
			}
			return a
		})
	}
	return slices.Concat(
		rule(182, "RFC 8446 §4.6.1", accepted, accepted,
			resumed("a resumed session, and the token of its certificate", s.holder, s.holder, func() string { return s.good(s.holder) })),
		rule(183, "RFC 8705 §3", refused, invalidToken,
			resumed("a session resumed after a renewal, and a token of the new certificate", s.holder, renewed, func() string { return s.good(renewed) })),
		rule(184, "RFC 8705 §3", refused, invalidToken,
			resumed("a session opened without a certificate, and resumed by a client that has one", s.nobody, s.holder, func() string { return s.good(s.holder) })),
	)
}

// orHolder is whose token a client sends that has no certificate.
func (c *client) orHolder(s *session) *client {
	if c.certificate == nil {
		return s.holder
	}
	return c
}

// authority issues certificates with an intermediate. A server that verifies
// clients does not know it.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func newAuthority(commonName string, parent *authority) *authority {
	key := must(newECSigner(es256, "", elliptic.P256())).private
	template := template(commonName)
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	if parent == nil {
		parent = &authority{template, key}
	}
	return &authority{parent.sign(template, key), key}
}

func (a *authority) sign(template *x509.Certificate, key crypto.Signer) *x509.Certificate {
	der := must(x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key))
	return must(x509.ParseCertificate(der))
}

// client issues a client certificate.
func (a *authority) client(change func(*x509.Certificate)) tls.Certificate {
	key := must(newECSigner(es256, "", elliptic.P256())).private
	template := template("client")
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	change(template)
	leaf := a.sign(template, key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// issued is a certificate of the CA that a server which verifies clients
// trusts.
func (s *session) issued(change func(*x509.Certificate)) tls.Certificate {
	return must(s.as.NewClientCertificate("client", change))
}

func template(commonName string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))),
		Subject:      pkix.Name{CommonName: commonName},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
	}
}

// attackerChain is a certificate for an attacker's key, as x5c has it (RFC 7515
// §4.1.6: not base64url).
func (s *session) attackerChain(attacker signer) string {
	self := &authority{template("attacker"), attacker.private}
	return base64.StdEncoding.EncodeToString(self.sign(self.certificate, attacker.private).Raw)
}
