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

const underAnotherName = "arrives under another name than the header's; Certbound refuses that, another server may not"

// A basis is what is known of the answer to a request without a forgery.
type basis struct {
	note    string
	unknown bool // it is not as it must be: nothing can be promised
	blind   bool // forgeries would show nothing
}

// baseline says what answers to forgeries can be compared with.
func (c *check) baseline(s side, o observation, known bool) basis {
	alone, token := s.presented == nil, c.options.token != ""
	switch {
	case o.err != nil && !o.byAlert():
		return basis{note: o.String(), unknown: true, blind: true}
	case o.err != nil && alone:
		return basis{note: "refused in the handshake, so that nothing can be forged here: " + o.String(), blind: true}
	case o.err != nil || refusedByProxy(o.status) && !alone:
		if token && !s.own && c.options.pair != nil {
			return basis{note: "the proxy refuses a certificate that it does not know; the token's own is asked in its place: " + o.String(), blind: true}
		}
		return basis{note: "not asked: the proxy refuses this certificate; give one that it accepts with -cert and -key: " + o.String(), unknown: true, blind: true}
	case refusedByProxy(o.status):
		return basis{note: "refused by the proxy: " + o.String()}
	case token && s.own && o.status/100 == 2:
		c.shown = true
		return basis{note: "accepted, " + o.String() + o.caution()}
	case token && s.own:
		return basis{note: "not accepted: " + o.String(), unknown: true}
	case token && o.status != http.StatusUnauthorized:
		return basis{note: "not 401, so that nothing can be compared with it: " + o.String(), unknown: true, blind: true}
	case token && alone && !known && !strings.Contains(o.challenge, certificateMissing):
		return basis{note: "the answer does not say that a client certificate is missing; is the token valid, and bound? If so, give its certificate and key with -cert and -key: " + o.String(), unknown: true}
	case token:
		return basis{note: o.String()}
	case o.arrival == nil && o.echoed:
		return basis{note: "answered by something that echoes headers"}
	case o.arrival == nil:
		return basis{note: "answered by neither proxycheck -listen nor an endpoint that echoes headers, and there is no -token: " + o.String(), unknown: true, blind: true}
	case alone && !o.arrival.none():
		return basis{note: "yet the header arrives; who sends it? " + o.arrival.String(), unknown: true}
	case alone:
		return basis{note: o.arrival.String()}
	case o.arrival.Certificate != thumbprint(s.presented.Certificate[0]):
		return basis{note: "the certificate of the handshake does not arrive in the header; are its name, its -format and the proxy's configuration right? " + o.arrival.String(), unknown: true}
	}
	c.shown = true
	return basis{note: "the certificate of the handshake arrives" + o.caution()}
}

// caution is about honest clients, and nothing that passed.
func (o observation) caution() string {
	if !o.unnamed {
		return ""
	}
	return ", but the proxy names CAs in the handshake, and this certificate is of none of them: Go's and Java's clients, for instance, would present none"
}

// judge compares the answer to a forgery with the answer to none.
func (c *check) judge(s side, f forgery, baseline, o observation) verdict {
	switch {
	case o.err != nil:
		return verdict{unknown, o.String()}
	case refusedByProxy(o.status):
		return verdict{dropped, "refused by the proxy"}
	case c.options.token != "" && s.own && baseline.status/100 == 2:
		return judgeOwn(f, o)
	case c.options.token != "":
		return judgeAnswer(f, baseline, o)
	case baseline.arrival == nil:
		return judgeEcho(f, o)
	case o.arrival == nil:
		return verdict{unknown, "not answered by the receiver: " + o.String()}
	default:
		return c.judgeArrival(s, baseline.arrival, o.arrival)
	}
}

// judgeOwn looks at what the resource server says of a token beside its own
// certificate and the forged one of another: it is accepted unless the forgery
// counts.
func judgeOwn(f forgery, o observation) verdict {
	switch {
	case o.status/100 == 2:
		return verdict{dropped, "only the certificate of the handshake counts"}
	case o.status == http.StatusTooManyRequests || o.status >= 500:
		return verdict{unknown, o.String()}
	case strings.Contains(o.challenge, certificateMissing):
		return verdict{noted, "the client's real certificate is lost, which harms nobody else: " + o.String()}
	case f.alias && strings.Contains(o.challenge, certificateUnreadable):
		return verdict{noted, underAnotherName}
	default:
		return verdict{passed, "PASSED, the forged header has an effect: " + o.String()}
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
		return verdict{noted, underAnotherName}
	default:
		return verdict{passed, "PASSED, the server saw it: " + o.String()}
	}
}

func judgeEcho(f forgery, o observation) verdict {
	switch {
	case o.seen && f.alias:
		return verdict{noted, underAnotherName}
	case o.seen:
		return verdict{passed, "PASSED, the forged value was echoed"}
	case !o.echoed:
		return verdict{unknown, "headers were not echoed this time: " + o.String()}
	default:
		return verdict{dropped, "not echoed"}
	}
}

// judgeArrival looks at what arrived, and compares it with what does when
// nothing is forged: nothing, or the certificate of the handshake, or else
// something is wrong already.
func (c *check) judgeArrival(s side, before, a *arrival) verdict {
	as := a.Certificate == before.Certificate && a.Reason == before.Reason
	switch {
	case a.Certificate == thumbprint(s.forged):
		return verdict{passed, "PASSED, " + a.String()}
	case a.none() && !before.none():
		return verdict{noted, "the client's real certificate is lost, which harms nobody else: " + a.String()}
	case !as && before.none():
		return verdict{passed, "PASSED, " + a.String()}
	case !as:
		return verdict{passed, "PASSED beside the real one, " + a.String()}
	case a.hasAlias(c.options.header):
		return verdict{noted, underAnotherName}
	case !a.none():
		return verdict{dropped, "only what arrives when nothing is forged"}
	case len(a.Fields) > 0:
		return verdict{dropped, "arrives as what means no certificate"}
	default:
		return verdict{dropped, "does not arrive"}
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
