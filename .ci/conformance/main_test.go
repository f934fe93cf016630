package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClaims(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]claim{
		"TestSuite/A/8_tab_after_the_scheme":              {{"A", "TestSuite/A/8", 8, 8}},
		"TestSuite/A_over_the_wire/20_NUL":                {{"A", "TestSuite/A_over_the_wire/20", 20, 20}},
		"TestSuite/B/38_100,000_dots":                     {{"B", "TestSuite/B/38", 38, 38}},
		"TestSuite/F/157_31_bytes":                        {{"F", "TestSuite/F/157", 157, 157}},
		"TestSuite/G/182_to_184_a_resumed_session":        {{"G", "TestSuite/G/182", 182, 184}},
		"TestSuite/G/182_and_184_a_resumed_session":       {{"G", "TestSuite/G/182", 184, 184}, {"G", "TestSuite/G/182", 182, 182}},
		"TestX/C/76_C/78_RSA":                             {{"C", "TestX/C/76", 76, 76}, {"C", "TestX/C/76_C/78", 78, 78}},
		"TestX/3.6_a_day:_I/251,_I/252":                   {{"I", "TestX/3.6_a_day:_I/251", 251, 251}, {"I", "TestX/3.6_a_day:_I/251,_I/252", 252, 252}},
		"TestX/E/130":                                     {{"E", "TestX/E/130", 130, 130}},
		"TestSuite/reasons/token_expired":                 nil,
		"TestX/HTTP/2":                                    nil,
		"TestX/A/B/26th":                                  nil,
		"TestSuite/policies/require/bound/DPoP_A/4.5":     nil,
		"TestSuite/aborts/HTTP/1.1/after_17_of_800_bytes": nil,
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

// The table and its notes are what the tests of this folder read, too: copies, in which one thing is changed.
func TestAttribute(t *testing.T) {
	t.Parallel()
	read := func(t *testing.T, lastNote string) *table {
		t.Helper()
		folder := t.TempDir() + "/"
		for name, text := range map[string]string{
			"attacks.tsv": "number\tsection\tinput\texpected\tsource\n1\tA\tx\tIT\ts\n2\tI\ty\tOK\t\n",
			"notes.tsv":   "row\tkind\tanswers\tnote\n" + lastNote,
			"tests.tsv":   "row\tpackage\ttest\n2\tjwks\tTestWhole\n",
		} {
			require.NoError(t, os.WriteFile(folder+name, []byte(text), 0o600))
		}
		table, err := readTable(folder)
		require.NoError(t, err)
		return table
	}
	whole := test{"jwks", "TestWhole"}
	through := func(names ...string) []test {
		tests := []test{whole}
		for _, name := range names {
			for _, adapter := range adapters {
				tests = append(tests, test{adapter, name})
			}
		}
		return tests
	}
	good := read(t, "")
	require.NoError(t, good.attribute(through("TestSuite/A/1_x")))
	tested, tests, reasons := good.count()
	require.Equal(t, []int{2, 4, 0}, []int{tested, tests, reasons})
	require.Contains(t, good.document(), "| 1 | x | IT | `TestSuite/A/1` |  |  |  |")
	require.Contains(t, good.document(), "| 2 | y | OK |  | jwks: `TestWhole` |  |  |")

	for name, c := range map[string]struct {
		note   string
		passed []test
		want   string
	}{
		"no test":                 {"", through(), "row 1 has neither a test that passed nor a reason"},
		"not through all":         {"", []test{whole, {adapters[0], "TestSuite/A/1"}}, "TestSuite/A/1 has not passed, as it has in"},
		"elsewhere alone":         {"", []test{whole, {"jwks", "TestX/A/1"}}, "row 1 has neither a test through each adapter nor a reason"},
		"of another section":      {"", through("TestSuite/A/1", "TestSuite/B/1"), "there is no row 1 in section B"},
		"beyond the table":        {"", through("TestSuite/A/1", "TestSuite/A/3"), "there is no row 3 in section A"},
		"a whole test is missing": {"", through("TestSuite/A/1")[1:], "row 2: jwks TestWhole has not passed"},
		"a reason too many":       {"1\tuntested\t\tnone\n", through("TestSuite/A/1"), "row 1 is tested, and notes.tsv says why it is not"},
		"an excuse too many":      {"1\telsewhere\t\tnone\n", through("TestSuite/A/1"), "row 1 is tested through the adapters"},
	} {
		require.ErrorContains(t, read(t, c.note).attribute(c.passed), c.want, name)
	}
	require.NoError(t, read(t, "1\tuntested\t\tnone\n").attribute(through()))
	require.NoError(t, read(t, "1\telsewhere\t\tnone\n").attribute([]test{whole, {"jwks", "TestX/A/1"}}))
}

func TestAbortPoints(t *testing.T) {
	t.Parallel()
	require.Equal(t, 2, abortPoints([]test{
		{adapters[0], "TestSuite/aborts/one/a"}, {adapters[0], "TestSuite/aborts/one"}, {adapters[0], "TestSuite/aborts"},
		{adapters[0], "TestSuite/aborts/two"}, {adapters[1], "TestSuite/aborts/three"}, {adapters[0], "TestSuite/A/1"},
	}))
}
