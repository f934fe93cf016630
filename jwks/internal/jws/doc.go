// Package jws reads JSON Web Signatures in the compact serialization (RFC 7515)
// and JSON Web Key Sets (RFC 7517), and verifies the ones with the others. It
// knows no issuer, no claim and no time: those are jwks's.
//
// It is a package of its own so that what it does can be held against other
// people's test vectors, whose payloads are not access tokens: see
// jwks/internal/wycheproof.
package jws
