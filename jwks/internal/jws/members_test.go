package jws_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks/internal/jws"
)

func TestHeaderOfManyParts(t *testing.T) {
	t.Parallel()
	members := func(n int) string { // with alg
		var b strings.Builder
		for i := range n - 1 {
			fmt.Fprintf(&b, `,"%d":0`, i)
		}
		return `{"alg":"ES256"` + b.String() + `}`
	}
	nested := func(depth int, open, end string) string { // with the header itself
		return `{"alg":"ES256","a":` + strings.Repeat(open, depth-1) + "0" + strings.Repeat(end, depth-1) + `}`
	}
	for name, test := range map[string]struct {
		header string
		read   bool
	}{
		"64 members":                    {members(64), true},
		"65 members":                    {members(65), false},
		"64 arrays":                     {nested(64, "[", "]"), true},
		"65 arrays":                     {nested(65, "[", "]"), false},
		"64 arrays, none in another":    {`{"a":[` + strings.Repeat("[],", 61) + `[]]}`, true},
		"65 arrays, none in another":    {`{"a":[` + strings.Repeat("[],", 62) + `[]]}`, false},
		"62 objects":                    {nested(63, `{"a":`, "}"), true},
		"64 objects, 65 members":        {nested(64, `{"a":`, "}"), false},
		"64 empty objects":              {`{"a":[` + strings.Repeat("{},", 61) + `{}]}`, true},
		"65 empty objects":              {`{"a":[` + strings.Repeat("{},", 62) + `{}]}`, false},
		"65 arrays or objects":          {nested(34, `[{"a":`, "}]"), false},
		"1,000 colons in a text":        {`{"alg":"ES256","a":"` + strings.Repeat(":", 1000) + `"}`, true},
		"1,000 braces in a text":        {`{"alg":"ES256","a":"` + strings.Repeat("{", 1000) + `"}`, true},
		"1,000 brackets in a text":      {`{"alg":"ES256","a":"` + strings.Repeat(`\"[`, 1000) + `"}`, true},
		"1,000 colons in a name":        {`{"alg":"ES256","` + strings.Repeat(":", 1000) + `":1}`, true},
		"64 members, one a colon":       {strings.TrimSuffix(members(63), "}") + `,"a":":"}`, true},
		"64 arrays, one a bracket":      {nested(64, "[", "]")[:len(`{"alg":"ES256"`)] + `,"b":"["` + nested(64, "[", "]")[len(`{"alg":"ES256"`):], true},
		"65 members behind such a text": {`{"b":"` + strings.Repeat(":", 1000) + `",` + members(65)[1:], false},
	} {
		_, err := jws.AppendHeader(nil, []byte(test.header))
		if test.read {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, jws.ErrMalformed, name)
		require.ErrorContains(t, err, "too many", name)
	}
}

func TestHeadersThatAreRefused(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]error{
		`{"crit":["exp"]}`: jws.ErrExtension, `{"crit":null}`: jws.ErrExtension, `{"b64":true}`: jws.ErrExtension, `{"b64":false}`: jws.ErrExtension, `{"\u0062\u00364":1}`: jws.ErrExtension,
		`[]`: jws.ErrMalformed, `null`: jws.ErrMalformed, ``: jws.ErrMalformed, `{"a":1,"a":1}`: jws.ErrDuplicate, "{\"a\":\"\xff\"}": jws.ErrMalformed,
		`{"a":"\u004`: jws.ErrMalformed, `{"a":"\u00`: jws.ErrMalformed,
		`{"crit":1,"crit":2}`: jws.ErrDuplicate, `{"":1,`: jws.ErrMalformed, `{} {}`: jws.ErrMalformed,
	} {
		text := slices.Clip([]byte(header)) // nothing is read behind its end
		members, err := jws.AppendHeader(make(jws.Members, 0, 4), text)
		require.ErrorIs(t, err, want, header)
		require.Nil(t, members)
	}
	_, err := jws.AppendHeader(nil, []byte(`{"CRIT":1,"B64":2,"crít":3}`))
	require.NoError(t, err)
}

// Names are told apart also where there are too many to compare each with each.
func TestDuplicateAmongManyMembers(t *testing.T) {
	t.Parallel()
	for _, count := range []int{1, 2, 63, 64, 65, 66, 1000} {
		var b strings.Builder
		for i := range count {
			fmt.Fprintf(&b, `"%d":0,`, i)
		}
		members, err := jws.AppendMembers(nil, []byte("{"+b.String()+`"last":1}`))
		require.NoError(t, err)
		require.Len(t, members, count+1)
		for _, again := range []int{0, count / 2, count - 1} {
			_, err := jws.AppendMembers(nil, fmt.Appendf(nil, `{%s"%d":1}`, b.String(), again))
			require.ErrorIs(t, err, jws.ErrDuplicate, "%d of %d", again, count)
		}
	}
}

// Objects and arrays may be nested as deep as in encoding/json.
func TestDepth(t *testing.T) {
	t.Parallel()
	for _, around := range [][2]string{{`{"a":`, "}"}, {"[", "]"}} {
		for depth, fits := range map[int]bool{9_999: true, 10_000: false} {
			text := []byte(`{"a":` + strings.Repeat(around[0], depth) + "1" + strings.Repeat(around[1], depth) + "}")
			require.Equal(t, fits, json.Valid(text))
			_, err := jws.AppendMembers(nil, text)
			require.Equal(t, fits, err == nil)
		}
	}
	_, err := jws.AppendMembers(nil, []byte(`{"":1,`))
	require.NotErrorIs(t, err, jws.ErrDuplicate, "nothing stands twice")
}

// Members are appended to those that are there, which are no part of the object.
func TestMembersAreAppended(t *testing.T) {
	t.Parallel()
	members, err := jws.AppendMembers(nil, []byte(`{"a":1}`))
	require.NoError(t, err)
	members, err = jws.AppendMembers(members, []byte(`{"a":2}`))
	require.NoError(t, err)
	require.Len(t, members, 2)
}

// textInJSON is a string or a name in it, quotes included.
var textInJSON = regexp.MustCompile(`(?s)"(?:[^"\\]|\\.)*"`)

// FuzzMembers: an object is read exactly as encoding/json reads it, or refused by both; ours refuses a name that occurs twice and
// what is not UTF-8 besides, and AppendParts what has too many parts, whatever its texts hold.
func FuzzMembers(f *testing.F) {
	for _, text := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{"a" : [ 1 , 2 ] , "b":{"c":[{}]}}`, `{"a":"\u0061\n\"\\\/\b\f\r\t"}`, `{"\u0061":1,"a":2}`, `{"a":"\ud800"}`,
		`{"\ud800":1,"\udc00":2}`, `{"a":"\ud83d\ude00"}`, `{"a":-0.5e+10}`, `{"a":01}`, `{"a":1.}`, `{"a":.1}`, `{"a":1e}`, `{"a":-}`, `{"a":+1}`, `{"a":tru}`, `{"a":true}`, `{"a":nulll}`, `{"a":null}`,
		"{\"a\":\"\x00\"}", "{\"a\":\"\xff\"}", `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"\u12`, `{"a":"`, `{"a":"\`, `{"a`, `{`, ``, ` `, `[]`, `1`, `null`, "\ufeff{}", `{}{}`, `{} x`, `{"a":1 "b":2}`, `{"a":[1 2]}`, `{"a":[1,]}`, `{"a":[}`,
		`{"a":` + strings.Repeat("[", 9_999) + strings.Repeat("]", 9_999) + `}`, `{"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, "{\t\"a\"\r:\n1}", "{\f}", `{"é":"é"}`, `{"a":1}` + "\x00",
		`{"a":` + strings.Repeat(`{"a":`, 10_001), `{"a":[` + strings.Repeat(`{"\":[{":"\":[{"},`, 60) + `[]]}`, `{"a":[` + strings.Repeat(`{"a":1},`, 64) + `0]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		members, err := jws.AppendMembers(nil, text)
		require.Equal(t, before, text)
		var object map[string]json.RawMessage
		theirs := json.Unmarshal(text, &object)
		if theirs != nil || object == nil || !utf8.Valid(text) {
			require.Error(t, err, "the other: %v", theirs)
			require.NotErrorIs(t, err, nil)
			return
		}
		if err != nil {
			require.ErrorIs(t, err, jws.ErrDuplicate)
			require.Positive(t, bytes.Count(text, []byte(",")))
			return
		}
		bare := textInJSON.ReplaceAllString(string(text), "")
		_, err = jws.AppendParts(nil, text)
		if strings.Count(bare, ":") > 64 || strings.Count(bare, "[")+strings.Count(bare, "{") > 64 {
			require.ErrorContains(t, err, "too many")
		} else {
			require.NoError(t, err)
		}
		require.Len(t, members, len(object))
		for _, m := range members {
			value, present := object[string(m.Name)]
			require.True(t, present, "%q", m.Name)
			require.Equal(t, string(value), string(m.Value))
			found, present := members.Value(string(m.Name))
			require.True(t, present)
			require.Equal(t, m.Value, found)
			var want string
			got, ok := jws.Text(m.Value)
			if m.Value[0] != '"' {
				require.False(t, ok)
				continue
			}
			require.NoError(t, json.Unmarshal(m.Value, &want))
			require.True(t, ok)
			require.Equal(t, want, string(got))
		}
	})
}
