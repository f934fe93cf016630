package main

import (
	"fmt"
	"net/http"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
	"github.com/certbound/certbound/examples/internal/commandline"
)

// newSource makes the source of certificates that a proxy forwards, or nil if
// there is no -forwarded-format: then the TLS connection is the source.
func newSource(format, header string, trust []string) (binding.CertificateSource, []error) {
	var mistakes []error
	if format == "" {
		for flag, given := range map[string]bool{"-forwarded-header": header != "", "-trust": len(trust) > 0} {
			if given {
				mistakes = append(mistakes, fmt.Errorf("%s: needs -forwarded-format", flag))
			}
		}
		return nil, mistakes
	}
	rules, mistakes := commandline.Trust(trust)
	source, err := forwarded.New(forwarded.Config{
		Format: forwarded.Format(format),
		Header: http.CanonicalHeaderKey(header), // an operator may write it as the proxy's manual does
		Trust:  rules,
	})
	if mistakes = append(mistakes, commandline.FlagErrors(err, flagOf)...); mistakes != nil {
		return nil, mistakes
	}
	return source, nil
}
