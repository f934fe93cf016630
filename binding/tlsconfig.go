package binding

import (
	"crypto/tls"
	"crypto/x509"
)

// TLSConfig returns a copy of base, which may be nil, that asks every client
// for a certificate and leaves trust in it to the authorization server: the
// handshake proves that the client holds the private key, and the token's
// binding says whose certificate it must be, so that no CA is needed (RFC 8705
// §6.2). A client without a certificate still gets an HTTP answer.
//
//   - With a PKI of your own, set ClientCAs, and chains are verified as well. The
//     handshake then names these CAs, and many clients, Go's and Java's among
//     them, present no certificate that is not of one of these. A ClientAuth
//     that is stricter than tls.RequestClientCert is kept. If base
//     verifies certificates without ClientCAs, no certificate is accepted,
//     where crypto/tls would fall back to the roots of the machine.
//   - Configurations that base.GetConfigForClient returns are treated in the
//     same way, so that a client is asked whatever server name it sends.
//   - The minimum is TLS 1.2, with the cipher suites that RFC 9325 §4.2
//     recommends (ECDHE with AES-GCM; FAPI 2.0 §5.2.2). If base names
//     CipherSuites, they are used instead: list these and yours there for
//     clients that support none of these, such as
//     tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256.
//
// A resumed session carries the certificate of its first handshake, and the
// client is not asked again: after it has renewed its certificate, it needs a
// new connection that does not resume a session, and a new token. Until then
// its old certificate and token go on working, until the token expires. Set
// SessionTicketsDisabled in base to make every connection a full handshake.
func TLSConfig(base *tls.Config) *tls.Config {
	config := base.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	if config.CipherSuites == nil {
		config.CipherSuites = []uint16{ // RFC 9325 §4.2
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		}
	}
	switch {
	case config.ClientAuth >= tls.VerifyClientCertIfGiven:
		if config.ClientCAs == nil {
			config.ClientCAs = x509.NewCertPool()
		}
	case config.ClientCAs != nil && config.ClientAuth == tls.RequireAnyClientCert:
		config.ClientAuth = tls.RequireAndVerifyClientCert
	case config.ClientCAs != nil:
		config.ClientAuth = tls.VerifyClientCertIfGiven
	case config.ClientAuth == tls.NoClientCert:
		config.ClientAuth = tls.RequestClientCert
	}
	if forClient := config.GetConfigForClient; forClient != nil {
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := forClient(hello)
			if chosen == nil || err != nil {
				return chosen, err // nil: the configuration around this one
			}
			return TLSConfig(chosen), nil
		}
	}
	return config
}
