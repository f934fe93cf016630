// Command browser is a page without a framework that gets an access token bound
// to its DPoP key (RFC 9449) and calls an API with it. The key is WebCrypto's and
// cannot be exported; the page, the authorization server and the API are of three
// origins, so that CORS is between them. A fourth serves the page of a thief who
// has the token and a proof, and not the key.
//
//	(cd examples/browser && go run .)
//
// It prints how to open the page, and runs until it is interrupted.
package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"os/signal"

	"github.com/certbound/certbound/binding"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	w, err := newWorld(binding.LogEvents(log), exposed)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer w.close()
	fmt.Printf("API %s\npage %s\nthief %s\n\nNo browser knows the authority of their certificates. This one trusts their key:\n\n"+
		"chromium --user-data-dir=$(mktemp -d) --ignore-certificate-errors-spki-list=%s %s\n",
		w.api, w.page, w.thief, spki(w.as.ServerCertificate().Leaf), w.page)
	<-ctx.Done()
}

// spki names the certificate's key as Chromium does.
func spki(certificate *x509.Certificate) string {
	hash := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(hash[:])
}
