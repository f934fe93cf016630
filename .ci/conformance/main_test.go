package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClaims(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]claim{
		"TestSuite/A/8_tab_after_the_scheme":       {{"A", "TestSuite/A/8", "tab after the scheme", 8, 8}},
		"TestSuite/A_over_the_wire/20_NUL":         {{"A", "TestSuite/A_over_the_wire/20", "NUL", 20, 20}},
		"TestSuite/G/182_to_184_a_resumed_session": {{"G", "TestSuite/G/182", "a resumed session", 182, 184}},
		"TestSuite/G/182_and_184_resumed":          {{"G", "TestSuite/G/182", "resumed", 184, 184}, {"G", "TestSuite/G/182", "resumed", 182, 182}},
		"TestX/C/76_C/78_RSA":                      {{"C", "TestX/C/76", "C/78 RSA", 76, 76}, {"C", "TestX/C/76_C/78", "RSA", 78, 78}},
		"TestX/3.6_a_day:_I/251,_I/252":            {{"I", "TestX/3.6_a_day:_I/251", " I/252", 251, 251}, {"I", "TestX/3.6_a_day:_I/251,_I/252", "", 252, 252}},
		"TestX/N/427":                              {{"N", "TestX/N/427", "", 427, 427}},
		"TestSuite/reasons/token_expired":          nil,
		"TestX/HTTP/2":                             nil,
		"TestX/A/B/26th":                           nil,
		"TestSuite/policies/require/bound/A/4.5":   nil,
		"TestSuite/aborts/HTTP/1.1/after_17_of_80": nil,
	} {
		require.Equal(t, want, claims(name), name)
	}
}

// results are lines of go test -json.
func results(t *testing.T, events ...event) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	for _, e := range events {
		require.NoError(t, json.NewEncoder(&b).Encode(e))
	}
	return &b
}

func TestReadResults(t *testing.T) {
	t.Parallel()
	ok := []event{
		{"output", module + "jwks", "TestA", "=== RUN TestA\n"},
		{"pass", module + "jwks", "TestA", ""},
		{"output", module + "jwks", "TestB", "noise\n"},
		{"skip", module + "jwks", "TestB", ""},
		{"output", module + "jwks", "", "-test.shuffle 7\n"},
		{"output", module + "jwks", "", "PASS\n"},
		{"output", module + "jwks", "", "ok jwks 1s\n"},
		{"pass", module + "jwks", "", ""},
	}
	var out strings.Builder
	passed, err := readResults(results(t, ok...), &out)
	require.NoError(t, err)
	require.Equal(t, []test{{"jwks", "TestA"}}, passed, "what was skipped has shown nothing")
	require.Equal(t, "ok jwks 1s\n", out.String())

	for name, bad := range map[string][]event{
		"a test":                       {{"output", "p", "TestC", "why\n"}, {"fail", "p", "TestC", ""}},
		"a build":                      {{"build-output", "", "", "why\n"}, {"build-fail", "", "", ""}},
		"a package, at TestC":          {{"output", "p", "TestC", "why\n"}, {"fail", "p", "", ""}},
		"a package, before its TestC ": {{"output", "p", "", "why\n"}, {"fail", "p", "", ""}},
		"a package in this order":      {{"output", "p", "", "-test.shuffle why\n"}, {"fail", "p", "", ""}},
	} {
		out.Reset()
		_, err := readResults(results(t, append(ok, bad...)...), &out)
		require.ErrorIs(t, err, errFailed, name)
		require.Contains(t, out.String(), "why\n", name)
		require.NotContains(t, out.String(), "noise", name)
	}
}

// rowsOf is rows.tsv, with a reason for all that is not of interest.
func rowsOf(t *testing.T, lines string) *rows {
	t.Helper()
	r, err := newRows("rows\tkind\twhy\n" + lines)
	require.NoError(t, err)
	return r
}

func TestAttribute(t *testing.T) {
	t.Parallel()
	const rest = "3-453\tlater\tnot yet\n"
	passed := []test{{"jwks", "TestX/A/1_x"}, {"adapters/bindgin", "TestSuite/A/1_y"}, {"jwks", "TestWhole"}}
	good := rowsOf(t, rest+"2\ttest\tjwks TestWhole")
	require.NoError(t, good.addKit())
	require.NoError(t, good.attribute(passed))
	require.Equal(t, "453 rows, 2 tested, 451 with a later step, 0 with a reason", good.summary())
	text := good.document()
	require.Contains(t, text, "adapters `TestSuite/A/1`; jwks `TestX/A/1` |")
	require.Contains(t, text, "| 2 | empty Authorization | 401 and a Bearer challenge")
	require.Contains(t, text, "| 3 to 453 | not yet |")
	require.Contains(t, text, "## L DPoP proofs")

	for name, c := range map[string]struct {
		lines  string
		passed []test
		want   string
	}{
		"no test":                 {rest, passed, "row 2 has neither a test that passed nor a line"},
		"beyond the table":        {rest + "2\tlater\tx", append(passed, test{"jwks", "TestX/N/454"}), "there is no row 454"},
		"a whole test is missing": {rest + "2\ttest\tjwks TestOther\n2\tlater\tx", passed, "row 2: jwks TestOther has not passed"},
		"a reason too many":       {rest + "1-2\tuntested\tx", passed, "row 1 is tested, and rows.tsv says why it is not"},
	} {
		require.ErrorContains(t, rowsOf(t, c.lines).attribute(c.passed), c.want, name)
	}
	for _, lines := range []string{"1", "0\tlater\tx", "2-454\tlater\tx", "1\tnever\tx"} {
		_, err := newRows("rows\tkind\twhy\n" + lines)
		require.Error(t, err, lines)
	}
}
