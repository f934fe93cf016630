package commandline

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

// Trust reads the values of -trust. Those of one kind are alternatives: a
// range or another, a certificate or the next, a secret or the one it is being
// changed for. Of different kinds all are required.
func Trust(values []string) (rules []forwarded.Trust, mistakes []error) {
	var ranges []netip.Prefix
	var certificates []binding.Thumbprint
	secrets := make(map[string][]string)
	unix := false
	mistake := func(format string, a ...any) { mistakes = append(mistakes, fmt.Errorf("-trust: "+format, a...)) }
	for _, value := range values {
		kind, rest, _ := strings.Cut(value, ":")
		switch kind {
		case "cidr":
			prefix, err := netip.ParsePrefix(rest)
			if err != nil {
				mistake("cidr: must be a range such as 192.0.2.0/24")
			}
			ranges = append(ranges, prefix)
		case "cert":
			thumbprint, err := binding.ParseThumbprint(rest)
			if err != nil {
				mistake("cert: must be the proxy's x5t#S256: %s", binding.AsError(err).Reason)
			}
			certificates = append(certificates, thumbprint)
		case "secret": // never shown, not even in a mistake
			header, secret, found := strings.Cut(rest, "=")
			if file, fromFile := strings.CutPrefix(secret, "@"); fromFile {
				content, err := os.ReadFile(file)
				if err != nil {
					mistake("secret: %w", err)
				}
				secret = strings.TrimRight(string(content), "\r\n")
			}
			if !found || header == "" || secret == "" {
				mistake("secret: must be Header=value or Header=@file")
			}
			header = http.CanonicalHeaderKey(header)
			secrets[header] = append(secrets[header], secret)
		case "unix":
			unix = unix || rest == ""
			if rest != "" {
				mistake("unix: takes no value")
			}
		default:
			mistake("must begin with cidr:, cert: or secret:, or be unix")
		}
	}
	if ranges != nil {
		rules = append(rules, forwarded.TrustPeers(ranges...))
	}
	if certificates != nil {
		rules = append(rules, forwarded.TrustProxyCertificate(certificates...))
	}
	for header, values := range secrets {
		rules = append(rules, forwarded.TrustSharedSecret(header, values...))
	}
	if unix {
		rules = append(rules, forwarded.TrustUnixSocket())
	}
	return rules, mistakes
}
