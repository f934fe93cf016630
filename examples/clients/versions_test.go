package clients_test

import (
	"strings"
	"testing"

	"github.com/certbound/certbound/examples/internal/tried"
)

// pinned returns the version of what a file pins, and of what it is used with.
func pinned(file, name string, with ...string) func(t *testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		version := tried.Pinned(t, file, name)
		for _, other := range with {
			version += ", " + other + " " + tried.Pinned(t, file, other)
		}
		return version
	}
}

func curlVersion(t *testing.T) string {
	t.Helper()
	return tried.Printed(t, "curl", "--disable", "--version")
}

func triedRows(t *testing.T) (rows []tried.Row) {
	t.Helper()
	for _, c := range clients {
		how := "certificate"
		if c.proves {
			how += ", DPoP"
		}
		rows = append(rows, tried.Row{
			Name: c.name, Version: c.version(t), How: how + "; " + strings.TrimSuffix(c.http, ".0"), Machine: c.name == "curl",
		})
	}
	return rows
}
