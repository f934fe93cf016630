package jwks

// An Algorithm is a signature algorithm's name (RFC 7518 §3.1, RFC 8037, RFC
// 9864), compared exactly. There is none for HMAC, and "none" is not one.
type Algorithm string

// The algorithms that can be verified.
const (
	RS256 Algorithm = "RS256"
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	PS256 Algorithm = "PS256"
	PS384 Algorithm = "PS384"
	PS512 Algorithm = "PS512"
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	ES512 Algorithm = "ES512"

	// EdDSA is RFC 8037's name for any Edwards curve; here it means Ed25519 only.
	EdDSA Algorithm = "EdDSA"
	// Ed25519 is RFC 9864's name for the same signature.
	Ed25519 Algorithm = "Ed25519"
)

// FAPI2 returns the algorithms that the FAPI 2.0 Security Profile §5.4 allows:
// PS256, ES256, and EdDSA on Ed25519 under both of its names.
func FAPI2() []Algorithm { return []Algorithm{PS256, ES256, EdDSA, Ed25519} }
