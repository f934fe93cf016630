package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxInput is how many bytes are read of what holds the token: more than a
// server takes for a token, so that one that is too long is explained too.
const maxInput = 64 << 10

const notAsArgument = "A token as an argument stays in the shell's history and shows in the list of processes: " +
	"if it was one, and is still valid, take it for known to others. Give it to the standard input"

// A credential is what the client would send.
type credential struct {
	token  string   // never printed
	scheme string   // what came before the token, or what token_type says; else "": see newInspection
	notes  []string // what was around it
}

// readToken reads the token, from where -token says, out of what is usually
// around it. No error shows what was read or the argument itself.
func readToken(file string, stdin io.Reader, stderr io.Writer) (*credential, error) {
	var source io.Reader
	switch {
	case file == "-":
		if isTerminal(stdin) {
			fmt.Fprintln(stderr, "Paste the token, then a line end and Ctrl-D.")
		}
		source = stdin
	case strings.HasPrefix(file, "eyJ") || takeApart(file).form != opaque:
		return nil, errors.New("-token: names a file, or is - for the standard input; this looks like a token itself. " + notAsArgument)
	default:
		opened, err := os.Open(file)
		if err != nil {
			var path *os.PathError
			if errors.As(err, &path) {
				err = path.Err // without the name, which may be a token
			}
			return nil, fmt.Errorf("-token: the file cannot be opened: %w. It must be a file's name, or - for the standard input. %s", err, notAsArgument)
		}
		defer opened.Close()
		source = opened
	}
	text, err := io.ReadAll(io.LimitReader(source, maxInput+1))
	if err != nil {
		return nil, errors.New("-token: it cannot be read")
	}
	if len(text) > maxInput {
		return nil, fmt.Errorf("-token: more than %d bytes, which is no access token", maxInput)
	}
	given := credentialIn(string(text))
	if given.token == "" {
		return nil, errors.New("-token: holds no access token")
	}
	return given, nil
}

// credentialIn takes the token out of an Authorization line, a token endpoint's
// answer or quotes.
func credentialIn(text string) *credential {
	c := &credential{}
	text = strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	if strings.HasPrefix(text, "{") {
		if token, typ, ok := tokenResponse(text); ok {
			c.token = token
			c.note("taken from access_token of a JSON object, as a token endpoint answers")
			switch {
			case strings.EqualFold(typ, "Bearer"):
				c.scheme = "Bearer"
			case strings.EqualFold(typ, "DPoP"):
				c.scheme = "DPoP"
				c.note("token_type is DPoP: a client sends it as Authorization: DPoP, and so does this check")
			}
			return c
		}
	}
	if name, value, found := strings.Cut(text, ":"); found && strings.EqualFold(strings.TrimSpace(name), "Authorization") {
		text = strings.TrimSpace(value)
	}
	scheme, rest, _ := strings.Cut(text, " ")
	for _, known := range []string{"Bearer", "DPoP"} {
		if strings.EqualFold(scheme, known) {
			c.scheme, text = known, strings.TrimSpace(rest)
			c.note("with the scheme " + known + " in front, which is the request's")
		}
	}
	if len(text) > 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
		c.note("in quotes, which were left out: a client must not send them (with jq use -r)")
	}
	c.token = text
	return c
}

func (c *credential) note(text string) { c.notes = append(c.notes, text) }

func tokenResponse(text string) (token, typ string, ok bool) {
	var members map[string]json.RawMessage // and not a struct, which folds case
	if json.Unmarshal([]byte(text), &members) != nil {
		return "", "", false
	}
	if json.Unmarshal(members["access_token"], &token) != nil || token == "" {
		return "", "", false
	}
	_ = json.Unmarshal(members["token_type"], &typ) // absent is ""
	return token, typ, true
}
