package binding

import (
	"log/slog"
	"net/http"
)

// A Reason says why a request was refused. The list is closed: it grows only
// with this library. Reasons are for logs and metrics; a client sees the coarser
// description of [Error.Description].
type Reason string

// The request's credentials (RFC 6750 §2.1, §3.1).
const (
	// ReasonCredentialsMissing: no Authorization field, or an empty one. 401.
	ReasonCredentialsMissing Reason = "credentials_missing"
	// ReasonCredentialsUnsupported: another scheme, such as Basic, or DPoP where
	// the guard does not accept it. 401.
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
	// demands an extension which is not supported (crit, b64).
	ReasonTokenHeader Reason = "token_header"
	// ReasonTokenAlgorithm: an algorithm that is not allowed.
	ReasonTokenAlgorithm Reason = "token_algorithm"
	// ReasonTokenType: not an access token, by its typ, its claims or its
	// token_type; or an unbound opaque token whose token_type is DPoP.
	ReasonTokenType Reason = "token_type"
	// ReasonTokenClaims: a required claim is missing, or a claim that is read has
	// the wrong type.
	ReasonTokenClaims Reason = "token_claims"
	// ReasonTokenIssuer: the token is from another issuer.
	ReasonTokenIssuer Reason = "token_issuer"
	// ReasonTokenAudience: the token is for another resource server.
	ReasonTokenAudience Reason = "token_audience"
	// ReasonTokenExpired: past its exp. It does not mean that the signature was
	// good: package jwks checks times first.
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
	// ReasonTokenRevoked: the token was revoked, or may no longer be used for
	// another reason. It is for Config.Authorize; the guard itself never returns
	// it.
	ReasonTokenRevoked Reason = "token_revoked"
	// ReasonTokenInvalid: the token is not valid. It is for a TokenVerifier of
	// your own that cannot say why.
	ReasonTokenInvalid Reason = "token_invalid"
)

// The confirmation and the certificate (RFC 7800, RFC 8705 §3). All are 401
// invalid_token, under every policy.
const (
	// ReasonConfirmationMalformed: cnf is not a JSON object; or the authorization
	// server's answer about a JWT lacks a binding that the JWT has.
	ReasonConfirmationMalformed Reason = "confirmation_malformed"
	// ReasonConfirmationUnsupported: cnf has no member that is understood, or has
	// one that names another key (jwk, jwe, jku).
	ReasonConfirmationUnsupported Reason = "confirmation_unsupported"
	// ReasonConfirmationDPoP: cnf holds jkt, alone or beside x5t#S256, and the
	// guard reads no DPoP proofs.
	ReasonConfirmationDPoP Reason = "confirmation_dpop"
	// ReasonThumbprintMalformed: x5t#S256 or jkt is not a string of 43 canonical
	// base64url characters, in a way that none of the following names.
	ReasonThumbprintMalformed Reason = "thumbprint_malformed"
	// ReasonThumbprintHex: x5t#S256 or jkt is hexadecimal. The issuer must encode
	// the digest's 32 bytes in base64url.
	ReasonThumbprintHex Reason = "thumbprint_hex"
	// ReasonThumbprintPadded: x5t#S256 or jkt ends in "=". The issuer must leave out
	// the padding.
	ReasonThumbprintPadded Reason = "thumbprint_padded"
	// ReasonThumbprintStandardAlphabet: x5t#S256 or jkt holds "+" or "/". The issuer
	// must use the URL-safe alphabet.
	ReasonThumbprintStandardAlphabet Reason = "thumbprint_standard_alphabet"
	// ReasonThumbprintSHA1: x5t#S256 or jkt is 20 bytes long. The issuer must use
	// SHA-256.
	ReasonThumbprintSHA1 Reason = "thumbprint_sha1"
	// ReasonTokenUnbound: no cnf, where the policy requires one, or under the
	// scheme DPoP.
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
	// ReasonForwardedAmbiguous: a certificate header came more than once, came
	// together with a field whose name another server could take for it, or holds
	// another number of certificates than expected.
	ReasonForwardedAmbiguous Reason = "forwarded_ambiguous"
	// ReasonForwardedMalformed: a certificate header is not in the configured
	// format.
	ReasonForwardedMalformed Reason = "forwarded_malformed"
	// ReasonForwardedTooLong: a certificate header is longer than the configured
	// limit.
	ReasonForwardedTooLong Reason = "forwarded_too_long"
	// ReasonForwardedUnverified: the proxy did not vouch for the certificate.
	ReasonForwardedUnverified Reason = "forwarded_unverified"
	// ReasonThumbprintMismatch: the token was issued to the holder of another
	// certificate. Error.Expected and Error.Presented hold both thumbprints.
	ReasonThumbprintMismatch Reason = "thumbprint_mismatch"
)

// The DPoP proof (RFC 9449 §4.3, §7). Each is 401 invalid_dpop_proof unless its
// comment says otherwise.
const (
	// ReasonTokenScheme: the token is bound to a DPoP key and came under the
	// scheme Bearer (RFC 9449 §7.2). 401 invalid_token.
	ReasonTokenScheme Reason = "token_scheme"
	// ReasonTokenBinding: the token is bound, but not in the way that
	// Config.RequireProof or Config.RequireCertificate demands; or it came under
	// the scheme DPoP and is bound to a certificate alone, without
	// Config.AcceptDPoPScheme. 401 invalid_token.
	ReasonTokenBinding Reason = "token_binding"
	// ReasonProofMissing: no DPoP field, or an empty one.
	ReasonProofMissing Reason = "proof_missing"
	// ReasonProofAmbiguous: more than one DPoP field.
	ReasonProofAmbiguous Reason = "proof_ambiguous"
	// ReasonProofTooLong: the proof is longer than the verifier reads.
	ReasonProofTooLong Reason = "proof_too_long"
	// ReasonProofMalformed: the proof is not a strictly encoded JWT in the
	// compact serialization, or a name occurs twice in it.
	ReasonProofMalformed Reason = "proof_malformed"
	// ReasonProofHeader: the header has crit or b64, which are not supported.
	ReasonProofHeader Reason = "proof_header"
	// ReasonProofType: the typ is not dpop+jwt.
	ReasonProofType Reason = "proof_type"
	// ReasonProofAlgorithm: the alg is not accepted.
	ReasonProofAlgorithm Reason = "proof_algorithm"
	// ReasonProofKey: the jwk is missing, malformed or weak, does not fit the
	// alg, or holds a private key, which its owner has thereby given away.
	ReasonProofKey Reason = "proof_key"
	// ReasonProofClaims: a required claim is missing, or a claim that is read has
	// the wrong type.
	ReasonProofClaims Reason = "proof_claims"
	// ReasonProofMethod: htm is not the request's method.
	ReasonProofMethod Reason = "proof_method"
	// ReasonProofURI: htu is not the request's URI. It may be that of another
	// server, which sends on what a client sent to it.
	ReasonProofURI Reason = "proof_uri"
	// ReasonProofExpired: iat or exp is too long ago, or the proof is so old that
	// it is no longer known whether it was used.
	ReasonProofExpired Reason = "proof_expired"
	// ReasonProofNotYetValid: iat or nbf lies in the future.
	ReasonProofNotYetValid Reason = "proof_not_yet_valid"
	// ReasonProofNonceMissing: nonces are required, and the proof has none. 401
	// use_dpop_nonce (RFC 9449 §9): everyday traffic, not a failure.
	ReasonProofNonceMissing Reason = "proof_nonce_missing"
	// ReasonProofNonce: the nonce is not a recent one of ours. 401
	// use_dpop_nonce. Without a Cause it has only grown old: everyday traffic, of
	// clients that were idle. A Cause says what is for whoever runs the server,
	// such as replicas whose keys or clocks differ, and is logged at Info.
	ReasonProofNonce Reason = "proof_nonce"
	// ReasonProofToken: ath is the hash of another access token.
	ReasonProofToken Reason = "proof_token"
	// ReasonProofKeyMismatch: the token was issued to the holder of another
	// key. 401 invalid_token (RFC 9449 §7.1).
	ReasonProofKeyMismatch Reason = "proof_key_mismatch"
	// ReasonProofSignature: the signature is not by the key in the proof.
	ReasonProofSignature Reason = "proof_signature"
	// ReasonProofReplayed: the proof, or another with the same jti, key and path,
	// was used before.
	ReasonProofReplayed Reason = "proof_replayed"
	// ReasonReplaysUnavailable: at present it cannot be found out whether the
	// proof was used before. 503.
	ReasonReplaysUnavailable Reason = "replays_unavailable"
)

// The client is known and may not do this.
const (
	// ReasonAuthenticationInsufficient: the binding holds, but the user was not
	// authenticated as [Authentication] demands, or too long ago. 401
	// insufficient_user_authentication.
	ReasonAuthenticationInsufficient Reason = "authentication_insufficient"
	// ReasonScopeMissing: the binding holds, but a scope is missing. 403
	// insufficient_scope.
	ReasonScopeMissing Reason = "scope_missing"
	// ReasonForbidden: Config.Authorize returned an error that is not an *Error.
	// 403, without a challenge.
	ReasonForbidden Reason = "forbidden"
)

// No fault of the client.
const (
	// ReasonKeysUnavailable: the issuer's keys cannot be fetched. 503.
	ReasonKeysUnavailable Reason = "keys_unavailable"
	// ReasonKeyFetchLimited: the token names a key that is not known, and the
	// issuer was asked for new keys as often as is permitted. 503, since the key
	// may be a new one.
	ReasonKeyFetchLimited Reason = "key_fetch_limited"
	// ReasonUnavailable: the TokenVerifier or the ProofVerifier failed, or
	// Config.Authorize says so of itself. 503.
	ReasonUnavailable Reason = "unavailable"
	// ReasonCanceled: the request ended before the decision, by its client or
	// its deadline. 503, if anyone is there to read it.
	ReasonCanceled Reason = "canceled"
	// ReasonMisconfigured: a mistake of this server's, such as a nil or zero
	// Guard, or RequireScopes and the like without a guard in front of them or
	// without a valid requirement. 500.
	ReasonMisconfigured Reason = "misconfigured"
	// ReasonPanicked: one of the application's functions panicked while the guard
	// called it. 500; Error.Cause is a *PanicError.
	ReasonPanicked Reason = "panicked"
)

// An answer is what a client sees of a reason. Its texts are ASCII without
// quotes or backslashes (RFC 6750 §3), and never contain anything that the
// client sent.
type answer struct {
	status      int
	code        string     // RFC 6750 §3.1 or RFC 9470 §3; else RFC 6749 §4.1.2.1, in the body alone
	level       slog.Level // of the log: how much the refusal matters to those who run the resource server
	description string
}

const (
	invalidRequest             = "invalid_request"
	invalidToken               = "invalid_token"
	insufficientScope          = "insufficient_scope"
	insufficientAuthentication = "insufficient_user_authentication"
	invalidProof               = "invalid_dpop_proof" // RFC 9449 §7.1
	useNonce                   = "use_dpop_nonce"     // RFC 9449 §9
	accessDenied               = "access_denied"
	unavailable                = "temporarily_unavailable"
	serverError                = "server_error"
)

// unverifiable is one text for an unknown key and a bad signature, so that an
// answer does not tell which keys there are.
const unverifiable = "the signature of the access token could not be verified"

// boundToNothing describes ReasonTokenUnbound where a key would do as well.
const boundToNothing = "the access token is bound to nothing"

// indistinct is the one text for an opaque token that is refused: see
// Error.Opaque.
const indistinct = "the access token is not active, or not for this client and this resource server"

const badConfirmation = "the confirmation of the access token is not one that this resource server can check"

const unreadable = "the access token is bound to a client certificate, and the client certificate could not be read"

// Level Warn is for a token that may not be the sender's, that was sent where
// it should not be, or that was issued wrongly; and for a client that pretends
// to be the proxy, or a proxy that is not set up.
var answers = map[Reason]answer{
	// RFC 6750 §3.1: without authentication information, no error code.
	ReasonCredentialsMissing:     {http.StatusUnauthorized, "", slog.LevelInfo, ""},
	ReasonCredentialsUnsupported: {http.StatusUnauthorized, "", slog.LevelInfo, ""},
	ReasonCredentialsAmbiguous:   {http.StatusBadRequest, invalidRequest, slog.LevelInfo, "the request must carry exactly one Authorization field"},
	ReasonCredentialsMalformed:   {http.StatusBadRequest, invalidRequest, slog.LevelInfo, "the Authorization field must be Bearer, a space and an access token"},

	ReasonTokenMalformed:   {http.StatusUnauthorized, invalidToken, slog.LevelInfo, "the access token is malformed"},
	ReasonTokenTooLong:     {http.StatusUnauthorized, invalidToken, slog.LevelInfo, "the access token is too long"},
	ReasonTokenHeader:      {http.StatusUnauthorized, invalidToken, slog.LevelInfo, "the header of the access token is malformed or not supported"},
	ReasonTokenAlgorithm:   {http.StatusUnauthorized, invalidToken, slog.LevelInfo, "the signature algorithm of the access token is not accepted here"},
	ReasonTokenType:        {http.StatusUnauthorized, invalidToken, slog.LevelInfo, "the token is not an access token that is accepted here"},
	ReasonTokenClaims:      {http.StatusUnauthorized, invalidToken, slog.LevelInfo, "a claim of the access token is missing or malformed"},
	ReasonTokenIssuer:      {http.StatusUnauthorized, invalidToken, slog.LevelInfo, "the issuer of the access token is not accepted here"},
	ReasonTokenAudience:    {http.StatusUnauthorized, invalidToken, slog.LevelInfo, "the access token is not for this resource server"},
	ReasonTokenExpired:     {http.StatusUnauthorized, invalidToken, slog.LevelInfo, "the access token expired"},
	ReasonTokenNotYetValid: {http.StatusUnauthorized, invalidToken, slog.LevelInfo, "the access token is not valid yet"},
	ReasonTokenLifetime:    {http.StatusUnauthorized, invalidToken, slog.LevelInfo, "the access token lives longer than is accepted here"},
	ReasonTokenKeyUnknown:  {http.StatusUnauthorized, invalidToken, slog.LevelInfo, unverifiable},
	ReasonTokenSignature:   {http.StatusUnauthorized, invalidToken, slog.LevelWarn, unverifiable},
	ReasonTokenInactive:    {http.StatusUnauthorized, invalidToken, slog.LevelInfo, indistinct},
	ReasonTokenRevoked:     {http.StatusUnauthorized, invalidToken, slog.LevelWarn, "the access token was revoked"},
	ReasonTokenInvalid:     {http.StatusUnauthorized, invalidToken, slog.LevelInfo, "the access token is not valid"},

	ReasonConfirmationMalformed:      {http.StatusUnauthorized, invalidToken, slog.LevelWarn, badConfirmation},
	ReasonConfirmationUnsupported:    {http.StatusUnauthorized, invalidToken, slog.LevelWarn, badConfirmation},
	ReasonConfirmationDPoP:           {http.StatusUnauthorized, invalidToken, slog.LevelWarn, badConfirmation},
	ReasonThumbprintMalformed:        {http.StatusUnauthorized, invalidToken, slog.LevelWarn, badConfirmation},
	ReasonThumbprintHex:              {http.StatusUnauthorized, invalidToken, slog.LevelWarn, badConfirmation},
	ReasonThumbprintPadded:           {http.StatusUnauthorized, invalidToken, slog.LevelWarn, badConfirmation},
	ReasonThumbprintStandardAlphabet: {http.StatusUnauthorized, invalidToken, slog.LevelWarn, badConfirmation},
	ReasonThumbprintSHA1:             {http.StatusUnauthorized, invalidToken, slog.LevelWarn, badConfirmation},
	ReasonTokenUnbound:               {http.StatusUnauthorized, invalidToken, slog.LevelWarn, "the access token is not bound to a client certificate"},
	ReasonTokenBound:                 {http.StatusUnauthorized, invalidToken, slog.LevelWarn, "the access token is bound to a client certificate, which is not accepted here"},
	ReasonCertificateMissing:         {http.StatusUnauthorized, invalidToken, slog.LevelWarn, "the access token is bound to a client certificate, and the client presented none"},
	ReasonCertificateUnreadable:      {http.StatusUnauthorized, invalidToken, slog.LevelWarn, unreadable},
	ReasonForwardedUntrusted:         {http.StatusUnauthorized, invalidToken, slog.LevelWarn, unreadable},
	ReasonForwardedAmbiguous:         {http.StatusUnauthorized, invalidToken, slog.LevelWarn, unreadable},
	ReasonForwardedMalformed:         {http.StatusUnauthorized, invalidToken, slog.LevelWarn, unreadable},
	ReasonForwardedTooLong:           {http.StatusUnauthorized, invalidToken, slog.LevelWarn, unreadable},
	ReasonForwardedUnverified:        {http.StatusUnauthorized, invalidToken, slog.LevelWarn, unreadable},
	ReasonThumbprintMismatch:         {http.StatusUnauthorized, invalidToken, slog.LevelWarn, "the access token is bound to another client certificate"},

	ReasonTokenScheme:        {http.StatusUnauthorized, invalidToken, slog.LevelWarn, "the access token is bound to a DPoP key and must be sent under the DPoP scheme, with a proof"},
	ReasonTokenBinding:       {http.StatusUnauthorized, invalidToken, slog.LevelWarn, "the access token is not bound in the way that is required here"},
	ReasonProofMissing:       {http.StatusUnauthorized, invalidProof, slog.LevelInfo, "the request carries no DPoP proof"},
	ReasonProofAmbiguous:     {http.StatusUnauthorized, invalidProof, slog.LevelInfo, "the request must carry exactly one DPoP field"},
	ReasonProofTooLong:       {http.StatusUnauthorized, invalidProof, slog.LevelInfo, "the DPoP proof is too long"},
	ReasonProofMalformed:     {http.StatusUnauthorized, invalidProof, slog.LevelInfo, "the DPoP proof is malformed"},
	ReasonProofHeader:        {http.StatusUnauthorized, invalidProof, slog.LevelInfo, "the header of the DPoP proof is malformed or not supported"},
	ReasonProofType:          {http.StatusUnauthorized, invalidProof, slog.LevelInfo, "the type of the DPoP proof is not dpop+jwt"},
	ReasonProofAlgorithm:     {http.StatusUnauthorized, invalidProof, slog.LevelInfo, "the signature algorithm of the DPoP proof is not accepted here"},
	ReasonProofKey:           {http.StatusUnauthorized, invalidProof, slog.LevelWarn, "the key in the DPoP proof is not a public key that is accepted here"},
	ReasonProofClaims:        {http.StatusUnauthorized, invalidProof, slog.LevelInfo, "a claim of the DPoP proof is missing or malformed"},
	ReasonProofMethod:        {http.StatusUnauthorized, invalidProof, slog.LevelInfo, "the DPoP proof is for another method"},
	ReasonProofURI:           {http.StatusUnauthorized, invalidProof, slog.LevelWarn, "the DPoP proof is for another URI"},
	ReasonProofExpired:       {http.StatusUnauthorized, invalidProof, slog.LevelInfo, "the DPoP proof is too old"},
	ReasonProofNotYetValid:   {http.StatusUnauthorized, invalidProof, slog.LevelInfo, "the DPoP proof is from the future"},
	ReasonProofNonceMissing:  {http.StatusUnauthorized, useNonce, slog.LevelDebug, "the DPoP proof must hold the nonce of this resource server"},
	ReasonProofNonce:         {http.StatusUnauthorized, useNonce, slog.LevelDebug, "the nonce in the DPoP proof is not a recent one"},
	ReasonProofToken:         {http.StatusUnauthorized, invalidProof, slog.LevelWarn, "the DPoP proof is for another access token"},
	ReasonProofKeyMismatch:   {http.StatusUnauthorized, invalidToken, slog.LevelWarn, "the access token is bound to another DPoP key"},
	ReasonProofSignature:     {http.StatusUnauthorized, invalidProof, slog.LevelWarn, "the signature of the DPoP proof could not be verified"},
	ReasonProofReplayed:      {http.StatusUnauthorized, invalidProof, slog.LevelWarn, "the DPoP proof was used before"},
	ReasonReplaysUnavailable: {http.StatusServiceUnavailable, unavailable, slog.LevelError, "the DPoP proof cannot be checked at present"},

	ReasonAuthenticationInsufficient: {http.StatusUnauthorized, insufficientAuthentication, slog.LevelInfo, "the authentication of the user is too weak or too old for this request"},
	ReasonScopeMissing:               {http.StatusForbidden, insufficientScope, slog.LevelInfo, "the access token lacks a scope that this request needs"},
	ReasonForbidden:                  {http.StatusForbidden, accessDenied, slog.LevelInfo, "the client may not do this"},

	ReasonKeysUnavailable: {http.StatusServiceUnavailable, unavailable, slog.LevelError, "the access token cannot be verified at present"},
	ReasonKeyFetchLimited: {http.StatusServiceUnavailable, unavailable, slog.LevelWarn, "the access token cannot be verified at present"}, // of made-up tokens, most likely
	ReasonUnavailable:     {http.StatusServiceUnavailable, unavailable, slog.LevelError, "the access token cannot be verified at present"},
	ReasonCanceled:        {http.StatusServiceUnavailable, unavailable, slog.LevelInfo, "the request was canceled"},
	ReasonMisconfigured:   {http.StatusInternalServerError, serverError, slog.LevelError, "the resource server is misconfigured"},
	ReasonPanicked:        {http.StatusInternalServerError, serverError, slog.LevelError, "the resource server failed"},
}

// unknownReason answers an Error whose Reason is not in the list: our mistake,
// or a TokenVerifier's, and never a pass.
var unknownReason = answer{http.StatusInternalServerError, serverError, slog.LevelError, "the resource server failed"}

func (r Reason) answer() answer {
	if a, ok := answers[r]; ok {
		return a
	}
	return unknownReason
}
