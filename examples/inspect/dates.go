package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/certbound/certbound/binding"
)

// dates are the claims that are dates, as far as they can be read.
func (i *inspection) dates() map[string]time.Time {
	dates := make(map[string]time.Time)
	for _, name := range []string{"exp", "nbf", "iat"} {
		value, _ := i.specimen.claims.get(name)
		if seconds, err := strconv.ParseFloat(string(value), 64); err == nil && seconds >= 0 && seconds <= lastDate {
			whole, fraction := math.Modf(seconds)
			dates[name] = time.Unix(int64(whole), int64(fraction*1e9))
		}
	}
	return dates
}

const lastDate = 253402300799 // the end of the year 9999

// within is a time at which the library has no objection to exp, nbf and iat, if
// there is one that is easily found, so that other things can be asked about.
func (i *inspection) within(ctx context.Context) time.Time {
	exp, known := i.dates()["exp"]
	if !known || i.timesVerdict(ctx) == "" {
		return i.now
	}
	return exp.Add(-time.Second)
}

// timesVerdict is about exp, nbf and iat.
func (i *inspection) timesVerdict(ctx context.Context) binding.Reason {
	return i.verdict(ctx, question{
		claims: i.specimen.claims.only("exp", "nbf", "iat"), lifetime: i.options.maxLifetime, ownExpiry: true,
	})
}

// badDate says what is wrong with the value of exp, nbf or iat (NumericDate, RFC
// 7519 §2), or "".
func badDate(value json.RawMessage) string {
	if text, isString := textOf(value); isString {
		return "is a string (" + quote(text) + "), and must be a number of seconds since 1970"
	}
	if kindOf(value) != "a number" {
		return "is " + kindOf(value) + ", and must be a number of seconds since 1970"
	}
	number, err := strconv.ParseFloat(string(value), 64)
	switch {
	case err != nil || number > 1e15:
		return "is too great a number"
	case number <= 0:
		return "is " + quote(string(value)) + ", which is no date"
	case number > lastDate:
		return fmt.Sprintf("is %.0f, milliseconds perhaps, and must be seconds since 1970: the issuer must divide it by 1000", number)
	}
	return ""
}

// readArray returns how many items an array has.
func readArray(value json.RawMessage) (int, error) {
	var items []json.RawMessage
	err := json.Unmarshal(value, &items)
	return len(items), err
}
