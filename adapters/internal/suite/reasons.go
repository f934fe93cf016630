package suite

import (
	"testing"

	"github.com/certbound/certbound/binding"
)

// reasons makes every refusal of a token pass through the framework, also those
// for which no row of the table makes a token: what is said of a reason is the
// same in each.
func (s *suite) reasons(t *testing.T) {
	for reason, want := range map[binding.Reason]Answer{
		binding.ReasonTokenMalformed:             Malformed,
		binding.ReasonTokenTooLong:               TooLong,
		binding.ReasonTokenHeader:                BadHeader,
		binding.ReasonTokenAlgorithm:             BadAlgorithm,
		binding.ReasonTokenType:                  BadType,
		binding.ReasonTokenClaims:                BadClaims,
		binding.ReasonTokenIssuer:                BadIssuer,
		binding.ReasonTokenAudience:              BadAudience,
		binding.ReasonTokenExpired:               Expired,
		binding.ReasonTokenNotYetValid:           NotYetValid,
		binding.ReasonTokenLifetime:              invalidToken("the access token lives longer than is accepted here"),
		binding.ReasonTokenKeyUnknown:            Unverifiable,
		binding.ReasonTokenSignature:             Unverifiable,
		binding.ReasonTokenInactive:              Indistinct,
		binding.ReasonTokenRevoked:               Revoked,
		binding.ReasonTokenInvalid:               invalidToken("the access token is not valid"),
		binding.ReasonConfirmationMalformed:      BadConfirmation,
		binding.ReasonConfirmationUnsupported:    BadConfirmation,
		binding.ReasonConfirmationDPoP:           BadConfirmation,
		binding.ReasonThumbprintMalformed:        BadConfirmation,
		binding.ReasonThumbprintHex:              BadConfirmation,
		binding.ReasonThumbprintPadded:           BadConfirmation,
		binding.ReasonThumbprintStandardAlphabet: BadConfirmation,
		binding.ReasonThumbprintSHA1:             BadConfirmation,
		binding.ReasonKeysUnavailable:            Unavailable("5"),
		binding.ReasonKeyFetchLimited:            Unavailable("5"),
		binding.ReasonUnavailable:                Unavailable("5"),
	} {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			site := s.guarded(t, verifies(nil, &binding.Error{Reason: reason}))
			site.Check(t, site.Probe, Bearer(s.Holder, s.Good(t)), want)
		})
	}
}
