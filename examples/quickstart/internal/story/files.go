package story

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/certbound/certbound/binding/bindingtest"
)

// The files of the client that has a key and no certificate.
const (
	keyFile      = "dpop-key.pem"
	keyTokenFile = "token-key"
)

// A tokenFile holds one kind of token.
type tokenFile struct {
	name string
	spec bindingtest.TokenSpec
	what string // it is, and the answer that GET /accounts gives to it
}

// tokenFiles are every kind of token that there is, besides the client's own.
func (w *world) tokenFiles() []tokenFile {
	spec := func(change func(*bindingtest.TokenSpec)) bindingtest.TokenSpec {
		s := bindingtest.TokenSpec{ClientID: clientID, Scopes: []string{"accounts"}, Certificate: w.client.Leaf}
		change(&s)
		return s
	}
	return []tokenFile{
		{"token", spec(func(*bindingtest.TokenSpec) {}), "bound to client.pem: 200"},
		{"token-payments", spec(func(s *bindingtest.TokenSpec) { s.Scopes = []string{"accounts", "payments"} }), "bound to client.pem, and good for /payments: 200"},
		{keyTokenFile, spec(func(s *bindingtest.TokenSpec) { s.Certificate, s.Key = nil, w.key.Public() }), "bound to " + keyFile + ": 401 without a proof"},
		{"token-both", spec(func(s *bindingtest.TokenSpec) { s.Key = w.key.Public() }), "bound to both: 401 without a proof"},
		{"token-thief", spec(func(s *bindingtest.TokenSpec) { s.Certificate = w.thief.Leaf }), "bound to thief.pem: 401"},
		{"token-unbound", spec(func(s *bindingtest.TokenSpec) { s.Certificate = nil }), "bound to nothing: 401"},
		{"token-expired", spec(func(s *bindingtest.TokenSpec) { s.ExpiresIn = -time.Hour }), "expired: 401"},
		{"token-forged", spec(func(s *bindingtest.TokenSpec) { s.ForgedSignature = true }), "signed by somebody else: 401"},
		{"token-audience", spec(func(s *bindingtest.TokenSpec) { s.Audience = []string{"https://other.example"} }), "for another API: 401"},
	}
}

// leave writes all that another terminal needs into a folder.
func (w *world) leave(folder string) error {
	files := map[string][]byte{"ca.pem": w.as.RootPEM()}
	for name, certificate := range map[string]tls.Certificate{"client": w.client, "thief": w.thief, "server": w.as.ServerCertificate()} {
		files[name+".pem"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
		key, err := keyPEM(certificate.PrivateKey)
		if err != nil {
			return err
		}
		files[name+"-key.pem"] = key
	}
	key, err := keyPEM(w.key)
	if err != nil {
		return err
	}
	files[keyFile] = key
	for _, file := range w.tokenFiles() {
		token, err := w.as.Token(file.spec)
		if err != nil {
			return err
		}
		files[file.name] = []byte(token)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func keyPEM(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// printProof prints a proof for one GET by the client that has a key.
func printProof(out io.Writer, folder, url string) error {
	text, err := os.ReadFile(filepath.Join(folder, keyFile))
	if err != nil {
		return err
	}
	token, err := os.ReadFile(filepath.Join(folder, keyTokenFile))
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return errors.New(keyFile + " holds no PEM block")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("%s: %w", keyFile, err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return errors.New(keyFile + " holds no key that signs")
	}
	proof, err := bindingtest.NewProof(bindingtest.ProofSpec{Key: key, URL: url, Token: string(token)})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, proof)
	return err
}
