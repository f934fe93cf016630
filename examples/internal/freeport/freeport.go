// Package freeport finds ports for programs that must be told one.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
)

// Systems give connections ports from 32768, or from 49152: who takes one of
// those, and closes it for another to listen on, finds it taken now and then.
const (
	least = 10_000
	most  = 32_000
)

// begun is how far this process has gone, from anywhere: other processes look for
// ports too.
var begun atomic.Uint32

func init() { begun.Store(rand.Uint32N(most - least)) }

// Address returns an address of the loopback interface that nobody listens on
// at the moment, nor at the next ports, of which there are as many in all.
//
// The ports are those after the last: who was told one may listen there late, or
// stop and begin again, and nobody else in this process is told it meanwhile.
func Address(ports int) (string, error) {
	for range 100 {
		port := least + (int(begun.Add(uint32(ports)))-ports)%(most-least)
		if address := fmt.Sprintf("127.0.0.1:%d", port); areFree(port, ports) {
			return address, nil
		}
	}
	return "", errors.New("freeport: no port is free")
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
