package bindredis

import (
	"net"
	"strings"

	"github.com/valkey-io/valkey-go"
)

// isURL reports whether an address is a URL, which may hold a password.
func isURL(address string) bool {
	return strings.ContainsAny(address, "@?") || strings.Contains(address, "://")
}

// dials reports whether addresses mean what a function of the user's takes them for.
func dials(option valkey.ClientOption) bool {
	return option.DialCtxFn != nil || option.DialFn != nil
}

// isNoAddress reports whether nobody can dial what should be host:port.
func isNoAddress(address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return true
	}
	number, err := net.LookupPort("tcp", port)
	return err != nil || number == 0
}
