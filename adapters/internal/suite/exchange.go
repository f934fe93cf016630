package suite

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// A Request is what a test sends. Its zero value is GET / without credentials
// and without a certificate.
type Request struct {
	Client        *Client // nil: without a certificate
	Method        string
	Path          string
	Query         string
	Authorization []string // one field each
	Header        http.Header
	Body          string
}

// Bearer is a request of the client's with the token.
func Bearer(client *Client, token string) Request {
	return Request{Client: client, Authorization: []string{"Bearer " + token}}
}

func (r Request) build(t *testing.T, base, id string) *http.Request {
	t.Helper()
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	path := r.Path
	if path == "" {
		path = "/"
	}
	query := url.Values{"case": {id}}.Encode()
	if r.Query != "" {
		query += "&" + r.Query
	}
	request, err := http.NewRequestWithContext(t.Context(), method, base+path+"?"+query, strings.NewReader(r.Body))
	require.NoError(t, err)
	if r.Header != nil {
		request.Header = r.Header.Clone()
	}
	if r.Authorization != nil {
		request.Header["Authorization"] = slices.Clone(r.Authorization)
	}
	return request
}

// Check sends the request over HTTP/1.1 and over HTTP/2 and asserts, for each,
// the answer, that the probe behind the guard was reached exactly if the answer
// is OK, that it then found the token in its context, and that nothing that was
// sent comes back. It returns the visits to the probe.
func (s *Server) Check(t *testing.T, probe *Probe, request Request, want Answer) []Visit {
	t.Helper()
	var visits []Visit
	for _, version := range []int{1, 2} {
		visits = append(visits, s.check(t, probe, request, want, version)...)
	}
	return visits
}

func (s *Server) check(t *testing.T, probe *Probe, request Request, want Answer, version int) []Visit {
	t.Helper()
	id := s.fixture.newCase(request.Authorization...)
	client := request.Client
	if client == nil {
		client = s.fixture.Nobody
	}
	response, err := client.HTTP(version).Do(request.build(t, s.URL, id))
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	if strings.HasPrefix(s.URL, "https:") {
		require.Equal(t, version, response.ProtoMajor)
	}
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	want.assert(t, response, body, request.Authorization)
	return probe.assert(t, id, want)
}

// checkDirectly hands a request to the handler without a socket: for what no
// socket of net/http lets through.
func (s *Server) checkDirectly(t *testing.T, probe *Probe, request *http.Request, want Answer) {
	t.Helper()
	id := s.fixture.newCase(request.Header["Authorization"]...)
	request.URL.RawQuery = url.Values{"case": {id}}.Encode()
	recorder := httptest.NewRecorder()
	s.Handler.ServeHTTP(recorder, request)
	response := recorder.Result()
	want.assert(t, response, recorder.Body.Bytes(), request.Header["Authorization"])
	probe.assert(t, id, want)
}

// direct is a request for checkDirectly.
func direct(authorization string) *http.Request {
	request := httptest.NewRequest(http.MethodGet, "https://api.example/", nil)
	request.Header["Authorization"] = []string{authorization}
	return request
}

// newCase returns the number by which the probe knows a request, and makes what
// it carries a secret of the log.
func (f *Fixture) newCase(authorization ...string) string {
	for _, field := range authorization {
		f.Log.secret(field)
	}
	return strconv.FormatInt(f.cases.Add(1), 10)
}

// A Probe is a handler that remembers what it was called with.
type Probe struct {
	mu     sync.Mutex
	visits map[string][]Visit
}

// A Visit is what a Probe found in one request.
type Visit struct {
	Token   *binding.Token // nil: none
	Header  http.Header
	Subject string
	Client  string
	Scopes  []string
}

// ran is the Probe's answer.
const ran = "the handler ran"

func (p *Probe) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	visit := Visit{Header: r.Header.Clone()}
	if token, found := binding.TokenFromContext(r.Context()); found {
		visit.Token, visit.Subject, visit.Client, visit.Scopes = token, token.Subject(), token.ClientID(), token.Scopes()
	}
	id := r.URL.Query().Get("case")
	p.mu.Lock()
	if p.visits == nil {
		p.visits = make(map[string][]Visit)
	}
	p.visits[id] = append(p.visits[id], visit)
	p.mu.Unlock()
	_, _ = io.WriteString(w, ran)
}

func (p *Probe) of(id string) []Visit {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.visits[id])
}

// count is how often the handler ran.
func (p *Probe) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	count := 0
	for _, visits := range p.visits {
		count += len(visits)
	}
	return count
}

// assert fails the test if the handler ran and should not have, or the other
// way round.
func (p *Probe) assert(t *testing.T, id string, want Answer) []Visit {
	t.Helper()
	visits := p.of(id)
	if want.Status != http.StatusOK {
		require.Empty(t, visits, "the handler ran for a request that is refused")
		return nil
	}
	require.Len(t, visits, 1, "how often the handler ran")
	require.NotNil(t, visits[0].Token, "the handler found no token in its context")
	assert.Equal(t, want.subject(), visits[0].Subject)
	assert.Equal(t, ClientID, visits[0].Client)
	assert.Subset(t, []string{"accounts", "payments"}, visits[0].Scopes)
	return visits
}

// dump is a response as it came, all of it.
func dump(response *http.Response, body []byte) string {
	var b strings.Builder
	fmt.Fprintln(&b, response.Status)
	_ = response.Header.Write(&b)
	_ = response.Trailer.Write(&b)
	b.Write(body)
	return b.String()
}
