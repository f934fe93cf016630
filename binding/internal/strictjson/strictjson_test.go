package strictjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/internal/strictjson"
)

func TestObjectReturnsTheMembersInTheirOrder(t *testing.T) {
	t.Parallel()
	members, err := strictjson.Object(" \t\r\n{ \"b\" : [1, {\"x\":\"]}\"} , 2 ] ,\"a\\u0062\":{ \"y\" : null },\"\":-1.5e3 ,\"c\":\"\\\"}\",\"d\":true}\n")
	require.NoError(t, err)
	require.Equal(t, []strictjson.Member{
		{Name: "b", Value: `[1, {"x":"]}"} , 2 ]`},
		{Name: "ab", Value: `{ "y" : null }`},
		{Name: "", Value: `-1.5e3`},
		{Name: "c", Value: `"\"}"`},
		{Name: "d", Value: `true`},
	}, members)

	members, err = strictjson.Object(`{}`)
	require.NoError(t, err)
	require.Empty(t, members)
}

func TestObjectErrors(t *testing.T) {
	t.Parallel()
	objects := func(depth int) string { return strings.Repeat(`{"x":`, depth) + "1" + strings.Repeat("}", depth) }
	arrays := func(depth int) string { return `{"x":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + "}" }
	for name, test := range map[string]struct {
		text string
		want error
	}{
		"nothing":                    {"", strictjson.ErrSyntax},
		"space":                      {"  ", strictjson.ErrSyntax},
		"cut off":                    {`{"a":1`, strictjson.ErrSyntax},
		"something behind it":        {`{} {}`, strictjson.ErrSyntax},
		"BOM":                        {"\ufeff{}", strictjson.ErrSyntax},
		"array":                      {` []`, strictjson.ErrNotObject},
		"string":                     {`"{}"`, strictjson.ErrNotObject},
		"null":                       {`null`, strictjson.ErrNotObject},
		"invalid UTF-8":              {"{\"a\":\"\xff\"}", strictjson.ErrUTF8},
		"overlong UTF-8":             {"{\"a\":\"\xc0\x80\"}", strictjson.ErrUTF8},
		"a surrogate in UTF-8":       {"{\"a\":\"\xed\xa0\x80\"}", strictjson.ErrUTF8},
		"half of a pair in a name":   {`{"a":{"\ud83d":1}}`, strictjson.ErrSurrogate},
		"a pair in a name":           {`{"\ud83d\ude00":1}`, nil},
		"half of a pair in a value":  {`{"a":"\ud83d"}`, nil},
		"a name twice":               {`{"a":1,"a":1}`, strictjson.ErrDuplicate},
		"a name twice, escaped":      {`{"a":1,"\u0061":1}`, strictjson.ErrDuplicate},
		"a name twice, below":        {`{"a":[[{"b":1,"b":1}]]}`, strictjson.ErrDuplicate},
		"two names, another case":    {`{"a":1,"A":1}`, nil},
		"a name again below":         {`{"a":{"a":{"a":1}}}`, nil},
		"a name again beside":        {`{"x":[{"a":1},{"a":1}]}`, nil},
		"names of two Unicode forms": {"{\"\u00e9\":1,\"e\u0301\":1}", nil},
		"objects as deep as allowed": {objects(strictjson.MaxDepth), nil},
		"objects too deep":           {objects(strictjson.MaxDepth + 1), strictjson.ErrDepth},
		"arrays as deep as allowed":  {arrays(strictjson.MaxDepth - 1), nil},
		"arrays too deep":            {arrays(strictjson.MaxDepth), strictjson.ErrDepth},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			members, err := strictjson.Object(test.text)
			if test.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, test.want)
			require.Nil(t, members)
		})
	}
}

// Few names are compared one by one and many are hashed; neither misses a name that comes again, wherever it stood.
func TestObjectFindsADuplicateAmongMany(t *testing.T) {
	t.Parallel()
	for _, count := range []int{1, 2, 15, 16, 17, 18, 33, 200} {
		var members []string
		for i := range count {
			members = append(members, fmt.Sprintf(`"n%d":%d`, i, i))
		}
		text := strings.Join(members, ",")
		parsed, err := strictjson.Object("{" + text + "}")
		require.NoError(t, err)
		require.Len(t, parsed, count)
		for i := range count {
			_, err := strictjson.Object(fmt.Sprintf(`{%s,"n%d":0}`, text, i))
			require.ErrorIs(t, err, strictjson.ErrDuplicate, "name %d of %d", i, count)
		}
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`""`: "", `"a"`: "a", `"ä"`: "ä",
		`"\u00e4\n\"\\\/"`: "ä\n\"\\/", `"a\b\f\n\r\tz"`: "a\b\f\n\r\tz", `"\u0000\uFFFD\u2028x"`: "\x00\ufffd\u2028x",
		`"\ud83d\ude00"`: "😀", `"\uD83D\uDE00\uDBFF\uDFFFx"`: "😀\U0010ffffx", `"\ud7ff\ue000"`: "\ud7ff\ue000",
	} {
		got, ok := strictjson.String(value)
		require.True(t, ok, value)
		require.Equal(t, want, got)
	}
	for _, value := range []string{
		"", `"`, "1", "null", "true", `["a"]`, `{"a":1}`,
		`"\ud800"`, `"\udfff"`, `"\udbffx"`, `"\ud800\n"`, `"\ud800\u0061"`, `"\ud800\ud800"`, `"\ude00\ud83d"`, `"\ud83d\ude00\ude00"`, `"\ud800x\udc00"`,
	} {
		_, ok := strictjson.String(value)
		require.False(t, ok, value)
	}
}

func TestStrings(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{
		`[]`: {}, `[ ]`: {}, `["a"]`: {"a"}, "[ \"a\" ,\n\"]\" , \"\\\"\" ]": {"a", "]", `"`}, `["",""]`: {"", ""},
	} {
		got, ok := strictjson.Strings(value)
		require.True(t, ok, value)
		require.Equal(t, want, got)
	}
	for _, value := range []string{"", `[`, `"a"`, `{}`, "null", `[1]`, `["a",null]`, `[["a"]]`, `["a",{}]`, `[true]`, `["\x"]`} {
		_, ok := strictjson.Strings(value)
		require.False(t, ok, value)
	}
}

// FuzzObject: what is accepted has the members that encoding/json reads, each once, and each value is what stands there.
// Objects is Object for what stands in an array.
func TestObjects(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		`[]`: []string(nil), ` [ ] `: []string(nil), `[{}]`: []string{`{}`}, `[ {"a":[{"b":1}]} , {"a":2} ]`: []string{`{"a":[{"b":1}]}`, `{"a":2}`},
		``: strictjson.ErrSyntax, `{}`: strictjson.ErrSyntax, `[`: strictjson.ErrSyntax, `[{}`: strictjson.ErrSyntax, `[{},]`: strictjson.ErrSyntax,
		`[{}]x`: strictjson.ErrSyntax, `[{}][]`: strictjson.ErrSyntax, `[{} {}]`: strictjson.ErrSyntax, `[1]`: strictjson.ErrNotObject, `[{},null]`: strictjson.ErrNotObject,
		`[{"a":1,"a":2}]`: strictjson.ErrDuplicate, `[{"b":[{"a":1,"\u0061":2}]}]`: strictjson.ErrDuplicate, "[{\"a\":\"\xff\"}]": strictjson.ErrUTF8,
		`[{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}]`: strictjson.ErrDepth,
	} {
		objects, err := strictjson.Objects(text)
		if wrong, ok := want.(error); ok {
			require.ErrorIs(t, err, wrong, text)
			require.Nil(t, objects)
			continue
		}
		require.NoError(t, err, text)
		require.Equal(t, want, objects, text)
	}
}

func FuzzObject(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"a":1}`, `{"a":{"b":[1,"]",{"c":null}]},"d":"\u0061\""}`, `{"a":1,"a":2}`, ` {"a" : -1.5e3 } `, `[]`, `{"\ud800":1,"\ud801":2}`,
		`{"a":"\ud83d\ude00\/\b\f\n\r\t\\\u0000\uffff"}`, `{"a":"\ud83d"}`, `{"a":["\ude00\ud83d",""]}`, `{"\ud83d\ude00":"\ufffd"}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		members, err := strictjson.Object(text)
		if err != nil {
			require.Nil(t, members)
			require.False(t, errors.Is(err, strictjson.ErrSyntax) && json.Valid([]byte(text)), "this is JSON")
			return
		}
		var all map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(text), &all))
		require.Len(t, members, len(all))
		for _, member := range members {
			require.Equal(t, string(all[member.Name]), member.Value)
			var s string
			err := json.Unmarshal([]byte(member.Value), &s)
			got, ok := strictjson.String(member.Value)
			if ok {
				require.NoError(t, err)
				require.Equal(t, s, got)
			} else if err == nil && member.Value != "null" {
				require.Contains(t, s, "\ufffd", "encoding/json has read half of a surrogate pair")
				require.Contains(t, strings.ToLower(member.Value), `\ud`)
			}
			list, ok := strictjson.Strings(member.Value)
			if ok {
				var same []string
				require.NoError(t, json.Unmarshal([]byte(member.Value), &same))
				require.Equal(t, same, list)
			}
		}
	})
}
