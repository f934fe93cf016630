package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

// What -fapi2 sets where the FAPI 2.0 Security Profile leaves a choice: the
// least leeway of §5.3.2.1, and a life of tokens (§6.1).
const (
	fapi2Leeway      = 10 * time.Second
	fapi2MaxLifetime = time.Hour
)

// applyFAPI2 sets what binding/fapi2.md names, and returns the flags that are
// against it.
func (o *options) applyFAPI2() (mistakes []error) {
	if o.policy != binding.RequireBound {
		mistakes = append(mistakes, errors.New("-policy: with -fapi2 it must be require"))
	}
	if o.acceptDPoP {
		mistakes = append(mistakes, errors.New("-schemes: with -fapi2 a token under DPoP needs a proof: use -dpop-origins"))
	}
	if o.proving.config.Algorithms == nil {
		o.proving.config.Algorithms = dpop.FAPI2()
	}
	for _, algorithm := range o.proving.config.Algorithms {
		if !slices.Contains(dpop.FAPI2(), algorithm) {
			mistakes = append(mistakes, fmt.Errorf("-dpop-algorithms: %q is none of FAPI 2.0", algorithm))
		}
	}
	o.proving.config.Leeway = fapi2Leeway
	return mistakes
}

// tokenRules are those for JWTs: the defaults, or FAPI 2.0's.
func (o *options) tokenRules(config jwks.Config) jwks.Config {
	if o.fapi2 {
		config.Algorithms, config.Leeway, config.MaxLifetime = jwks.FAPI2(), fapi2Leeway, fapi2MaxLifetime
	}
	return config
}
