package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/jwks/internal/keyset"
)

// A source asks the issuer for its keys: for the metadata that names the key
// set, unless the configuration does, and for the set. It is used by one
// goroutine at a time.
type source struct {
	client  *metadata.Client
	issuer  metadata.Issuer
	maxKeys int

	fixed    bool   // url is the configuration's
	url      string // of the key set; "": metadata has to be read
	last     string // what metadata named last
	unread   error  // why metadata was not read for the last fetch, where it was due
	age      int    // fetches since metadata was read
	notBound bool   // metadata does not say that tokens are bound
}

// metadataEvery is how many fetches use what metadata has said.
const metadataEvery = 10

func newSource(c Config) source {
	s := source{
		url:     c.URL,
		fixed:   c.URL != "",
		maxKeys: c.MaxKeys,
	}
	s.client = &metadata.Client{
		Transport:            c.Transport,
		DangerouslyAllowHTTP: c.DangerouslyAllowHTTP,
		Timeout:              c.FetchTimeout,
		MaxBody:              c.MaxBody,
	}
	s.issuer = metadata.Issuer{Client: s.client, Name: c.Issuer, MetadataURL: c.MetadataURL}
	return s
}

// fetch asks once. A panic is an error: it would end the process, for it is
// nobody's request. Those of a Transport are the client's to recover.
func (s *source) fetch(ctx context.Context) (set *keyset.Set, err error) {
	defer func() {
		if p := recover(); p != nil {
			set, err = nil, fmt.Errorf("jwks: a fetch panicked with a %T", p)
		}
	}()
	return s.ask(ctx)
}

func (s *source) ask(ctx context.Context) (*keyset.Set, error) {
	s.unread = nil
	lost := s.url == ""
	if !s.fixed && (lost || s.age >= metadataEvery) {
		if err := s.readMetadata(ctx); err != nil {
			if s.last == "" || !isAway(err) {
				return nil, err
			}
			s.url, s.unread = s.last, err
		}
	}
	s.age++
	set, err := s.readKeys(ctx)
	switch {
	case err == nil || s.fixed:
	case lost && s.unread != nil:
		// Metadata may have taken all the time there was: next, the set is asked for
		// where it was.
	default:
		s.url = "" // the set may have moved
	}
	return set, err
}

// isAway reports whether a server gave no answer, or said that it fails: that is no
// word against what it said before.
func isAway(err error) bool {
	var status *metadata.StatusError
	if errors.As(err, &status) {
		return status.Status >= http.StatusInternalServerError || status.Status == http.StatusTooManyRequests
	}
	return !slices.ContainsFunc(wrongMetadata, func(wrong error) bool { return errors.Is(err, wrong) })
}

// wrongMetadata are the faults of a document that came. All other errors of package
// metadata are the transport's.
var wrongMetadata = []error{
	metadata.ErrTooBig, metadata.ErrNoJSON, metadata.ErrMalformed, metadata.ErrIssuer, metadata.ErrURL, metadata.ErrLocal, errNoKeySet,
}

var errNoKeySet = errors.New("Config.URL can name the key set")

// readMetadata asks where the key set is. Where that is known it leaves half of the
// time for the set.
func (s *source) readMetadata(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && s.url != "" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	server, err := s.issuer.Read(ctx)
	if err != nil {
		return err
	}
	address, err := server.NeedURL("jwks_uri", false)
	if err != nil {
		return fmt.Errorf("%w; %w", err, errNoKeySet)
	}
	s.url, s.last = address, address
	s.age, s.notBound = 0, !server.CertificateBoundAccessTokens
	return nil
}

func (s *source) readKeys(ctx context.Context) (*keyset.Set, error) {
	document, err := s.client.GetKeySet(ctx, s.url)
	if err != nil {
		return nil, err
	}
	set, err := keyset.Read(document, s.maxKeys)
	if err != nil {
		return nil, fmt.Errorf("jwks: GET %s: %w", s.url, err)
	}
	return set, nil
}
