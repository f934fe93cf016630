// Package dpop verifies DPoP proofs (RFC 9449) at a resource server.
//
//	proofs, err := dpop.New(dpop.Config{Origins: []string{"https://api.bank.example"}})
//	guard, err := binding.New(binding.Config{Tokens: tokens, Proofs: proofs})
//
// A proof is a JWT that the client signs for one request, with the key that the
// access token is bound to: its cnf holds the key's thumbprint (jkt).
// Everything that RFC 9449 §4.3 asks for is checked, and that the proof was not
// used before.
//
// # The URI
//
// A proof names the URI that it is for (htu). Config.Origins is what stands in
// front of the path there, as clients write it: behind a proxy the proxy's
// scheme, host and port. It is configuration and never taken from the request,
// because the sender chooses Host, Forwarded and X-Forwarded-Host: a hostile
// server to which a client sent a proof could put its own name there. If the
// proxy removes a part of the path, set Config.PathPrefix; if it changes the
// path in another way, wrap the Verifier in a [binding.ProofVerifier] that
// hands ReadProof a clone of the request with RequestURI as the client wrote
// it. The path is compared by the bytes that were asked for, in the normal form
// of RFC 3986 §6.2.2; query and fragment are not part of a proof.
//
// # Single use
//
// A proof is remembered by its key, its URI and its jti until it is too old,
// and so is good once. Each Verifier remembers its own, so that with several
// replicas a proof is good once at each of them, and once more after a restart,
// unless they share a Config.Replays. What a restart forgets does no harm where
// RequireNonce is set and NonceKeys is nil: the new process takes none of the
// old one's nonces. When the memory is full, older proofs are refused sooner
// (see [Stats]); nothing that could still be accepted is forgotten. A clock
// that was ahead, by an hour say, has the same effect: proofs are refused until
// it is there again, or the process is started anew. A client with a good token
// can fill the memory by signing some ten thousand proofs a second: a rate
// limit in front prevents that. A proxy that repeats requests, and TLS 0-RTT,
// turn honest requests into replays: switch both off for such routes.
//
// # Nonces
//
// With Config.RequireNonce a proof must hold a nonce that this server gave out a
// short time ago, in the field DPoP-Nonce of an earlier answer. So somebody who
// can use a client's key for a moment cannot make proofs for later. Nonces are
// made of the time and a key: they need no memory, and replicas with the same
// Config.NonceKeys accept each other's. Where replicas do not, because their
// keys or clocks differ, the Cause of [binding.ReasonProofNonce] says so. Nonces
// do not replace the memory of used proofs, because one nonce serves many proofs.
//
// # In a browser
//
// A script of another origin may send the fields Authorization and DPoP only if
// Access-Control-Allow-Headers names them, and reads WWW-Authenticate and DPoP-Nonce
// only if Access-Control-Expose-Headers does. Your CORS middleware, in front of
// the guard, must do that and answer preflights.
//
// # What it does not protect
//
// A proof covers the method, the URI and the access token, and nothing else:
// not the body, the query or any other field. It says that its sender holds the
// key now, not that nobody else does. Without nonces, tokens should live for a
// short time (RFC 9449 §11.2). Method-override middleware must be inside the
// guard, and inside all where guards are nested: they judge the method that
// came.
package dpop
