package jws

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

var (
	errSyntax    = errors.New("the text is not a JSON object in UTF-8")
	errDuplicate = errors.New("a name occurs twice")
)

// members reads one JSON object strictly: UTF-8, nothing after it, no name
// twice. It is for the small objects of a JOSE header and a key set; claims go
// through binding.ParseToken.
func members(text []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(text) || !json.Valid(text) {
		return nil, errSyntax
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if brace, err := decoder.Token(); err != nil || brace != json.Delim('{') {
		return nil, errSyntax
	}
	found := make(map[string]json.RawMessage)
	for decoder.More() {
		token, err := decoder.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, errSyntax
		}
		if _, twice := found[name]; twice {
			return nil, errDuplicate
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, errSyntax
		}
		found[name] = value
	}
	return found, nil
}

func stringOf(value json.RawMessage) (s string, ok bool) {
	ok = len(value) > 0 && value[0] == '"' && json.Unmarshal(value, &s) == nil
	return s, ok
}
