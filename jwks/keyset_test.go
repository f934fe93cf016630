package jwks_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// Which keys of a set a token may mean: rows 93, 94, 99, 116, 117 and 243.

func TestNoKeyID(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	claims := i.claims().String()
	var set []json.RawMessage
	signers := make([]signer, 9)
	for n := range signers {
		signers[n] = signer{jwks.ES256, newEC()}
		key := signers[n].key()
		if n%2 == 0 { // kid or not, a token without one may mean it
			key = key.with("kid", quote("key "+strconv.Itoa(n)))
		}
		set = append(set, key.published(), signerOf(jwks.RS256).key().published(),
			signers[n].key().with("use", `"enc"`).published())
	}
	es384 := signerOf(jwks.ES384)
	set = append(set, es384.key().with("kid", `"one"`).published())
	i.publish(set...)
	v := i.verifier(t)
	token := func(s signer, kid string) string { return s.sign(s.header(kid).String(), claims) }
	for n, s := range signers[:8] {
		t.Run(fmt.Sprintf("C/93 no kid, several keys, signed by number %d of those that fit", n+1), func(t *testing.T) {
			t.Parallel()
			requireAccepted(t, v, token(s, ""))
		})
	}
	t.Run("C/93 no kid, signed by the ninth", func(t *testing.T) {
		t.Parallel()
		requireRefused(t, v, token(signers[8], ""), binding.ReasonTokenSignature)
		requireAccepted(t, v, token(signers[8], "key 8"))
	})
	t.Run("C/94 no kid, one key that fits", func(t *testing.T) {
		t.Parallel()
		requireAccepted(t, v, token(es384, ""))
	})
	t.Run("C/93 no kid, no key that fits", func(t *testing.T) {
		t.Parallel()
		requireRefused(t, i.verifier(t), token(signerOf(jwks.ES512), ""), binding.ReasonTokenKeyUnknown)
	})
	t.Run("C/93 no kid, none of the keys", func(t *testing.T) {
		t.Parallel()
		requireRefused(t, v, token(signer{jwks.ES256, newEC()}, ""), binding.ReasonTokenSignature)
	})
	t.Run("M/391 a kid, and the key has none", func(t *testing.T) {
		t.Parallel()
		requireAccepted(t, v, token(signers[1], "key 1"))
	})
	t.Run("M/392 a kid, and a key without one that does not verify", func(t *testing.T) {
		t.Parallel()
		requireRefused(t, i.verifier(t), token(signer{jwks.ES256, newEC()}, "key 1"), binding.ReasonTokenSignature)
	})
	t.Run("M/392 a kid, and the key has another", func(t *testing.T) {
		t.Parallel()
		requireRefused(t, i.verifier(t), token(es384, "key 1"), binding.ReasonTokenKeyUnknown)
	})
}

func TestKeyIDOfSeveralKeys(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	claims := i.claims().String()
	first, second, rsaOf, ed := signer{jwks.ES256, newEC()}, signer{jwks.ES256, newEC()}, signerOf(jwks.PS256), signerOf(jwks.EdDSA)
	id := quote("twice")
	i.publish(
		rsaOf.key().with("kid", id).with("alg", `"RS256"`).published(),
		first.key().with("kid", id).published(),
		second.key().with("kid", id).published(),
		second.key().with("kid", id).with("alg", `"ES384"`).published(),
		ed.key().with("kid", `"alone"`).published(),
	)
	v := i.verifier(t)
	for name, test := range map[string]struct {
		token  string
		reason binding.Reason
	}{
		"C/99 I/243 signed by the first":           {first.sign(first.header("twice").String(), claims), ""},
		"C/99 I/243 signed by the second":          {second.sign(second.header("twice").String(), claims), ""},
		"C/99 signed by neither":                   {signerOf(jwks.ES256).sign(first.header("twice").String(), claims), binding.ReasonTokenSignature},
		"D/116 by another key, under the kid":      {first.sign(first.header("alone").String(), claims), binding.ReasonTokenKeyUnknown},
		"C/99 of another type, for another alg":    {rsaOf.sign(rsaOf.header("twice").String(), claims), binding.ReasonTokenKeyUnknown},
		"C/99 of another type, for its alg":        {signerOf(jwks.RS256).sign(signerOf(jwks.RS256).header("twice").String(), claims), ""},
		"under the kid of another type altogether": {ed.sign(ed.header("twice").String(), claims), binding.ReasonTokenKeyUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.reason == "" {
				requireAccepted(t, v, test.token)
				return
			}
			requireRefused(t, v, test.token, test.reason)
		})
	}
}

func TestNineKeysOfOneKeyID(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	var set []json.RawMessage
	var last signer
	for range 9 {
		last = signer{jwks.ES256, newEC()}
		set = append(set, last.key().with("kid", `"same"`).published())
	}
	i.publish(set...)
	v := i.verifier(t)
	requireRefused(t, v, last.sign(last.header("same").String(), i.claims().String()), binding.ReasonTokenSignature)
}

func TestKeySetDocument(t *testing.T) {
	t.Parallel()
	s := signerOf(jwks.ES256)
	key := s.key().with("kid", `"key"`)
	keys := func(n int) string {
		return `{"keys":[` + strings.Repeat(key.String()+",", n-1) + key.String() + `]}`
	}
	for name, document := range map[string]string{
		"one key":                       keys(1),
		"I/237 as many keys as allowed": keys(3),
		"unknown members":               `{"odd":{"keys":[]},` + keys(1)[1:],
		"space around it":               "\n " + keys(1) + "\r\n",
		"an entry that is no object":    `{"keys":[1,null,` + key.String() + `]}`,
		"KEYS beside it":                `{"KEYS":[],` + keys(1)[1:],
		"a key with a name twice":       `{"keys":[{"kty":"EC","kty":"EC"},` + key.String() + `]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, bindingtest.Config{})
			i.Handle(bindingtest.JWKSPath, answersWith(document))
			v := i.verifier(t, func(c *jwks.Config) { c.MaxKeys = 3 })
			requireAccepted(t, v, s.sign(s.header("key").String(), i.claims().String()))
			require.NoError(t, v.Ready())
		})
	}
	for name, document := range map[string]string{
		"I/233 HTML":                   "<html></html>",
		"I/233 empty":                  "",
		"I/233 {}":                     "{}",
		"I/233 keys null":              `{"keys":null}`,
		"I/233 keys an object":         `{"keys":{}}`,
		"I/233 keys an object of keys": `{"keys":{"a":` + key.String() + `}}`,
		"I/233 keys a string":          `{"keys":"[]"}`,
		"I/233 a JWK":                  key.String(),
		"I/233 an array":               "[" + key.String() + "]",
		"I/233 KEYS":                   strings.Replace(keys(1), "keys", "KEYS", 1),
		"I/234 no keys":                `{"keys":[]}`,
		"I/234 no key that is used":    `{"keys":[{"kty":"oct","k":"AAAA"},{},1]}`,
		"I/238 only an alg unknown":    `{"keys":[` + key.with("alg", `"ES256K"`).String() + `]}`,
		"a kid of 257 bytes":           `{"keys":[` + key.with("kid", quote(strings.Repeat("k", 257))).String() + `]}`,
		"I/235 trailing bytes":         keys(1) + "x",
		"I/235 a second object":        keys(1) + "{}",
		"I/237 one more than allowed":  keys(4),
		"keys twice":                   `{"keys":[],` + keys(1)[1:],
		"a BOM":                        "\ufeff" + keys(1),
		"invalid UTF-8":                strings.Replace(keys(1), `{"keys"`, "{\"odd\":\"\xff\",\"keys\"", 1),
		"nested too deep":              `{"odd":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + "," + keys(1)[1:],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, bindingtest.Config{})
			i.Handle(bindingtest.JWKSPath, answersWith(document))
			v := i.verifier(t, func(c *jwks.Config) { c.MaxKeys = 3 })
			requireNoKeys(t, v, s.sign(s.header("key").String(), i.claims().String()))
			require.ErrorIs(t, v.Ready(), jwks.ErrNotReady)
		})
	}
}

// Which keys are not used, and why, is told: the kid as far as it can be read.
func TestIgnoredKeysAreTold(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	key := signerOf(jwks.ES256).key().with("kid", `"key"`)
	weak := signerOf(jwks.EdDSA).key().with("kid", `"key"`).with("x", quote(b64(make([]byte, 32))))
	rows := []struct {
		text, id, problem string
	}{
		{"1", "", "malformed"},
		{key.and(`"alg":"ES256","alg":"ES256"`), "", "malformed"},
		{key.with("kid", "1").String(), "", "malformed"},
		{key.with("kid", quote(strings.Repeat("k", 300))).String(), strings.Repeat("k", 256), "malformed"},
		{key.with("y", key["x"]).String(), "key", "malformed"},
		{key.with("d", `"AQAB"`).String(), "key", "private"},
		{`{"kty":"oct","kid":"key","k":"AAAA"}`, "key", "symmetric"},
		{key.with("use", `"enc"`).String(), "key", "not for verifying"},
		{key.with("key_ops", `["sign"]`).String(), "key", "not for verifying"},
		{key.with("alg", `"ES256K"`).String(), "key", "not supported"},
		{key.with("kty", `"AKP"`).String(), "key", "not supported"},
		{weak.String(), "key", "weak"},
	}
	var set []json.RawMessage
	for _, row := range rows {
		set = append(set, json.RawMessage(row.text))
	}
	i.publish(append(set, key.published())...)
	events := make(chan jwks.Event, 256)
	i.verifier(t, func(c *jwks.Config) { c.Observe = func(e jwks.Event) { events <- e } })
	event := <-events
	require.Equal(t, jwks.KeysFetched, event.Kind)
	require.Equal(t, 1, event.Keys)
	require.Len(t, event.Ignored, len(rows))
	for n, row := range rows {
		require.Equal(t, row.id, event.Ignored[n].KeyID, row.text)
		require.ErrorContains(t, event.Ignored[n].Problem, row.problem, row.text)
	}
}

// A key that is gone from the set stops to verify, seen before or not.
func TestRemovedKey(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	v := i.verifier(t)
	old, unseen := i.goodToken(t), i.tokenWith(t, i.claims().with("sub", `"bob"`))
	requireAccepted(t, v, old)
	require.NoError(t, i.Rotate())
	requireAccepted(t, v, i.goodToken(t)) // I/244: a new key works at its first use
	requireAccepted(t, v, old)
	require.NoError(t, i.Rotate())
	i.RetireOldKeys()
	requireAccepted(t, v, i.goodToken(t))
	require.Equal(t, 3, i.Requests(bindingtest.JWKSPath))
	requireRefused(t, v, old, binding.ReasonTokenKeyUnknown) // D/117
	requireRefused(t, v, unseen, binding.ReasonTokenKeyUnknown)
}
