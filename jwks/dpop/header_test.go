package dpop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A header that is remembered speaks for its very text and for no other, also where two have one place.
func TestHeaderTable(t *testing.T) {
	t.Parallel()
	table := newHeaderTable()
	found := 0
	for n := range 5000 {
		text := fmt.Sprint("header-", n)
		_, known := table.find(text)
		require.False(t, known)
		table.remember(text, header{alg: text})
		got, known := table.find(text)
		require.True(t, known)
		require.Equal(t, text, got.alg)
	}
	for n := range 5000 {
		text := fmt.Sprint("header-", n)
		if got, known := table.find(text); known {
			require.Equal(t, text, got.alg)
			found++
		}
	}
	require.LessOrEqual(t, found, len(table.places))
	require.Greater(t, found, len(table.places)/2)
	for length, remembered := range map[int]bool{1024: true, 1025: false, 8000: false} {
		text := strings.Repeat("h", length)
		table.remember(text, header{alg: "ES256"})
		_, known := table.find(text)
		require.Equal(t, remembered, known, length)
	}
}
