package bindredis

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// A conn is a connection on which everything has been said already.
type conn struct {
	net.Conn
	said   io.Reader
	closed bool
}

func (c *conn) Read(p []byte) (int, error) { return c.said.Read(p) }

func (c *conn) Close() error {
	c.closed = true
	return nil
}

// read reads what a server said, and reports whether it was let through to its end.
func read(t testing.TB, said io.Reader) (through []byte, ok bool) {
	t.Helper()
	c := &conn{said: said}
	r := &replies{Conn: c}
	through, err := io.ReadAll(r)
	require.Equal(t, err != nil, c.closed, "a connection is closed where it is refused")
	if err == nil {
		return through, true
	}
	require.ErrorIs(t, err, errReply)
	n, err := r.Read(make([]byte, 10))
	require.Zero(t, n)
	require.ErrorIs(t, err, errReply, "it stays refused")
	return through, false
}

func TestReplies(t *testing.T) {
	t.Parallel()
	lists := func(n int) string { return strings.Repeat("*1\r\n", n) + "+a\r\n" }
	for name, row := range map[string]struct {
		said string
		ok   bool
	}{
		"nothing":                              {"_\r\n", true},
		"nothing, as before RESP3":             {"$-1\r\n", true},
		"a list that is nothing":               {"*-1\r\n", true},
		"a string":                             {"$16\r\n1234567890123456\r\n+OK\r\n", true},
		"a string of what looks like a length": {"$4\r\n$-5\r\r\n+OK\r\n", true},
		"an empty string":                      {"$0\r\n\r\n:1\r\n", true},
		"words, numbers, truth":                {"+OK\r\n-ERR no\r\n:-1\r\n,3.14\r\n(123456789012345678901234567890\r\n#t\r\n", true},
		"an error and a text as strings":       {"!5\r\nERR a\r\n=5\r\ntxt:a\r\n", true},
		"a map, a set, a push, an attribute":   {"%1\r\n+a\r\n*2\r\n+b\r\n:1\r\n~1\r\n+a\r\n>1\r\n+a\r\n|1\r\n+a\r\n+b\r\n+OK\r\n", true},
		"lists beside each other":              {strings.Repeat("*1\r\n+a\r\n", 100), true},
		"the longest string":                   {fmt.Sprintf("$%d\r\n%s\r\n", maxBlob, strings.Repeat("x", maxBlob)), true},
		"a longer string":                      {fmt.Sprintf("$%d\r\n", maxBlob+1), false},
		"the longest list":                     {fmt.Sprintf("*%d\r\n", maxItems), true},
		"a longer list":                        {fmt.Sprintf("*%d\r\n", maxItems+1), false},
		"a longer map":                         {fmt.Sprintf("%%%d\r\n", maxItems+1), false},
		"the longest line":                     {"+" + strings.Repeat("x", maxLine-2) + "\r\n", true},
		"a longer line":                        {"+" + strings.Repeat("x", maxLine) + "\r\n", false},
		"lists in each other":                  {lists(maxNested), true},
		"more lists in each other":             {lists(maxNested + 1), false},
		"attributes in each other":             {strings.Repeat("|1\r\n", maxNested+1), false},
		"a length below -1":                    {"$-2\r\n", false},
		"a list below -1":                      {"*-2\r\n", false},
		"a map that is nothing":                {"%-1\r\n", false},
		"a length with a sign":                 {"$+1\r\na\r\n", false},
		"a length of 20 digits":                {"$99999999999999999999\r\n", false},
		"a number that is none":                {":1x\r\n", false},
		"a number of 20 digits":                {":99999999999999999999\r\n", false},
		"no length":                            {"$\r\n", false},
		"a chunked string":                     {"$?\r\n", false},
		"nothing with something":               {"_a\r\n", false},
		"truth of two letters":                 {"#tt\r\n", false},
		"an unknown kind":                      {"?\r\n", false},
		"no carriage return":                   {"+OK\n", false},
		"a carriage return alone":              {"\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, said := range []io.Reader{strings.NewReader(row.said), iotest.OneByteReader(strings.NewReader(row.said))} {
				through, ok := read(t, said)
				require.Equal(t, row.ok, ok)
				if row.ok {
					require.Equal(t, row.said, string(through))
				}
			}
		})
	}
}

// FuzzReplies reads anything in pieces: what is let through is what was said, wherever it is cut it is judged alike, and no
// length in it is more than an answer of ours can need.
func FuzzReplies(f *testing.F) {
	for _, seed := range []string{
		"_\r\n", "$-1\r\n", "$16\r\n1234567890123456\r\n", "*-7\r\n", "%1\r\n+a\r\n+b\r\n", "|1\r\n+a\r\n:1\r\n+OK\r\n", "$-5\r\n", "$?\r\n",
		"%2\r\n$5\r\nproto\r\n:3\r\n$7\r\nmodules\r\n*0\r\n+OK\r\n", "*1\r\n*1\r\n*1\r\n$3\r\na\r\n\r\n",
	} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, said []byte, piece int) {
		whole, ok := read(t, bytes.NewReader(said))
		pieces, alike := read(t, &cut{said, 1 + max(0, piece%100)})
		require.Equal(t, ok, alike)
		require.True(t, bytes.HasPrefix(said, whole))
		require.True(t, bytes.HasPrefix(said, pieces))
		if ok {
			require.Equal(t, said, whole)
			require.Equal(t, said, pieces)
			requireSmall(t, said)
		}
	})
}

// A cut reader says so many bytes at a time.
type cut struct {
	said  []byte
	piece int
}

func (c *cut) Read(p []byte) (int, error) {
	if len(c.said) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.piece)], c.said)
	c.said = c.said[n:]
	return n, nil
}

// requireSmall reads a stream by itself, in another way than replies does: whole items, by fmt.
func requireSmall(t *testing.T, said []byte) {
	t.Helper()
	for len(said) > 0 {
		line, rest, whole := bytes.Cut(said, []byte("\n"))
		if !whole {
			return // it ends in the middle
		}
		said = rest
		var kind rune
		var n int
		if _, err := fmt.Sscanf(string(line), "%c%d", &kind, &n); err != nil {
			continue
		}
		switch kind {
		case '$', '!', '=':
			require.LessOrEqual(t, n, maxBlob)
			require.GreaterOrEqual(t, n, -1)
			if n >= 0 {
				said = said[min(n+2, len(said)):]
			}
		case '*', '%', '~', '>', '|':
			require.LessOrEqual(t, n, maxItems)
			require.GreaterOrEqual(t, n, -1)
		}
	}
}
