package metadata

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// CheckURL returns nil if Get would send a request to the URL, and otherwise
// [ErrURL]. It sends none itself.
func (c *Client) CheckURL(address string) error {
	u, err := url.Parse(address)
	secure := err == nil && (u.Scheme == "https" || u.Scheme == "http" && c.DangerouslyAllowHTTP)
	if !secure || u.Hostname() == "" || u.User != nil || strings.Contains(address, "#") {
		return fmt.Errorf("metadata: %w", ErrURL)
	}
	// Not even escaped in the host: net/http maps a name in Unicode to ASCII when
	// it dials, wide digits to an address, and checkNamed would not have seen it.
	if strings.ContainsFunc(address+u.Host, isNotPrintableASCII) {
		return fmt.Errorf("metadata: %w", ErrURL)
	}
	// An address of IPv6 may have a zone (RFC 6874). Anywhere else a percent sign
	// is one more way to write a host that no two readers read alike.
	if strings.Contains(u.Host, "%") && !strings.HasPrefix(u.Host, "[") {
		return fmt.Errorf("metadata: %w", ErrURL)
	}
	return nil
}

func isNotPrintableASCII(c rune) bool { return c <= ' ' || c > '~' }

// checkNamed checks a URL that a document from the base URL names. Another host
// is usual. An address of the local network or the local machine is not, unless
// the document came from that very host: a document must not aim our requests
// at our own network.
func (c *Client) checkNamed(base, address string) error {
	if c.CheckURL(address) != nil {
		return ErrURL
	}
	from, err := url.Parse(base)
	if err != nil {
		return ErrURL
	}
	to, err := url.Parse(address)
	if err != nil {
		return ErrURL
	}
	if to.Hostname() != from.Hostname() && isLocal(to.Hostname()) {
		return ErrLocal
	}
	return nil
}

// ErrLocal: a document names an address of the local network or machine, and
// did not come from that very host.
var ErrLocal = errors.New("the URL names a local address, and the document did not come from there")

// isLocal reports whether a host is plainly not a public one. It resolves no
// names: what a public name stands for is up to its owner and the resolver.
func isLocal(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		// A name whose last label begins with a digit is an address in a form
		// that some resolvers read (127.1, 0x7f000001) and no public name.
		last := host[strings.LastIndexByte(host, '.')+1:]
		return last == "" || '0' <= last[0] && last[0] <= '9'
	}
	if address.Zone() != "" {
		return true // a link's, or an interface's (RFC 4007 §11)
	}
	address = address.Unmap()
	return !address.IsGlobalUnicast() || address.IsPrivate() ||
		slices.ContainsFunc(localPrefixes, func(p netip.Prefix) bool { return p.Contains(address) })
}

// localPrefixes are what netip does not know as local, and what stands for an
// address that it may know as local.
var localPrefixes = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network: RFC 1122 §3.2.1.3
	netip.MustParsePrefix("100.64.0.0/10"),   // shared: RFC 6598, and a cloud's metadata service
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments: RFC 6890 §2.1
	netip.MustParsePrefix("192.88.99.0/24"),  // relays of 6to4: RFC 7526
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks: RFC 2544
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved: RFC 1112 §4
	netip.MustParsePrefix("::/96"),           // IPv4 in IPv6, deprecated: RFC 4291 §2.5.5.1
	netip.MustParsePrefix("::ffff:0:0:0/96"), // any IPv4 address, translated: RFC 2765 §2.1
	netip.MustParsePrefix("64:ff9b::/96"),    // any IPv4 address, by NAT64: RFC 6052
	netip.MustParsePrefix("64:ff9b:1::/48"),  // the same: RFC 8215
	netip.MustParsePrefix("100::/64"),        // discarded: RFC 6666
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, Teredo's any IPv4 address: RFC 2928, RFC 4380
	netip.MustParsePrefix("2002::/16"),       // any IPv4 address, by 6to4: RFC 3056
	netip.MustParsePrefix("fec0::/10"),       // site-local, deprecated: RFC 3879
}
