package binding_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// FuzzParseClaims: what is accepted is one JSON object without a name twice, and reads the same when it is read again.
func FuzzParseClaims(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add(claims(f, nil))
	f.Add(claims(f, boundTo(readCertificate(f, "rfc8705-appendix-a.pem"))))
	for _, payload := range malformedPayloads() {
		if len(payload) < 4096 {
			f.Add([]byte(payload))
		}
	}
	for _, member := range wrongClaims() {
		f.Add([]byte(`{` + member + `}`))
	}
	for _, test := range badConfirmations(f) {
		f.Add([]byte(`{"cnf":` + test.cnf + `}`))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		parsed, err := binding.ParseClaims(payload)
		if err != nil {
			require.Zero(t, parsed)
			refusal := refusalOf(t, err)
			require.Equal(t, 401, refusal.StatusCode())
			require.Equal(t, "invalid_token", refusal.Code())
			return
		}
		require.True(t, json.Valid(payload))
		require.NoError(t, distinctNames(payload))
		token, err := asExpected(t, payload)
		if err != nil {
			require.Contains(t, []binding.Reason{binding.ReasonTokenNotYetValid, binding.ReasonTokenType, binding.ReasonTokenClaims,
				binding.ReasonTokenAudience}, refusalOf(t, err).Reason)
			return
		}

		var compact bytes.Buffer
		require.NoError(t, json.Compact(&compact, payload))
		for _, again := range [][]byte{payload, compact.Bytes()} {
			same, err := asExpected(t, again)
			require.NoError(t, err)
			require.Equal(t, token.Issuer(), same.Issuer())
			require.Equal(t, token.Subject(), same.Subject())
			require.Equal(t, token.ClientID(), same.ClientID())
			require.Equal(t, token.Audience(), same.Audience())
			require.Equal(t, token.Scopes(), same.Scopes())
			require.Equal(t, token.Expiry(), same.Expiry())
			require.Equal(t, token.NotBefore(), same.NotBefore())
			require.Equal(t, token.IssuedAt(), same.IssuedAt())
			one, bound := token.Thumbprint()
			other, alsoBound := same.Thumbprint()
			require.Equal(t, bound, alsoBound)
			require.Equal(t, one, other)
			oneKey, bound := token.KeyThumbprint()
			otherKey, alsoBound := same.KeyThumbprint()
			require.Equal(t, bound, alsoBound)
			require.Equal(t, oneKey, otherKey)
		}

		// What another reader, encoding/json into a map, takes for cnf is what we took for it: exact names, no more.
		var members map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(payload, &members))
		var text json.RawMessage
		require.NoError(t, token.Claims(&text))
		if _, present := members["aud"]; present { // or else asExpected added one
			require.Equal(t, bytes.TrimSpace(payload), []byte(text))
		}
		cnf, present := members["cnf"]
		require.Equal(t, present, token.Bound())
		if present {
			var confirmation map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(cnf, &confirmation))
			_, bound := token.Thumbprint()
			require.Equal(t, bound, confirmation["x5t#S256"] != nil)
			_, bound = token.KeyThumbprint()
			require.Equal(t, bound, confirmation["jkt"] != nil)
		}
	})
}

// asExpected returns the token of these claims, whatever issuer and audience they have, at a time that suits most.
func asExpected(t testing.TB, payload []byte) (*binding.Token, error) {
	parsed := mustParse(t, payload)
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(payload, &members))
	expect := binding.Expect{
		Issuer: cmp.Or(parsed.Issuer(), issuer), Now: now, Leeway: math.MaxInt64, KnownAccessToken: true, Introspection: true,
	}
	if _, present := members["aud"]; !present {
		with := `{"aud":"` + audience + `"`
		if len(members) > 0 {
			with += ","
		}
		parsed = mustParse(t, bytes.Replace(payload, []byte("{"), []byte(with), 1))
		expect.Audiences = []string{audience}
		token, err := parsed.Validate(expect)
		return token, err
	}
	var one string
	if json.Unmarshal(members["aud"], &one) == nil && one != "" {
		expect.Audiences = []string{one}
	} else if json.Unmarshal(members["aud"], &expect.Audiences) != nil || len(expect.Audiences) == 0 {
		expect.Audiences = []string{audience} // null, or a list of nothing
	}
	return parsed.Validate(expect)
}

// FuzzConfirmation: a confirmation is a certificate's if and only if another reader takes it for one, with the same thumbprint.
func FuzzConfirmation(f *testing.F) {
	f.Add(`{"x5t#S256":"` + appendixA + `"}`)
	f.Add(` { "other" : [ { "a" : 1 } , {} ] , "x5t#S256" : "` + appendixA + `" } `)
	f.Add(`{"x5t\u0023S256":"\u0041` + appendixA[1:] + `"}`)
	f.Add(`{"x5t#S256":"` + appendixA + `","\ud800":1,"\ud801":2}`)
	f.Add(`{"jkt":"` + appendixA + `"}`)
	f.Add(`{"jkt":"` + appendixA + `","x5t#S256":"` + appendixA + `"}`)
	f.Add(`{"jkt":"` + appendixA + `","jwk":{}}`)
	for _, test := range badConfirmations(f) {
		f.Add(test.cnf)
	}
	f.Fuzz(func(t *testing.T, cnf string) {
		if !json.Valid([]byte(cnf)) {
			t.Skip() // FuzzParseClaims has those
		}
		_, err := binding.ParseClaims([]byte(`{"cnf":` + cnf + `}`))
		certificate, key, ok := confirmation(cnf)
		if cause := binding.AsError(err); cause != nil && strings.Contains(fmt.Sprint(cause.Cause), "surrogate") {
			require.Regexp(t, `(?i)\\ud[89a-f]`, cnf, "encoding/json replaces half of a pair, and we refuse it")
			return
		}
		require.Equal(t, ok, err == nil, "%v", err)
		if !ok {
			require.Equal(t, "invalid_token", refusalOf(t, err).Code())
			return
		}
		token := validWith(t, `"cnf":`+cnf)
		require.True(t, token.Bound())
		thumbprint, bound := token.Thumbprint()
		require.Equal(t, certificate != nil, bound)
		require.Equal(t, string(certificate), string(thumbprint[:len(certificate)]))
		ofKey, bound := token.KeyThumbprint()
		require.Equal(t, key != nil, bound)
		require.Equal(t, string(key), string(ofKey[:len(key)]))
	})
}

// confirmation reads cnf with the standard library alone.
func confirmation(cnf string) (certificate, key []byte, ok bool) {
	var members map[string]any
	if json.Unmarshal([]byte(cnf), &members) != nil || !utf8.ValidString(cnf) || distinctNames([]byte(`[`+cnf+`]`)) != nil {
		return nil, nil, false
	}
	for _, other := range []string{"jwk", "jwe", "jku"} {
		if _, present := members[other]; present {
			return nil, nil, false
		}
	}
	ok = true
	digestOf := func(name string) []byte {
		member, present := members[name]
		if !present {
			return nil
		}
		value, _ := member.(string)
		digest, err := base64.RawURLEncoding.DecodeString(value)
		ok = ok && err == nil && len(digest) == 32 && base64.RawURLEncoding.EncodeToString(digest) == value
		return digest
	}
	certificate, key = digestOf("x5t#S256"), digestOf("jkt")
	return certificate, key, ok && (certificate != nil || key != nil)
}

// distinctNames looks at each object of a JSON text with encoding/json's decoder.
func distinctNames(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	type level struct {
		names map[string]bool // nil: an array
		value bool            // a name was read, its value comes next
	}
	var levels []level
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			levels = levels[:len(levels)-1]
			continue
		}
		if n := len(levels); n > 0 && levels[n-1].names != nil {
			top := &levels[n-1]
			if name, ok := token.(string); ok && !top.value {
				if top.names[name] {
					return fmt.Errorf("%q occurs twice", name)
				}
				top.names[name] = true
				top.value = true
				continue
			}
			top.value = false
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{names: map[string]bool{}})
		case json.Delim('['):
			levels = append(levels, level{})
		}
		if len(levels) > 64 {
			return errors.New("too deep")
		}
	}
}

// oneToken is RFC 6750 §2.1 and RFC 9449 §7.1, with the scheme in any case (RFC 9110 §11.1).
var oneToken = regexp.MustCompile(`\A((?i:bearer)|(?i:dpop)) +([A-Za-z0-9\-._~+/]+=*)\z`)

// FuzzCredentials: a token is taken from exactly one value of exactly this form, and is the whole of it. The scheme DPoP is
// none unless it is accepted, and then it is none for a token without a binding.
func FuzzCredentials(f *testing.F) {
	for _, test := range credentialFields("a.b-c_d~e+f/9==") {
		for _, dpop := range []bool{false, true} {
			switch len(test.values) {
			case 1:
				f.Add(test.values[0], "", false, dpop)
			case 2:
				f.Add(test.values[0], test.values[1], true, dpop)
			}
		}
	}
	f.Add("DPoP a", "", false, true)
	f.Add("dPOP  a=", "", false, true)
	f.Add("DPoP a", "", false, false)
	accepted := valid(f, claims(f, nil))
	f.Fuzz(func(t *testing.T, value, second string, two, dpop bool) {
		var got []string
		guard := newGuard(t, binding.Config{
			Policy:           binding.DangerouslyAcceptUnbound,
			AcceptDPoPScheme: dpop,
			Tokens: verifierFunc(func(_ context.Context, token string) (*binding.Token, error) {
				got = append(got, token)
				return accepted, nil
			}),
		})
		values := []string{value}
		if two {
			values = append(values, second)
		}
		_, err := guard.Check(withFields(values))
		match := oneToken.FindStringSubmatch(value)
		if two || match == nil || len(match[1]) == len("DPoP") && !dpop {
			require.Contains(t, []int{400, 401}, refusalOf(t, err).StatusCode())
			require.Empty(t, got)
			return
		}
		require.Equal(t, []string{match[2]}, got)
		if len(match[1]) == len("DPoP") {
			require.Equal(t, binding.ReasonTokenUnbound, refusalOf(t, err).Reason)
			return
		}
		require.NoError(t, err)
	})
}

// FuzzParseThumbprint: one digest has one text.
func FuzzParseThumbprint(f *testing.F) {
	f.Add(appendixA)
	for _, test := range wrongThumbprints(f) {
		f.Add(test.value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		thumbprint, err := binding.ParseThumbprint(value)
		if err != nil {
			require.Zero(t, thumbprint)
			require.Equal(t, "invalid_token", refusalOf(t, err).Code())
			return
		}
		require.Equal(t, value, thumbprint.String())
	})
}
