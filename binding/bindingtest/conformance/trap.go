package conformance

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
)

// trap is the attacker's server. It serves a key set of the attacker's over
// http and over an https that the server under test trusts, so that whoever
// fetches it would take it; and counts who does.
type trap struct {
	keys    atomic.Pointer[[]byte]
	fetched atomic.Int64

	plain, secure *httptest.Server
}

func newTrap(i *issuer) *trap {
	t := &trap{}
	t.serve(keySetOf())
	t.plain, t.secure = httptest.NewUnstartedServer(t), httptest.NewUnstartedServer(t)
	for _, server := range []*httptest.Server{t.plain, t.secure} {
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
	}
	t.plain.Start()
	t.secure.TLS = &tls.Config{Certificates: []tls.Certificate{i.as.ServerCertificate()}, MinVersion: tls.VersionTLS12}
	t.secure.StartTLS()
	return t
}

func (t *trap) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	t.fetched.Add(1)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(*t.keys.Load())
}

// serve has the trap serve a key set.
func (t *trap) serve(set []byte) { t.keys.Store(&set) }

func (t *trap) close() {
	t.plain.Close()
	t.secure.Close()
}

func keySetOf(keys ...fmt.Stringer) []byte {
	text := `{"keys":[`
	for i, key := range keys {
		if i > 0 {
			text += ","
		}
		text += key.String()
	}
	return []byte(text + "]}")
}
