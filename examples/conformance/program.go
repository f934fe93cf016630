package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/examples/internal/freeport"
)

// program is the server under test as a program to start.
type program struct {
	command     []string
	environment []string      // beside that of this process
	wait        time.Duration // until it can be reached
	output      bool          // show what it prints
	stderr      io.Writer

	printed *tail // of the last start
}

// stopTimeout is how long the server gets to end by itself.
const stopTimeout = 3 * time.Second

// start starts the server and returns once it can be reached. It is a
// conformance.Target's Start.
func (p *program) start(ctx context.Context, as *bindingtest.AuthorizationServer) (string, func(), error) {
	folder, err := writeFiles(as)
	if err != nil {
		return "", nil, err
	}
	forget := func() { _ = os.RemoveAll(folder) }
	address, err := freeport.Address(1)
	if err != nil {
		forget()
		return "", nil, err
	}
	command := exec.Command(p.command[0], substitute(p.command[1:], as, folder, address)...)
	for _, variable := range substitute(p.environment, as, folder, address) {
		command.Env = append(command.Environ(), variable)
	}
	printed := &tail{}
	p.printed = printed
	command.Stdout, command.Stderr = printed, printed
	if p.output {
		printed.copy = p.stderr
	}
	// What a child of the server holds open is not waited for: it is stopped
	// too.
	command.WaitDelay = stopTimeout
	ownGroup(command)
	if err := command.Start(); err != nil {
		forget()
		return "", nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(ended)
	}()
	stop := func() {
		terminate(command.Process)
		select {
		case <-ended:
		case <-time.After(stopTimeout):
		}
		kill(command.Process) // what is left of its group
		<-ended
		forget()
	}
	if err := p.reach(ctx, address, ended); err != nil {
		stop()
		return "", nil, fmt.Errorf("%s: %w%s", p.command[0], err, printed)
	}
	return "https://" + address, stop, nil
}

// reach returns when something listens on the address.
func (p *program) reach(ctx context.Context, address string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, p.wait)
	defer cancel()
	for {
		connection, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return connection.Close()
		}
		select {
		case <-ended:
			return errors.New("the server ended before it could be reached")
		case <-ctx.Done():
			return fmt.Errorf("the server cannot be reached at %s after %v: -wait gives it more time", address, p.wait)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// writeFiles writes what a server reads of the authorization server's into a
// folder that is the caller's to remove.
func writeFiles(as *bindingtest.AuthorizationServer) (string, error) {
	certificate := as.ServerCertificate()
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		return "", err
	}
	folder, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		return "", err
	}
	// Another user's server reads what is public.
	if err := os.Chmod(folder, 0o755); err != nil { //nolint:gosec // see above
		_ = os.RemoveAll(folder)
		return "", err
	}
	for name, content := range map[string][]byte{
		"ca.pem":        as.RootPEM(),
		"jwks.json":     as.JWKS(),
		"client-ca.pem": as.ClientCAPEM(),
		"cert.pem":      pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}),
		"key.pem":       pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	} {
		mode := os.FileMode(0o644)
		if name == "key.pem" {
			mode = 0o600
		}
		if err := os.WriteFile(filepath.Join(folder, name), content, mode); err != nil {
			_ = os.RemoveAll(folder)
			return "", err
		}
	}
	return folder, nil
}

// values are what the placeholders stand for, but for the address.
func values(as *bindingtest.AuthorizationServer, folder string) []string {
	return []string{
		"{issuer}", as.Issuer(),
		"{metadata}", as.URL(bindingtest.OAuthMetadataPath),
		"{openid}", as.URL(bindingtest.OpenIDMetadataPath),
		"{jwks}", as.URL(bindingtest.JWKSPath),
		"{jwks-file}", filepath.Join(folder, "jwks.json"),
		"{introspection}", as.URL(bindingtest.IntrospectionPath),
		"{audience}", as.Audience(),
		"{ca-file}", filepath.Join(folder, "ca.pem"),
		"{cert-file}", filepath.Join(folder, "cert.pem"),
		"{key-file}", filepath.Join(folder, "key.pem"),
		"{client-ca-file}", filepath.Join(folder, "client-ca.pem"),
	}
}

func substitute(arguments []string, as *bindingtest.AuthorizationServer, folder, address string) []string {
	host, port, _ := net.SplitHostPort(address)
	replacer := strings.NewReplacer(append(values(as, folder), "{listen}", address, "{host}", host, "{port}", port)...)
	replaced := make([]string, len(arguments))
	for i, argument := range arguments {
		replaced[i] = replacer.Replace(argument)
	}
	return replaced
}

// explain prints what a server at -url has to be told.
func explain(w io.Writer, as *bindingtest.AuthorizationServer, folder string) {
	fmt.Fprintln(w, "The server has to trust this authorization server, while this runs:")
	all := values(as, folder)
	for i := 0; i < len(all); i += 2 {
		fmt.Fprintf(w, "  %-15s %s\n", strings.Trim(all[i], "{}"), all[i+1])
	}
	fmt.Fprintln(w, "waiting until it accepts a good request")
}

// tail keeps the end of what a program prints.
type tail struct {
	mu   sync.Mutex
	text []byte
	copy io.Writer
}

const tailSize = 2 << 10

func (t *tail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, text...)
	t.text = t.text[max(0, len(t.text)-tailSize):]
	if t.copy != nil {
		_, _ = t.copy.Write(text)
	}
	return len(text), nil
}

// String is what the program printed last, to be put behind an error.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := bytes.TrimSpace(t.text); len(text) > 0 {
		return "; it printed:\n" + string(text)
	}
	return ""
}
