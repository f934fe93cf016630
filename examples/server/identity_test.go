package main_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// A new certificate of the server is served to new connections without a
// restart, and no connection that is open ends for it.
func TestANewServerCertificateNeedsNoRestart(t *testing.T) {
	t.Parallel()
	as, next := newAuthorizationServer(t, bindingtest.Config{}), newAuthorizationServer(t, bindingtest.Config{})
	flags := withTLS(t, as)
	certificate, key := flags[slices.Index(flags, "-tls-cert")+1], flags[slices.Index(flags, "-tls-key")+1]
	server := start(t, as, flags...)
	client := newParty(t, as, "client")
	authorization := boundTo(t, as, client)
	require.Equal(t, http.StatusOK, get(t, client.client, server.url+"/whoami", authorization).status)
	serves := func() []byte {
		connection, err := tls.Dial("tcp", server.url[len("https://"):], &tls.Config{InsecureSkipVerify: true}) // who it is, is asked here
		require.NoError(t, err)
		defer connection.Close()
		return connection.ConnectionState().PeerCertificates[0].Raw
	}
	old := as.ServerCertificate().Certificate[0]
	require.Equal(t, old, serves())

	// An hour later, so that no file system is too coarse to tell.
	write := func(name string, block *pem.Block, later time.Duration) {
		require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(block), 0o600))
		require.NoError(t, os.Chtimes(name, time.Time{}, time.Now().Add(later)))
	}
	renewed := next.ServerCertificate()
	write(certificate, &pem.Block{Type: "CERTIFICATE", Bytes: renewed.Certificate[0]}, time.Hour)
	require.Equal(t, old, serves(), "between two writes the files do not fit")
	require.Eventually(t, func() bool { return strings.Contains(server.log.String(), "the old one is kept") }, time.Minute, 10*time.Millisecond)
	der, err := x509.MarshalPKCS8PrivateKey(renewed.PrivateKey)
	require.NoError(t, err)
	write(key, &pem.Block{Type: "PRIVATE KEY", Bytes: der}, 2*time.Hour)
	require.Equal(t, renewed.Certificate[0], serves())
	require.Equal(t, http.StatusOK, get(t, client.client, server.url+"/whoami", authorization).status, "the connection that was open is")
	require.Zero(t, server.stop(t))
	require.NotContains(t, server.log.String(), "PRIVATE KEY")
}
