package binding_test

import (
	"crypto/fips140"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
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

// M/423: a client that offers nothing better than CBC over TLS 1.2 gets no handshake, whichever server name it asks for.
func TestTLSConfigCipherSuites(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "server")
	base := &tls.Config{Certificates: []tls.Certificate{certificate}}
	chosen := base.Clone()
	chosen.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return base, nil }
	named := base.Clone()
	named.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}
	for name, test := range map[string]struct {
		server  *tls.Config
		version uint16
		suites  []uint16
		want    bool
	}{
		"M/423 CBC alone":                 {base, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}, false},
		"M/423 CBC alone, another config": {chosen, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}, false},
		"GCM":                             {base, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}, true},
		"GCM, another config":             {chosen, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, true},
		"the usual, TLS 1.2":              {base, tls.VersionTLS12, nil, true},
		"the usual, TLS 1.3":              {base, tls.VersionTLS13, nil, true},
		"ChaCha20, which is not named":    {base, tls.VersionTLS12, named.CipherSuites, false},
		"ChaCha20, which is":              {named, tls.VersionTLS12, named.CipherSuites, !fips140.Enabled()}, // crypto/tls leaves it out in FIPS 140-3 mode
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer func() { _ = listener.Close() }()
			served := make(chan error, 1)
			go func() {
				connection, err := listener.Accept()
				if err != nil {
					served <- err
					return
				}
				defer func() { _ = connection.Close() }()
				served <- tls.Server(connection, binding.TLSConfig(test.server)).Handshake()
			}()
			connection, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{
				InsecureSkipVerify: true, MaxVersion: test.version, CipherSuites: test.suites, //nolint:gosec // what is tested
			})
			if err == nil {
				require.NoError(t, connection.Close())
			}
			require.Equal(t, test.want, err == nil, "%v", err)
			if failed := <-served; test.want {
				require.NoError(t, failed)
			} else {
				require.Error(t, failed)
			}
		})
	}
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
