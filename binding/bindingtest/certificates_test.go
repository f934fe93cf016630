package bindingtest_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

func TestThumbprintIsTheDigestOfTheDER(t *testing.T) {
	t.Parallel()
	certificate := selfSigned(t, "client-1")
	digest := sha256.Sum256(certificate.Certificate[0])
	require.Equal(t, base64.RawURLEncoding.EncodeToString(digest[:]), bindingtest.Thumbprint(certificate.Leaf))
	require.Len(t, bindingtest.Thumbprint(certificate.Leaf), 43)
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	issued, own := clientCertificate(t, as, "client-1"), selfSigned(t, "client-1")
	verifyClient := func(certificate tls.Certificate, roots *x509.CertPool) error {
		_, err := certificate.Leaf.Verify(x509.VerifyOptions{
			Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		})
		return err
	}
	require.NoError(t, verifyClient(issued, as.ClientCAs()))
	require.Error(t, verifyClient(issued, as.RootCAs()), "the CA of servers issues no client certificates")
	require.Error(t, verifyClient(own, as.ClientCAs()))
	require.Error(t, verifyClient(as.ServerCertificate(), as.RootCAs()))
	require.NoError(t, own.Leaf.CheckSignature(own.Leaf.SignatureAlgorithm, own.Leaf.RawTBSCertificate, own.Leaf.Signature))
	require.Equal(t, "CN=client-1", issued.Leaf.Subject.String())
	require.Equal(t, "CN=client-1", own.Leaf.Subject.String())

	fromPEM := x509.NewCertPool()
	require.True(t, fromPEM.AppendCertsFromPEM(as.ClientCAPEM()))
	require.NoError(t, verifyClient(issued, fromPEM))
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(as.RootPEM()))
	require.True(t, roots.Equal(as.RootCAs()))
}

func TestRenewalKeepsTheKeyAndChangesTheThumbprint(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	for name, test := range map[string]struct {
		old   tls.Certificate
		renew func(tls.Certificate) (tls.Certificate, error)
	}{
		"issued":      {clientCertificate(t, as, "client-1"), as.RenewClientCertificate},
		"self-signed": {selfSigned(t, "client-1"), bindingtest.RenewSelfSignedCertificate},
	} {
		renewed, err := test.renew(test.old)
		require.NoError(t, err, name)
		require.True(t, renewed.Leaf.PublicKey.(*ecdsa.PublicKey).Equal(test.old.Leaf.PublicKey), name)
		require.Equal(t, test.old.Leaf.Subject.String(), renewed.Leaf.Subject.String(), name)
		require.Equal(t, test.old.Leaf.Issuer.String(), renewed.Leaf.Issuer.String(), name)
		require.NotEqual(t, bindingtest.Thumbprint(test.old.Leaf), bindingtest.Thumbprint(renewed.Leaf), name)

		_, err = test.renew(tls.Certificate{})
		require.Error(t, err, name)
		_, err = test.renew(tls.Certificate{Certificate: [][]byte{{1}}, PrivateKey: test.old.PrivateKey})
		require.Error(t, err, name)
	}
}
