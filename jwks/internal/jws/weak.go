package jws

import (
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/hex"
	"slices"
)

// RSA moduli in bits. RFC 7518 §3.3 sets the least; the most bounds what one
// signature costs. Whoever sends a key along with its signature chooses what we
// pay, and may choose less.
const (
	minRSABits     = 2048
	maxRSABits     = 8192
	maxRSABitsSent = 4096
)

func isWeakRSA(public *rsa.PublicKey, maxBits int) bool {
	// An exponent of 1 makes every signature good, an even one none; above 31
	// bits crypto/rsa takes none.
	bits := public.N.BitLen()
	return bits < minRSABits || bits > maxBits || public.N.Bit(0) == 0 ||
		public.E < 3 || public.E&1 == 0 || public.E > 1<<31-1 || isROCA(public.N)
}

// smallOrder are the y of the points whose order divides 8, reduced or not, in
// RFC 8032's encoding without the sign of x. With such a key anybody can sign:
// crypto/ed25519 accepts R = 1, S = 0 for one message in eight or more.
var smallOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000", // order 4
	"0100000000000000000000000000000000000000000000000000000000000000", // the identity
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 4, not reduced
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // the identity, not reduced
}

func isSmallOrder(key ed25519.PublicKey) bool {
	y := slices.Clone(key)
	y[len(y)-1] &= 0x7f
	return slices.Contains(smallOrder, hex.EncodeToString(y))
}
