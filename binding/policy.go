package binding

import "fmt"

// A Policy says how a guard treats tokens with and without a binding. A token
// whose confirmation is present but not understood is refused under every
// policy, and no policy ignores a binding.
type Policy int

const (
	// RequireBound, the zero value: a token must be bound, and the client must
	// prove every binding that it has.
	RequireBound Policy = iota

	// DangerouslyAcceptUnbound accepts tokens without a confirmation as bearer
	// tokens: whoever steals one can use it. The bindings of a bound token must
	// be proven. Use it only while clients change over to bound tokens.
	DangerouslyAcceptUnbound

	// DangerouslyBearerOnly accepts tokens without a confirmation and refuses
	// bound ones: for a route that has no mutual TLS, where a bound token
	// should never have been sent.
	DangerouslyBearerOnly
)

// policies are the words for the policies.
var policies = [...]string{
	RequireBound:             "require",
	DangerouslyAcceptUnbound: "if-bound",
	DangerouslyBearerOnly:    "refuse-bound",
}

func (p Policy) isKnown() bool { return p >= 0 && int(p) < len(policies) }

// String returns the policy's word: require, if-bound or refuse-bound.
func (p Policy) String() string {
	if !p.isKnown() {
		return fmt.Sprintf("Policy(%d)", int(p))
	}
	return policies[p]
}

// MarshalText returns the policy's word, or an error if there is no such
// policy. There is no UnmarshalText: what weakens a guard must be written in
// the code, by its name.
func (p Policy) MarshalText() ([]byte, error) {
	if !p.isKnown() {
		return nil, fmt.Errorf("binding: %d is not a policy", int(p))
	}
	return []byte(policies[p]), nil
}
