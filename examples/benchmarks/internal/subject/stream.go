package subject

import (
	"crypto/x509"
	"net/http"
	"time"
)

// A Stream is a guard, and tokens for it that are all different, without end.
type Stream struct {
	*Guard
	issuer      *Issuer
	certificate *x509.Certificate
}

// NewStream starts an issuer for the algorithm that publishes that many other keys beside the one that signs, and a guard for
// its tokens. Close it when done.
func NewStream(algorithm string, otherKeys int) (*Stream, error) {
	issuer, err := NewIssuer(algorithm, otherKeys)
	if err != nil {
		return nil, err
	}
	client, err := issuer.NewClientCertificate("tpp-4711")
	if err != nil {
		issuer.Close()
		return nil, err
	}
	guard, err := NewGuard(issuer, issuer.Transport())
	if err != nil {
		issuer.Close()
		return nil, err
	}
	return &Stream{guard, issuer, client.Leaf}, nil
}

// Token returns a token that was not there before.
func (s *Stream) Token() (string, error) { return s.issuer.NewToken(s.certificate) }

// Request returns a request of the client's with any token.
func (s *Stream) Request(token string) *http.Request { return NewRequest(token, s.certificate) }

// Requests returns that many requests, each with a token that was not there before.
func (s *Stream) Requests(count int) ([]*http.Request, error) {
	return s.requests(count, s.Token)
}

// Expired returns that many requests, each with a token that was not there before and expired an hour ago.
func (s *Stream) Expired(count int) ([]*http.Request, error) {
	spec := tokenSpec(s.certificate)
	spec.ExpiresIn = -time.Hour
	return s.requests(count, func() (string, error) { return s.issuer.Token(spec) })
}

func (s *Stream) requests(count int, token func() (string, error)) ([]*http.Request, error) {
	requests := make([]*http.Request, count)
	for i := range requests {
		token, err := token()
		if err != nil {
			return nil, err
		}
		requests[i] = s.Request(token)
	}
	return requests, nil
}

// Pass has the guard decide about the requests, one after the other.
func (s *Stream) Pass(requests []*http.Request) error {
	for _, r := range requests {
		if _, err := s.Check(r); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the guard and the issuer.
func (s *Stream) Close() error {
	err := s.Guard.Close()
	s.issuer.Close()
	return err
}
