package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/jwks/internal/jws"
)

// A source asks the issuer for its keys: for the metadata that names the key
// set, unless the configuration does, and for the set. It is used by one
// goroutine at a time.
type source struct {
	client      *metadata.Client
	own         *http.Transport // the client's, if it is ours
	issuer      string
	metadataURL string // "": the well-known paths
	maxKeys     int

	fixed    bool   // url is the configuration's
	url      string // of the key set; "": metadata has to be read
	age      int    // fetches since metadata was read
	notBound bool   // metadata does not say that tokens are bound
}

// metadataEvery is how many fetches use what metadata has said.
const metadataEvery = 10

var errNoJWKSURI = errors.New("the metadata names no jwks_uri")

func newSource(c Config) source {
	s := source{
		issuer:      c.Issuer,
		metadataURL: c.MetadataURL,
		url:         c.URL,
		fixed:       c.URL != "",
		maxKeys:     c.MaxKeys,
	}
	s.client = &metadata.Client{
		Transport:            c.Transport,
		DangerouslyAllowHTTP: c.DangerouslyAllowHTTP,
		Timeout:              c.FetchTimeout,
		MaxBody:              c.MaxBody,
	}
	if c.Transport == nil {
		s.own = metadata.NewTransport()
		// The next fetch is minutes away, and an HTTP/2 connection whose request
		// was canceled could outlive Close.
		s.own.DisableKeepAlives = true
		s.client.Transport = s.own
	}
	return s
}

// fetch asks once. A panic, of a Transport for instance, is an error: it would
// end the process, for it is nobody's request.
func (s *source) fetch(ctx context.Context) (set *jws.KeySet, err error) {
	returned := false // with GODEBUG=panicnil=1 a panic may have nothing to recover
	defer func() {
		if p := recover(); !returned {
			set, err = nil, fmt.Errorf("jwks: a fetch panicked with a %T", p)
		}
		s.leaveNothing()
	}()
	set, err = s.ask(ctx)
	returned = true
	return set, err
}

func (s *source) ask(ctx context.Context) (*jws.KeySet, error) {
	if !s.fixed && (s.url == "" || s.age >= metadataEvery) {
		if err := s.readMetadata(ctx); err != nil {
			return nil, err
		}
	}
	s.age++
	set, err := s.readKeys(ctx)
	if err != nil && !s.fixed {
		s.url = "" // the set may have moved
	}
	return set, err
}

func (s *source) readMetadata(ctx context.Context) error {
	var server *metadata.AuthorizationServer
	var err error
	if s.metadataURL != "" {
		server, err = s.client.AuthorizationServerAt(ctx, s.issuer, s.metadataURL)
	} else {
		server, err = s.client.AuthorizationServer(ctx, s.issuer)
	}
	switch {
	case err != nil:
		return err
	case server.JWKSURI == "":
		return errNoJWKSURI
	}
	s.url, s.age, s.notBound = server.JWKSURI, 0, !server.CertificateBoundAccessTokens
	return nil
}

func (s *source) readKeys(ctx context.Context) (*jws.KeySet, error) {
	document, err := s.client.Get(ctx, s.url)
	if err != nil {
		return nil, err
	}
	return jws.ReadKeySet(document, s.maxKeys)
}

// leaveNothing ends what a fetch may have left behind: net/http goes on to
// connect for a request that was given up, for the sake of the next.
func (s *source) leaveNothing() {
	if s.own != nil {
		s.own.CloseIdleConnections()
	}
}
