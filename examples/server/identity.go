package main

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"
)

// An identity is the server's certificate with its key, read anew when its files
// change: a new certificate needs no restart, and no connection ends for it.
type identity struct {
	certificate, key string // the names of the files

	mu      sync.Mutex
	current *tls.Certificate
	seen    [2]time.Time // when the files were written that were read last
}

// newIdentity reads the files for the first time.
func newIdentity(certificate, key string) (*identity, error) {
	i := &identity{certificate: certificate, key: key, seen: written(certificate, key)}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	i.current = &pair
	return i, err
}

// forHandshake returns a function for tls.Config.GetCertificate. Files that do
// not fit each other, such as between two writes, leave the certificate that
// there is, and are read once more when one of them changes.
func (i *identity) forHandshake(log *slog.Logger) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		i.mu.Lock()
		defer i.mu.Unlock()
		now := written(i.certificate, i.key)
		if now == i.seen {
			return i.current, nil
		}
		i.seen = now
		pair, err := tls.LoadX509KeyPair(i.certificate, i.key)
		if err != nil {
			log.Warn("the new server certificate cannot be used; the old one is kept", "error", err)
			return i.current, nil
		}
		log.Info("the server certificate was read anew", "until", pair.Leaf.NotAfter)
		i.current = &pair
		return i.current, nil
	}
}

// written is when the files were written; the zero time for one that is away.
func written(names ...string) (times [2]time.Time) {
	for n, name := range names {
		if info, err := os.Stat(name); err == nil {
			times[n] = info.ModTime()
		}
	}
	return times
}
