package main

import (
	"net/http"
	"strings"
)

type outcome int

const (
	dropped outcome = iota // nothing of the forgery had an effect
	noted                  // harmless behind Certbound, and worth knowing
	passed
	unknown
)

type verdict struct {
	outcome outcome
	text    string
}

// baseline says whether the answer to a request without a forgery is one that
// others can be compared with, and what it is.
func (c *check) baseline(s side, o observation, known bool) (usable bool, note string) {
	alone := s.certificate == nil
	cannot := func(note string) (bool, string) {
		c.unknown = true
		return false, note
	}
	switch {
	case o.err != nil && !o.byAlert():
		return cannot(o.String())
	case o.err != nil || refusedByProxy(o.status):
		if alone {
			return false, "refused by the proxy, so that nothing can be forged here: " + o.String()
		}
		if c.options.token != "" {
			return false, "not checked, the proxy refuses a certificate that it does not know: " + o.String()
		}
		return cannot("the proxy refuses a certificate that it does not know; give one with -cert and -key: " + o.String())
	case c.options.token != "" && o.status != http.StatusUnauthorized:
		return cannot("not 401, so that nothing can be compared with it: " + o.String())
	case c.options.token != "" && alone && !known && !strings.Contains(o.challenge, certificateMissing):
		return cannot("the answer does not say that a client certificate is missing; is the token valid, and bound? If so, give its certificate and key with -cert and -key: " + o.String())
	case c.options.token != "":
		return true, o.String()
	case o.arrival == nil && o.echoed:
		return true, "answered by something that echoes headers"
	case o.arrival == nil:
		return cannot("answered by neither proxycheck -listen nor an endpoint that echoes headers, and there is no -token: " + o.String())
	case alone && o.arrival.has(c.options.header) && !o.arrival.none():
		return cannot("yet the header arrives; who sends it? " + o.arrival.String())
	case alone:
		return true, o.arrival.String()
	case o.arrival.Certificate != c.presentedThumbprint():
		return cannot("the certificate of the handshake does not arrive in the header; are its name, its -format and the proxy's configuration right? " + o.arrival.String())
	default:
		c.shown = true
		return true, "the certificate of the handshake arrives"
	}
}

// judge compares the answer to a forgery with the answer to none.
func (c *check) judge(s side, f forgery, baseline, o observation) verdict {
	switch {
	case o.err != nil:
		return verdict{unknown, o.String()}
	case refusedByProxy(o.status):
		return verdict{dropped, "refused: " + o.String()}
	case c.options.token != "":
		return judgeAnswer(f, baseline, o)
	case baseline.arrival == nil:
		return judgeEcho(f, o)
	case o.arrival == nil:
		return verdict{unknown, "not answered by the receiver: " + o.String()}
	case s.certificate == nil:
		return c.judgeAlone(o.arrival)
	default:
		return c.judgeBeside(o.arrival)
	}
}

// judgeAnswer looks at what the resource server says.
func judgeAnswer(f forgery, baseline, o observation) verdict {
	switch {
	case o.status/100 == 2:
		return verdict{passed, "PASSED, and the server let us in: " + o.String()}
	case o.status == http.StatusTooManyRequests || o.status >= 500:
		return verdict{unknown, o.String()}
	case o.status == baseline.status && o.challenge == baseline.challenge:
		return verdict{dropped, "as if nothing were forged"}
	case f.alias && o.status == http.StatusUnauthorized && strings.Contains(o.challenge, certificateUnreadable):
		return verdict{noted, "arrives, and the server refuses it; another server may not: " + o.String()}
	default:
		return verdict{passed, "PASSED, the server saw it: " + o.String()}
	}
}

func judgeEcho(f forgery, o observation) verdict {
	switch {
	case o.seen && f.alias:
		return verdict{noted, "arrives; Certbound refuses such a name, another server may not"}
	case o.seen:
		return verdict{passed, "PASSED, the forged value was echoed"}
	case !o.echoed:
		return verdict{unknown, "headers were not echoed this time: " + o.String()}
	default:
		return verdict{dropped, "not echoed"}
	}
}

// judgeAlone looks at what arrived from a client without a certificate.
func (c *check) judgeAlone(a *arrival) verdict {
	switch {
	case a.has(c.options.header) && !a.none():
		return verdict{passed, "PASSED, " + a.String()}
	case a.hasAlias(c.options.header):
		return verdict{noted, "another name than the header's; Certbound refuses it, another server may not: " + a.String()}
	case len(a.Fields) > 0:
		return verdict{dropped, "arrives as what means no certificate"}
	default:
		return verdict{dropped, "does not arrive"}
	}
}

// judgeBeside looks at what arrived from a client with another certificate.
func (c *check) judgeBeside(a *arrival) verdict {
	switch {
	case !a.has(c.options.header), a.none():
		return verdict{noted, "the client's real certificate is lost, which harms nobody else: " + a.String()}
	case a.Certificate == c.forgedThumbprint():
		return verdict{passed, "PASSED, " + a.String()}
	case a.Certificate != c.presentedThumbprint():
		return verdict{passed, "PASSED beside the real one, " + a.String()}
	case a.hasAlias(c.options.header):
		return verdict{noted, "another name beside the header; Certbound refuses both, another server may not: " + a.String()}
	default:
		return verdict{dropped, "only the certificate of the handshake arrives"}
	}
}

// refusedByProxy: statuses that no resource server gives for a token's
// certificate, and that proxies give for a malformed request (400, RFC 9110
// §15.5.1; 431, RFC 6585 §5; nginx's 495 and 496, for a certificate).
func refusedByProxy(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestHeaderFieldsTooLarge, 495, 496:
		return true
	}
	return false
}

func (a *arrival) has(header string) bool {
	for _, field := range a.Fields {
		if field.Name == header {
			return true
		}
	}
	return false
}

func (a *arrival) hasAlias(header string) bool {
	for _, field := range a.Fields {
		if field.Name != header {
			return true
		}
	}
	return false
}

// none: the header, if it came, says that there is no certificate.
func (a *arrival) none() bool { return a.Certificate == "" && a.Reason == "" }

func (f forgery) sameName(header string) bool {
	sent := make(http.Header)
	f.fields(sent, header, "")
	_, same := sent[header]
	return same
}
