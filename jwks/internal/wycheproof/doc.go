// Package wycheproof holds jwks against the Wycheproof test vectors
// (https://github.com/C2SP/wycheproof): its JWS, JWK and signature files. It is
// all tests.
//
// It is a module of its own, because the vectors need a newer Go than certbound
// does, and below jwks, because most payloads of the vectors are no access
// tokens: jwks would refuse them before it looks at a signature. What judges
// them here is jwks/internal/jws, the very functions that jwks.Verifier judges
// tokens with.
package wycheproof
