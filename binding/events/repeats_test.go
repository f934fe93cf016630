package events_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/events"
)

// One record of each kind passes in an interval, and what was held back is
// told behind it.
func TestRepeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r events.Repeats
		key := events.Key{Kind: "refused", Client: "one"}
		start := time.Now()
		for _, want := range []bool{true, false, false} {
			write, over := r.Admit(key)
			require.Equal(t, want, write)
			require.Empty(t, over)
		}
		time.Sleep(events.Interval - 1)
		require.Empty(t, r.Over())
		write, over := r.Admit(key)
		require.False(t, write)
		require.Empty(t, over)
		time.Sleep(time.Nanosecond)
		want := []events.Suppressed{{Key: key, Count: 3, Since: start}}
		require.Equal(t, want, r.Over())
		require.Empty(t, r.Over())
		write, over = r.Admit(key)
		require.True(t, write)
		require.Empty(t, over)
	})
}

// What was held back is told in the order of what tells kinds apart.
func TestRepeatsInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r events.Repeats
		keys := []events.Key{
			{Kind: "a", Issuer: "a"}, {Kind: "a", Issuer: "b"}, {Kind: "b", Client: "a"}, {Kind: "b", Client: "b", Presented: "a"},
			{Kind: "b", Client: "b", Presented: "b", Cause: "a"}, {Kind: "b", Client: "b", Presented: "b", Cause: "b"},
		}
		for range 2 {
			for _, n := range []int{5, 0, 3, 2, 4, 1} {
				r.Admit(keys[n])
			}
		}
		time.Sleep(events.Interval)
		var told []events.Key
		for _, one := range r.Over() {
			told = append(told, one.Key)
		}
		require.Equal(t, keys, told)
	})
}

// In a flood 128 kinds are told apart by all that they say, then 128 by their
// Kind alone, and the rest together.
func TestRepeatsInAFlood(t *testing.T) {
	t.Parallel()
	var r events.Repeats
	admit := func(kind, client string) bool {
		write, _ := r.Admit(events.Key{Kind: kind, Client: client})
		return write
	}
	for n := range 128 {
		require.True(t, admit("refused", fmt.Sprint(n)))
	}
	require.False(t, admit("refused", "127"), "the last one that is told apart")
	require.True(t, admit("refused", "one more"), "of all others")
	require.False(t, admit("refused", "another"))
	for n := range 127 {
		require.True(t, admit(fmt.Sprint(n), "any"))
		require.False(t, admit(fmt.Sprint(n), "another"))
	}
	require.True(t, admit("one kind more", "any"), "of all others")
	require.False(t, admit("another kind", "any"))
	require.False(t, admit("refused", "0"), "it has its own place still")
}

func TestText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                         "",
		"accounts-api":             "accounts-api",
		strings.Repeat("é", 100):   strings.Repeat("é", 100),
		strings.Repeat("a", 201):   `"` + strings.Repeat("a", 200) + `"...`,
		"a\nlevel=INFO msg=forged": `"a\nlevel=INFO msg=forged"`,
		"\x1b[2J":                  `"\x1b[2J"`,
		"\xff":                     `"\xff"`,
	} {
		require.Equal(t, want, events.Text(text))
	}
	require.Equal(t, strings.Repeat("a", 600), events.Cause(strings.Repeat("a", 600)))
	require.Equal(t, `"`+strings.Repeat("a", 600)+`"...`, events.Cause(strings.Repeat("a", 601)))
}
