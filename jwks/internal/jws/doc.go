// Package jws reads JSON Web Signatures in the compact serialization (RFC 7515)
// and public JSON Web Keys (RFC 7517, RFC 7518, RFC 8037), and verifies the ones
// with the others. It knows no issuer, no claim and no time, and its errors say
// what is wrong with a JWS: package jwks makes refusals of access tokens of
// them, package dpop refusals of proofs.
//
// It needs the standard library alone, and nothing in it keeps memory that a
// caller gave it.
package jws
