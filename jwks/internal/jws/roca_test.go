package jws_test

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks/internal/jws"
)

// TestROCA makes moduli as the product of two such primes is: a power of 65537
// modulo the product of the first primes. Wycheproof has one that a chip made.
func TestROCA(t *testing.T) {
	t.Parallel()
	primorial := big.NewInt(1)
	for n := int64(2); n <= 167; n++ {
		if big.NewInt(n).ProbablyPrime(0) {
			primorial.Mul(primorial, big.NewInt(n))
		}
	}
	random := rand.New(rand.NewSource(1))
	for range 20 {
		modulus := new(big.Int).Exp(big.NewInt(65537), big.NewInt(random.Int63()), primorial)
		multiple := new(big.Int).Rand(random, new(big.Int).Lsh(big.NewInt(1), 2040))
		multiple.SetBit(multiple, 2040, 1).Div(multiple, primorial)
		modulus.Add(modulus, new(big.Int).Mul(multiple.Lsh(multiple, 20), primorial))
		require.GreaterOrEqual(t, modulus.BitLen(), 2048)

		_, err := jws.ParseKey(rsaKey(modulus))
		require.ErrorIs(t, err, jws.ErrKeyWeak)

		other := new(big.Int).Add(modulus, big.NewInt(4)) // no power modulo 11, where 1 and 10 are all
		_, err = jws.ParseKey(rsaKey(other))
		require.NoError(t, err)
	}
}

func rsaKey(modulus *big.Int) []byte {
	return fmt.Appendf(nil, `{"kty":"RSA","e":"AQAB","n":%q}`, base64.RawURLEncoding.EncodeToString(modulus.Bytes()))
}
