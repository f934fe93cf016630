// Package freeport finds ports for programs that must be told one.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Systems give connections ports from 32768, or from 49152: who takes one of
// those, and closes it for another to listen on, finds it taken now and then.
const (
	least = 10_000
	most  = 32_000
)

// Address returns an address of the loopback interface that nobody listens on
// at the moment, nor at the next ports, of which there are as many in all.
func Address(ports int) (string, error) {
	for range 100 {
		port := least + rand.IntN(most-least)
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
