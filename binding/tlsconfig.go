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
//   - With a PKI of your own, set ClientCAs, and chains are verified as well; a
//     ClientAuth that is stricter than asking is kept. A configuration that
//     verifies without ClientCAs accepts nobody, where crypto/tls would fall
//     back to the roots of the machine.
//   - Configurations that base.GetConfigForClient returns are treated alike, so
//     that no server name lets a client in unasked.
//   - TLS 1.2 is the least.
//
// A resumed session carries the certificate of its first handshake, and is not
// asked again: after a client has renewed its certificate it needs a new
// connection, not a resumed one, and a new token. Until it makes one, its old
// pair of certificate and token works as long as the token lives. Set
// SessionTicketsDisabled in base to make every connection a full handshake.
func TLSConfig(base *tls.Config) *tls.Config {
	config := base.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
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
