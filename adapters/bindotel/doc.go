// Package bindotel measures what guards and verifiers tell, with OpenTelemetry.
//
//	observer, err := bindotel.New(bindotel.Config{})
//	// ...
//	tokens, err := jwks.New(jwks.Config{..., Observe: observer.ObserveKeys})
//	// ...
//	err = observer.Watch(tokens)
//	// ...
//	guard, err := binding.New(binding.Config{Tokens: tokens, Observe: observer.Observe})
//
// # Metrics
//
//	certbound.decisions               counter          outcome, error.type, issuer, client_id, bound
//	certbound.decision.duration       histogram, s     outcome
//	certbound.token.verifications     counter          issuer, seen
//	certbound.keys.usable             gauge            issuer
//	certbound.keys.age                gauge, s         issuer
//	certbound.keys.changes            counter          issuer, change
//	certbound.keys.fetch.duration     histogram, s     issuer, error.type
//	certbound.introspection.duration  histogram, s     issuer, outcome, error.type
//
// The attributes, but error.type of the semantic conventions, begin with
// "certbound.":
//
//   - outcome: accepted or refused; of an introspection active, inactive or
//     failed.
//   - error.type: why, and absent where all is well. Of a decision it is the
//     [binding.Reason]; of a fetch or a call it is the status that came,
//     "timeout", "credentials_refused" or "_OTHER".
//   - issuer, client_id: known for a token that its verifier accepted, and absent
//     for others: nobody's unsigned word becomes an attribute.
//   - bound: of an accepted decision alone, whether the token is bound to a
//     certificate. False is a token that a policy accepts without a binding.
//   - seen: true for a token whose signature was verified before.
//   - change: added or removed.
//
// A decision is a guard's, and not a request's: a guard inside a guard decides
// once more, and so does a refusal by RequireScopes. Those refusals have no
// duration.
//
// How many attributes there can be is bounded, whatever clients send: the first
// 16 issuers and the first 100 clients that are seen have their names, and the
// rest are "_OTHER" (see [Config]); so are names longer than 200 bytes or not
// printable. No token and no certificate is in an attribute.
//
// # Spans
//
// A decision is written to the span of its request, if that records:
// certbound.outcome, certbound.reason, certbound.issuer, certbound.client_id and
// certbound.bound. error.type is set for an answer of 500 and above alone, for to
// the server's span a refusal is no error. Put the middleware that starts the
// span in front of the guard.
package bindotel
