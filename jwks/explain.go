package jwks

import (
	"errors"
	"fmt"

	"github.com/certbound/certbound/binding"
)

// What this server expected is no secret: the cause of a refusal says it, with
// the option that changes it. What the token has instead is left out.

func (v *Verifier) tooLong() error {
	return &binding.Error{
		Reason: binding.ReasonTokenTooLong,
		Cause:  fmt.Errorf("jwks: jwks.Config.MaxTokenBytes is %d", v.maxBytes),
	}
}

// expects says what an option of Config accepts.
func (v *Verifier) expects(option string, accepted any) error {
	if none, _ := accepted.([]Algorithm); option == "Algorithms" && none == nil {
		return errors.New("jwks: jwks.Config.Algorithms accepts every asymmetric algorithm of RFC 7518 and RFC 8037, and no other")
	}
	return fmt.Errorf("jwks: jwks.Config.%s accepts %v", option, accepted)
}
