package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/certbound/certbound/binding"
)

// advice is what a reason means, and who must change what.
type advice struct{ meaning, change string }

// adviceFor has every reason of package binding; a test holds it to that.
var adviceFor = map[binding.Reason]advice{
	binding.ReasonCredentialsMissing:     {"the request has no Authorization field", "the client must send its access token in it"},
	binding.ReasonCredentialsUnsupported: {"the Authorization field has a scheme that is not accepted, such as Basic or DPoP", "the client must send Bearer; if it sends DPoP, its tokens are bound to a key, and the server needs Config.Proofs (dpop.New), or AcceptDPoPScheme where they are bound to certificates, as Auth0's may be"},
	binding.ReasonCredentialsAmbiguous:   {"the request has more than one Authorization field", "the client, or a proxy that adds one, must send exactly one"},
	binding.ReasonCredentialsMalformed:   {"the Authorization field is not Bearer, a space and one token", "the client must send the token as it got it, without quotes, line ends or anything after it"},

	binding.ReasonTokenMalformed:   {"the token is not a signed JWT that can be read strictly, or the server takes no opaque tokens", "the client must send the whole token as it got it; if it is opaque, the server needs introspection"},
	binding.ReasonTokenTooLong:     {"the token is longer than 16 KiB", "the issuer must put less into it"},
	binding.ReasonTokenHeader:      {"the token's header has a malformed member, or crit or b64", "the issuer must send a plain header: alg, typ, kid"},
	binding.ReasonTokenAlgorithm:   {"the token's signature algorithm is not accepted", "the issuer must sign with an accepted one; never none or HMAC"},
	binding.ReasonTokenType:        {"the token is not an access token, by its typ or by its claims", "the client must send its access token; if the issuer's have another typ, the server can accept that (TokenTypes)"},
	binding.ReasonTokenClaims:      {"a claim that must be there is missing, or one has the wrong type", "the issuer must send iss, aud and exp, and each claim with its type"},
	binding.ReasonTokenIssuer:      {"the token is of another issuer than the server expects", "correct the server's issuer, character by character, or have the client ask the right one"},
	binding.ReasonTokenAudience:    {"the token does not name this resource server as its audience", "the client must ask for a token for this one; or correct the server's audience"},
	binding.ReasonTokenExpired:     {"the token has expired", "the client must get a new one before that; if all clients are refused at once, set the server's clock"},
	binding.ReasonTokenNotYetValid: {"the token was issued, or is valid, only in the future", "set the clocks of issuer and server"},
	binding.ReasonTokenLifetime:    {"the token lives longer than the server accepts", "the issuer must issue shorter ones, or the server accept more (MaxLifetime)"},
	binding.ReasonTokenKeyUnknown:  {"the issuer publishes no key that fits the token", "check that token and server mean the same issuer; a key that was removed needs new tokens"},
	binding.ReasonTokenSignature:   {"the signature is not by the issuer's key: the token was changed or forged", "the client must send the token unchanged; if many clients are refused so, look into it"},
	binding.ReasonTokenInactive:    {"the authorization server says that the opaque token is not active", "the client must get a new one; it expired, was revoked, or never was"},
	binding.ReasonTokenInvalid:     {"the server's own verifier says that the token is not valid", "look at the error's cause in the server's log"},
	binding.ReasonTokenRevoked:     {"the server's own rule (Authorize) says that the token was revoked", "the client must get a new one, if it still may"},

	binding.ReasonConfirmationMalformed:      {"cnf is no JSON object", `the issuer must send "cnf":{"x5t#S256":"..."}`},
	binding.ReasonConfirmationUnsupported:    {"cnf has no x5t#S256", `the issuer must send "cnf":{"x5t#S256":"..."}, written exactly so`},
	binding.ReasonConfirmationDPoP:           {"the token is bound to a DPoP key (jkt)", "set Config.Proofs (dpop.New) if this server is to take DPoP, or the client must ask for a token that is bound to its certificate"},
	binding.ReasonThumbprintMalformed:        {"x5t#S256 is no thumbprint", "the issuer must send the SHA-256 of the certificate's DER bytes, in base64url without padding: 43 characters"},
	binding.ReasonThumbprintHex:              {"x5t#S256 is hexadecimal", "the issuer must encode the digest's 32 bytes, not their hexadecimal text, in base64url without padding"},
	binding.ReasonThumbprintPadded:           {"x5t#S256 is padded", `the issuer must leave out the "=" at its end`},
	binding.ReasonThumbprintStandardAlphabet: {"x5t#S256 is in standard base64", `the issuer must use base64url: "-" and "_" in place of "+" and "/"`},
	binding.ReasonThumbprintSHA1:             {"x5t#S256 has the length of a SHA-1 digest", "the issuer must use SHA-256"},
	binding.ReasonTokenUnbound:               {"the token is bound to no certificate, and the server requires it", "the client must get its token over mutual TLS, and the issuer be set to bind it"},
	binding.ReasonTokenBound:                 {"the token is bound to a certificate, on a route that has no mutual TLS", "the client must call the address that asks for its certificate"},
	binding.ReasonCertificateMissing:         {"the token is bound, and the client presented no certificate", "the client must present it; the server must ask for it (binding.TLSConfig); a proxy must forward it"},
	binding.ReasonCertificateUnreadable:      {"there was a certificate that the server's CertificateSource could not read", "look at the error's cause in the server's log"},
	binding.ReasonForwardedUntrusted:         {"a certificate header came from a peer that may not forward one", "name the proxy in Trust, if it was one; else somebody tries to pass for a client"},
	binding.ReasonForwardedAmbiguous:         {"a certificate header came twice, or beside a name that looks like it", "the proxy must replace the client's own header; see proxycheck"},
	binding.ReasonForwardedMalformed:         {"a certificate header is not of the format that the server expects", "compare the proxy's configuration with the server's Format"},
	binding.ReasonForwardedTooLong:           {"a certificate header is longer than is read", "the client's certificate, or its chain, is too long to be forwarded"},
	binding.ReasonForwardedUnverified:        {"the proxy forwarded a certificate and did not vouch for it", "have the proxy verify it, or say so in its own header"},
	binding.ReasonThumbprintMismatch:         {"the token was issued to the holder of another certificate", "the client must present that one, or get a new token with this one: after a renewal too"},

	binding.ReasonTokenScheme:        {"the token is bound to a DPoP key (jkt) and came under the scheme Bearer", "the client must send Authorization: DPoP with the token, and a proof in the field DPoP"},
	binding.ReasonTokenBinding:       {"the token is bound, and not in the way that the server requires", "the client must ask for a token that is bound to its certificate, to its DPoP key, or to both"},
	binding.ReasonProofMissing:       {"the request has no DPoP field", "the client must send a proof; a proxy must not take it off"},
	binding.ReasonProofAmbiguous:     {"the request has more than one DPoP field", "the client, or a proxy that adds one, must send exactly one"},
	binding.ReasonProofTooLong:       {"the proof is longer than 8 KiB", "the client must put less into it"},
	binding.ReasonProofMalformed:     {"the proof is not a signed JWT that can be read strictly", "the client must send three segments of base64url without padding, and each name once"},
	binding.ReasonProofHeader:        {"the proof's header has crit or b64", "the client must send a plain header: typ, alg, jwk"},
	binding.ReasonProofType:          {"the proof's typ is not dpop+jwt", "the client must write exactly that"},
	binding.ReasonProofAlgorithm:     {"the proof's signature algorithm is not accepted", "the client must sign with one of the algs of the challenge"},
	binding.ReasonProofKey:           {"the proof's jwk is missing, malformed, weak, private, or not of its alg", "the client must send its public key alone; if it sent its private one, it needs a new key"},
	binding.ReasonProofClaims:        {"a claim of the proof is missing, or one has the wrong type", "the client must send jti, htm, htu, iat and ath"},
	binding.ReasonProofMethod:        {"the proof's htm is another method", "the client must make a proof for each request, with its method in capitals"},
	binding.ReasonProofURI:           {"the proof's htu is another URI", "compare it with the server's Origins and PathPrefix: the client must write the URI that it asks for, as the server's are written"},
	binding.ReasonProofExpired:       {"the proof is too old", "the client must make a proof for each request; or set the clocks"},
	binding.ReasonProofNotYetValid:   {"the proof is from the future", "set the clocks of client and server"},
	binding.ReasonProofNonceMissing:  {"the server requires a nonce, and the proof has none", "the client must repeat the request with the nonce of the field DPoP-Nonce"},
	binding.ReasonProofNonce:         {"the proof's nonce is not a recent one of the server's", "the client must take the newest of the field DPoP-Nonce; if it does, replicas have different NonceKeys or clocks: the server's log has the cause"},
	binding.ReasonProofToken:         {"the proof's ath is for another access token", "the client must hash the very token that it sends: SHA-256, base64url without padding"},
	binding.ReasonProofKeyMismatch:   {"the token was issued to the holder of another DPoP key", "the client must sign with that one, or get a new token with this one"},
	binding.ReasonProofSignature:     {"the proof's signature is not by the key in it", "the client must sign with the private key of its jwk; ECDSA as R and S, not DER"},
	binding.ReasonProofReplayed:      {"the proof was used before", "the client must make a proof for each request, each with a new jti; a proxy must not repeat requests"},
	binding.ReasonReplaysUnavailable: {"whether the proof was used before cannot be found out", "see why the server does not reach its store of used proofs, or whether its memory is full"},

	binding.ReasonAuthenticationInsufficient: {"the user's login is too weak or too old for this request (RFC 9470)", "the client must send the user to log in again, with the acr_values and max_age of the challenge; the issuer must send acr and auth_time"},

	binding.ReasonScopeMissing: {"the binding holds, and the token lacks a scope that the request needs", "the client must ask for the scope, and the issuer grant it"},
	binding.ReasonForbidden:    {"the server's own rule (Authorize) refused", "ask who wrote the rule"},

	binding.ReasonKeysUnavailable: {"the issuer's keys cannot be fetched", "see why the server does not reach the issuer: its log has the cause"},
	binding.ReasonKeyFetchLimited: {"the token names a key that is not among those in hand, and the issuer was asked as often as is permitted", "the client must try again when Retry-After says; the verifier's log says how many tokens were concerned: somebody sends made-up ones"},
	binding.ReasonUnavailable:     {"the verifier or the server's own rule failed, not the token", "look at the error's cause in the server's log"},
	binding.ReasonCanceled:        {"the request ended before it was decided", "nothing, or the client was not patient enough"},
	binding.ReasonMisconfigured:   {"the server is wrong: RequireScopes without a guard in front of it, or a zero guard", "correct the server's program"},
	binding.ReasonPanicked:        {"a function of the server's own panicked while the guard asked it", "correct it; the error's cause has the stack"},
}

// explain tells of one reason. Its exit status is 0: there is no request.
func explain(stdout, stderr io.Writer, reason binding.Reason) int {
	a, known := adviceFor[reason]
	if !known {
		var names []string
		for _, name := range slices.Sorted(maps.Keys(adviceFor)) {
			names = append(names, string(name))
		}
		fmt.Fprintf(stderr, "-explain: %s is no reason. There are: %s\n", quote(string(reason)), strings.Join(names, ", "))
		return exitUsage
	}
	r := newReport(stdout)
	r.say("answer", plain, answerOf(&binding.Error{Reason: reason}))
	r.say("it means", plain, a.meaning)
	r.say("change", plain, a.change)
	return 0
}
