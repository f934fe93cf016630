package forwarded

import (
	"errors"
	"fmt"
	"slices"

	"github.com/certbound/certbound/binding"
)

// Limits of Config.MaxBytes.
const (
	defaultMaxBytes = 32 << 10
	maxMaxBytes     = 64 << 10
)

// maxElements is more proxies in a row than anybody has.
const maxElements = 16

// Config says what the proxy sends, and who the proxy is. [New] validates it,
// copies it and reports every mistake at once.
type Config struct {
	// Format is what the proxy sends. Required.
	Format Format

	// Header is the header that holds the certificate, in its canonical form
	// (http.CanonicalHeaderKey). Empty is the format's own, see [Format.Header];
	// a format that has none requires it.
	Header string

	// Trust says who may forward a certificate. At least one rule is required,
	// and all of them must hold.
	Trust []Trust

	// MaxBytes is the length of the longest value that is read. 0 is 32 KiB, or
	// 4,096 bytes for Auth0; 64 KiB is the most.
	MaxBytes int

	// Elements is, for the encoding xfcc alone, the exact number of elements
	// that the header must have: that of the proxies which write one. 0 is 1, or
	// 2 for Istio.
	Elements int

	// Element is which of several Elements is the client's, counted from 1, the
	// first, written by the outermost proxy. Required if Elements is more than 1.
	Element int

	// VerifyHeader, if not empty, is a header in which the proxy says what it
	// found when it verified the certificate, in its canonical form. A
	// certificate is then accepted only beside exactly one such header with one
	// of VerifyValues. Auth0 has one already.
	VerifyHeader string

	// VerifyValues are the values of VerifyHeader that accept a certificate,
	// compared exactly; FAILED also stands for FAILED:reason. Nil is SUCCESS
	// alone, or SUCCESS and FAILED for Auth0.
	VerifyValues []string

	// Strip names further headers in which the proxy speaks of the certificate,
	// to be removed from requests before the handler, in their canonical form.
	// They are not read.
	Strip []string
}

// New returns a source, or an error that joins a [binding.ConfigError] for
// every mistake in the configuration.
func New(config Config) (*Source, error) {
	v := &validation{}
	known, ok := profileOf(config.Format)
	switch {
	case config.Format == "":
		v.mistake("Format", "required: it is never detected")
	case !ok:
		v.mistake("Format", "%q is no format; there are %q", config.Format, Formats())
	}
	source := &Source{
		certificate:  v.header("Header", or(config.Header, known.header)),
		maxBytes:     v.maxBytes(config.MaxBytes, known),
		decode:       v.decoder(config, known),
		trust:        v.trust(config.Trust, known),
		verifyValues: v.verifyValues(config, known),
	}
	if source.certificate.name == "" && ok && config.Header == "" {
		v.mistake("Header", "required: %s has no header of its own", config.Format)
	}
	source.verify = v.header("VerifyHeader", or(config.VerifyHeader, known.verifyHeader))
	source.headers = v.headers(source, config, known)
	if len(v.mistakes) > 0 {
		return nil, fmt.Errorf("forwarded: the source's Config is wrong: %w", errors.Join(v.mistakes...))
	}
	return source, nil
}

// A validation collects the mistakes in a Config.
type validation struct{ mistakes []error }

func (v *validation) mistake(name, format string, args ...any) {
	v.mistakes = append(v.mistakes, binding.ConfigError{Field: name, Problem: fmt.Sprintf(format, args...)})
}

func (v *validation) header(name, header string) field {
	if header == "" {
		return field{}
	}
	if problem := headerProblem(header); problem != "" {
		v.mistake(name, "%s", problem)
		return field{}
	}
	return field{name: header, folded: foldName(header)}
}

func (v *validation) maxBytes(configured int, known profile) int {
	most := maxMaxBytes
	if known.maxBytes > 0 {
		most = known.maxBytes
	}
	switch {
	case configured < 0 || configured > most:
		// There is no "none": what is read is always bounded.
		v.mistake("MaxBytes", "%d is not within 0 and %d", configured, most)
	case configured > 0:
		return configured
	}
	return min(most, defaultMaxBytes)
}

func (v *validation) decoder(config Config, known profile) decoder {
	if known.encoding != XFCC {
		if known.encoding != "" && (config.Elements != 0 || config.Element != 0) {
			v.mistake("Elements", "only the encoding xfcc has elements")
		}
		return decoders[known.encoding]
	}
	count, index := known.elements, known.element
	if config.Elements != 0 {
		count, index = config.Elements, config.Element
	} else if config.Element != 0 {
		index = config.Element
	}
	if count == 0 {
		count = 1
	}
	if count == 1 && index == 0 {
		index = 1
	}
	if count < 1 || count > maxElements {
		v.mistake("Elements", "%d is not within 0 and %d", count, maxElements)
	} else if index < 1 || index > count {
		v.mistake("Element", "of %d elements, which is the client's? Counted from 1", count)
	}
	return xfccDecoder(count, index)
}

func (v *validation) verifyValues(config Config, known profile) []string {
	values := config.VerifyValues
	if values == nil {
		values = known.verifyValues
	} else if config.VerifyHeader == "" && known.verifyHeader == "" {
		v.mistake("VerifyValues", "there is no VerifyHeader to compare them with")
	} else if len(values) == 0 || !allFieldValues(values) {
		v.mistake("VerifyValues", "must be nil, or name at least one field value and none that is no field value")
	}
	if values == nil {
		values = []string{verifySuccess}
	}
	return slices.Clone(values)
}

func (v *validation) trust(rules []Trust, known profile) []Trust {
	if len(rules) == 0 {
		v.mistake("Trust", "at least one rule is required: whoever can reach this server could be any client")
	}
	kinds := make(map[string]bool)
	for i, rule := range rules {
		if rule.kind == "" {
			v.mistake("Trust", "rule %d is the zero Trust", i+1)
			continue
		}
		for _, problem := range rule.mistakes {
			v.mistake("Trust", "%s: %s", rule.kind, problem)
		}
		if kinds[rule.kind] && rule.kind != kindSharedSecret {
			// All rules must hold: two lists of proxies are their intersection,
			// which nobody means.
			v.mistake("Trust", "%s twice: name all of them in one", rule.kind)
		}
		kinds[rule.kind] = true
	}
	if kinds[kindPeers] && kinds[kindUnixSocket] {
		v.mistake("Trust", "%s and %s: no connection is both", kindPeers, kindUnixSocket)
	}
	if known.secretHeader != "" && !slices.ContainsFunc(rules, func(t Trust) bool { return t.secret.name == known.secretHeader }) {
		v.mistake("Trust", "%s requires TrustSharedSecret(%q, ...)", known.format, known.secretHeader)
	}
	return slices.Clone(rules)
}

// headers returns what must not reach the handler, and sees to it that no
// header has two meanings.
func (v *validation) headers(source *Source, config Config, known profile) []string {
	names := []string{source.certificate.name}
	add := func(f field, fieldOfConfig string) {
		if slices.ContainsFunc(names, func(n string) bool { return f.name != "" && foldName(n) == f.folded }) {
			v.mistake(fieldOfConfig, "%s has another meaning already", f.name)
		}
		names = append(names, f.name)
	}
	add(source.verify, "VerifyHeader")
	for _, rule := range source.trust {
		add(rule.secret, "Trust")
	}
	names = append(names, known.strip...)
	for _, name := range config.Strip {
		if name == "" {
			v.mistake("Strip", "the name of a header is empty")
		}
		names = append(names, v.header("Strip", name).name)
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == "" })
}

func or(configured, otherwise string) string {
	if configured == "" {
		return otherwise
	}
	return configured
}
