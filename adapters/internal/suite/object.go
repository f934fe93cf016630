package suite

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// An object is a JSON object whose members are texts of JSON, good or bad.
type object map[string]string

// with returns the object with a member changed, or without it if the text is empty.
func (o object) with(name, text string) object {
	changed := maps.Clone(o)
	if changed == nil {
		changed = make(object)
	}
	changed[name] = text
	if text == "" {
		delete(changed, name)
	}
	return changed
}

func (o object) String() string {
	var members []string
	for _, name := range slices.Sorted(maps.Keys(o)) {
		members = append(members, quoted(name)+":"+o[name])
	}
	return "{" + strings.Join(members, ",") + "}"
}

// before returns the object's text with a member put in front, which may repeat a name.
func (o object) before(member string) string { return "{" + member + "," + o.String()[1:] }

// quoted is a value as text of JSON.
func quoted(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}
