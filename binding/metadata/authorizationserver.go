package metadata

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/certbound/certbound/binding/internal/strictjson"
)

// An AuthorizationServer is an authorization server's metadata (RFC 8414 §2,
// OpenID Connect Discovery 1.0 §3, RFC 8705 §3.3 and §5). Absent members are
// zero values. signed_metadata is not read (RFC 8414 §2.1 makes that optional).
type AuthorizationServer struct {
	// Issuer is the issuer identifier, equal to the one that was asked for.
	Issuer string

	// JWKSURI is the URL of its key set (jwks_uri), or "" if there is none that
	// may be asked: see [AuthorizationServer.NeedURL].
	JWKSURI string

	// TokenEndpoint and IntrospectionEndpoint are the endpoints for clients that
	// present no certificate; for the others see
	// [AuthorizationServer.MTLSEndpoint]. They are "" like JWKSURI.
	TokenEndpoint         string
	IntrospectionEndpoint string

	// TokenEndpointAuthMethods is token_endpoint_auth_methods_supported.
	TokenEndpointAuthMethods []string

	// CertificateBoundAccessTokens is
	// tls_client_certificate_bound_access_tokens (RFC 8705 §3.3), false if absent.
	CertificateBoundAccessTokens bool

	// MTLSEndpointAliases is mtls_endpoint_aliases (RFC 8705 §5), by the names of
	// its members: token_endpoint and so on. An alias is "" if it may not be
	// asked, because it is not an https URL or names a local address (see
	// [ErrLocal]).
	MTLSEndpointAliases map[string]string

	endpoints map[string]string // as MTLSEndpointAliases, for the endpoints themselves
	problems  map[string]error  // by name, of a member that is there and not used
}

// MTLSEndpoint returns the endpoint that a client with a certificate uses: the
// alias in mtls_endpoint_aliases, or, if there is none, the endpoint itself
// (RFC 8705 §5). It returns "" if there is neither, or if the one that counts
// may not be asked. The name is that of the member: "token_endpoint",
// "pushed_authorization_request_endpoint", ...
func (a *AuthorizationServer) MTLSEndpoint(name string) string {
	if a.problems[aliasesName] != nil {
		return ""
	}
	if alias, ok := a.MTLSEndpointAliases[name]; ok {
		return alias
	}
	return a.endpoints[name]
}

// NeedURL returns the URL that a member names, such as "jwks_uri" or
// "introspection_endpoint". If certificate is true, it returns the URL for a
// client that presents a certificate, as MTLSEndpoint does. If there is no URL
// that may be asked, the error says why, and names the URL if there is one.
func (a *AuthorizationServer) NeedURL(name string, certificate bool) (string, error) {
	member, address := name, a.endpoints[name]
	if name == "jwks_uri" {
		address = a.JWKSURI
	}
	if certificate {
		address = a.MTLSEndpoint(name)
		if problem := a.problems[aliasesName]; problem != nil {
			return "", problem
		}
		if _, ok := a.MTLSEndpointAliases[name]; ok {
			member = aliasesName + "." + name
		}
	}
	if address != "" {
		return address, nil
	}
	if problem := a.problems[member]; problem != nil {
		return "", problem
	}
	return "", fmt.Errorf("metadata: the document of %s has no %s", a.Issuer, name)
}

// The errors of AuthorizationServer.
var (
	// ErrMalformed: the document is not a JSON object with the members' types.
	ErrMalformed = errors.New("the metadata is malformed")

	// ErrIssuer: the document names another issuer. Issuers are compared exactly,
	// character by character (RFC 8414 §3.3, OpenID Connect Discovery §4.3).
	ErrIssuer = errors.New("the metadata is that of another issuer")
)

// AuthorizationServer fetches an issuer's metadata, from the path of RFC 8414
// §3.1 first. It asks at the path of OpenID Connect Discovery §4 only if there
// is plainly no such document at the first: if the answer is a status from 400
// to 499 other than 408 and 429, a redirect, which is not followed, or not a
// JSON object. After any other failure, and after a document of another issuer,
// the second path is not asked.
func (c *Client) AuthorizationServer(ctx context.Context, issuer string) (*AuthorizationServer, error) {
	addresses, err := WellKnown(issuer)
	if err != nil {
		return nil, err
	}
	found, err := c.AuthorizationServerAt(ctx, issuer, addresses[0])
	if !isElsewhere(err) {
		return found, err
	}
	found, second := c.AuthorizationServerAt(ctx, issuer, addresses[1])
	if isElsewhere(second) {
		return nil, fmt.Errorf("%w; %w", err, second)
	}
	return found, second
}

// isElsewhere reports whether an answer says that there is no metadata at this
// path, and nothing about the server's health.
func isElsewhere(err error) bool {
	var status *StatusError
	if !errors.As(err, &status) {
		return errors.Is(err, ErrNoJSON)
	}
	switch s := status.Status; s {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	default:
		return s >= 300 && s < 500
	}
}

// AuthorizationServerAt fetches an issuer's metadata from a given URL, instead
// of one that is made from the issuer's name. The document must name the
// issuer.
func (c *Client) AuthorizationServerAt(ctx context.Context, issuer, address string) (*AuthorizationServer, error) {
	document, err := c.Get(ctx, address)
	if err != nil {
		return nil, err
	}
	server, err := c.read(document, issuer, address)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", address, err)
	}
	return server, nil
}

// WellKnown returns the two URLs at which an issuer's metadata may be, in the
// order in which they are tried. RFC 8414 §3.1 puts the well-known part between
// host and path, OpenID Connect Discovery §4 after the path; a slash at the end
// of the issuer is dropped only to build these. It is an error if issuer is not
// an issuer identifier (RFC 8414 §2); that its scheme is https,
// [Client.CheckURL] checks.
func WellKnown(issuer string) ([]string, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(issuer, "#") {
		return nil, fmt.Errorf("metadata: %q is not an issuer identifier (RFC 8414 section 2)", issuer)
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

const aliasesName = "mtls_endpoint_aliases"

// read reads the members that we know. Only a mistake in issuer refuses the
// document: one in another member matters only to those who need that member.
func (c *Client) read(document []byte, issuer, address string) (*AuthorizationServer, error) {
	members, err := membersOf(document)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	a := &AuthorizationServer{endpoints: make(map[string]string), problems: make(map[string]error)}
	for name, values := range members {
		value := values[0]
		if len(values) > 1 {
			value = "" // no JSON: of two nobody can tell which holds
		}
		if value == "null" {
			continue // as if it were absent
		}
		switch name {
		case "issuer":
			var ok bool
			if a.Issuer, ok = strictjson.String(value); !ok {
				return nil, fmt.Errorf("%w: %q", ErrMalformed, name)
			}
		case "token_endpoint_auth_methods_supported":
			a.TokenEndpointAuthMethods, _ = strictjson.Strings(value)
		case "tls_client_certificate_bound_access_tokens":
			a.CertificateBoundAccessTokens = value == "true"
		case aliasesName:
			c.readAliases(a, value, address)
		case "jwks_uri":
			a.JWKSURI = c.readURL(a, name, value, address)
		default:
			if strings.HasSuffix(name, "_endpoint") {
				a.endpoints[name] = c.readURL(a, name, value, address)
			}
		}
	}
	if a.Issuer != issuer {
		return nil, fmt.Errorf("%w: it names %.200q", ErrIssuer, a.Issuer)
	}
	a.TokenEndpoint = a.endpoints["token_endpoint"]
	a.IntrospectionEndpoint = a.endpoints["introspection_endpoint"]
	return a, nil
}

// membersOf returns the members of a JSON object, with each value of a name. An
// issuer's document may repeat a name that nobody needs.
func membersOf(document []byte) (map[string][]string, error) {
	if !utf8.Valid(document) || !json.Valid(document) || !beginsObject(document) {
		return nil, ErrNoJSON
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	_, _ = decoder.Token() // the brace
	members := make(map[string][]string)
	for decoder.More() {
		token, err := decoder.Token()
		name, isName := token.(string)
		var value json.RawMessage
		if err != nil || !isName || decoder.Decode(&value) != nil {
			return nil, ErrNoJSON // cannot be: the text is valid
		}
		members[name] = append(members[name], string(value))
	}
	return members, nil
}

// beginsObject reports whether a text begins as a JSON object does (RFC 8259 §2).
func beginsObject(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) > 0 && text[0] == '{'
}

// readURL reads a member whose value is a URL. It is "" if that URL may not be
// asked, and the problem is kept for those who need the URL.
func (c *Client) readURL(a *AuthorizationServer, member, value, address string) string {
	text, ok := strictjson.String(value)
	if !ok {
		a.problems[member] = fmt.Errorf("GET %s: %w: %s is not a string, or is there twice", address, ErrMalformed, member)
		return ""
	}
	if err := c.checkNamed(address, text); err != nil {
		a.problems[member] = fmt.Errorf("GET %s: %s is %q: %w", address, member, text, err)
		return ""
	}
	return text
}

func (c *Client) readAliases(a *AuthorizationServer, value, address string) {
	if value == "[]" {
		return // some servers' way to write an object of nothing
	}
	members, err := strictjson.Object(value)
	if err != nil {
		a.problems[aliasesName] = fmt.Errorf("GET %s: %w: %s is not an object with distinct names", address, ErrMalformed, aliasesName)
		return
	}
	a.MTLSEndpointAliases = make(map[string]string, len(members))
	for _, m := range members {
		if m.Value == "null" {
			continue
		}
		// An alias that may not be asked stays, as "": were it taken for absent,
		// the plain endpoint would be used in its place.
		a.MTLSEndpointAliases[m.Name] = c.readURL(a, aliasesName+"."+m.Name, m.Value, address)
	}
}
