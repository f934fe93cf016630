package jwks

import (
	"strings"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/internal/jws"
	"github.com/certbound/certbound/jwks/internal/keyset"
)

// A header is what is read of an access token's JOSE header.
type header struct {
	keyset.Header
	typ string // normalized; TypeAbsent if there is none
}

// readHeader reads a JOSE header (RFC 7515 §4). Members that could name a key of
// the sender's (jwk, jku, x5u, x5c) are not looked at, nor are those that have
// no meaning for a JWS (RFC 8725 §3.10).
func readHeader(text []byte) (header, error) {
	var memory [16]jws.Member
	members, err := jws.AppendHeader(memory[:0], text)
	if err != nil {
		return header{}, refusal(err)
	}
	refused := &binding.Error{Reason: binding.ReasonTokenHeader}
	h := header{typ: TypeAbsent}
	value, _ := members.Value("alg")
	alg, ok := jws.Text(value)
	if !ok {
		return header{}, &binding.Error{Reason: binding.ReasonTokenAlgorithm}
	}
	h.Alg = string(alg)
	if value, present := members.Value("typ"); present {
		typ, ok := jws.Text(value)
		if !ok {
			return header{}, refused
		}
		h.typ = normalizeType(string(typ))
	}
	if value, present := members.Value("kid"); present {
		id, ok := jws.Text(value)
		h.KeyID, h.HasKeyID = string(id), true
		if !ok || h.KeyID == "" || len(h.KeyID) > keyset.MaxKeyIDLength || strings.ContainsFunc(h.KeyID, isControl) {
			return header{}, refused
		}
	}
	return h, nil
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// normalizeType returns a type as it is compared.
func normalizeType(typ string) string {
	typ = jws.NormalizeType(typ)
	if typ == TypeAbsent {
		return "" // the word is ours
	}
	return typ
}
