package jws

import "math/big"

// rocaPrimes are the primes up to 167 of which 65537 is no primitive root.
var rocaPrimes = []int64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157}

// isROCA reports whether an RSA modulus is of the Infineon chips and smart cards
// that made primes of the form k*M + (65537^a mod M), M the product of the first
// primes: whoever knows the modulus can find them (CVE-2017-15361). Then the
// modulus too is a power of 65537 modulo each of those primes. A modulus of
// anybody else's is one by chance in about 2^28.
func isROCA(modulus *big.Int) bool {
	for _, prime := range rocaPrimes {
		rest := new(big.Int).Mod(modulus, big.NewInt(prime)).Int64()
		if !isPowerOf65537(rest, prime) {
			return false
		}
	}
	return true
}

func isPowerOf65537(rest, prime int64) bool {
	power := int64(1)
	for range prime - 1 {
		if power == rest {
			return true
		}
		power = power * 65537 % prime
	}
	return false
}
