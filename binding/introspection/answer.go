package introspection

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// The server's faults in an answer that came. None holds any of its text.
var (
	errNoJSON   = errors.New("introspection: the answer is not a JSON object with distinct names")
	errNoActive = errors.New("introspection: the answer's active is not true or false")
)

// activeOf reads the one member that RFC 7662 §2.2 requires: a boolean, in an
// object whose names occur once. What is deeper in the answer, or another
// member, is the token's matter: see [binding.ParseClaims].
func activeOf(answer []byte) (bool, error) {
	// encoding/json would replace what is not UTF-8.
	if !utf8.Valid(answer) || !json.Valid(answer) {
		return false, errNoJSON
	}
	decoder := json.NewDecoder(bytes.NewReader(answer))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return false, errNoJSON
	}
	members := make(map[string]json.RawMessage)
	for decoder.More() {
		token, err := decoder.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return false, errNoJSON
		}
		var value json.RawMessage
		if _, twice := members[name]; twice || decoder.Decode(&value) != nil {
			return false, errNoJSON
		}
		members[name] = value
	}
	switch string(members["active"]) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errNoActive
}
