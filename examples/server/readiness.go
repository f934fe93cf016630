package main

import (
	"net/http"
	"sync/atomic"
)

// A readiness says whether this instance wants requests. Once the server is to
// stop, it does not; it still serves what comes until the load balancer has seen
// that.
type readiness struct {
	tokens   func() error // whether tokens can be verified
	stopping atomic.Bool
}

// ServeHTTP is GET /readyz. What is wrong is in the log; a probe need not know.
func (r *readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	switch {
	case r.stopping.Load():
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "stopping"})
	case r.tokens() != nil:
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "no keys"})
	default:
		writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
	}
}
