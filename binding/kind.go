package binding

import (
	"strings"

	"github.com/certbound/certbound/binding/internal/strictjson"
)

// A kind is what claims say about the kind of their token.
type kind struct {
	stated bool   // as an access token
	nonce  bool   // an ID token has one, and so have some access tokens
	other  string // the claim that is plainly another kind's; "" is none
}

// read reads a claim that may show that the token is not an access token (RFC
// 8725 §3.12). It is a net with holes: an ID token without any of these claims
// cannot be told from an access token, which is why RFC 9068 §2.1 has typ.
func (k *kind) read(m strictjson.Member) {
	other := false
	switch m.Name {
	case "nonce": // ID token: OpenID Connect Core §2
		k.nonce = true
	case "at_hash", "c_hash", "s_hash", // ID token: OpenID Connect Core §3.3.2.11
		"events": // logout token and security event: RFC 8417 §2.2
		other = true
	case "typ": // Keycloak: Bearer, but also ID, Refresh, Offline, Logout, ...
		name, _ := strictjson.String(m.Value)
		switch {
		case isOneOf(name, "Bearer", "DPoP"): // RFC 6749 §5.1: in any case
			k.stated = true
		case isOneOf(name, "JWT", "at+jwt"): // RFC 7515 §4.1.9: media types, so too
		default:
			other = true
		}
	case "token_use": // Amazon Cognito, Ory Hydra: also id, refresh_token
		use, _ := strictjson.String(m.Value)
		if use == "access" || use == "access_token" {
			k.stated = true
		} else {
			other = true
		}
	}
	if other {
		k.other = m.Name
	}
}

// otherThanAccess names the claim that shows that the token is not an access
// token, or "". Keycloak before version 25 has a nonce in access tokens too,
// but also says in them what they are.
func (k *kind) otherThanAccess() string {
	if k.nonce && !k.stated {
		return "nonce"
	}
	return k.other
}

func isOneOf(name string, names ...string) bool {
	for _, n := range names {
		if strings.EqualFold(name, n) {
			return true
		}
	}
	return false
}
