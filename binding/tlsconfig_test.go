package binding_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

func TestTLSConfig(t *testing.T) {
	t.Parallel()
	pool := x509.NewCertPool()
	pool.AddCert(newCertificate(t, "CA").Leaf)
	empty := x509.NewCertPool()
	for name, test := range map[string]struct {
		base       *tls.Config
		clientAuth tls.ClientAuthType
		clientCAs  *x509.CertPool
		minVersion uint16
	}{
		"nil":               {nil, tls.RequestClientCert, nil, tls.VersionTLS12},
		"zero":              {&tls.Config{}, tls.RequestClientCert, nil, tls.VersionTLS12},
		"TLS 1.0":           {&tls.Config{MinVersion: tls.VersionTLS10}, tls.RequestClientCert, nil, tls.VersionTLS12},
		"TLS 1.3":           {&tls.Config{MinVersion: tls.VersionTLS13}, tls.RequestClientCert, nil, tls.VersionTLS13},
		"none":              {&tls.Config{ClientAuth: tls.NoClientCert}, tls.RequestClientCert, nil, tls.VersionTLS12},
		"request":           {&tls.Config{ClientAuth: tls.RequestClientCert}, tls.RequestClientCert, nil, tls.VersionTLS12},
		"require":           {&tls.Config{ClientAuth: tls.RequireAnyClientCert}, tls.RequireAnyClientCert, nil, tls.VersionTLS12},
		"none, CAs":         {&tls.Config{ClientCAs: pool}, tls.VerifyClientCertIfGiven, pool, tls.VersionTLS12},
		"request, CAs":      {&tls.Config{ClientCAs: pool, ClientAuth: tls.RequestClientCert}, tls.VerifyClientCertIfGiven, pool, tls.VersionTLS12},
		"require, CAs":      {&tls.Config{ClientCAs: pool, ClientAuth: tls.RequireAnyClientCert}, tls.RequireAndVerifyClientCert, pool, tls.VersionTLS12},
		"verify, CAs":       {&tls.Config{ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven}, tls.VerifyClientCertIfGiven, pool, tls.VersionTLS12},
		"verify all, CAs":   {&tls.Config{ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}, tls.RequireAndVerifyClientCert, pool, tls.VersionTLS12},
		"G/196 verify":      {&tls.Config{ClientAuth: tls.VerifyClientCertIfGiven}, tls.VerifyClientCertIfGiven, empty, tls.VersionTLS12},
		"G/196 verify all":  {&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert}, tls.RequireAndVerifyClientCert, empty, tls.VersionTLS12},
		"none, empty CAs":   {&tls.Config{ClientCAs: empty}, tls.VerifyClientCertIfGiven, empty, tls.VersionTLS12},
		"a number too high": {&tls.Config{ClientAuth: 9}, 9, empty, tls.VersionTLS12},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := test.base.Clone()
			config := binding.TLSConfig(test.base)
			require.Equal(t, test.clientAuth, config.ClientAuth)
			require.Equal(t, test.minVersion, config.MinVersion)
			require.Equal(t, test.clientCAs == nil, config.ClientCAs == nil)
			require.True(t, test.clientCAs.Equal(config.ClientCAs))
			require.Nil(t, config.GetConfigForClient)
			if test.base != nil {
				require.NotSame(t, test.base, config)
				require.Equal(t, before.ClientAuth, test.base.ClientAuth)
				require.Equal(t, before.MinVersion, test.base.MinVersion)
				require.Same(t, before.ClientCAs, test.base.ClientCAs)
			}
		})
	}
}

func TestTLSConfigKeepsTheRest(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "server")
	verified := false
	config := binding.TLSConfig(&tls.Config{
		Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}, MaxVersion: tls.VersionTLS13, SessionTicketsDisabled: true,
		VerifyConnection: func(tls.ConnectionState) error { verified = true; return nil },
	})
	require.Equal(t, []tls.Certificate{certificate}, config.Certificates)
	require.Equal(t, []string{"h2"}, config.NextProtos)
	require.Equal(t, uint16(tls.VersionTLS13), config.MaxVersion)
	require.True(t, config.SessionTicketsDisabled)
	require.NoError(t, config.VerifyConnection(tls.ConnectionState{}))
	require.True(t, verified)
}

// No server name gets a client in unasked.
func TestTLSConfigTreatsGetConfigForClientAlike(t *testing.T) {
	t.Parallel()
	mine := errors.New("mine")
	public := &tls.Config{ServerName: "public", ClientAuth: tls.NoClientCert, MinVersion: tls.VersionTLS10}
	base := &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		switch hello.ServerName {
		case "public":
			return public, nil
		case "verified":
			return &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert}, nil
		case "broken":
			return nil, mine
		}
		return nil, nil
	}}
	choose := binding.TLSConfig(base).GetConfigForClient
	chosen, err := choose(&tls.ClientHelloInfo{ServerName: "public"})
	require.NoError(t, err)
	require.Equal(t, tls.RequestClientCert, chosen.ClientAuth)
	require.Equal(t, uint16(tls.VersionTLS12), chosen.MinVersion)
	require.Equal(t, tls.NoClientCert, public.ClientAuth, "what it returned is as it was")

	chosen, err = choose(&tls.ClientHelloInfo{ServerName: "verified"})
	require.NoError(t, err)
	require.Equal(t, tls.RequireAndVerifyClientCert, chosen.ClientAuth)
	require.NotNil(t, chosen.ClientCAs)

	chosen, err = choose(&tls.ClientHelloInfo{ServerName: "other"})
	require.NoError(t, err)
	require.Nil(t, chosen, "the configuration around it is used")

	chosen, err = choose(&tls.ClientHelloInfo{ServerName: "broken"})
	require.ErrorIs(t, err, mine)
	require.Nil(t, chosen)
}
