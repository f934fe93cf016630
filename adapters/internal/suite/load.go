package suite

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// load is row 275: one guard, one verifier, a thousand goroutines. Each knows
// what it must get, and that a request finds the token of another would show in
// the subject.
func (s *suite) load(t *testing.T) {
	const goroutines = 1000
	site := s.serve(t, Protect(s.Guard(t, binding.Config{})), RequireScopes("accounts"))
	holder, other, nobody := s.crowd(s.Holder), s.crowd(s.Other), s.crowd(s.Nobody)
	type visitor struct {
		client *Client
		token  string
		want   Answer
	}
	var visitors []visitor
	for i := range 8 {
		subject := fmt.Sprintf("subject-%d", i)
		spec := bindingtest.TokenSpec{Subject: subject, Certificate: s.Holder.Certificate.Leaf}
		good := s.Token(t, spec)
		spec.Scopes = []string{"payments"}
		poor := s.Token(t, spec)
		welcome := OK
		welcome.Subject = subject
		visitors = append(visitors,
			visitor{holder, good, welcome},
			visitor{other, good, OtherCertificate},
			visitor{nobody, good, NoCertificate},
			visitor{holder, poor, MissesScopes("accounts")},
			visitor{other, poor, OtherCertificate},
			visitor{holder, good + "x", Malformed},
		)
	}
	t.Run("275 a thousand goroutines", func(t *testing.T) {
		t.Parallel()
		atOnce(t, goroutines, func(i int) error {
			v := visitors[i%len(visitors)]
			if err := site.visit(t, site.Probe, Bearer(v.client, v.token), v.want, 1+i%2); err != nil {
				return fmt.Errorf("%d: %w", i%len(visitors), err)
			}
			return nil
		})
	})
}

// crowd is the client for many requests at once: its requests wait for a
// connection, of which there are few.
func (s *suite) crowd(client *Client) *Client {
	crowd := s.newClient(client.Certificate)
	for _, version := range []int{1, 2} {
		crowd.HTTP(version).Transport.(*http.Transport).MaxConnsPerHost = 8
		crowd.HTTP(version).Timeout = 0
	}
	return crowd
}

// visit is Check for goroutines of the test's own, where no assertion may end
// the test.
func (s *Server) visit(t *testing.T, probe *Probe, request Request, want Answer, version int) error {
	id := s.fixture.newCase(request.Authorization...)
	response, err := request.Client.HTTP(version).Do(request.build(t, s.URL, id))
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body) // or the connection is not used again
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	challenge := response.Header.Get("WWW-Authenticate")
	if response.StatusCode != want.Status || challenge != first(want.Challenges()) {
		return fmt.Errorf("status %d, challenge %q, want %d, %q", response.StatusCode, challenge, want.Status, want.Challenges())
	}
	visits := probe.of(id)
	if (want.Status == http.StatusOK) != (len(visits) == 1) || len(visits) > 1 {
		return fmt.Errorf("status %d, and the handler ran %d times", response.StatusCode, len(visits))
	}
	if len(visits) == 1 && visits[0].Subject != want.subject() {
		return fmt.Errorf("the token of %q, want %q", visits[0].Subject, want.subject())
	}
	return nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
