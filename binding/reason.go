package binding

import "net/http"

// A Reason says why a request was refused. The list is closed: it grows only
// with this library. Reasons are for logs and metrics; a client sees the coarser
// description of [Error.Description].
type Reason string

// The request's credentials (RFC 6750 §2.1, §3.1).
const (
	// ReasonCredentialsMissing: no Authorization field, or an empty one. 401.
	ReasonCredentialsMissing Reason = "credentials_missing"
	// ReasonCredentialsUnsupported: another scheme, such as Basic or DPoP. 401.
	ReasonCredentialsUnsupported Reason = "credentials_unsupported"
	// ReasonCredentialsAmbiguous: more than one Authorization field. 400.
	ReasonCredentialsAmbiguous Reason = "credentials_ambiguous"
	// ReasonCredentialsMalformed: not one scheme, spaces and a b64token. 400.
	ReasonCredentialsMalformed Reason = "credentials_malformed"
)

// The access token. All are 401 invalid_token.
const (
	// ReasonTokenMalformed: not a token of the kind that the verifier reads, or
	// not strictly encoded.
	ReasonTokenMalformed Reason = "token_malformed"
	// ReasonTokenTooLong: longer than the verifier reads.
	ReasonTokenTooLong Reason = "token_too_long"
	// ReasonTokenHeader: a JOSE header with a member that is malformed, or that
	// demands what we do not do (crit, b64).
	ReasonTokenHeader Reason = "token_header"
	// ReasonTokenAlgorithm: an algorithm that is not allowed.
	ReasonTokenAlgorithm Reason = "token_algorithm"
	// ReasonTokenType: not an access token, by its typ or by its claims.
	ReasonTokenType Reason = "token_type"
	// ReasonTokenClaims: a claim that is required is missing, or one that we
	// read has the wrong type.
	ReasonTokenClaims Reason = "token_claims"
	// ReasonTokenIssuer: of another issuer.
	ReasonTokenIssuer Reason = "token_issuer"
	// ReasonTokenAudience: for another resource server.
	ReasonTokenAudience Reason = "token_audience"
	// ReasonTokenExpired: past its exp. It does not mean that the signature was
	// good: times are checked first.
	ReasonTokenExpired Reason = "token_expired"
	// ReasonTokenNotYetValid: nbf or iat lies in the future.
	ReasonTokenNotYetValid Reason = "token_not_yet_valid"
	// ReasonTokenLifetime: exp lies further ahead than is allowed.
	ReasonTokenLifetime Reason = "token_lifetime"
	// ReasonTokenKeyUnknown: the issuer publishes no key that fits the token.
	ReasonTokenKeyUnknown Reason = "token_key_unknown"
	// ReasonTokenSignature: no key that fits verifies the signature.
	ReasonTokenSignature Reason = "token_signature"
	// ReasonTokenInactive: the authorization server says that the opaque token
	// is not active (RFC 7662 §2.2): expired, revoked, or never issued.
	ReasonTokenInactive Reason = "token_inactive"
	// ReasonTokenRevoked: Config.Authorize returned ErrTokenRevoked.
	ReasonTokenRevoked Reason = "token_revoked"
)

// The confirmation and the certificate (RFC 7800, RFC 8705 §3). All are 401
// invalid_token, under every policy.
const (
	// ReasonConfirmationMalformed: cnf is no JSON object.
	ReasonConfirmationMalformed Reason = "confirmation_malformed"
	// ReasonConfirmationUnsupported: cnf has no member that we understand.
	ReasonConfirmationUnsupported Reason = "confirmation_unsupported"
	// ReasonConfirmationDPoP: cnf holds jkt, alone or beside x5t#S256.
	ReasonConfirmationDPoP Reason = "confirmation_dpop"
	// ReasonThumbprintMalformed: x5t#S256 is no string, or none of 43 canonical
	// base64url characters.
	ReasonThumbprintMalformed Reason = "thumbprint_malformed"
	// ReasonThumbprintHex: x5t#S256 is hexadecimal. The issuer must encode the
	// digest's 32 bytes in base64url.
	ReasonThumbprintHex Reason = "thumbprint_hex"
	// ReasonThumbprintPadded: x5t#S256 ends in "=". The issuer must leave out
	// the padding.
	ReasonThumbprintPadded Reason = "thumbprint_padded"
	// ReasonThumbprintStandardAlphabet: x5t#S256 holds "+" or "/". The issuer
	// must use the URL-safe alphabet.
	ReasonThumbprintStandardAlphabet Reason = "thumbprint_standard_alphabet"
	// ReasonThumbprintSHA1: x5t#S256 is 20 bytes long. The issuer must use
	// SHA-256.
	ReasonThumbprintSHA1 Reason = "thumbprint_sha1"
	// ReasonTokenUnbound: no cnf, and the policy requires one.
	ReasonTokenUnbound Reason = "token_unbound"
	// ReasonTokenBound: the token is bound, on a route that cannot check it
	// (DangerouslyBearerOnly).
	ReasonTokenBound Reason = "token_bound"
	// ReasonCertificateMissing: the token is bound, and the client presented no
	// certificate.
	ReasonCertificateMissing Reason = "certificate_missing"
	// ReasonCertificateUnreadable: the CertificateSource found something that
	// it could not read or did not trust.
	ReasonCertificateUnreadable Reason = "certificate_unreadable"
	// ReasonForwardedUntrusted: a certificate header came from a peer that may
	// not speak for a client.
	ReasonForwardedUntrusted Reason = "forwarded_untrusted"
	// ReasonForwardedAmbiguous: a certificate header came more than once, or
	// beside a name that another reader would take for it.
	ReasonForwardedAmbiguous Reason = "forwarded_ambiguous"
	// ReasonForwardedMalformed: a certificate header is not of its format.
	ReasonForwardedMalformed Reason = "forwarded_malformed"
	// ReasonForwardedTooLong: a certificate header is longer than is read.
	ReasonForwardedTooLong Reason = "forwarded_too_long"
	// ReasonForwardedUnverified: the proxy did not vouch for the certificate.
	ReasonForwardedUnverified Reason = "forwarded_unverified"
	// ReasonThumbprintMismatch: the token was issued to the holder of another
	// certificate. Error.Expected and Error.Presented hold both thumbprints.
	ReasonThumbprintMismatch Reason = "thumbprint_mismatch"
)

// The client is known and may not do this. Both are 403.
const (
	// ReasonScopeMissing: the binding holds, a scope is missing. 403
	// insufficient_scope.
	ReasonScopeMissing Reason = "scope_missing"
	// ReasonForbidden: Config.Authorize returned an error of its own.
	ReasonForbidden Reason = "forbidden"
)

// No fault of the client.
const (
	// ReasonKeysUnavailable: the issuer's keys cannot be fetched. 503.
	ReasonKeysUnavailable Reason = "keys_unavailable"
	// ReasonUnavailable: the TokenVerifier or Config.Authorize failed. 503.
	ReasonUnavailable Reason = "unavailable"
	// ReasonCanceled: the request ended before the decision, by its client or
	// its deadline. 503, if anyone is there to read it.
	ReasonCanceled Reason = "canceled"
	// ReasonMisconfigured: a zero Guard, or RequireScopes without a guard in
	// front of it or without a valid scope. 500.
	ReasonMisconfigured Reason = "misconfigured"
	// ReasonPanicked: a function of the application's panicked while the guard
	// asked it. 500; Error.Cause is a *PanicError.
	ReasonPanicked Reason = "panicked"
)

// An answer is what a client sees of a reason. Its texts are ASCII without
// quotes or backslashes (RFC 6750 §3) and never made from what came.
type answer struct {
	status      int
	code        string // RFC 6750 §3.1 for 400, 401, 403; else RFC 6749 §4.1.2.1, in the body alone
	description string
}

const (
	invalidRequest    = "invalid_request"
	invalidToken      = "invalid_token"
	insufficientScope = "insufficient_scope"
	accessDenied      = "access_denied"
	unavailable       = "temporarily_unavailable"
	serverError       = "server_error"
)

// unverifiable is one text for an unknown key and a bad signature, so that an
// answer does not tell which keys there are.
const unverifiable = "the signature of the access token could not be verified"

// indistinct is the one text for an opaque token that is refused: see
// Error.Opaque.
const indistinct = "the access token is not active, or not for this client and this resource server"

const badConfirmation = "the confirmation of the access token is not one that this resource server can check"

const unreadable = "the access token is bound to a client certificate, and the client certificate could not be read"

var answers = map[Reason]answer{
	// RFC 6750 §3.1: without authentication information, no error code.
	ReasonCredentialsMissing:     {http.StatusUnauthorized, "", ""},
	ReasonCredentialsUnsupported: {http.StatusUnauthorized, "", ""},
	ReasonCredentialsAmbiguous:   {http.StatusBadRequest, invalidRequest, "the request must carry exactly one Authorization field"},
	ReasonCredentialsMalformed:   {http.StatusBadRequest, invalidRequest, "the Authorization field must be Bearer, a space and an access token"},

	ReasonTokenMalformed:   {http.StatusUnauthorized, invalidToken, "the access token is malformed"},
	ReasonTokenTooLong:     {http.StatusUnauthorized, invalidToken, "the access token is too long"},
	ReasonTokenHeader:      {http.StatusUnauthorized, invalidToken, "the header of the access token is malformed or not supported"},
	ReasonTokenAlgorithm:   {http.StatusUnauthorized, invalidToken, "the signature algorithm of the access token is not accepted here"},
	ReasonTokenType:        {http.StatusUnauthorized, invalidToken, "the token is not an access token that is accepted here"},
	ReasonTokenClaims:      {http.StatusUnauthorized, invalidToken, "a claim of the access token is missing or malformed"},
	ReasonTokenIssuer:      {http.StatusUnauthorized, invalidToken, "the issuer of the access token is not accepted here"},
	ReasonTokenAudience:    {http.StatusUnauthorized, invalidToken, "the access token is not for this resource server"},
	ReasonTokenExpired:     {http.StatusUnauthorized, invalidToken, "the access token expired"},
	ReasonTokenNotYetValid: {http.StatusUnauthorized, invalidToken, "the access token is not valid yet"},
	ReasonTokenLifetime:    {http.StatusUnauthorized, invalidToken, "the access token lives longer than is accepted here"},
	ReasonTokenKeyUnknown:  {http.StatusUnauthorized, invalidToken, unverifiable},
	ReasonTokenSignature:   {http.StatusUnauthorized, invalidToken, unverifiable},
	ReasonTokenInactive:    {http.StatusUnauthorized, invalidToken, indistinct},
	ReasonTokenRevoked:     {http.StatusUnauthorized, invalidToken, "the access token was revoked"},

	ReasonConfirmationMalformed:      {http.StatusUnauthorized, invalidToken, badConfirmation},
	ReasonConfirmationUnsupported:    {http.StatusUnauthorized, invalidToken, badConfirmation},
	ReasonConfirmationDPoP:           {http.StatusUnauthorized, invalidToken, badConfirmation},
	ReasonThumbprintMalformed:        {http.StatusUnauthorized, invalidToken, badConfirmation},
	ReasonThumbprintHex:              {http.StatusUnauthorized, invalidToken, badConfirmation},
	ReasonThumbprintPadded:           {http.StatusUnauthorized, invalidToken, badConfirmation},
	ReasonThumbprintStandardAlphabet: {http.StatusUnauthorized, invalidToken, badConfirmation},
	ReasonThumbprintSHA1:             {http.StatusUnauthorized, invalidToken, badConfirmation},
	ReasonTokenUnbound:               {http.StatusUnauthorized, invalidToken, "the access token is not bound to a client certificate"},
	ReasonTokenBound:                 {http.StatusUnauthorized, invalidToken, "the access token is bound to a client certificate, which is not accepted here"},
	ReasonCertificateMissing:         {http.StatusUnauthorized, invalidToken, "the access token is bound to a client certificate, and the client presented none"},
	ReasonCertificateUnreadable:      {http.StatusUnauthorized, invalidToken, unreadable},
	ReasonForwardedUntrusted:         {http.StatusUnauthorized, invalidToken, unreadable},
	ReasonForwardedAmbiguous:         {http.StatusUnauthorized, invalidToken, unreadable},
	ReasonForwardedMalformed:         {http.StatusUnauthorized, invalidToken, unreadable},
	ReasonForwardedTooLong:           {http.StatusUnauthorized, invalidToken, unreadable},
	ReasonForwardedUnverified:        {http.StatusUnauthorized, invalidToken, unreadable},
	ReasonThumbprintMismatch:         {http.StatusUnauthorized, invalidToken, "the access token is bound to another client certificate"},

	ReasonScopeMissing: {http.StatusForbidden, insufficientScope, "the access token lacks a scope that this request needs"},
	ReasonForbidden:    {http.StatusForbidden, accessDenied, "the client may not do this"},

	ReasonKeysUnavailable: {http.StatusServiceUnavailable, unavailable, "the access token cannot be verified at present"},
	ReasonUnavailable:     {http.StatusServiceUnavailable, unavailable, "the access token cannot be verified at present"},
	ReasonCanceled:        {http.StatusServiceUnavailable, unavailable, "the request was canceled"},
	ReasonMisconfigured:   {http.StatusInternalServerError, serverError, "the resource server is misconfigured"},
	ReasonPanicked:        {http.StatusInternalServerError, serverError, "the resource server failed"},
}

// unknownReason answers an Error whose Reason is not in the list: our mistake,
// or a TokenVerifier's, and never a pass.
var unknownReason = answer{http.StatusInternalServerError, serverError, "the resource server failed"}

func (r Reason) answer() answer {
	if a, ok := answers[r]; ok {
		return a
	}
	return unknownReason
}
