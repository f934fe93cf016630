package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// stay keeps everybody up until ctx ends, with all that another terminal needs
// in a folder of its own, which goes with it.
func (w *world) stay(ctx context.Context, out io.Writer) error {
	server, err := w.discover(ctx)
	if err != nil {
		return err
	}
	token, err := w.requestToken(ctx, server.MTLSEndpoint("token_endpoint"))
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "certbound-quickstart-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if err := w.leave(folder, token); err != nil {
		return err
	}
	fmt.Fprintf(out, `The authorization server   %[1]s
The protected API          %[2]s

In another terminal:

cd %[3]s

# the client: 200
curl --cacert ca.pem --cert client.pem --key client-key.pem -H "Authorization: Bearer $(cat token)" %[2]s/accounts

# a thief with another certificate: 401 invalid_token
curl -i --cacert ca.pem --cert thief.pem --key thief-key.pem -H "Authorization: Bearer $(cat token)" %[2]s/accounts

# a thief without a certificate: 401 invalid_token
curl -i --cacert ca.pem -H "Authorization: Bearer $(cat token)" %[2]s/accounts

# why the thief is refused, in a checkout or with the library in your go.mod
go run github.com/certbound/certbound/examples/inspect -as-ca %[3]s/ca.pem -cert %[3]s/thief.pem \
	-issuer %[1]s -audience %[6]s <%[3]s/token

# a token of your own, with the scope that GET /payments needs
curl --cacert ca.pem --cert client.pem --key client-key.pem -d grant_type=client_credentials -d client_id=%[4]s -d scope=payments %[5]s

server.pem and server-key.pem are for an API of yours on localhost or 127.0.0.1: its issuer is the authorization server
above, reached with ca.pem as the root, and its audience is %[6]s.

The token lives for an hour. Stop with Ctrl-C.
`, w.as.Issuer(), w.url, folder, clientID, server.MTLSEndpoint("token_endpoint"), audience)
	<-ctx.Done()
	return nil
}

func (w *world) leave(folder, token string) error {
	files := map[string][]byte{"ca.pem": w.as.RootPEM(), "token": []byte(token)}
	for name, certificate := range map[string]tls.Certificate{"client": w.client, "thief": w.thief, "server": w.as.ServerCertificate()} {
		key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
		if err != nil {
			return err
		}
		files[name+".pem"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
		files[name+"-key.pem"] = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}
