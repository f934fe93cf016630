package forwarded

import (
	"errors"
	"fmt"
	"slices"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/internal/grammar"
)

// Limits of Config.MaxBytes.
const (
	defaultMaxBytes = 32 << 10
	maxMaxBytes     = 256 << 10
)

// maxElements is more than anybody has proxies in a row.
const maxElements = 16

// Config says what the proxy sends, and who the proxy is. [New] validates it,
// copies it and reports every mistake at once.
type Config struct {
	// Format is what the proxy sends. Required.
	Format Format

	// Header is the header that holds the certificate, in its canonical form
	// (http.CanonicalHeaderKey). Empty means the format's own header, see
	// [Format.Header]; Header is required for a format that has none.
	Header string

	// Trust says who may forward a certificate. At least one rule is required,
	// and all of them must hold.
	Trust []Trust

	// MaxBytes is the length of the longest value that is read, in bytes. 0 means
	// 32 KiB; at most 256 KiB. For Auth0 both the default and the maximum are
	// 4,096 bytes.
	MaxBytes int

	// Elements is the exact number of elements that the header must have, one for
	// each proxy that writes one, up to 16. It is only for formats whose encoding
	// is xfcc or xfcc-json. 0 means 1, or 2 for Istio.
	Elements int

	// Element is the number of the element that describes the client: 1 is the
	// first one, written by the outermost proxy. Required if Elements is set to
	// more than 1.
	Element int

	// VerifyHeader, if not empty, is a header, in its canonical form, in which
	// the proxy says what it found when it verified the certificate. A
	// certificate is then accepted only if exactly one such header came with it,
	// with one of VerifyValues. The format Auth0 sets it already.
	VerifyHeader string

	// VerifyValues are the values of VerifyHeader that accept a certificate,
	// compared exactly, except that FAILED also accepts "FAILED:" followed by a
	// reason. Nil means SUCCESS alone, or SUCCESS and FAILED for Auth0.
	VerifyValues []string

	// Strip names further headers, in their canonical form, in which the proxy
	// says something about the certificate. They are not read, and are removed
	// before the handler runs.
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
		v.mistake("Format", "%q is not a format; there are %q", config.Format, Formats())
	}
	source := &Source{
		format:       config.Format,
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
	return field{name: header, folded: grammar.FoldName(header)}
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
	if known.encoding != XFCC && known.encoding != XFCCJSON {
		if known.encoding != "" && (config.Elements != 0 || config.Element != 0) {
			v.mistake("Elements", "only the encodings xfcc and xfcc-json have elements")
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
	if known.encoding == XFCCJSON {
		return xfccJSONDecoder(count, index)
	}
	return xfccDecoder(count, index, known.optional && index == 1)
}

func (v *validation) verifyValues(config Config, known profile) []string {
	values := config.VerifyValues
	if values == nil {
		values = known.verifyValues
	} else if config.VerifyHeader == "" && known.verifyHeader == "" {
		v.mistake("VerifyValues", "there is no VerifyHeader to compare them with")
	} else if len(values) == 0 || !allFieldValues(values) {
		v.mistake("VerifyValues", "must be nil, or name at least one value, each of which can be that of a header field")
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
	byAddress := kindPeers
	if kinds[kindRemoteAddr] {
		byAddress = kindRemoteAddr
	}
	if kinds[byAddress] && kinds[kindUnixSocket] {
		v.mistake("Trust", "%s and %s: no connection is both", byAddress, kindUnixSocket)
	}
	if kinds[kindPeers] && kinds[kindRemoteAddr] {
		v.mistake("Trust", "%s and %s: the first alone is the better rule", kindPeers, kindRemoteAddr)
	}
	if known.secretHeader != "" && !slices.ContainsFunc(rules, func(t Trust) bool { return t.secret.name == known.secretHeader }) {
		v.mistake("Trust", "%s requires TrustSharedSecret(%q, ...)", known.format, known.secretHeader)
	}
	return slices.Clone(rules)
}

// headers returns what must not reach the handler, and reports a header that
// has two meanings.
func (v *validation) headers(source *Source, config Config, known profile) []string {
	names := []string{source.certificate.name}
	add := func(f field, fieldOfConfig string) {
		if slices.ContainsFunc(names, func(n string) bool { return f.name != "" && grammar.FoldName(n) == f.folded }) {
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
