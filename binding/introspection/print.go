package introspection

import (
	"fmt"
	"io"
	"log/slog"
)

// Printed or logged, in whatever verb, a Config and a Verifier show the issuer
// alone: they hold our credentials.

// Format writes only the Config's issuer, for every verb: its credentials are
// secret.
func (c Config) Format(f fmt.State, _ rune) { show(f, "Config", c.Issuer) }

// LogValue returns what Format writes.
func (c Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// Format writes only the Verifier's issuer, for every verb: its credentials are
// secret.
func (v *Verifier) Format(f fmt.State, _ rune) {
	if v == nil {
		_, _ = io.WriteString(f, "<nil>")
		return
	}
	show(f, "Verifier", v.Issuer())
}

// LogValue returns what Format writes.
func (v *Verifier) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(v)) }

func show(w io.Writer, what, issuer string) {
	_, _ = fmt.Fprintf(w, "introspection.%s(%q)", what, issuer)
}
