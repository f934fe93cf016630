package subject

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"time"

	"github.com/certbound/certbound/examples/internal/freeport"
)

// A Redis is a server on a free port of this machine that keeps nothing on disk.
type Redis struct {
	Address string
	command *exec.Cmd
}

// StartRedis starts redis-server, which must be installed. Close it when done.
func StartRedis() (*Redis, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("subject: its package is redis-server on Debian: %w", err)
	}
	address, err := freeport.Address(1)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	r := &Redis{Address: address}
	r.command = exec.Command(program, "--bind", host, "--port", port, "--save", "", "--appendonly", "no")
	var output bytes.Buffer
	r.command.Stdout = &output
	if err := r.command.Start(); err != nil {
		return nil, err
	}
	for range 1500 {
		if connection, err := net.Dial("tcp", r.Address); err == nil {
			return r, connection.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, errors.Join(fmt.Errorf("subject: redis-server did not start:\n%s", output.String()), r.Close())
}

// Close ends the server.
func (r *Redis) Close() error {
	if err := r.command.Process.Kill(); err != nil {
		return err
	}
	_ = r.command.Wait() // it was killed
	return nil
}
