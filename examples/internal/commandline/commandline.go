// Package commandline is what the examples that are commands have in common: how
// they read their flags, and how they name every mistake at once.
package commandline

import (
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/certbound/certbound/binding"
)

// Parse reads args and goes on behind a mistake, so that it returns all of them.
// It prints the help to output, if that is asked for, and then the error is
// flag.ErrHelp.
func Parse(flags *flag.FlagSet, args []string, output io.Writer) (mistakes []error, err error) {
	flags.SetOutput(io.Discard) // mistakes are the caller's to print
	for rest := args; ; {
		err := flags.Parse(rest)
		rest = flags.Args()
		switch {
		case errors.Is(err, flag.ErrHelp):
			flags.SetOutput(output)
			flags.Usage()
			return nil, err
		case err != nil:
			mistakes = append(mistakes, err)
			for len(rest) > 0 && !strings.HasPrefix(rest[0], "-") { // what came for an unknown flag
				rest = rest[1:]
			}
		case len(rest) > 0:
			mistakes = append(mistakes, fmt.Errorf("unexpected argument %q", rest[0]))
			rest = rest[1:]
		}
		if len(rest) == 0 {
			return mistakes, nil
		}
	}
}

// FlagErrors says of which flags a constructor's error speaks, one error for each
// mistake: flagOf names the flags behind the fields of its Config. A field that
// it does not know keeps its name. No error is none.
func FlagErrors(err error, flagOf map[string]string) []error {
	var all []error
	for mistake := range binding.ConfigErrors(err) {
		name, known := flagOf[mistake.Field]
		if !known {
			name = mistake.Field
		}
		all = append(all, fmt.Errorf("%s: %s", name, mistake.Problem))
	}
	if all == nil && err != nil {
		all = append(all, err)
	}
	return all
}

// Roots reads the certificates of a PEM file. One without any is an error: an
// empty pool would refuse every server, and no pool at all would trust the
// machine's roots in its place. Neither is what was asked for.
func Roots(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return roots, nil
}

// A Repeated is a flag that may be repeated: its values, in order.
type Repeated []string

// String is for package flag.
func (r *Repeated) String() string { return strings.Join(*r, " ") }

// Set adds a value. Its error is nil.
func (r *Repeated) Set(value string) error {
	*r = append(*r, value)
	return nil
}

// Split returns what stands between the commas, without spaces around it and
// without what is empty.
func Split(list string) []string {
	var parts []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
