package wycheproof

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"testing"

	"github.com/c2sp/wycheproof"
	"github.com/stretchr/testify/require"
)

// A vectorFile is one file of test vectors. Its groups differ from file to file.
type vectorFile[G any] struct {
	NumberOfTests int
	TestGroups    []G
}

func read[G any](t *testing.T, name string) vectorFile[G] {
	t.Helper()
	text, err := fs.ReadFile(wycheproof.TestVectors, name+"_test.json")
	require.NoError(t, err)
	var file vectorFile[G]
	require.NoError(t, json.Unmarshal(text, &file))
	require.NotZero(t, file.NumberOfTests)
	return file
}

// What a vector should give, by its file.
const (
	valid      = "valid"
	invalid    = "invalid"
	acceptable = "acceptable" // either will do
)

// A count is what became of the vectors of a file.
type count struct {
	accepted  int // valid
	onPurpose int // valid, and refused for a reason that a table here gives
	refused   int // invalid
	either    int // acceptable
}

func (c count) sum() int { return c.accepted + c.onPurpose + c.refused + c.either }

// judge counts a vector, or fails: an invalid one must be refused, and a valid
// one accepted, unless there is a reason not to.
func (c *count) judge(t *testing.T, id int, result string, accepted bool, reason string) {
	t.Helper()
	switch {
	case result == valid && reason == "":
		require.True(t, accepted, "vector %d is valid, and refused", id)
		c.accepted++
	case result == valid:
		require.False(t, accepted, "vector %d is accepted, though: %s", id, reason)
		c.onPurpose++
	case result == invalid:
		require.False(t, accepted, "vector %d is invalid, and accepted", id)
		c.refused++
	case result == acceptable:
		c.either++
	default:
		require.FailNow(t, "a result that is unknown", "vector %d: %s", id, result)
	}
}

// total is what became of all vectors.
var total struct {
	mu    sync.Mutex
	files int
	count
}

// report holds the count of a file against what it was when the file was read
// by a person, and adds it to the total.
func report(t *testing.T, want, got count) {
	t.Helper()
	t.Logf("%+v", got)
	require.Equal(t, want, got)
	total.mu.Lock()
	defer total.mu.Unlock()
	total.files++
	total.accepted += got.accepted
	total.onPurpose += got.onPurpose
	total.refused += got.refused
	total.either += got.either
}

func TestMain(m *testing.M) {
	code := m.Run()
	fmt.Printf("wycheproof: %d vectors of %d files: %d valid accepted, %d valid refused on purpose, %d invalid refused, %d acceptable either way\n",
		total.sum(), total.files, total.accepted, total.onPurpose, total.refused, total.either)
	os.Exit(code)
}
