package binding_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// answer is what a client must see of a reason.
type answer struct {
	status    int
	code      string
	challenge bool
}

// answers holds every exported Reason, by the constant's name; TestAnswersHoldEveryReason keeps it complete.
var answers = map[string]struct {
	reason binding.Reason
	answer
}{
	"ReasonCredentialsMissing":     {binding.ReasonCredentialsMissing, answer{401, "", true}},
	"ReasonCredentialsUnsupported": {binding.ReasonCredentialsUnsupported, answer{401, "", true}},
	"ReasonCredentialsAmbiguous":   {binding.ReasonCredentialsAmbiguous, badRequest},
	"ReasonCredentialsMalformed":   {binding.ReasonCredentialsMalformed, badRequest},

	"ReasonTokenMalformed":             {binding.ReasonTokenMalformed, badToken},
	"ReasonTokenTooLong":               {binding.ReasonTokenTooLong, badToken},
	"ReasonTokenHeader":                {binding.ReasonTokenHeader, badToken},
	"ReasonTokenAlgorithm":             {binding.ReasonTokenAlgorithm, badToken},
	"ReasonTokenType":                  {binding.ReasonTokenType, badToken},
	"ReasonTokenClaims":                {binding.ReasonTokenClaims, badToken},
	"ReasonTokenIssuer":                {binding.ReasonTokenIssuer, badToken},
	"ReasonTokenAudience":              {binding.ReasonTokenAudience, badToken},
	"ReasonTokenExpired":               {binding.ReasonTokenExpired, badToken},
	"ReasonTokenNotYetValid":           {binding.ReasonTokenNotYetValid, badToken},
	"ReasonTokenLifetime":              {binding.ReasonTokenLifetime, badToken},
	"ReasonTokenKeyUnknown":            {binding.ReasonTokenKeyUnknown, badToken},
	"ReasonTokenSignature":             {binding.ReasonTokenSignature, badToken},
	"ReasonTokenInactive":              {binding.ReasonTokenInactive, badToken},
	"ReasonTokenRevoked":               {binding.ReasonTokenRevoked, badToken},
	"ReasonTokenInvalid":               {binding.ReasonTokenInvalid, badToken},
	"ReasonConfirmationMalformed":      {binding.ReasonConfirmationMalformed, badToken},
	"ReasonConfirmationUnsupported":    {binding.ReasonConfirmationUnsupported, badToken},
	"ReasonConfirmationDPoP":           {binding.ReasonConfirmationDPoP, badToken},
	"ReasonThumbprintMalformed":        {binding.ReasonThumbprintMalformed, badToken},
	"ReasonThumbprintHex":              {binding.ReasonThumbprintHex, badToken},
	"ReasonThumbprintPadded":           {binding.ReasonThumbprintPadded, badToken},
	"ReasonThumbprintStandardAlphabet": {binding.ReasonThumbprintStandardAlphabet, badToken},
	"ReasonThumbprintSHA1":             {binding.ReasonThumbprintSHA1, badToken},
	"ReasonTokenUnbound":               {binding.ReasonTokenUnbound, badToken},
	"ReasonTokenBound":                 {binding.ReasonTokenBound, badToken},
	"ReasonCertificateMissing":         {binding.ReasonCertificateMissing, badToken},
	"ReasonCertificateUnreadable":      {binding.ReasonCertificateUnreadable, badToken},
	"ReasonForwardedUntrusted":         {binding.ReasonForwardedUntrusted, badToken},
	"ReasonForwardedAmbiguous":         {binding.ReasonForwardedAmbiguous, badToken},
	"ReasonForwardedMalformed":         {binding.ReasonForwardedMalformed, badToken},
	"ReasonForwardedTooLong":           {binding.ReasonForwardedTooLong, badToken},
	"ReasonForwardedUnverified":        {binding.ReasonForwardedUnverified, badToken},
	"ReasonThumbprintMismatch":         {binding.ReasonThumbprintMismatch, badToken},

	"ReasonTokenScheme":                {binding.ReasonTokenScheme, badToken},
	"ReasonTokenBinding":               {binding.ReasonTokenBinding, badToken},
	"ReasonProofMissing":               {binding.ReasonProofMissing, badProof},
	"ReasonProofAmbiguous":             {binding.ReasonProofAmbiguous, badProof},
	"ReasonProofTooLong":               {binding.ReasonProofTooLong, badProof},
	"ReasonProofMalformed":             {binding.ReasonProofMalformed, badProof},
	"ReasonProofHeader":                {binding.ReasonProofHeader, badProof},
	"ReasonProofType":                  {binding.ReasonProofType, badProof},
	"ReasonProofAlgorithm":             {binding.ReasonProofAlgorithm, badProof},
	"ReasonProofKey":                   {binding.ReasonProofKey, badProof},
	"ReasonProofClaims":                {binding.ReasonProofClaims, badProof},
	"ReasonProofMethod":                {binding.ReasonProofMethod, badProof},
	"ReasonProofURI":                   {binding.ReasonProofURI, badProof},
	"ReasonProofExpired":               {binding.ReasonProofExpired, badProof},
	"ReasonProofNotYetValid":           {binding.ReasonProofNotYetValid, badProof},
	"ReasonProofNonceMissing":          {binding.ReasonProofNonceMissing, needsNonce},
	"ReasonProofNonce":                 {binding.ReasonProofNonce, needsNonce},
	"ReasonProofToken":                 {binding.ReasonProofToken, badProof},
	"ReasonProofKeyMismatch":           {binding.ReasonProofKeyMismatch, badToken},
	"ReasonProofSignature":             {binding.ReasonProofSignature, badProof},
	"ReasonProofReplayed":              {binding.ReasonProofReplayed, badProof},
	"ReasonReplaysUnavailable":         {binding.ReasonReplaysUnavailable, notNow},
	"ReasonAuthenticationInsufficient": {binding.ReasonAuthenticationInsufficient, answer{401, "insufficient_user_authentication", true}},

	"ReasonScopeMissing": {binding.ReasonScopeMissing, answer{403, "insufficient_scope", true}},
	"ReasonForbidden":    {binding.ReasonForbidden, answer{403, "access_denied", false}},

	"ReasonKeysUnavailable": {binding.ReasonKeysUnavailable, notNow},
	"ReasonKeyFetchLimited": {binding.ReasonKeyFetchLimited, notNow},
	"ReasonUnavailable":     {binding.ReasonUnavailable, notNow},
	"ReasonCanceled":        {binding.ReasonCanceled, notNow},
	"ReasonMisconfigured":   {binding.ReasonMisconfigured, ourFault},
	"ReasonPanicked":        {binding.ReasonPanicked, ourFault},

	"none":    {"", ourFault},
	"unknown": {"no such reason", ourFault},
}

var (
	badRequest = answer{400, "invalid_request", true}
	badToken   = answer{401, "invalid_token", true}
	badProof   = answer{401, "invalid_dpop_proof", true}
	needsNonce = answer{401, "use_dpop_nonce", true}
	notNow     = answer{503, "temporarily_unavailable", false}
	ourFault   = answer{500, "server_error", false}
)

func TestAnswersHoldEveryReason(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	require.NoError(t, err)
	found := map[binding.Reason]bool{}
	for _, declaration := range file.Decls {
		constants, ok := declaration.(*ast.GenDecl)
		if !ok || constants.Tok != token.CONST {
			continue
		}
		for _, spec := range constants.Specs {
			value := spec.(*ast.ValueSpec)
			if ident, ok := value.Type.(*ast.Ident); !ok || ident.Name != "Reason" {
				continue
			}
			require.Len(t, value.Names, 1)
			name := value.Names[0].Name
			text, err := strconv.Unquote(value.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			require.Contains(t, answers, name)
			require.Equal(t, binding.Reason(text), answers[name].reason)
			require.False(t, found[binding.Reason(text)], "%q is the value of two reasons", text)
			found[binding.Reason(text)] = true
		}
	}
	require.Len(t, answers, len(found)+2)
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, want := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refusal := &binding.Error{Reason: want.reason}
			require.Equal(t, want.status, refusal.StatusCode())
			require.Equal(t, want.code, refusal.Code())

			w := httptest.NewRecorder()
			w.Header().Set("Cache-Control", "public")
			w.Header().Set("WWW-Authenticate", "Basic")
			refusal.Write(w, request(""))
			require.Equal(t, want.status, w.Code)
			require.Equal(t, []string{"no-store"}, w.Header()["Cache-Control"])         // K/270
			require.Equal(t, []string{"nosniff"}, w.Header()["X-Content-Type-Options"]) // N/437
			require.Equal(t, []string{"application/json"}, w.Header()["Content-Type"])
			if want.challenge {
				require.Equal(t, []string{challengeOf(t, refusal)}, w.Header()["Www-Authenticate"])
				parameters := parseChallenge(t, challengeOf(t, refusal))
				require.Equal(t, want.code, parameters["error"])
				require.Equal(t, refusal.Description(), parameters["error_description"])
				require.Equal(t, want.code == "", parameters["realm"] == "protected resource") // N/436
				require.NotContains(t, parameters, "scope")
			} else {
				require.Empty(t, challengeOf(t, refusal))
				require.NotContains(t, w.Header(), "Www-Authenticate")
			}
			if want.status == 503 {
				require.Equal(t, []string{"5"}, w.Header()["Retry-After"])
			} else {
				require.NotContains(t, w.Header(), "Retry-After")
			}
			var body map[string]string
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
			if want.code == "" { // RFC 6750 §3.1: not a word without credentials
				require.Equal(t, `Bearer realm="protected resource"`, challengeOf(t, refusal))
				require.Empty(t, body)
			} else {
				require.Equal(t, map[string]string{"error": want.code, "error_description": refusal.Description()}, body)
			}
		})
	}
}

// K/265: a text is one of a fixed list, whatever the Error holds, in the character set of RFC 6750 §3.
func TestAnswersHoldNothingThatCame(t *testing.T) {
	t.Parallel()
	for name, want := range answers {
		t.Run("K/265 "+name, func(t *testing.T) {
			t.Parallel()
			bare := &binding.Error{Reason: want.reason}
			full := &binding.Error{
				Reason: want.reason, Cause: errors.New("canary\r\n\"\\"), RetryAfter: time.Second, Scopes: []string{"can ary", `"`},
				Expected: binding.Thumbprint{1}, Presented: binding.Thumbprint{2},
			}
			require.Equal(t, bare.Description(), full.Description())
			require.Equal(t, challengeOf(t, bare), challengeOf(t, full))
			require.Equal(t, bare.Error(), full.Error())
			body, err := json.Marshal(full)
			require.NoError(t, err)
			require.NotContains(t, string(body), "canary")
			require.NotContains(t, full.Error(), "no such reason")
			require.Regexp(t, `^[\x20-\x21\x23-\x5b\x5d-\x7e]*$`, full.Description())
			require.Regexp(t, `^binding: request refused: [a-z0-9_ ]*$`, full.Error())
			require.Equal(t, want.code == "", full.Description() == "")
		})
	}
}

// K/269 and the like: what a client must not tell apart has one answer.
func TestAnswersThatAClientCannotTellApart(t *testing.T) {
	t.Parallel()
	for name, reasons := range map[string][]binding.Reason{
		"K/269 keys": {binding.ReasonTokenKeyUnknown, binding.ReasonTokenSignature},
		"confirmations": {binding.ReasonConfirmationMalformed, binding.ReasonConfirmationUnsupported, binding.ReasonConfirmationDPoP,
			binding.ReasonThumbprintMalformed, binding.ReasonThumbprintHex, binding.ReasonThumbprintPadded,
			binding.ReasonThumbprintStandardAlphabet, binding.ReasonThumbprintSHA1},
		"certificates": {binding.ReasonCertificateUnreadable, binding.ReasonForwardedUntrusted, binding.ReasonForwardedAmbiguous,
			binding.ReasonForwardedMalformed, binding.ReasonForwardedTooLong, binding.ReasonForwardedUnverified},
		"our troubles": {binding.ReasonKeysUnavailable, binding.ReasonKeyFetchLimited, binding.ReasonUnavailable},
		"our faults":   {binding.ReasonPanicked, "", "no such reason"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := httptest.NewRecorder()
			(&binding.Error{Reason: reasons[0]}).Write(first, request(""))
			for _, reason := range reasons[1:] {
				w := httptest.NewRecorder()
				(&binding.Error{Reason: reason}).Write(w, request(""))
				require.Equal(t, first.Result(), w.Result())
			}
		})
	}
}

// For an opaque token every invalid_token has one answer: a thief does not learn that a stolen token lives.
func TestAnswersForAnOpaqueTokenAreAlike(t *testing.T) {
	t.Parallel()
	inactive := &binding.Error{Reason: binding.ReasonTokenInactive, Opaque: true}
	for name, want := range answers {
		opaque, plain := &binding.Error{Reason: want.reason, Opaque: true}, &binding.Error{Reason: want.reason}
		if slices.Contains([]string{"invalid_token", "invalid_dpop_proof", "use_dpop_nonce"}, want.code) {
			require.Equal(t, inactive.Description(), opaque.Description(), name)
			require.Equal(t, challengeOf(t, inactive), challengeOf(t, opaque), name)
		} else {
			require.Equal(t, plain.Description(), opaque.Description(), name)
			require.Equal(t, challengeOf(t, plain), challengeOf(t, opaque), name)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]string{
		0: "5", 1: "1", time.Second: "1", time.Second + 1: "2", 90 * time.Second: "90", time.Hour: "3600", -time.Hour: "1",
		math.MaxInt64: "9223372037",
	} {
		w := httptest.NewRecorder()
		(&binding.Error{Reason: binding.ReasonUnavailable, RetryAfter: after}).Write(w, request(""))
		require.Equal(t, want, w.Header().Get("Retry-After"), after)
		require.Equal(t, 503, w.Code)
	}
}

func TestAsError(t *testing.T) {
	t.Parallel()
	require.Nil(t, binding.AsError(nil))
	refusal := &binding.Error{Reason: binding.ReasonTokenExpired}
	require.Same(t, refusal, binding.AsError(refusal))
	require.Same(t, refusal, binding.AsError(errors.Join(errors.New("mine"), refusal)))
	mine := errors.New("mine")
	require.ErrorIs(t, binding.AsError(mine), mine)
	require.Equal(t, 500, binding.AsError(mine).StatusCode())
	// A nil *Error in an error is no pass, and no panic either.
	nothing := binding.AsError((*binding.Error)(nil))
	require.Equal(t, 500, nothing.StatusCode())
	require.NotErrorIs(t, nothing, mine)
}

// parseChallenge reads one challenge as RFC 9110 §11.6.1 and RFC 6750 §3 write it, and is strict about it.
func parseChallenge(t testing.TB, challenge string) map[string]string {
	t.Helper()
	require.Regexp(t, `^[\x20-\x7e]*$`, challenge)
	rest, ok := strings.CutPrefix(challenge, "Bearer")
	require.True(t, ok, challenge)
	parameters := map[string]string{}
	separator := " "
	for rest != "" {
		require.True(t, strings.HasPrefix(rest, separator), "%q in %q", rest, challenge)
		name, value, ok := strings.Cut(rest[len(separator):], `="`)
		require.True(t, ok, "%q in %q", rest, challenge)
		require.Regexp(t, `^[a-z_]+$`, name)
		require.NotContains(t, parameters, name)
		value, rest, ok = strings.Cut(value, `"`)
		require.True(t, ok, "%q has no end in %q", name, challenge)
		require.NotContains(t, value, `\`)
		require.NotEmpty(t, value, "%q in %q", name, challenge)
		parameters[name] = value
		separator = ", "
	}
	return parameters
}
