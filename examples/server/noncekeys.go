package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certbound/certbound/jwks/dpop"
)

// howOften is how often the file of the nonce keys is looked at.
const howOften = time.Second

// A nonceKeys is the file of the nonce keys, read anew when it changes: a new key
// needs no restart, which would forget the proofs that were used.
type nonceKeys struct {
	file string
	seen version
	keys [][]byte // that were read first
}

// A version says when a file was written, and how long it is; the zero version, that
// it is away.
type version struct {
	written time.Time
	size    int64
}

func versionOf(file string) version {
	info, err := os.Stat(file)
	if err != nil {
		return version{}
	}
	return version{info.ModTime(), info.Size()}
}

// newNonceKeys reads the file for the first time.
func newNonceKeys(file string) (*nonceKeys, error) {
	k := &nonceKeys{file: file, seen: versionOf(file)}
	var err error
	k.keys, err = readNonceKeys(file)
	return k, err
}

// keepUp gives the verifier the keys of each new version of the file, until end is
// called. A file that is wrong leaves the keys that there are.
func (k *nonceKeys) keepUp(verifier *dpop.Verifier, log *slog.Logger) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		ticks := time.NewTicker(howOften)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
				k.look(verifier, log)
			}
		}
	})
	return func() { cancel(); running.Wait() }
}

func (k *nonceKeys) look(verifier *dpop.Verifier, log *slog.Logger) {
	now := versionOf(k.file)
	if now == k.seen {
		return
	}
	k.seen = now
	keys, err := readNonceKeys(k.file)
	if err == nil {
		err = verifier.SetNonceKeys(keys)
	}
	if err != nil {
		log.Warn("the new nonce keys cannot be used; the old ones are kept", "error", err)
		return
	}
	log.Info("the nonce keys were read anew", "keys", len(keys))
}

// readNonceKeys reads keys. No mistake shows any part of one.
func readNonceKeys(file string) (keys [][]byte, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		key, err := base64.RawURLEncoding.Strict().DecodeString(line)
		if err != nil {
			return nil, fmt.Errorf("line %d is no base64url without padding", n)
		}
		if slices.ContainsFunc(keys, func(other []byte) bool { return bytes.Equal(other, key) }) {
			return nil, fmt.Errorf("line %d is the same key as another", n)
		}
		keys = append(keys, key)
	}
	if lines.Err() != nil {
		return nil, errors.New("a line is too long")
	}
	if keys == nil {
		return nil, errors.New("the file holds no key")
	}
	return keys, nil
}
