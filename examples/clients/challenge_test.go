package clients_test

import (
	"net/http"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// A challenge is one of WWW-Authenticate, for clients that leave that to their
// users.
type challenge struct {
	scheme     string
	parameters map[string]string
}

var parameter = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)

func challengesOf(header http.Header) []challenge {
	var all []challenge
	for _, field := range header.Values("WWW-Authenticate") {
		c := challenge{regexp.MustCompile(`^\w+`).FindString(field), map[string]string{}}
		for _, match := range parameter.FindAllStringSubmatch(field, -1) {
			c.parameters[match[1]] = match[2]
		}
		all = append(all, c)
	}
	return all
}

// challengeOf returns the first challenge, which must be there.
func challengeOf(t *testing.T, header http.Header) challenge {
	t.Helper()
	all := challengesOf(header)
	require.NotEmpty(t, all, "no challenge")
	return all[0]
}

func refusalOf(t *testing.T, kind string, status int, header http.Header) refusal {
	t.Helper()
	got := refusal{Type: kind, Status: status}
	challenges := challengesOf(header)
	for _, c := range challenges {
		got.Schemes = append(got.Schemes, c.scheme)
	}
	if len(challenges) > 0 {
		got.Error, got.Scope = challenges[0].parameters["error"], challenges[0].parameters["scope"]
	}
	if after := header.Get("Retry-After"); after != "" {
		var err error
		got.RetryAfter, err = strconv.Atoi(after)
		require.NoError(t, err)
	}
	return got
}
