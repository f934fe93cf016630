package strictjson_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/internal/strictjson"
)

func TestStringsReadsArraysOfStringsAlone(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{
		`[]`:                    {},
		`[ ]`:                   {},
		`["a"]`:                 {"a"},
		`[ "a" , "\u0062\"" ]`:  {"a", `b"`},
		`["[",",","]","\\",""]`: {"[", ",", "]", `\`, ""},
	} {
		got, ok := strictjson.Strings(value)
		require.True(t, ok, value)
		require.Equal(t, want, got, value)
	}
	for _, value := range []string{
		`"]"`, `"a"`, `""`, `{}`, `{"a":1}`, `1`, `12`, `null`, `true`,
		`[1]`, `["a",1]`, `[null]`, `[["a"]]`, `[{"a":1}]`, `[true]`,
	} {
		_, ok := strictjson.Strings(value)
		require.False(t, ok, value)
	}
}
