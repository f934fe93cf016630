package report

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// What stands between these in a document is the program's.
const (
	tableBegin = "<!-- by examples/benchmarks -->\n"
	tableEnd   = "<!-- end -->\n"
)

// WriteTable puts the text in the place of what the file has between the marks.
func WriteTable(path, table string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := replaceTable(string(old), table)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

func replaceTable(text, table string) (string, error) {
	before, rest, ok := strings.Cut(text, tableBegin)
	_, after, found := strings.Cut(rest, tableEnd)
	if !ok || !found {
		return "", errors.New("report: no place for the table: " + strings.TrimSpace(tableBegin))
	}
	return before + tableBegin + table + tableEnd + after, nil
}
