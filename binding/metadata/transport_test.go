package metadata_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/metadata"
)

// Connections that nobody uses are few and short-lived, and enough for many calls at once.
func TestNewTransportKeepsFewConnections(t *testing.T) {
	t.Parallel()
	transport := metadata.NewTransport()
	require.Equal(t, 64, transport.MaxIdleConnsPerHost)
	require.Equal(t, 10*time.Second, transport.IdleConnTimeout)
}

// A peer that accepts a connection and says nothing holds it for a while, and
// not for ever: net/http goes on with the handshake after the request was given
// up.
func TestNewTransportGivesUpASilentPeer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	ended := make(chan error, 1)
	go func() {
		connection, err := listener.Accept()
		if err == nil {
			defer connection.Close()
			_, err = io.Copy(io.Discard, connection) // until the client hangs up
		}
		ended <- err
	}()
	client := metadata.Client{Transport: metadata.NewTransport(), Timeout: 50 * time.Millisecond}
	_, err = client.Get(t.Context(), "https://"+listener.Addr().String())
	require.Error(t, err)
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		require.Fail(t, "the connection is still there")
	}
}
