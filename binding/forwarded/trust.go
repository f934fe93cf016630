package forwarded

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/internal/grammar"
)

// A Trust is one rule about who may forward a certificate. Make it with one of
// the functions that return one. From the strongest to the weakest: the proxy's own
// certificate; a unix socket with file permissions; the peer's address with a
// network policy behind it; a shared secret, which ends up in logs. Several can
// be required together.
//
// No rule reads X-Forwarded-For, Forwarded or X-Real-IP: anyone may send those.
// [New] reports mistakes in a rule, and the zero Trust as one. A Trust is
// immutable, may be copied, and holds a secret only as a digest.
type Trust struct {
	kind     string // the function that made it
	check    func(*http.Request) error
	secret   field // the header that the rule reads, if any
	mistakes []string
}

const (
	kindPeers            = "TrustPeers"
	kindRemoteAddr       = "DangerouslyTrustRemoteAddr"
	kindUnixSocket       = "TrustUnixSocket"
	kindSharedSecret     = "TrustSharedSecret"
	kindProxyCertificate = "TrustProxyCertificate"
	kindProxyName        = "TrustProxyName"
)

// TrustProxyCertificate trusts a peer that authenticates itself with one of
// these certificates in its TLS handshake with this server. No CA is involved:
// before the proxy changes its certificate, name the next one beside the
// present one. The server must ask for a certificate ([binding.TLSConfig] makes
// it ask).
func TrustProxyCertificate(thumbprints ...binding.Thumbprint) Trust {
	t := Trust{kind: kindProxyCertificate}
	if len(thumbprints) == 0 {
		t.mistakes = append(t.mistakes, "no thumbprint")
	}
	for i, thumbprint := range thumbprints {
		if !thumbprint.Matches(thumbprint) { // the zero Thumbprint, the digest of nothing
			t.mistakes = append(t.mistakes, fmt.Sprintf("thumbprint %d cannot be that of a certificate", i+1))
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
// among its subject alternative names. Names are compared as a whole, DNS names
// without regard to case: a wildcard in a certificate matches no other name,
// and the subject's common name is not read.
//
// The server must verify (tls.Config.ClientCAs, and ClientAuth at least
// VerifyClientCertIfGiven). Every CA in ClientCAs can issue a certificate with
// the proxy's name: a CA that also issues your clients' certificates must never
// put that name into one of them.
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
// the permissions of its file and folder decide who can. An abstract socket
// ("@...") has no file and is not trusted.
//
// The rule looks at the connection that [ConnContext] remembered, and trusts
// nobody without it. That connection must be a *net.UnixConn, or wrap one and
// have a method NetConn that returns it, as *tls.Conn has.
func TrustUnixSocket() Trust {
	return Trust{kind: kindUnixSocket, check: func(r *http.Request) error {
		switch p := peerOf(r); {
		case p == nil:
			return errNoConnContext
		case !p.unixSocket():
			return errNoUnixSocket
		}
		return nil
	}}
}

// TrustPeers trusts the peers of a TCP connection whose addresses are within
// one of the ranges. IPv4 addresses in IPv6 form count as IPv4 addresses, and
// zones are ignored. No range may be wider than /8, or /7 in IPv6: a range that
// contains everybody is not a rule.
//
// The address is the one that [ConnContext] remembered; without it nobody is
// trusted. Everything within a range can speak for every client, and the
// addresses of a shared load balancer, a CDN or a cluster's pods are also those
// of others who use it.
func TrustPeers(ranges ...netip.Prefix) Trust {
	return trustAddresses(kindPeers, ranges, peerOf)
}

// DangerouslyTrustRemoteAddr is [TrustPeers] for a server that cannot set
// [ConnContext]: it believes http.Request.RemoteAddr, if that has the form
// IP:port. Any middleware in front of the guard that writes RemoteAddr from
// X-Forwarded-For, as many do, lets any client pretend to be the proxy, and
// then to be any other client. If ConnContext is set, RemoteAddr is not read.
func DangerouslyTrustRemoteAddr(ranges ...netip.Prefix) Trust {
	return trustAddresses(kindRemoteAddr, ranges, func(r *http.Request) *peer {
		if p := peerOf(r); p != nil {
			return p
		}
		return remoteAddr(r)
	})
}

// trustAddresses trusts the peers that have an address within the ranges.
func trustAddresses(kind string, ranges []netip.Prefix, peerOf func(*http.Request) *peer) Trust {
	t := Trust{kind: kind}
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
		p := peerOf(r)
		if p == nil {
			return errNoConnContext
		}
		address := p.address()
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
// name, with one of the values. The name must be in its canonical form. Give
// one value, or two while the secret is being changed, each of 16 bytes or more
// and hard to guess. Values are compared in constant time, and only their
// digests are kept. The header is removed before the handler runs.
//
// The proxy must replace what its clients send under the name. The connection
// from it must be private: the secret is in every request.
func TrustSharedSecret(header string, values ...string) Trust {
	t := Trust{kind: kindSharedSecret, secret: field{name: header, folded: grammar.FoldName(header)}}
	if problem := headerProblem(header); problem != "" {
		t.mistakes = append(t.mistakes, problem)
	}
	if len(values) < 1 || len(values) > 2 {
		t.mistakes = append(t.mistakes, fmt.Sprintf("must have one or two values, and has %d", len(values)))
	}
	digests := make([][sha256.Size]byte, len(values))
	for i, value := range values {
		if len(value) < minSecretBytes || !allFieldValues([]string{value}) {
			t.mistakes = append(t.mistakes, fmt.Sprintf("value %d is not a field value of %d bytes or more", i+1, minSecretBytes))
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

// Why a rule does not hold. The texts are fixed: they contain nothing that was
// sent.
var (
	errNoProxyCertificate         = errors.New("the connection has no TLS client certificate")
	errOtherProxyCertificate      = errors.New("its TLS certificate is not the proxy's")
	errUnverifiedProxyCertificate = errors.New("the connection has no verified TLS client certificate")
	errNoConnContext              = errors.New("the server does not say who connected: set ConnContext of http.Server to forwarded.ConnContext")
	errNoUnixSocket               = errors.New("the connection is not over a unix socket that has a file")
	errOtherPeer                  = errors.New("its address is in no trusted range")
	errNoSecret                   = errors.New("the header of the shared secret did not come exactly once")
	errOtherSecret                = errors.New("the shared secret is wrong")
)
