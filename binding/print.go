package binding

import (
	"fmt"
	"io"
	"log/slog"
)

// Format writes the name of the type alone, for every verb: claims belong in no
// log.
func (Token) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "binding.Token") }

// Format writes the name of the type alone, for every verb: claims belong in no
// log.
func (Claims) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "binding.Claims") }

// Format writes the certificate's thumbprint, for every verb: a thumbprint is no
// secret, and a certificate may name a person.
func (c Certificate) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.text()) }

// LogValue returns what Format writes.
func (c Certificate) LogValue() slog.Value { return slog.StringValue(c.text()) }

func (c Certificate) text() string {
	if c.Thumbprint.empty() {
		return "no certificate"
	}
	return "certificate " + c.Thumbprint.String()
}
