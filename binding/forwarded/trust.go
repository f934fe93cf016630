package forwarded

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/certbound/certbound/binding"
)

// A Trust is one rule about who may forward a certificate. Make it with one of
// the functions named Trust. From the strongest to the weakest: the proxy's own
// certificate; a unix socket with file permissions; the peer's address with a
// network policy behind it; a shared secret, which ends up in logs. Several can
// be required together.
//
// No rule reads X-Forwarded-For, Forwarded or X-Real-IP: anyone may send those.
// A mistake in a rule is reported by [New]. The zero Trust is one. A Trust is
// immutable, may be copied, and holds no secret in clear.
type Trust struct {
	kind     string // the function that made it
	check    func(*http.Request) error
	secret   field // the header that the rule reads, if any
	mistakes []string
}

const (
	kindPeers            = "TrustPeers"
	kindUnixSocket       = "TrustUnixSocket"
	kindSharedSecret     = "TrustSharedSecret"
	kindProxyCertificate = "TrustProxyCertificate"
	kindProxyName        = "TrustProxyName"
)

// TrustProxyCertificate trusts the holder of one of these certificates, by
// which the proxy authenticates itself to this server in its TLS handshake. No
// CA has a part in it; name the next certificate beside the present one before
// the proxy changes it. The server must ask for a certificate
// ([binding.TLSConfig] does).
func TrustProxyCertificate(thumbprints ...binding.Thumbprint) Trust {
	t := Trust{kind: kindProxyCertificate}
	if len(thumbprints) == 0 {
		t.mistakes = append(t.mistakes, "no thumbprint")
	}
	for i, thumbprint := range thumbprints {
		if !thumbprint.Matches(thumbprint) { // the zero Thumbprint, the digest of nothing
			t.mistakes = append(t.mistakes, fmt.Sprintf("thumbprint %d is no certificate's", i+1))
		}
	}
	thumbprints = slices.Clone(thumbprints)
	t.check = func(r *http.Request) error {
		if r.TLS == nil || !r.TLS.HandshakeComplete || len(r.TLS.PeerCertificates) == 0 {
			return errNoProxyCertificate
		}
		if !slices.ContainsFunc(thumbprints, binding.ThumbprintOf(r.TLS.PeerCertificates[0]).Matches) {
			return errOtherProxyCertificate
		}
		return nil
	}
	return t
}

// TrustProxyName trusts a peer whose TLS certificate the server has verified
// and which has one of these DNS names or URIs (https://..., spiffe://...)
// among its subject alternative names. They are compared exactly: a wildcard
// certificate has no name but its own, and a subject's common name is none.
//
// The server must verify (tls.Config.ClientCAs, and ClientAuth at least
// VerifyClientCertIfGiven). Every CA in ClientCAs can name the proxy: where
// your clients' certificates come from the same one, it must not give them the
// proxy's names.
func TrustProxyName(names ...string) Trust {
	t := Trust{kind: kindProxyName}
	if len(names) == 0 {
		t.mistakes = append(t.mistakes, "no name")
	}
	var dnsNames, uris []string
	for _, name := range names {
		switch {
		case strings.Contains(name, ":"):
			if u, err := url.Parse(name); err != nil || u.Scheme == "" || u.Host == "" || u.String() != name {
				t.mistakes = append(t.mistakes, fmt.Sprintf("%q is neither a DNS name nor a URI with a host", name))
			}
			uris = append(uris, name)
		case name == "" || strings.ContainsFunc(name, notInDNSName):
			t.mistakes = append(t.mistakes, fmt.Sprintf("%q is neither a DNS name nor a URI with a host", name))
		default:
			dnsNames = append(dnsNames, strings.ToLower(name))
		}
	}
	t.check = func(r *http.Request) error {
		if r.TLS == nil || !r.TLS.HandshakeComplete || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.VerifiedChains[0]) == 0 {
			return errUnverifiedProxyCertificate
		}
		if !hasName(r.TLS.VerifiedChains[0][0], dnsNames, uris) {
			return errOtherProxyCertificate
		}
		return nil
	}
	return t
}

func notInDNSName(c rune) bool {
	return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '.' && c != '_'
}

func hasName(leaf *x509.Certificate, dnsNames, uris []string) bool {
	return slices.ContainsFunc(leaf.DNSNames, func(name string) bool { return slices.Contains(dnsNames, strings.ToLower(name)) }) ||
		slices.ContainsFunc(leaf.URIs, func(uri *url.URL) bool { return slices.Contains(uris, uri.String()) })
}

// TrustUnixSocket trusts whoever reaches the server over a unix domain socket:
// who may, the permissions of its file and folder say. An abstract socket
// ("@...") has no file and is not trusted. The rule looks at the server's own
// end of the connection (http.LocalAddrContextKey), which no header and no
// middleware changes.
func TrustUnixSocket() Trust {
	return Trust{kind: kindUnixSocket, check: func(r *http.Request) error {
		local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.UnixAddr)
		if !ok || local.Net != "unix" || local.Name == "" || local.Name[0] == '@' {
			return errNoUnixSocket
		}
		return nil
	}}
}

// TrustPeers trusts the peers of a TCP connection whose addresses are within
// one of the ranges. IPv4 addresses in IPv6 form are IPv4 addresses, zones are
// left out. No range may be wider than /8, or /7 in IPv6: one that holds
// everybody is no rule.
//
// The address is the one that [ConnContext] remembered. Without it, it is
// http.Request.RemoteAddr, if that has the form IP:port; see there for what is
// wrong with that. Everything within a range can speak for every client: the
// addresses of a shared load balancer, a CDN or a cluster's pods are those of
// its other customers, too.
func TrustPeers(ranges ...netip.Prefix) Trust {
	t := Trust{kind: kindPeers}
	if len(ranges) == 0 {
		t.mistakes = append(t.mistakes, "no range of addresses")
	}
	var trusted []netip.Prefix
	for _, prefix := range ranges {
		unmapped, problem := unmapPrefix(prefix)
		if problem != "" {
			t.mistakes = append(t.mistakes, fmt.Sprintf("%s: %s", prefix, problem))
		}
		trusted = append(trusted, unmapped)
	}
	t.check = func(r *http.Request) error {
		address := peerOf(r).address
		if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(address) }) {
			return errOtherPeer
		}
		return nil
	}
	return t
}

func unmapPrefix(prefix netip.Prefix) (unmapped netip.Prefix, problem string) {
	const widestIPv4, widestIPv6 = 8, 7 // 10.0.0.0/8; fc00::/7, RFC 4193
	if !prefix.IsValid() {
		return prefix, "no range of addresses"
	}
	address, bits := prefix.Addr(), prefix.Bits()
	widest := widestIPv6
	if address.Is4() {
		widest = widestIPv4
	}
	if address.Is4In6() { // ::ffff:0:0/96 is 0.0.0.0/0
		address, bits, widest = address.Unmap(), bits-96, widestIPv4
	}
	if bits < widest {
		return prefix, fmt.Sprintf("wider than /%d", widest)
	}
	return netip.PrefixFrom(address, bits).Masked(), ""
}

// minSecretBytes is the least length of a shared secret.
const minSecretBytes = 16

// TrustSharedSecret trusts a request that carries exactly one header of this
// name, in its canonical form, with one of the values. Give one value, or two
// while it is being changed, each of 16 bytes or more and hard to guess. They
// are compared in constant time, and kept as digests alone. The header is
// removed before the handler.
//
// The proxy must replace what its client sends under the name. The connection
// from it must be private: the secret is in every request.
func TrustSharedSecret(header string, values ...string) Trust {
	t := Trust{kind: kindSharedSecret, secret: field{name: header, folded: foldName(header)}}
	if problem := headerProblem(header); problem != "" {
		t.mistakes = append(t.mistakes, problem)
	}
	if len(values) < 1 || len(values) > 2 {
		t.mistakes = append(t.mistakes, fmt.Sprintf("%d values, and not one or two", len(values)))
	}
	digests := make([][sha256.Size]byte, len(values))
	for i, value := range values {
		if len(value) < minSecretBytes || !allFieldValues([]string{value}) {
			t.mistakes = append(t.mistakes, fmt.Sprintf("value %d is no field value of %d bytes or more", i+1, minSecretBytes))
		}
		digests[i] = sha256.Sum256([]byte(value))
	}
	t.check = func(r *http.Request) error {
		value, found := t.secret.read(r.Header)
		if found != single {
			return errNoSecret
		}
		// Digests have one length, so that nothing tells the secret's; all of
		// them are compared, so that nothing tells which one it was.
		digest, equal := sha256.Sum256([]byte(value)), 0
		for i := range digests {
			equal |= subtle.ConstantTimeCompare(digest[:], digests[i][:])
		}
		if equal != 1 {
			return errOtherSecret
		}
		return nil
	}
	return t
}

// Why a rule does not hold. The texts are fixed: what came is not in them.
var (
	errNoProxyCertificate         = errors.New("the connection has no TLS client certificate")
	errOtherProxyCertificate      = errors.New("its TLS certificate is not the proxy's")
	errUnverifiedProxyCertificate = errors.New("the connection has no verified TLS client certificate")
	errNoUnixSocket               = errors.New("the connection is not over a unix socket that has a file")
	errOtherPeer                  = errors.New("its address is in no trusted range")
	errNoSecret                   = errors.New("the header of the shared secret did not come exactly once")
	errOtherSecret                = errors.New("the shared secret is another")
)
