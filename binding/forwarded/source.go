package forwarded

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/certbound/certbound/binding"
)

// A Source is a [binding.CertificateSource] that reads what a proxy forwards.
// Make one with [New]. It is immutable and safe for concurrent use. The zero
// Source refuses every request.
type Source struct {
	format       Format
	certificate  field
	maxBytes     int
	decode       decoder
	trust        []Trust
	verify       field // zero: none
	verifyValues []string
	headers      []string
}

// The values of nginx's $ssl_client_verify, which others have taken over.
const (
	verifySuccess = "SUCCESS"
	verifyFailed  = "FAILED"
)

// ClientCertificate returns the certificate that the proxy forwards, or only
// its digest if the format has no more.
//
// The error is a [*binding.Error]. Its Reason is
// [binding.ReasonCertificateMissing] if the header is absent or says that there
// is no certificate: if it is empty, "-", "(null)", "::", the digest of
// nothing, or the text of a placeholder that the proxy did not fill in. The
// cause then says what is missing and where to look: which header of another
// format came instead, if one did, or why the peer is not trusted, if it is not.
// Otherwise it is [binding.ReasonForwardedUntrusted],
// [binding.ReasonForwardedAmbiguous], [binding.ReasonForwardedTooLong],
// [binding.ReasonForwardedUnverified] or [binding.ReasonForwardedMalformed].
// For the zero Source it is [binding.ReasonMisconfigured]. The cause may name
// the address of the peer, and never contains a header's value.
//
// It never returns the certificate of the TLS connection, which is the proxy's,
// even if the proxy forwards that one.
func (s *Source) ClientCertificate(r *http.Request) (binding.Certificate, error) {
	var none binding.Certificate
	if s == nil || s.decode == nil {
		return none, &binding.Error{Reason: binding.ReasonMisconfigured}
	}
	value, found := s.certificate.read(r.Header)
	if found == absent {
		return none, missing(s.absence(r))
	}
	// Trust comes first, whatever the header holds: RFC 9440 §4.
	if err := s.distrust(r); err != nil {
		return none, refused(binding.ReasonForwardedUntrusted,
			fmt.Errorf("forwarded: %s came from %s: %w", s.certificate.name, peerOf(r), err))
	}
	switch {
	case found == ambiguous:
		return none, refused(binding.ReasonForwardedAmbiguous, errSeveral)
	case len(value) > s.maxBytes:
		return none, refused(binding.ReasonForwardedTooLong, nil)
	case isPlaceholder(value):
		return none, missing(s.emptiness())
	}
	if err := s.verified(r.Header); err != nil {
		return none, err
	}
	certificate, err := s.decode(value)
	if err != nil {
		return none, s.unlike(value, err)
	}
	if certificate.Thumbprint == (binding.Thumbprint{}) {
		return none, missing(s.emptiness())
	}
	// RFC 9440 §2.2: the certificate is that of the proxy's client. A proxy that
	// forwards its own would make every client the holder of the proxy's tokens.
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 &&
		binding.ThumbprintOf(r.TLS.PeerCertificates[0]).Matches(certificate.Thumbprint) {
		return none, refused(binding.ReasonForwardedUntrusted, errOwn)
	}
	return certificate, nil
}

// distrust returns why the peer may not forward a certificate, or nil.
func (s *Source) distrust(r *http.Request) error {
	for _, rule := range s.trust {
		if err := rule.check(r); err != nil {
			return err
		}
	}
	return nil
}

// absence says why the header may not have come. If that of another format did,
// or if the peer is not the proxy, a configuration is not as intended.
func (s *Source) absence(r *http.Request) error {
	for _, p := range profiles {
		if len(r.Header[p.header]) > 0 {
			return fmt.Errorf("forwarded: no %s; there is %s, the header of %s: see Config.Format and Config.Header",
				s.certificate.name, p.header, formatsIn(p.header))
		}
	}
	if err := s.distrust(r); err != nil {
		return fmt.Errorf("forwarded: no %s, from a peer that Config.Trust does not trust: %w", s.certificate.name, err)
	}
	return fmt.Errorf("forwarded: no %s: the client presented no certificate to the proxy, or the proxy does not set the header on this route",
		s.certificate.name)
}

// unlike says which header was not as which format has it: the proxy's
// configuration or ours is not as intended.
func (s *Source) unlike(value string, err error) error {
	var refusal *binding.Error
	if !errors.As(err, &refusal) || refusal.Reason != binding.ReasonForwardedMalformed {
		return err
	}
	hint := ""
	escaped := s.format.Encoding() == URLPEM || s.format.Encoding() == URLPEMChain
	if escaped && strings.HasPrefix(value, "-----BEGIN CERTIFICATE-----") { // as every PEM text does
		hint = "; it is PEM as it stands, which nginx forwards with $ssl_client_escaped_cert and not with $ssl_client_cert"
	}
	return refused(refusal.Reason, fmt.Errorf("%w: %s, as Config.Format %s%s", refusal.Cause, s.certificate.name, s.format, hint))
}

func (s *Source) emptiness() error {
	return fmt.Errorf("forwarded: %s says that there is no certificate: the client presented none to the proxy, or the proxy could not forward it",
		s.certificate.name)
}

// formatsIn lists the formats whose own header this is.
func formatsIn(header string) string {
	var names []string
	for _, p := range profiles {
		if p.header == header {
			names = append(names, string(p.format))
		}
	}
	return strings.Join(names, ", ")
}

// Headers returns the headers that must not reach a handler: those of the
// certificate, of its chain, of its verification and of a shared secret, and
// those of Config.Strip. [binding.Guard.Admit] removes them, whoever sent them.
func (s *Source) Headers() []string {
	if s == nil {
		return nil
	}
	return slices.Clone(s.headers)
}

// verified reads the header in which the proxy vouches for the certificate.
func (s *Source) verified(header http.Header) error {
	if s.verify.name == "" {
		return nil
	}
	value, found := s.verify.read(header)
	if found == ambiguous {
		return refused(binding.ReasonForwardedAmbiguous, errSeveral)
	}
	if found == single && slices.ContainsFunc(s.verifyValues, func(accepted string) bool {
		return value == accepted || accepted == verifyFailed && strings.HasPrefix(value, verifyFailed+":")
	}) {
		return nil
	}
	return refused(binding.ReasonForwardedUnverified, nil)
}

// isPlaceholder reports whether the value is one that a proxy sends in place of
// a certificate when there is none.
func isPlaceholder(value string) bool {
	switch value {
	case "", // HAProxy, Caddy, Google Cloud; HAProxy also for one longer than its buffer
		"-",      // log formats
		"(null)", // Apache httpd
		"::":     // RFC 9440 around nothing
		return true
	}
	// Caddy before 2.11: the placeholder's own text, or that in colons.
	if inner, ok := strings.CutPrefix(value, ":"); ok {
		if value, ok = strings.CutSuffix(inner, ":"); !ok {
			return false
		}
	}
	name, ok := strings.CutPrefix(value, "{http.request.")
	if !ok {
		return false
	}
	name, ok = strings.CutSuffix(name, "}")
	return ok && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '.'
	})
}

var (
	errSeveral = errors.New("forwarded: a header came more than once, or together with one whose name looks like it")
	errOwn     = errors.New("forwarded: the forwarded certificate is the proxy's own")
)

func missing(cause error) *binding.Error {
	return refused(binding.ReasonCertificateMissing, cause)
}

func refused(reason binding.Reason, cause error) *binding.Error {
	return &binding.Error{Reason: reason, Cause: cause}
}
