// Package bindotel makes OpenTelemetry metrics and span attributes from the
// events of guards and verifiers.
//
//	observer, err := bindotel.New(bindotel.Config{})
//	// ...
//	tokens, err := jwks.New(jwks.Config{..., Observe: observer.ObserveKeys})
//	// ...
//	err = observer.Watch(tokens)
//	// ...
//	proofs, err := dpop.New(dpop.Config{..., Replays: observer.Replays(store)})
//	// ...
//	err = observer.WatchProofs(proofs)
//	// ...
//	guard, err := binding.New(binding.Config{Tokens: tokens, Proofs: proofs, Observe: observer.Observe})
//
// # Metrics
//
//	certbound.decisions               counter          outcome, error.type, issuer, client_id, binding, bound
//	certbound.decision.duration       histogram, s     outcome
//	certbound.token.verifications     counter          issuer, seen
//	certbound.keys.usable             gauge            issuer
//	certbound.keys.age                gauge, s         issuer
//	certbound.keys.changes            counter          issuer, change
//	certbound.keys.fetch.duration     histogram, s     issuer, error.type
//	certbound.keys.fetch.limited      counter          issuer
//	certbound.introspection.duration  histogram, s     issuer, outcome, error.type
//	certbound.replays.duration        histogram, s     outcome, error.type
//	certbound.proofs                  counter          outcome
//	certbound.proofs.held             gauge
//	certbound.proofs.capacity         gauge
//	certbound.proofs.window           gauge, s
//
// The names of the attributes begin with "certbound.", except error.type, which
// is from the semantic conventions:
//
//   - outcome: accepted, refused, or nonce if the client was only told the
//     nonce that its DPoP proof must hold, which is not an error. For an
//     introspection: active, inactive or failed. For a question to the store of
//     used proofs: first, replayed or failed. For a proof: first or replayed.
//   - error.type: why it failed, and absent if it did not. For a decision it is
//     the [binding.Reason]; for a fetch or a call it is the HTTP status that
//     came, "timeout", "credentials_refused" or "_OTHER"; for a store it is
//     "timeout", "canceled" if the request ended before, or "_OTHER".
//   - issuer, client_id: present only for a token that its verifier accepted,
//     so that nothing unverified becomes an attribute of a decision.
//   - binding: only for an accepted decision: what the token is bound to:
//     certificate, key, both, or none.
//   - bound: the same as a boolean. It is false for a token that a policy
//     accepts without a binding.
//   - seen: true for a token whose signature was verified before.
//   - change: added or removed.
//
// Decisions are counted for each guard, not for each request: a guard inside
// another makes a second decision, and a refusal by RequireScopes and the like
// counts as one more, without a duration.
//
// How many attributes there can be is bounded, whatever clients send: the first
// 16 issuers and the first 100 clients that are seen appear by their names, and
// all others as "_OTHER" (see [Config]), as do names that are longer than 200
// bytes or not printable. No token and no certificate is in an attribute.
//
// # Spans
//
// A decision is written to the span of its request, if that records:
// certbound.outcome, certbound.reason, certbound.issuer, certbound.client_id,
// certbound.binding and certbound.bound. error.type is set only for a status of
// 500 or more, because for the server's span a refusal is not an error. Put the
// middleware that starts the span in front of the guard.
package bindotel
