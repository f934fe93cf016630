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

// ClientCertificate returns the certificate that the proxy forwards, or its
// digest alone where the format has no more. It returns the zero Certificate
// and no error if the header is absent or says that there is none: if it is
// empty, "-", "(null)", "::", the digest of nothing, or the text of a
// placeholder that the proxy did not fill in.
//
// The error is a [*binding.Error] with [binding.ReasonForwardedUntrusted],
// [binding.ReasonForwardedAmbiguous], [binding.ReasonForwardedTooLong],
// [binding.ReasonForwardedUnverified] or [binding.ReasonForwardedMalformed].
// Its cause may name the address of the peer, and never holds a header's value.
//
// It never returns the certificate of the TLS connection, which is the proxy's:
// also when the proxy forwards that one.
func (s *Source) ClientCertificate(r *http.Request) (binding.Certificate, error) {
	var none binding.Certificate
	if s == nil || s.decode == nil {
		return none, &binding.Error{Reason: binding.ReasonMisconfigured}
	}
	value, found := s.certificate.read(r.Header)
	if found == absent {
		return none, nil
	}
	// First of all, and whatever the header holds: RFC 9440 §4.
	for _, rule := range s.trust {
		if err := rule.check(r); err != nil {
			return none, refused(binding.ReasonForwardedUntrusted,
				fmt.Errorf("forwarded: %s came from %s: %w", s.certificate.name, peerOf(r), err))
		}
	}
	switch {
	case found == ambiguous:
		return none, refused(binding.ReasonForwardedAmbiguous, errSeveral)
	case len(value) > s.maxBytes:
		return none, refused(binding.ReasonForwardedTooLong, nil)
	case isPlaceholder(value):
		return none, nil
	}
	if err := s.verified(r.Header); err != nil {
		return none, err
	}
	certificate, err := s.decode(value)
	if err != nil {
		return none, err
	}
	// RFC 9440 §2.2: the certificate is that of the proxy's client. A proxy that
	// forwards its own would make every client the holder of the proxy's tokens.
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 &&
		binding.ThumbprintOf(r.TLS.PeerCertificates[0]).Matches(certificate.Thumbprint) {
		return none, refused(binding.ReasonForwardedUntrusted, errOwn)
	}
	return certificate, nil
}

// Headers returns the headers that must not reach a handler: that of the
// certificate, those of its chain, of its verification and of a shared secret.
// [binding.Guard.Admit] removes them, whoever sent them.
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
	errSeveral = errors.New("forwarded: a header came more than once, or beside a name that looks like it")
	errOwn     = errors.New("forwarded: the certificate forwarded is the proxy's own")
)

func refused(reason binding.Reason, cause error) *binding.Error {
	return &binding.Error{Reason: reason, Cause: cause}
}
