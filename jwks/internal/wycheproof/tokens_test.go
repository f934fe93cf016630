package wycheproof

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks/internal/jws"
	"github.com/certbound/certbound/jwks/internal/keyset"
)

// Why a vector that is good by its file is refused.
const (
	hmac       = "HMAC: who can verify could also issue"
	encrypted  = "a JWE: it has another form"
	noPayload  = "an empty payload holds no claims"
	otherAlg   = "RFC 7517 §4.4: the key is published for another algorithm"
	unknownAlg = "RFC 7517 §4.4: the key is published for ES521, which is none"
)

// A tokenGroup is a group of tokens, and a key or a key set for them.
type tokenGroup struct {
	Comment string
	Public  json.RawMessage // absent for symmetric keys
	Private json.RawMessage
	Tests   []struct {
		ID     int             `json:"tcId"`
		JWS    json.RawMessage `json:"jws"` // a string, or the JSON serialization
		JWE    json.RawMessage `json:"jwe"`
		Result string
	}
}

// tokenFiles are the files of tokens, with the reasons to refuse what is valid.
var tokenFiles = map[string]struct {
	want    count // accepted, refused on purpose, refused, either
	reasons map[string][]int
	keys    int // private keys whose tokens are accepted
}{
	"json_web_signature": {count{26, 20, 355, 0}, map[string][]int{
		hmac:       {1, 348, 352, 357, 358, 359, 372, 373, 376, 377},
		noPayload:  {259, 264, 268, 272, 320, 325},
		otherAlg:   {346, 350},
		unknownAlg: {347, 351},
	}, 11},
	"json_web_key": {count{1, 4, 21, 0}, map[string][]int{
		hmac: {2, 13, 14, 15},
	}, 1},
	"json_web_crypto": {count{2, 4, 77, 0}, map[string][]int{
		hmac:      {1, 48},
		encrypted: {50, 67},
	}, 2},
}

// TestTokens: a token is accepted if its form, its header, its key and its
// signature are good, as jwks takes them; its claims are another matter.
func TestTokens(t *testing.T) {
	t.Parallel()
	for name, row := range tokenFiles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reasons := make(map[int]string)
			for reason, ids := range row.reasons {
				for _, id := range ids {
					reasons[id] = reason
				}
			}
			file := read[tokenGroup](t, name)
			var got count
			for _, group := range file.TestGroups {
				keys, err := keyset.Read(group.keySet(t), 100)
				if err != nil {
					keys = &keyset.Set{}
				}
				for n, test := range group.Tests {
					got.judge(t, test.ID, test.Result, isGood(keys, group.token(n)), reasons[test.ID])
				}
			}
			require.Equal(t, file.NumberOfTests, got.sum())
			report(t, row.want, got)
		})
	}
}

// isGood reports whether a token's form, header and signature are good.
func isGood(keys *keyset.Set, token string) bool {
	var message jws.Message
	if message.Split(token, 16<<10) != nil {
		return false
	}
	text, err := message.DecodeHeader()
	if err != nil {
		return false
	}
	members, err := jws.AppendHeader(nil, text)
	if err != nil {
		return false
	}
	alg, _ := members.Value("alg")
	id, hasID := members.Value("kid")
	header := keyset.Header{Alg: textOf(alg), KeyID: textOf(id), HasKeyID: hasID}
	signer, _ := keys.Verify(&header, &message)
	return signer != nil
}

func textOf(value []byte) string {
	text, _ := jws.Text(value)
	return string(text)
}

// token is the nth test's token, as a client would send it.
func (g tokenGroup) token(n int) string {
	text := g.Tests[n].JWS
	if text == nil {
		text = g.Tests[n].JWE
	}
	var compact string
	if json.Unmarshal(text, &compact) != nil {
		return string(text)
	}
	return compact
}

// keySet is the group's key or keys, as an issuer publishes them. Symmetric keys
// are as they are: to publish them is one of the faults.
func (g tokenGroup) keySet(t *testing.T, others ...json.RawMessage) []byte {
	t.Helper()
	published := g.Public
	if published == nil {
		published = g.Private
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	require.NoError(t, json.Unmarshal(published, &set))
	if set.Keys == nil {
		set.Keys = []json.RawMessage{published}
	}
	set.Keys = append(set.Keys, others...)
	document, err := json.Marshal(set)
	require.NoError(t, err)
	return document
}
