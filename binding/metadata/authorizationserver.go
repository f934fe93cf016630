package metadata

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/certbound/certbound/binding/internal/object"
)

// An AuthorizationServer is what an authorization server says of itself (RFC
// 8414 §2, OpenID Connect Discovery 1.0 §3, RFC 8705 §3.3 and §5). Members that
// are absent are zero values. signed_metadata is not read (RFC 8414 §2.1 makes
// it optional to understand).
type AuthorizationServer struct {
	// Issuer is the issuer identifier, equal to the one that was asked for.
	Issuer string

	// JWKSURI is where its keys are.
	JWKSURI string

	// TokenEndpoint and IntrospectionEndpoint are the plain endpoints; for a
	// client that presents a certificate see [AuthorizationServer.MTLSEndpoint].
	TokenEndpoint         string
	IntrospectionEndpoint string

	// TokenEndpointAuthMethods is token_endpoint_auth_methods_supported.
	TokenEndpointAuthMethods []string

	// CertificateBoundAccessTokens is
	// tls_client_certificate_bound_access_tokens (RFC 8705 §3.3), false if absent.
	CertificateBoundAccessTokens bool

	// MTLSEndpointAliases is mtls_endpoint_aliases (RFC 8705 §5), by the names
	// of the members: token_endpoint and so on. An alias that we may not ask (no
	// https URL) is "".
	MTLSEndpointAliases map[string]string

	endpoints map[string]string // as MTLSEndpointAliases, for the endpoints themselves
}

// MTLSEndpoint returns the endpoint that a client with a certificate uses: the
// alias in mtls_endpoint_aliases, or, where there is none, the endpoint itself
// (RFC 8705 §5), or "". The name is that of the member: "token_endpoint",
// "pushed_authorization_request_endpoint", ...
func (a *AuthorizationServer) MTLSEndpoint(name string) string {
	if alias, ok := a.MTLSEndpointAliases[name]; ok {
		return alias
	}
	return a.endpoints[name]
}

// The errors of AuthorizationServer.
var (
	// ErrMalformed: the document is not a JSON object with the members' types.
	ErrMalformed = errors.New("the metadata is malformed")

	// ErrIssuer: the document is another issuer's. They are compared exactly,
	// character by character (RFC 8414 §3.3, OpenID Connect Discovery §4.3).
	ErrIssuer = errors.New("the metadata is of another issuer")
)

// AuthorizationServer fetches an issuer's metadata. It asks at the path of RFC
// 8414 §3.1 and, only if that answers 404, at the one of OpenID Connect
// Discovery §4. Whatever is wrong with a document that came is an error; another
// is not tried.
func (c *Client) AuthorizationServer(ctx context.Context, issuer string) (*AuthorizationServer, error) {
	addresses, err := WellKnown(issuer)
	if err != nil {
		return nil, err
	}
	for _, address := range addresses {
		var found *AuthorizationServer
		found, err = c.AuthorizationServerAt(ctx, issuer, address)
		var status *StatusError
		if !errors.As(err, &status) || status.Status != http.StatusNotFound {
			return found, err
		}
	}
	return nil, err
}

// AuthorizationServerAt fetches an issuer's metadata from a URL that is known
// by other means than the issuer's name.
func (c *Client) AuthorizationServerAt(ctx context.Context, issuer, address string) (*AuthorizationServer, error) {
	document, err := c.Get(ctx, address)
	if err != nil {
		return nil, err
	}
	server, err := c.read(document, issuer, address)
	if err != nil {
		return nil, fmt.Errorf("metadata: GET %s: %w", address, err)
	}
	return server, nil
}

// WellKnown returns the URLs at which an issuer's metadata may be, in the order
// in which they are tried. RFC 8414 §3.1 puts the well-known part between host
// and path, OpenID Connect Discovery §4 after the path; a slash at the end of
// the issuer is dropped to build them, and for nothing else.
func WellKnown(issuer string) ([]string, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(issuer, "#") {
		return nil, fmt.Errorf("metadata: %q is no issuer identifier (RFC 8414 section 2)", issuer)
	}
	origin, path := originOf(u), strings.TrimSuffix(u.EscapedPath(), "/")
	return []string{
		origin + "/.well-known/oauth-authorization-server" + path,
		origin + path + "/.well-known/openid-configuration",
	}, nil
}

// originOf returns scheme and host as a URL begins: the zone of an address is
// escaped there, and not in u.Host.
func originOf(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
}

func (c *Client) read(document []byte, issuer, address string) (*AuthorizationServer, error) {
	members, err := object.Parse(string(document))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	a := &AuthorizationServer{endpoints: make(map[string]string)}
	for _, m := range members {
		ok := true
		switch m.Name {
		case "issuer":
			a.Issuer, ok = object.String(m.Value)
		case "token_endpoint_auth_methods_supported":
			a.TokenEndpointAuthMethods, ok = object.Strings(m.Value)
		case "tls_client_certificate_bound_access_tokens":
			a.CertificateBoundAccessTokens = m.Value == "true"
			ok = a.CertificateBoundAccessTokens || m.Value == "false"
		case "mtls_endpoint_aliases":
			a.MTLSEndpointAliases, ok = c.aliases(m.Value, address)
		case "jwks_uri":
			a.JWKSURI = c.endpoint(m.Value, address)
			ok = a.JWKSURI != ""
		default:
			if strings.HasSuffix(m.Name, "_endpoint") {
				a.endpoints[m.Name] = c.endpoint(m.Value, address)
			}
		}
		if !ok {
			return nil, fmt.Errorf("%w: %q", ErrMalformed, m.Name)
		}
	}
	if a.Issuer != issuer {
		return nil, ErrIssuer
	}
	a.TokenEndpoint = a.endpoints["token_endpoint"]
	a.IntrospectionEndpoint = a.endpoints["introspection_endpoint"]
	return a, nil
}

// endpoint reads a member whose value is a URL. It is "" where we may not ask
// there: that matters only to who wants to.
func (c *Client) endpoint(value, address string) string {
	endpoint, ok := object.String(value)
	if !ok || c.checkNamed(address, endpoint) != nil {
		return ""
	}
	return endpoint
}

func (c *Client) aliases(value, address string) (map[string]string, bool) {
	members, err := object.Parse(value)
	if err != nil {
		return nil, false
	}
	aliases := make(map[string]string, len(members))
	for _, m := range members {
		// An alias that we may not ask stays, as "", so that it is not taken for
		// an alias that is absent and the plain endpoint used in its place.
		aliases[m.Name] = c.endpoint(m.Value, address)
	}
	return aliases, true
}
