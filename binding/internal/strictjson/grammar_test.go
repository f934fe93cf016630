package strictjson_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/internal/strictjson"
)

// Every rule of the grammar (RFC 8259), once as it is and broken: encoding/json is of the same opinion.
func TestObjectTakesTheGrammarToTheLetter(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		`0`, `-0`, `10`, `0.5`, `1.50`, `-1e5`, `1E+05`, `1e-0`, `123456789012345678901234567890`, `1e999`,
		``, `-`, `+1`, `01`, `-01`, `00`, `.5`, `1.`, `1.e1`, `1e`, `1e+`, `0x10`, `1_0`, `1 2`, `NaN`, `-Infinity`, `--1`, `1-`, `1.2.3`,
		`true`, `false`, `null`, `tru`, `truex`, `True`, `nul`, `nullnull`, `fals`, `undefined`,
		`""`, `"\\"`, `"\u00aF\b\f\n\r\t\/\""`, `"\ud800"`, "\"\x7f\"", `"`, `"a`, `"\"`, `"\x"`, `"\u12"`, `"\u123"`, `"\u12g4"`, `"\u12 4"`,
		`"\U0061"`, `"\u`, `"\`, `'a'`, "\"\n\"", "\"\t\"", "\"\x1f\"", "\"\x00\"", "\"\\\n\"", "1\x00", "\x001", "\v1", "\u00a01", "\ufeff1",
		`[`, `]`, `[]`, `[ ]`, `[1]`, `[1,]`, `[,1]`, `[,]`, `[1 2]`, `[1,,2]`, `[1`, `[1,`, `[[]`, `[]]`, `[1}`, `[1:2]`,
		`{`, `}`, `{}`, `{ }`, `{"a":1}`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{:1}`, `{a:1}`, `{1:1}`, `{"a" 1}`, `{"a"::1}`, `{"a":1 "b":2}`,
		`{"a":1]`, `{"a":1`, `{"a"`, `{"a":`, `{"a":1,"b"`, `{null:1}`, `{"a":1,,"b":2}`, `{"a",1}`, `/**/1`, `1//`, `1#`,
	} {
		for _, text := range []string{
			`{"x":` + value + `}`, `{"x":` + value + `,"y":[` + value + `]}`, "{\"x\":[ 0 ,\t" + value + "\r\n]} ", value, value + value,
		} {
			members, err := strictjson.Object(text)
			if json.Valid([]byte(text)) {
				require.NotErrorIs(t, err, strictjson.ErrSyntax, "%q", text)
			} else {
				require.Error(t, err, "%q", text)
				require.Nil(t, members)
			}
		}
	}
}

// A text that is cut off is no JSON, wherever that is.
func TestObjectSeesThatATextIsCutOff(t *testing.T) {
	t.Parallel()
	const text = `{"a":[1,-0.5e+1,{"b":{"c":"\u0061\"\\"}},[[],{}]],"d":true,"e":false,"f":null,"":""}`
	_, err := strictjson.Object(text)
	require.NoError(t, err)
	for end := range len(text) {
		_, err := strictjson.Object(text[:end])
		require.ErrorIs(t, err, strictjson.ErrSyntax, text[:end])
	}
}
