package metadata

import (
	"context"
	"strings"
)

// An Issuer is an authorization server, and where its metadata is. It is for
// the verifiers of this module, packages jwks and introspection, which ask in
// the same way; it is exported only because they are packages of their own.
type Issuer struct {
	// Client sends the requests. Check only reads its DangerouslyAllowHTTP.
	Client *Client

	// Name is the issuer identifier.
	Name string

	// MetadataURL is where its metadata is; "" means at the well-known paths.
	MetadataURL string
}

// Check reports, without sending a request, what is wrong with the fields
// Issuer, URL and MetadataURL of a verifier's configuration, by calling mistake
// for each mistake. url is the field URL: the address that would otherwise be
// taken from the metadata. If it is set, or if elsewhere is true, no metadata
// is read, and Name need not be a URL.
func (i Issuer) Check(url string, elsewhere bool, mistake func(field, format string, args ...any)) {
	checkURL := func(field, address string) {
		switch {
		case i.Client.CheckURL(address) == nil:
		case !i.Client.DangerouslyAllowHTTP && strings.HasPrefix(strings.ToLower(address), "http://"):
			mistake(field, "is an http URL, and must be https: whoever is on the path could choose the answers (for development there is DangerouslyAllowHTTP)")
		default:
			mistake(field, "must be an absolute https URL without user and fragment")
		}
	}
	switch {
	case i.Name == "":
		mistake("Issuer", "is required")
	case url != "" || i.MetadataURL != "" || elsewhere:
	default:
		if _, err := WellKnown(i.Name); err != nil {
			mistake("Issuer", "must be an https URL without user, query and fragment (RFC 8414 section 2), unless another option says where to ask")
		} else {
			checkURL("Issuer", i.Name)
		}
	}
	if url != "" {
		checkURL("URL", url)
	}
	if i.MetadataURL != "" {
		checkURL("MetadataURL", i.MetadataURL)
	}
	if url != "" && i.MetadataURL != "" {
		mistake("MetadataURL", "and URL are both set: one of them says where to ask")
	}
}

// Read fetches the metadata, as [Client.AuthorizationServer] or
// [Client.AuthorizationServerAt] does.
func (i Issuer) Read(ctx context.Context) (*AuthorizationServer, error) {
	if i.MetadataURL != "" {
		return i.Client.AuthorizationServerAt(ctx, i.Name, i.MetadataURL)
	}
	return i.Client.AuthorizationServer(ctx, i.Name)
}
