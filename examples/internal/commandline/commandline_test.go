package commandline_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/examples/internal/commandline"
)

func texts(errs []error) (all []string) {
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return all
}

func TestParseNamesEveryMistake(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args     []string
		mistakes []string
		names    []string
		port     int
	}{
		"nothing":       {},
		"flags":         {args: []string{"-name", "a", "-port=1", "-name=b"}, names: []string{"a", "b"}, port: 1},
		"an argument":   {args: []string{"-port", "1", "what", "-name", "a"}, mistakes: []string{`unexpected argument "what"`}, names: []string{"a"}, port: 1},
		"the arguments": {args: []string{"a", "b"}, mistakes: []string{`unexpected argument "a"`, `unexpected argument "b"`}},
		"an unknown flag and its value": {
			args:     []string{"-whom", "what", "-port", "x", "-name", "a"},
			mistakes: []string{"flag provided but not defined: -whom", `invalid value "x" for flag -port: parse error`},
			names:    []string{"a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flags := flag.NewFlagSet("test", flag.ContinueOnError)
			var names commandline.Repeated
			flags.Var(&names, "name", "")
			port := flags.Int("port", 0, "")
			var output bytes.Buffer
			mistakes, err := commandline.Parse(flags, test.args, &output)
			require.NoError(t, err)
			require.Equal(t, test.mistakes, texts(mistakes))
			require.Equal(t, test.names, []string(names))
			require.Equal(t, test.port, *port)
			require.Empty(t, output.String())
		})
	}
}

func TestParsePrintsTheHelpThatIsAskedFor(t *testing.T) {
	t.Parallel()
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.Int("port", 0, "where to listen")
	var output bytes.Buffer
	_, err := commandline.Parse(flags, []string{"-no-such-flag", "-h"}, &output)
	require.ErrorIs(t, err, flag.ErrHelp)
	require.Contains(t, output.String(), "where to listen")
}

func TestFlagErrorsNameFlags(t *testing.T) {
	t.Parallel()
	flagOf := map[string]string{"Issuer": "-issuer"}
	issuer := binding.ConfigError{Field: "Issuer", Problem: "is required"}
	other := binding.ConfigError{Field: "Other", Problem: "is wrong"}
	for name, test := range map[string]struct {
		err  error
		want []string
	}{
		"none":                  {},
		"a field":               {issuer, []string{"-issuer: is required"}},
		"a field without flag":  {other, []string{"Other: is wrong"}},
		"fields, wrapped twice": {fmt.Errorf("jwks: %w", errors.Join(issuer, other)), []string{"-issuer: is required", "Other: is wrong"}},
		"an error of no field":  {io.EOF, []string{"EOF"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, texts(commandline.FlagErrors(test.err, flagOf)))
		})
	}
}

func TestRoots(t *testing.T) {
	t.Parallel()
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	require.NoError(t, err)
	t.Cleanup(as.Close)
	file := filepath.Join(t.TempDir(), "roots.pem")

	_, err = commandline.Roots(file)
	require.ErrorIs(t, err, os.ErrNotExist)

	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY"}), 0o600))
	_, err = commandline.Roots(file)
	require.ErrorContains(t, err, "holds no certificate")

	require.NoError(t, os.WriteFile(file, as.RootPEM(), 0o600))
	roots, err := commandline.Roots(file)
	require.NoError(t, err)
	want := x509.NewCertPool()
	require.True(t, want.AppendCertsFromPEM(as.RootPEM()))
	require.True(t, want.Equal(roots))
}

func TestSplit(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"at+jwt", "JWT"}, commandline.Split(" at+jwt,, JWT ,"))
	require.Empty(t, commandline.Split(" , "))
}
