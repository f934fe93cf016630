package dpop

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/internal/jws"
)

// claims are what is read of a proof's payload (RFC 9449 §4.2). The zero exp and
// nbf are none.
type claims struct {
	jti, htm, htu, ath []byte
	nonce              []byte // nil: none
	iat, exp, nbf      time.Time
}

// readClaims reads the payload. Claims that are not read may be anything.
func readClaims(payload []byte) (c claims, err error) {
	var memory [16]jws.Member
	members, err := jws.AppendParts(memory[:0], payload)
	if err != nil {
		return c, refuse(binding.ReasonProofMalformed, err)
	}
	for _, required := range []struct {
		name string
		into *[]byte
	}{{"jti", &c.jti}, {"htm", &c.htm}, {"htu", &c.htu}, {"ath", &c.ath}} {
		value, _ := members.Value(required.name)
		text, _ := jws.Text(value)
		if len(text) == 0 {
			return c, refuse(binding.ReasonProofClaims, wrongClaim(required.name))
		}
		*required.into = text
	}
	if len(c.jti) > maxJTILength { // RFC 9449 §11.1
		return c, refuse(binding.ReasonProofClaims, wrongClaim("jti"))
	}
	for _, moment := range []struct {
		name     string
		into     *time.Time
		required bool
	}{{"iat", &c.iat, true}, {"exp", &c.exp, false}, {"nbf", &c.nbf, false}} {
		value, present := members.Value(moment.name)
		if !present && !moment.required {
			continue
		}
		var ok bool
		if *moment.into, ok = numericDate(value); !ok {
			return c, refuse(binding.ReasonProofClaims, wrongClaim(moment.name))
		}
	}
	if value, present := members.Value("nonce"); present {
		text, ok := jws.Text(value)
		if !ok {
			return c, refuse(binding.ReasonProofClaims, wrongClaim("nonce"))
		}
		c.nonce = text
	}
	return c, nil
}

// wrongClaim is a cause: that of this name is missing or malformed.
type wrongClaim string

func (name wrongClaim) Error() string {
	return "the claim " + string(name) + " is missing or malformed"
}

// lastSecond is that of the year 9999: what is later is no time, but milliseconds.
const lastSecond = 253402300799

// numericDate reads a NumericDate that is not negative: fractions are permitted (RFC
// 7519 §2).
func numericDate(value []byte) (time.Time, bool) {
	if bytes.HasPrefix(value, []byte("-")) {
		return time.Time{}, false
	}
	if seconds, err := strconv.ParseInt(string(value), 10, 64); err == nil {
		return time.Unix(seconds, 0), seconds <= lastSecond
	}
	seconds, err := strconv.ParseFloat(string(value), 64)
	if err != nil || seconds > lastSecond {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}
