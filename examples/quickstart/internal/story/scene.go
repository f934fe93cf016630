package story

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// A scene is one request to an API, and the answer that it must get.
type scene struct {
	who          string
	thief        bool   // who acts is one
	url          string // of the API
	path         string
	scheme       string // of Authorization
	token        string
	proof        string // DPoP; "" for none
	certificates []tls.Certificate
	status       int
	code         string // of the challenge; "" for none
	why          string
}

// An answer is what the API said.
type answer struct {
	status    int
	challenge string
	body      string
}

// play lets everybody act. It returns how many answers are not as they should be.
func (w *world) play(ctx context.Context, on screen, scenes []scene) (wrong int, err error) {
	for _, s := range scenes {
		got, err := w.call(ctx, s)
		if err != nil {
			return 0, err
		}
		s.show(on, got)
		if !s.isAnsweredBy(got) {
			wrong++
			on.printf("     WRONG: this should be %d %s\n", s.status, s.code)
		}
		on.printf("\n")
	}
	return wrong, nil
}

// show prints a scene, that of a thief behind a bar.
func (s scene) show(on screen, got answer) {
	margin, who, status := "   ", strong, good
	if s.thief {
		margin, who = " "+on.paint(bad, "|")+" ", bad
	}
	switch {
	case s.thief && got.status == http.StatusOK:
		status = harm
	case got.status != http.StatusOK && !s.thief:
		status = bad
	}
	on.block(margin, 3, who, s.who)
	on.printf("%s  GET %s -> %s\n", margin, s.path, on.paint(status, fmt.Sprintf("%d %s", got.status, http.StatusText(got.status))))
	said := got.body
	if got.challenge != "" {
		said = "WWW-Authenticate: " + got.challenge
	}
	on.block(margin+"  ", 5, faint, said)
	on.block(margin+"  ", 5, plain, s.why)
}

func (s scene) isAnsweredBy(got answer) bool {
	if got.status != s.status {
		return false
	}
	if s.status == http.StatusOK {
		return got.challenge == ""
	}
	if !strings.HasPrefix(got.challenge, s.scheme) {
		return false
	}
	if s.code == "" {
		return !strings.Contains(got.challenge, "error")
	}
	return strings.Contains(got.challenge, `error="`+s.code+`"`)
}

// call sends the request of a scene.
func (w *world) call(ctx context.Context, s scene) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+s.path, nil)
	if err != nil {
		return answer{}, err
	}
	if s.token != "" {
		request.Header.Set("Authorization", s.scheme+" "+s.token)
	}
	if s.proof != "" {
		request.Header.Set("DPoP", s.proof)
	}
	client := w.as.HTTPClient(s.certificates...)
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header.Get("WWW-Authenticate"), strings.TrimSpace(string(body))}, err
}
