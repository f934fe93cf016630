package suite

import (
	_ "embed"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The table of attacks, one row a line: its number, its section, the input, the expected answer, and the source.
//
//go:embed testdata/attacks.tsv
var tableText string

// What is to be said of a row: its number, a kind, the answers that it may have as well, and why.
//
//go:embed testdata/notes.tsv
var notesText string

// answersOf is what each row expects of a request, as far as that is an answer: nothing for a row like 256.
var answersOf = sync.OnceValue(func() map[int][]string {
	rows := make(map[int][]string)
	for line := range strings.Lines(tableText) {
		cells := strings.Split(line, "\t")
		if number, err := strconv.Atoi(cells[0]); err == nil {
			rows[number] = answerWord.FindAllString(cells[3], -1)
		}
	}
	for line := range strings.Lines(notesText) {
		cells := strings.Split(line, "\t")
		if number, err := strconv.Atoi(cells[0]); err == nil {
			rows[number] = append(rows[number], strings.Fields(cells[2])...)
		}
	}
	return rows
})

// The table's words for answers. "400 by net/http" is 400.
var answerWord = regexp.MustCompile(`\b(OK|E0|IR|IT|IS|TLS|400|431|500|503)\b`)

// word is the table's word for the answer.
func (a Answer) word() string {
	switch {
	case a.byServer:
		return strconv.Itoa(a.Status)
	case a.Status == http.StatusOK:
		return "OK"
	case a.Status == http.StatusUnauthorized && a.Code == "":
		return "E0"
	case a.Code == "invalid_request":
		return "IR"
	case a.Code == "invalid_token":
		return "IT"
	case a.Code == "insufficient_scope":
		return "IS"
	}
	return strconv.Itoa(a.Status)
}

var rowsInName = regexp.MustCompile(`/[A-K](?:_[a-z_]+)?/(\d+)(?:_(and|to)_(\d+))?(?:_|$)`)

// rowsOf returns the rows that the name of a subtest says it shows: those of A/8_tab, G/182_to_184_x, J/229_and_261_y.
func rowsOf(name string) []int {
	found := rowsInName.FindStringSubmatch(name)
	if found == nil {
		return nil
	}
	first, _ := strconv.Atoi(found[1])
	rows := []int{first}
	last, _ := strconv.Atoi(found[3])
	if found[2] == "and" {
		return append(rows, last)
	}
	for next := first + 1; next <= last; next++ {
		rows = append(rows, next)
	}
	return rows
}

// A ledger is what the subtests saw. One that bears a row's number must see an answer that the row expects: a name is
// a claim, and the table is what it is held to.
type ledger struct {
	mu   sync.Mutex
	seen map[*testing.T]map[string]bool
}

// enter notes an answer that a test saw, and at its end compares all of them with the rows.
func (l *ledger) enter(t *testing.T, answer Answer) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = make(map[*testing.T]map[string]bool)
	}
	words := l.seen[t]
	if words == nil {
		words = make(map[string]bool)
		l.seen[t] = words
		t.Cleanup(func() { l.settle(t) })
	}
	words[answer.word()] = true
}

func (l *ledger) settle(t *testing.T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	words := l.seen[t]
	delete(l.seen, t)
	for _, row := range rowsOf(t.Name()) {
		expected := answersOf()[row]
		if len(expected) > 0 && !slices.ContainsFunc(expected, func(word string) bool { return words[word] }) {
			t.Errorf("row %d expects %v and saw %v", row, expected, words)
		}
	}
}
