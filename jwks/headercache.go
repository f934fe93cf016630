package jwks

import (
	"strings"
	"sync/atomic"
)

// A headerCache remembers the JOSE headers of tokens that were verified, by the
// text in which they came: an issuer writes the same few into all its tokens,
// and to read one costs more than to read the claims. It knows of a text what
// readHeader found in it, and nothing else, so that no token is accepted for it
// that would be refused without it. It holds no token. The zero headerCache is
// ready for use, and safe for concurrent use.
type headerCache struct {
	known atomic.Pointer[[]knownHeader] // the newest first; never changed
}

type knownHeader struct {
	text   string // the segment, in base64url
	header header
}

// Whatever issuers send, this is all that is remembered of them.
const (
	maxKnownHeaders      = 8
	maxKnownHeaderLength = 1 << 10
)

func (c *headerCache) find(text string) (header, bool) {
	if known := c.known.Load(); known != nil {
		for i := range *known {
			if (*known)[i].text == text {
				return (*known)[i].header, true
			}
		}
	}
	return header{}, false
}

// remember remembers the header of a token whose signature was good: nobody but
// an issuer decides what is remembered. Of two at once one may be lost.
func (c *headerCache) remember(t *jwt) {
	if t.known || len(t.HeaderText) > maxKnownHeaderLength {
		return
	}
	latest := []knownHeader{{text: strings.Clone(t.HeaderText), header: t.header}}
	if known := c.known.Load(); known != nil {
		latest = append(latest, (*known)[:min(len(*known), maxKnownHeaders-1)]...)
	}
	c.known.Store(&latest)
}
