package server

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"
)

// A Child is a server in a process of its own.
type Child struct {
	URL    string
	Tokens []string // all bound to the client's certificate

	command *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
	roots   *x509.CertPool
	client  tls.Certificate
}

// Start starts this very program as a server: its main function calls [IfChild] first. Close it when done.
func Start() (_ *Child, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &Child{command: exec.Command(program, argument)}
	c.command.Stderr = os.Stderr
	if c.in, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = json.NewDecoder(out)
	if err := c.command.Start(); err != nil {
		return nil, err
	}
	if err := c.greeted(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Child) greeted() error {
	var hello greeting
	if err := c.out.Decode(&hello); err != nil {
		return fmt.Errorf("server: no greeting: %w", err)
	}
	c.URL, c.Tokens = hello.URL, hello.Tokens
	c.roots = x509.NewCertPool()
	if !c.roots.AppendCertsFromPEM(hello.Roots) {
		return errors.New("server: no roots")
	}
	var err error
	c.client, err = tls.X509KeyPair(hello.Certificate, hello.Key)
	return err
}

// Close ends the process: it serves as long as its input lasts.
func (c *Child) Close() error {
	return errors.Join(c.in.Close(), c.command.Wait())
}

// CPU returns the processor time that the server's process has had, user and system.
func (c *Child) CPU() (time.Duration, error) {
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		return 0, err
	}
	var u usage
	err := c.out.Decode(&u)
	return u.User + u.System, err
}

// Client returns a client with the certificate, that speaks one version of HTTP and keeps that many connections.
func (c *Child) Client(version, connections int) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(version == 1)
	protocols.SetHTTP2(version == 2)
	return &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: c.roots, Certificates: []tls.Certificate{c.client}, MinVersion: tls.VersionTLS13},
			Protocols:           protocols,
			MaxIdleConnsPerHost: connections,
			MaxConnsPerHost:     connections,
			DisableCompression:  true,
		},
	}
}

// Get sends that many requests for a path, so many at a time, each with one of the tokens. It is an error if one of them is
// not answered 200 in the version of HTTP.
func (c *Child) Get(client *http.Client, version int, path string, requests, concurrency int) error {
	var wg sync.WaitGroup
	errs := make([]error, concurrency)
	for worker := range concurrency {
		wg.Go(func() {
			for i := worker; i < requests; i += concurrency {
				if errs[worker] = c.get(client, version, path, c.Tokens[i%len(c.Tokens)]); errs[worker] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (c *Child) get(client *http.Client, version int, path, token string) error {
	r, err := http.NewRequest(http.MethodGet, c.URL+path, http.NoBody)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || response.ProtoMajor != version {
		return fmt.Errorf("server: %s answered %s %s", path, response.Proto, response.Status)
	}
	return nil
}
