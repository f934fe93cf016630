package dpop

import (
	"errors"
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/internal/jws"
)

// A header is what is read of a proof's JOSE header (RFC 9449 §4.2).
type header struct {
	alg string
	key *jws.Key
}

const proofType = "dpop+jwt"

// readHeader reads the header. Whatever else could name a key of the sender's
// (jku, x5u, x5c, kid) is not looked at.
func (v *Verifier) readHeader(text []byte) (header, error) {
	var memory [8]jws.Member
	members, err := jws.AppendHeader(memory[:0], text)
	switch {
	case errors.Is(err, jws.ErrExtension):
		return header{}, refuse(binding.ReasonProofHeader, err)
	case err != nil:
		return header{}, refuse(binding.ReasonProofMalformed, err)
	}
	value, _ := members.Value("typ")
	if typ, _ := jws.Text(value); jws.NormalizeType(string(typ)) != proofType {
		return header{}, refuse(binding.ReasonProofType, nil)
	}
	value, _ = members.Value("alg")
	name, _ := jws.Text(value)
	n := slices.IndexFunc(v.algorithms, func(alg string) bool { return alg == string(name) })
	if n < 0 {
		return header{}, refuse(binding.ReasonProofAlgorithm, v.words.algorithms)
	}
	h := header{alg: v.algorithms[n]}
	value, _ = members.Value("jwk")
	h.key, err = jws.ParseKey(value)
	switch {
	case errors.Is(err, jws.ErrDuplicate):
		return header{}, refuse(binding.ReasonProofMalformed, err)
	case err != nil:
		return header{}, refuse(binding.ReasonProofKey, err)
	case !h.key.Fits(h.alg):
		return header{}, refuse(binding.ReasonProofKey, errKeyOfAnotherAlgorithm)
	}
	return h, nil
}

var errKeyOfAnotherAlgorithm = errors.New("the type or curve of the key does not fit alg")

// headerTable remembers the headers of proofs that were good and of a token's key:
// a client writes the same into all its proofs. It knows of a text what readHeader
// found in it, and nothing else. A place is taken by the latest.
type headerTable struct {
	seed   maphash.Seed
	places [1 << 10]atomic.Pointer[knownHeader]
}

type knownHeader struct {
	text   string // the segment, in base64url
	header header
}

// maxKnownHeaderLength is that of an RSA key of 4096 bits, and some more.
const maxKnownHeaderLength = 1 << 10

func newHeaderTable() *headerTable { return &headerTable{seed: maphash.MakeSeed()} }

func (t *headerTable) place(text string) *atomic.Pointer[knownHeader] {
	return &t.places[maphash.String(t.seed, text)%uint64(len(t.places))]
}

func (t *headerTable) find(text string) (header, bool) {
	if known := t.place(text).Load(); known != nil && known.text == text {
		return known.header, true
	}
	return header{}, false
}

func (t *headerTable) remember(text string, h header) {
	if len(text) <= maxKnownHeaderLength {
		t.place(text).Store(&knownHeader{strings.Clone(text), h})
	}
}
