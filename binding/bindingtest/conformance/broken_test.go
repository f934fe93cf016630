package conformance_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest/conformance"
)

// impatient is for servers in the test's own process, which learn a key at once
// or never. Only the machine may be slow.
var impatient = conformance.Config{StartWait: 200 * time.Millisecond, KeyWait: 200 * time.Millisecond, Timeout: time.Minute}

// A server that is correct by the RFCs, and not as strict as this project's,
// violates nothing; what it deviates in is a choice that it may make.
func TestAServerThatFollowsTheRFCsAlone(t *testing.T) {
	t.Parallel()
	config := impatient
	config.Level = conformance.Must
	report := check(t, config, conformance.Handler(newLax()))
	require.Empty(t, report.Rows(conformance.Violates))
	require.True(t, report.Passed())
	require.Equal(t, []int{
		6, 8, 9, 10, 11, 13, 14, 15, 31, // it is no judge of the Authorization field
		52, 62, 63, 84, 95, 104, // nor of the JOSE header
		121, 128, 133, 134, 142, 143, // nor of claims that it does not need
		158, 159, 161, 162, 165, // nor of forms of a thumbprint that come to the same
		228, 240, 242, 247, // nor of what its issuer publishes
		386, 389, 391, 415, 437, // nor of what careful servers care for
	}, report.Rows(conformance.Deviates))

	config.Level = conformance.Should
	require.False(t, check(t, config, conformance.Handler(newLax())).Passed())
}

// The same server, with one fault each. The rows are all that are violated, or
// with none, all that it deviates in beyond those above: what names a fault,
// and what does not.
func TestBrokenServersAreFound(t *testing.T) {
	t.Parallel()
	allowed := check(t, impatient, conformance.Handler(newLax())).Rows(conformance.Deviates)
	for _, test := range []struct {
		bug      bug
		violates []int
		deviates []int
	}{
		{bug: "checks no binding", violates: []int{
			92, 146, 147, 150, 152, 153, 154, 155, 156, 157, 158, 159, 160, 161, 162, 168, 169, 170, 171, 173, 176, 178, 180, 183, 184, 263, 273}},
		{bug: "lets in who has no certificate", violates: []int{146, 153, 158, 159, 176, 184, 273}},
		{bug: "compares with any certificate of the chain", violates: []int{168}},
		{bug: "compares the public key too", violates: []int{169}},
		{bug: "compares the beginning", violates: []int{157}},
		{bug: "takes a malformed cnf for none", violates: []int{150, 152, 153, 154, 155, 156, 157, 159}},
		{bug: "accepts tokens without a binding", deviates: []int{148, 172, 173}},
		{bug: "trusts Client-Cert from anybody", violates: []int{197, 203}},
		{bug: "caches the decision", violates: []int{273}},
		{bug: "folds names", violates: []int{122, 160}},

		{bug: "accepts alg none", violates: []int{62, 66, 67, 68}},
		{bug: "confuses algorithms", violates: []int{73, 76}},
		{bug: "reads a secret from the file that kid names", violates: []int{97}},
		{bug: "takes the key of the header", violates: []int{89}},
		{bug: "fetches jku", violates: []int{90}},
		{bug: "ignores crit", violates: []int{100, 101, 103}},
		{bug: "looks at no typ", deviates: []int{107, 108, 109, 110}},
		{bug: "checks no signature", violates: []int{
			26, 47, 55, 56, 62, 64, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 78, 79, 80, 83, 85, 88, 89, 90, 91, 97, 112, 113, 114, 116, 227, 232, 233}},
		{bug: "does not look at the range of r and s", violates: []int{112}},
		{bug: "takes DER", violates: []int{114}},
		{bug: "takes any curve", violates: []int{78}},
		{bug: "takes any RSA key", violates: []int{79, 80, 83}},

		{bug: "ignores exp", violates: []int{121, 122, 125, 126, 127, 130}},
		{bug: "ignores nbf", violates: []int{132}},
		{bug: "takes any issuer", violates: []int{121, 122, 136}},
		{bug: "takes any audience", violates: []int{121, 122, 138, 140}},

		{bug: "takes oct keys", violates: []int{75}},
		{bug: "fetches keys by http", deviates: []int{229}},
		{bug: "takes the metadata of anybody", violates: []int{258}},

		{bug: "challenges without a parameter", violates: []int{1, 272}},
		{bug: "takes one space", violates: []int{7}},
		{bug: "reads the query", deviates: []int{17}},
		{bug: "echoes the token", deviates: []int{265, 269}},
		{bug: "sends no challenge", violates: []int{1, 147, 272}},
		{bug: "fails with 500", violates: []int{1, 147}},
	} {
		t.Run(string(test.bug), func(t *testing.T) {
			t.Parallel()
			report := check(t, impatient, conformance.Handler(newLax(test.bug)))
			require.Equal(t, test.violates, report.Rows(conformance.Violates))
			require.False(t, report.Passed())
			if test.violates == nil {
				more := slices.DeleteFunc(report.Rows(conformance.Deviates), func(row int) bool { return slices.Contains(allowed, row) })
				require.Equal(t, test.deviates, more)
			}
		})
	}
}

func TestAServerThatAcceptsNobodyIsNotJudged(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]conformance.Target{
		"refuses everything": conformance.Handler(newLax("refuses everything")),
		"always 401":         conformance.Handler(always(401)),
		"always 204":         conformance.Handler(always(204)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := newKit(t, impatient)
			report, err := kit.Check(t.Context(), target)
			require.ErrorIs(t, err, conformance.ErrNotJudged)
			require.Len(t, report.Results, 1)
			require.True(t, report.Results[0].Failed)
			require.Zero(t, report.Summary.Rows)
		})
	}
}

func TestAServerThatAcceptsEverybodyIsFoundInEverySection(t *testing.T) {
	t.Parallel()
	report := check(t, impatient, conformance.Handler(always(200)))
	sections := make(map[string]bool)
	for _, result := range report.Results {
		if result.Verdict == conformance.Violates {
			sections[result.Section] = true
		}
	}
	require.Len(t, sections, 9, "A to G, I and K: of headers (H) and metadata (J) it need not be asked, and M and N demand little: %v", sections)
	require.Greater(t, report.Summary.Violating, 80)
}

// What comes after a server has stopped to work are refusals, and say nothing:
// the control does.
func TestAServerThatStopsToWorkIsNoticed(t *testing.T) {
	t.Parallel()
	config := impatient
	config.Level = conformance.Must
	report := check(t, config, conformance.Handler(newLax("dies")))
	require.False(t, report.Passed())
	var controls []string
	for _, result := range report.Results {
		if result.Row == 0 && result.Failed {
			controls = append(controls, result.String())
			require.Equal(t, "500", result.Got)
		}
	}
	require.Contains(t, controls, "control the good request, after K")
}

const childTest = "CONFORMANCE_TEST_BROKEN_SERVER"

// Run fails the subtests of the rows that are answered wrongly, and the test
// with them.
func TestRunFailsTheSubtestsOfABrokenServer(t *testing.T) {
	t.Parallel()
	if os.Getenv(childTest) != "" {
		conformance.Run(t, impatient, conformance.Handler(newLax("compares with any certificate of the chain", "reads the query")))
		return
	}
	run := func(arguments ...string) (string, int) {
		command := exec.Command(os.Args[0], append([]string{"-test.v", "-test.run=^TestRunFailsTheSubtestsOfABrokenServer$"}, arguments...)...)
		command.Env = append(os.Environ(), childTest+"=1")
		output, err := command.CombinedOutput()
		require.Error(t, err, "%s", output)
		return string(output), command.ProcessState.ExitCode()
	}
	output, status := run()
	require.Equal(t, 1, status)
	require.Contains(t, output, "--- FAIL: TestRunFailsTheSubtestsOfABrokenServer/F/168_the_token_of_the_root")
	require.Contains(t, output, "violates: got 200; must be refused; should be 401 invalid_token (RFC 8705 §3, CVE-2023-2422)")
	require.Contains(t, output, "--- FAIL: TestRunFailsTheSubtestsOfABrokenServer/A/17_a_token_in_the_query_alone")
	require.Contains(t, output, "deviates: got 200; should be 401 and a Bearer challenge with a parameter, and no error code (RFC 6750 §2.3)")
	require.Contains(t, output, "--- PASS: TestRunFailsTheSubtestsOfABrokenServer/F/147_another_certificate")
	require.Regexp(t, `conformance: \d+ rows, .*, \d+ failed`, output)
	require.False(t, strings.Contains(output, "eyJ"), "a token is in the output")
}
