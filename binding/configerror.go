package binding

import "iter"

// A ConfigError is one mistake in a configuration. A constructor reports all of
// them at once, joined by errors.Join: [ConfigErrors] yields them, and errors.As
// reaches the first.
type ConfigError struct {
	Field   string // of the Config struct
	Problem string // without the value, where that may be a secret
}

// Error returns Field and Problem, with a colon between them.
func (e ConfigError) Error() string { return e.Field + ": " + e.Problem }

// ConfigErrors yields each [ConfigError] in err, and in the errors that it
// wraps or joins, in the order in which they were reported.
func ConfigErrors(err error) iter.Seq[ConfigError] {
	return func(yield func(ConfigError) bool) { yieldConfigErrors(err, yield) }
}

func yieldConfigErrors(err error, yield func(ConfigError) bool) (more bool) {
	switch err := err.(type) {
	case ConfigError:
		return yield(err)
	case interface{ Unwrap() error }:
		return yieldConfigErrors(err.Unwrap(), yield)
	case interface{ Unwrap() []error }:
		for _, one := range err.Unwrap() {
			if !yieldConfigErrors(one, yield) {
				return false
			}
		}
	}
	return true
}
