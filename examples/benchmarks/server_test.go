package main_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/examples/benchmarks/internal/server"
)

func TestMain(m *testing.M) {
	server.IfChild()
	m.Run()
}

// The server of which the processor time is measured answers both routes, guards one of them, and speaks the version of HTTP
// that it is asked in.
func TestServerIsGuardedAndBare(t *testing.T) {
	t.Parallel()
	child, err := server.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, child.Close()) })
	for _, version := range []int{1, 2} {
		client := child.Client(version, 2)
		t.Cleanup(client.CloseIdleConnections)
		before, err := child.CPU()
		require.NoError(t, err)
		require.NoError(t, child.Get(client, version, server.Guarded, 40, 4))
		require.NoError(t, child.Get(client, version, server.Bare, 40, 4))
		after, err := child.CPU()
		require.NoError(t, err)
		require.Greater(t, after, before)
		require.Error(t, child.Get(client, 3-version, server.Guarded, 1, 1), "the other version")

		for path, status := range map[string]int{server.Guarded: http.StatusUnauthorized, server.Bare: http.StatusOK} {
			response, err := client.Get(child.URL + path) // without a token
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.Equal(t, status, response.StatusCode)
		}
	}
}
