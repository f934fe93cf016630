// Package freeport finds ports for programs that must be told one.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Systems give connections ports from 32768, or from 49152: who takes one of
// those, and closes it for another to listen on, finds it taken now and then.
const (
	least  = 10_000
	blocks = 20
	size   = 500
)

// A process has a block of its own, from whose first port it keeps others away:
// who was told a port may listen there late, or stop and begin again.
var (
	mu   sync.Mutex
	lock net.Listener // at the block's first port
	base int
	next int // from base
)

// Address returns an address of the loopback interface that nobody listens on
// at the moment, nor at the next ports, of which there are as many in all. They
// are told to no other process, and to this one not again before all of its
// block have been.
func Address(ports int) (string, error) {
	mu.Lock()
	defer mu.Unlock()
	if lock == nil {
		if err := takeBlock(); err != nil {
			return "", err
		}
	}
	for range size {
		if next+ports > size {
			next = 1
		}
		port := base + next
		next += ports
		if areFree(port, ports) {
			return fmt.Sprintf("127.0.0.1:%d", port), nil
		}
	}
	return "", errors.New("freeport: no port is free")
}

func takeBlock() (err error) {
	for _, block := range rand.Perm(blocks) {
		base, next = least+block*size, 1
		if lock, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("freeport: no ports are free: %w", err)
}

func areFree(port, ports int) bool {
	for n := range ports {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+n))
		if err != nil {
			return false
		}
		defer listener.Close()
	}
	return true
}
