package freeport_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/examples/internal/freeport"
)

const another = "CERTBOUND_TEST_ANOTHER_PROCESS"

func port(t *testing.T, ports int) uint16 {
	t.Helper()
	address, err := freeport.Address(ports)
	require.NoError(t, err)
	return netip.MustParseAddrPort(address).Port()
}

func TestNoPortIsToldTwice(t *testing.T) {
	if os.Getenv(another) != "" {
		fmt.Printf("port %d\n", port(t, 1))
		return
	}
	told := make(map[uint16]bool)
	for range 100 {
		first := port(t, 4)
		for n := range uint16(4) {
			require.False(t, told[first+n])
			told[first+n] = true
		}
	}
	others := exec.Command(os.Args[0], "-test.run=^TestNoPortIsToldTwice$")
	others.Env = append(os.Environ(), another+"=1")
	said, err := others.CombinedOutput()
	require.NoError(t, err, "%s", said)
	var other uint16
	_, err = fmt.Sscanf(string(said), "port %d", &other)
	require.NoError(t, err, "%s", said)
	const size = 500
	for p := range told {
		require.NotEqual(t, p/size, other/size, "another process has a block of its own")
	}
}

func TestPortsInUseAreLeftOut(t *testing.T) {
	next := port(t, 1) + 1
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", next))
	require.NoError(t, err)
	defer listener.Close()
	require.NotEqual(t, next, port(t, 1))
}

// All of a block are told before one is told again.
func TestPortsAreToldAgain(t *testing.T) {
	first := port(t, 1)
	for range 600 {
		if port(t, 1) == first {
			return
		}
	}
	t.Fatal("not told again")
}
