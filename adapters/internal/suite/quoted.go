package suite

import "encoding/json"

// quoted is a value as text of JSON.
func quoted(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}
