package conformance

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/certbound/certbound/binding/bindingtest"
)

// lifetime is that of a good token: long enough for all that is done with it.
const lifetime = 10 * time.Minute

// issuer is an authorization server, and writes tokens of it byte for byte.
type issuer struct {
	as     *bindingtest.AuthorizationServer
	config *Config
	opaque *opaque // nil: the tokens are JWTs
}

// newIssuer starts an authorization server. What the Config of the kit says
// comes on top of the given.
func (k *Kit) newIssuer(config bindingtest.Config) (*issuer, error) {
	config.Audience, config.Algorithm = k.config.Audience, k.config.Algorithm
	config.Claims, config.Lifetime = k.config.Claims, lifetime
	as, err := bindingtest.NewAuthorizationServer(config)
	if err != nil {
		return nil, err
	}
	i := &issuer{as: as, config: &k.config}
	if k.config.Opaque {
		i.opaque = &opaque{answers: make(map[string]string)}
		as.Handle(bindingtest.IntrospectionPath, i.opaque)
	}
	return i, nil
}

// publish has the key set hold these keys besides the issuer's own, and none
// else.
func (i *issuer) publish(keys ...json.RawMessage) {
	i.as.RetireOldKeys()
	for _, key := range keys {
		mustDo(i.as.PublishJWK(key))
	}
}

// object is a JSON object in which everything stands as it is given: names as
// between their quotes, values as JSON.
type object []member

type member struct{ name, value string }

// with replaces the member, or adds it at the end.
func (o object) with(name, value string) object {
	changed := o.without(name)
	return append(changed, member{name, value})
}

func (o object) without(name string) object {
	var rest object
	for _, m := range o {
		if m.name != name {
			rest = append(rest, m)
		}
	}
	return rest
}

// and adds a member at the end, whether or not there is one of the name.
func (o object) and(name, value string) object { return append(o[:len(o):len(o)], member{name, value}) }

// behind adds a member at the front.
func (o object) behind(name, value string) object { return append(object{{name, value}}, o...) }

func (o object) String() string {
	members := make([]string, len(o))
	for i, m := range o {
		members[i] = `"` + m.name + `":` + m.value
	}
	return "{" + strings.Join(members, ",") + "}"
}

func quote(text string) string { return string(must(json.Marshal(text))) }

func seconds(t time.Time) string { return fmt.Sprint(t.Unix()) }

// must is for what fails only if this package is wrong, or the random source is
// empty.
func must[T any](value T, err error) T {
	if err != nil {
		panic(fmt.Errorf("conformance: %w", err))
	}
	return value
}

func mustDo(err error) { must(struct{}{}, err) }

// header is that of a good token.
func (i *issuer) header() object {
	header := object{{"alg", quote(i.config.Algorithm)}, {"typ", quote(i.config.TokenType)}, {"kid", quote(i.as.KeyID())}}
	if i.config.TokenType == "absent" {
		header = header.without("typ")
	}
	return header
}

// claims are those of a good token for the client; without a client, of one
// that is bound to nothing.
func (i *issuer) claims(holder *client) object {
	now := time.Now()
	claims := object{
		{"iss", quote(i.as.Issuer())},
		{"sub", `"alice"`},
		{"client_id", `"client-1"`},
		{"aud", quote(i.config.Audience)},
		{"iat", seconds(now)},
		{"exp", seconds(now.Add(lifetime))},
		{"jti", quote(newID())},
	}
	if len(i.config.Scopes) > 0 {
		claims = claims.with("scope", quote(strings.Join(i.config.Scopes, " ")))
	}
	for name, value := range i.config.Claims {
		escaped := quote(name)
		claims = claims.without(escaped[1 : len(escaped)-1])
		if value != nil {
			claims = claims.with(escaped[1:len(escaped)-1], string(must(json.Marshal(value))))
		}
	}
	if holder != nil {
		claims = claims.with("cnf", confirm(holder.thumbprint()))
	}
	return claims
}

// confirm is a cnf that names a certificate (RFC 8705 §3.1).
func confirm(thumbprint string) string { return `{"x5t#S256":` + quote(thumbprint) + `}` }

// sign makes a token: signed by the issuer's key, or an opaque one, which has
// no header.
func (i *issuer) sign(header, claims fmt.Stringer) string {
	return i.signText(header.String(), claims.String())
}

func (i *issuer) signText(header, payload string) string {
	if i.opaque != nil {
		return i.opaque.token(payload)
	}
	return must(i.as.SignRaw([]byte(header), []byte(payload)))
}

// forged makes a token signed by another key of the issuer's algorithm.
func (s *session) forged(header, claims fmt.Stringer) string {
	return must(s.kit.impostor.SignRaw([]byte(header.String()), []byte(claims.String())))
}

// good is a good token of the client's.
func (i *issuer) good(holder *client) string { return i.sign(i.header(), i.claims(holder)) }
