package suite

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/big"
)

// A rawRSA signs RS256 with any modulus and any exponents, and whatever encoded message.
type rawRSA struct {
	n, e   *big.Int // as published
	primes []*big.Int
	ds     []*big.Int // the private exponent, for each prime
}

// rawOf is a key of crypto/rsa's.
func rawOf(key *rsa.PrivateKey) rawRSA {
	raw := rawRSA{n: big.NewInt(1), e: big.NewInt(int64(key.E))}
	for _, p := range key.Primes {
		raw.add(p)
	}
	return raw
}

// add makes the modulus longer by a prime. It tells whether the exponent has an inverse for it.
func (k *rawRSA) add(p *big.Int) bool {
	d := new(big.Int).ModInverse(k.e, new(big.Int).Sub(p, big.NewInt(1)))
	if d == nil {
		return false
	}
	k.n, k.primes, k.ds = new(big.Int).Mul(k.n, p), append(k.primes, p), append(k.ds, d)
	return true
}

// newRawRSA makes a modulus of many small primes, which takes less time and verifies like any other.
func newRawRSA(bits int, e *big.Int) rawRSA {
	key := rawRSA{n: big.NewInt(1), e: e}
	for longer := 0; key.n.BitLen() < bits; longer ^= 1 {
		left := bits - key.n.BitLen()
		size, last := 256, left < 512
		if last {
			size = left + longer // one of the two lengths gives the exact product
		}
		p := must(rand.Prime(rand.Reader, size))
		if !last || new(big.Int).Mul(key.n, p).BitLen() == bits {
			key.add(p)
		}
	}
	return key
}

// newROCA makes a modulus with the fingerprint of CVE-2017-15361: modulo each small prime it is a power of 65537, for
// both of its primes are.
func newROCA() rawRSA {
	e := big.NewInt(65537)
	m := big.NewInt(1)
	for p := int64(2); p <= 167; p++ { // the first 39 primes, as for keys of 512 bits
		if prime := big.NewInt(p); prime.ProbablyPrime(0) {
			m.Mul(m, prime)
		}
	}
	key := rawRSA{n: big.NewInt(1), e: e}
	for key.n.BitLen() != 2048 {
		key = rawRSA{n: big.NewInt(1), e: e}
		for len(key.primes) < 2 {
			power := new(big.Int).Exp(e, must(rand.Int(rand.Reader, m)), m)
			k := must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(1024-m.BitLen()))))
			k.SetBit(k, 1024-m.BitLen(), 1)
			p := new(big.Int).Add(k.Mul(k, m), power)
			if p.BitLen() == 1024 && p.ProbablyPrime(20) {
				key.add(p)
			}
		}
	}
	return key
}

func (k rawRSA) size() int { return (k.n.BitLen() + 7) / 8 }

// power signs an encoded message, prime by prime (RFC 8017 §5.1.2), for the moduli here are long.
func (k rawRSA) power(encoded []byte) []byte {
	message, result, product := new(big.Int).SetBytes(encoded), new(big.Int), big.NewInt(1)
	for i, p := range k.primes {
		part := new(big.Int).Exp(new(big.Int).Mod(message, p), k.ds[i], p)
		step := part.Sub(part, result)
		step.Mul(step, new(big.Int).ModInverse(product, p))
		result.Add(result, step.Mul(step.Mod(step, p), product))
		product.Mul(product, p)
	}
	return result.FillBytes(make([]byte, k.size()))
}

// pkcs1 is EMSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §9.2).
func pkcs1(input string, size int) []byte {
	digest := sha256.Sum256([]byte(input))
	info := append(must(hex.DecodeString("3031300d060960864801650304020105000420")), digest[:]...)
	encoded := make([]byte, size)
	encoded[1] = 1
	for at := 2; at < size-len(info)-1; at++ {
		encoded[at] = 0xff
	}
	copy(encoded[size-len(info):], info)
	return encoded
}

// Public is the key itself: no type of crypto/rsa holds all of them.
func (k rawRSA) Public() crypto.PublicKey { return k }

// Sign signs the input itself: signature hands it over as it is.
func (k rawRSA) Sign(_ io.Reader, input []byte, _ crypto.SignerOpts) ([]byte, error) {
	return k.power(pkcs1(string(input), k.size())), nil
}
