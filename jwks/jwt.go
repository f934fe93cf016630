package jwks

import (
	"errors"
	"sync"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/internal/jws"
)

// A jwt is a token that was read, with nothing verified.
type jwt struct {
	jws.Message
	header  header
	claims  binding.Claims
	headers *headerCache // that remembers the header of a token found good
	known   bool         // it knew this one
}

// jwts are free for reuse: what a token is taken apart in is memory that is
// still in the processor's cache.
var jwts = sync.Pool{New: func() any { return new(jwt) }}

// parse reads a token: everything about it that can be checked without knowing
// whose it is. Nested JWTs end here: their payload is no object. The caller must
// release the jwt. The token's length is checked already.
func parse(headers *headerCache, token string) (*jwt, error) {
	t := jwts.Get().(*jwt)
	t.headers = headers
	if err := t.read(token); err != nil {
		t.release()
		return nil, err
	}
	return t, nil
}

func (t *jwt) read(token string) error {
	if err := t.readForm(token); err != nil {
		return err
	}
	var err error
	t.claims, err = binding.ParseClaims(t.Payload)
	return err
}

// readForm reads all but the claims.
func (t *jwt) readForm(token string) error {
	if err := t.Split(token, maxTokenBytes); err != nil {
		return refusal(err)
	}
	if t.header, t.known = t.headers.find(t.HeaderText); t.known {
		return nil
	}
	text, err := t.DecodeHeader()
	if err != nil {
		return refusal(err)
	}
	t.header, err = readHeader(text)
	return err
}

func (t *jwt) release() {
	t.Clear()
	*t = jwt{Message: t.Message}
	jwts.Put(t)
}

// refusal makes what is wrong with a JWS a refusal of the access token.
func refusal(err error) error {
	switch {
	case errors.Is(err, jws.ErrTooLong):
		return &binding.Error{Reason: binding.ReasonTokenTooLong}
	case errors.Is(err, jws.ErrExtension):
		return &binding.Error{Reason: binding.ReasonTokenHeader, Cause: err}
	}
	return &binding.Error{Reason: binding.ReasonTokenMalformed, Cause: err}
}
