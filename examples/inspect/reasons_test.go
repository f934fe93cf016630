package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// allReasons are those of package binding, from its source: a new one is found.
func allReasons(t *testing.T) []binding.Reason {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "binding", "*.go"))
	require.NoError(t, err)
	var reasons []binding.Reason
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "Reason" || len(spec.Values) != 1 {
				return true
			}
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			reasons = append(reasons, binding.Reason(text))
			return true
		})
	}
	require.Contains(t, reasons, binding.ReasonThumbprintHex)
	return reasons
}

func TestEveryReasonIsExplained(t *testing.T) {
	t.Parallel()
	for _, reason := range allReasons(t) {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			status, output := inspect(t, "", "-explain", string(reason))
			require.Zero(t, status, output)
			requireSays(t, output, "answer", "", "("+string(reason)+")")
			for _, label := range []string{"it means", "change"} {
				requireSays(t, output, label, "")
				_, rest, _ := strings.Cut(output, label)
				text, _, _ := strings.Cut(rest, "\n")
				require.Greater(t, len(strings.TrimSpace(text)), 5, "%s is not said for %s", label, reason)
			}
		})
	}
}

func TestAnUnknownReasonIsNone(t *testing.T) {
	t.Parallel()
	status, output := inspect(t, "", "-explain", "\x1bthumbprint")
	require.Equal(t, 2, status)
	require.Contains(t, output, "thumbprint_hex")
}

// notOfAToken are reasons that no token and no certificate are refused with.
var notOfAToken = map[binding.Reason]string{
	binding.ReasonCredentialsMissing:         "there is a token",
	binding.ReasonCredentialsAmbiguous:       "there is one",
	binding.ReasonTokenInactive:              "the authorization server's word on an opaque token",
	binding.ReasonTokenInvalid:               "of a verifier of one's own",
	binding.ReasonTokenRevoked:               "of a server's own rule",
	binding.ReasonForbidden:                  "of a server's own rule",
	binding.ReasonAuthenticationInsufficient: "of a server's own requirement",
	binding.ReasonCertificateUnreadable:      "of a source of one's own",
	binding.ReasonForwardedUntrusted:         "of a proxy",
	binding.ReasonForwardedAmbiguous:         "of a proxy",
	binding.ReasonForwardedMalformed:         "of a proxy",
	binding.ReasonForwardedTooLong:           "of a proxy",
	binding.ReasonForwardedUnverified:        "of a proxy",
	binding.ReasonTokenBinding:               "of a guard with Proofs",
	binding.ReasonProofMissing:               "of a guard with Proofs",
	binding.ReasonProofAmbiguous:             "of a guard with Proofs",
	binding.ReasonProofTooLong:               "of a guard with Proofs",
	binding.ReasonProofMalformed:             "of a guard with Proofs",
	binding.ReasonProofHeader:                "of a guard with Proofs",
	binding.ReasonProofType:                  "of a guard with Proofs",
	binding.ReasonProofAlgorithm:             "of a guard with Proofs",
	binding.ReasonProofKey:                   "of a guard with Proofs",
	binding.ReasonProofClaims:                "of a guard with Proofs",
	binding.ReasonProofMethod:                "of a guard with Proofs",
	binding.ReasonProofURI:                   "of a guard with Proofs",
	binding.ReasonProofExpired:               "of a guard with Proofs",
	binding.ReasonProofNotYetValid:           "of a guard with Proofs",
	binding.ReasonProofNonceMissing:          "of a guard with Proofs",
	binding.ReasonProofNonce:                 "of a guard with Proofs",
	binding.ReasonProofToken:                 "of a guard with Proofs",
	binding.ReasonProofKeyMismatch:           "of a guard with Proofs",
	binding.ReasonProofSignature:             "of a guard with Proofs",
	binding.ReasonProofReplayed:              "of a guard with Proofs",
	binding.ReasonReplaysUnavailable:         "of a guard with Proofs",
	binding.ReasonCanceled:                   "of an interrupt",
	binding.ReasonMisconfigured:              "of a program",
	binding.ReasonPanicked:                   "of a program",
	binding.ReasonUnavailable:                "of a verifier that failed: opaque tokens have a test of their own",
	binding.ReasonKeyFetchLimited:            "of many tokens",
	binding.ReasonKeysUnavailable:            "of an issuer that is away: it has a test of its own",
	binding.ReasonCertificateMissing:         "of a request without -cert: it has a test of its own",
}

func TestEveryReasonThatATokenCanHaveIsTried(t *testing.T) {
	t.Parallel()
	tried := make(map[binding.Reason]bool)
	for _, test := range refusals {
		tried[test.reason] = true
	}
	for _, reason := range allReasons(t) {
		_, other := notOfAToken[reason]
		require.NotEqual(t, other, tried[reason], "%s must be in one of the two lists", reason)
	}
}
