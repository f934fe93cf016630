package bindredis

import (
	"errors"
	"net"
	"strconv"
)

// errReply is the error of a connection whose server does not speak the
// protocol, or says more than an answer of ours can need.
var errReply = errors.New("bindredis: the server's answer is not in the Redis protocol")

// Limits of what a server may say. INFO and CLUSTER SLOTS are the longest
// answers that are asked for.
const (
	maxLine   = 64 << 10
	maxBlob   = 1 << 20
	maxItems  = 64 << 10
	maxNested = 16
)

// replies is a connection whose answers are looked at before they are read: a
// length that is negative or absurd must not decide how much memory is taken.
type replies struct {
	net.Conn
	skip   int    // bytes of a string that are still to come, its line end included
	line   []byte // as far as it has come
	nested int    // lists that were begun one directly inside the other
	broken bool
}

func (r *replies) Read(p []byte) (int, error) {
	if r.broken {
		return 0, errReply
	}
	n, err := r.Conn.Read(p)
	if !r.look(p[:n]) {
		r.broken = true
		_ = r.Conn.Close()
		return 0, errReply
	}
	return n, err
}

// look follows the protocol: items one after another, each a line, and behind
// the line of a string its bytes. What a list holds are items like any other.
func (r *replies) look(read []byte) bool {
	for len(read) > 0 {
		if r.skip > 0 {
			skipped := min(r.skip, len(read))
			r.skip -= skipped
			read = read[skipped:]
			continue
		}
		c := read[0]
		read = read[1:]
		if c != '\n' {
			if r.line = append(r.line, c); len(r.line) > maxLine {
				return false
			}
			continue
		}
		item := r.line
		r.line = r.line[:0]
		if !r.item(item) {
			return false
		}
	}
	return true
}

// item judges a line without its line feed.
func (r *replies) item(line []byte) bool {
	if len(line) < 2 || line[len(line)-1] != '\r' {
		return false
	}
	kind, rest := line[0], line[1:len(line)-1]
	if kind == '*' || kind == '%' || kind == '~' || kind == '>' || kind == '|' {
		r.nested++
	} else {
		r.nested = 0
	}
	switch kind {
	case '+', '-', ',', '(':
		return true
	case '_':
		return len(rest) == 0
	case '#':
		return len(rest) == 1
	case ':':
		_, err := strconv.ParseInt(string(rest), 10, 64)
		return err == nil
	case '$', '!', '=':
		n, ok := length(rest, maxBlob)
		if n >= 0 { // -1 is nothing, without a line end
			r.skip = n + len("\r\n")
		}
		return ok
	case '*', '~', '>':
		_, ok := length(rest, maxItems)
		return ok && r.nested <= maxNested
	case '%', '|':
		n, ok := length(rest, maxItems)
		return ok && n >= 0 && r.nested <= maxNested
	}
	return false
}

// length reads a length from 0 to most, or -1 for nothing.
func length(text []byte, most int) (int, bool) {
	n, err := strconv.Atoi(string(text))
	return n, err == nil && n >= -1 && n <= most && text[0] != '+'
}
