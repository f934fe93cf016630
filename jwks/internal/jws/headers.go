package jws

import (
	"strings"
	"sync/atomic"
)

// Headers remembers the JOSE headers of messages that were verified, by the text
// in which they came: an issuer writes the same few into all its tokens, and to
// read one costs more than to read the claims. It knows of a text what read has
// found in it, and nothing else, so that no token is accepted for it that would
// be refused without it. It holds no token. The zero Headers is ready for use,
// nil remembers nothing, and both are safe for concurrent use.
type Headers struct {
	known atomic.Pointer[[]knownHeader] // the newest first; never changed
}

type knownHeader struct {
	text   string // the segment, in base64url
	header Header
}

// Whatever issuers send, this is all that is remembered of them.
const (
	maxKnownHeaders      = 8
	maxKnownHeaderLength = 1 << 10
)

func (h *Headers) find(text string) (Header, bool) {
	if h == nil {
		return Header{}, false
	}
	if known := h.known.Load(); known != nil {
		for i := range *known {
			if (*known)[i].text == text {
				return (*known)[i].header, true
			}
		}
	}
	return Header{}, false
}

// Remember remembers the header of a message whose signature was good: nobody
// but an issuer decides what is remembered. Of two at once one may be lost.
func (h *Headers) Remember(m *Message) {
	if h == nil || m.known || len(m.headerText) > maxKnownHeaderLength {
		return
	}
	latest := []knownHeader{{text: strings.Clone(m.headerText), header: m.Header}}
	if known := h.known.Load(); known != nil {
		latest = append(latest, (*known)[:min(len(*known), maxKnownHeaders-1)]...)
	}
	h.known.Store(&latest)
}
