package binding_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// G/189, G/190: once the handshake is over, nothing adds a certificate to a connection. crypto/tls refuses a client's
// renegotiation with an alert, has no call to ask for one, and sends a CertificateRequest in the handshake alone. What
// shows here is that a server asks once for each connection, whatever its clients' later requests would need.
func TestTLSAsksOnceForEachConnection(t *testing.T) {
	t.Parallel()
	client := newCertificate(t, "client-1")
	token := bearer(claims(t, boundTo(client.Leaf)))
	versions(t, func(t *testing.T, version uint16) {
		config := binding.TLSConfig(&tls.Config{Renegotiation: tls.RenegotiateFreelyAsClient})
		a := serveTLS(t, newGuard(t, binding.Config{}), config)
		var asked atomic.Int64
		httpClient := a.client(t, func(config *tls.Config) {
			config.MinVersion, config.MaxVersion, config.Renegotiation = version, version, tls.RenegotiateFreelyAsClient
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if asked.Add(1) == 1 {
					return &tls.Certificate{}, nil // none at first
				}
				return &client, nil
			}
		})
		for range 3 {
			got, _ := a.get(t, httpClient, token)
			require.Equal(t, refused, got)
		}
		require.EqualValues(t, 1, asked.Load())
		got, _ := a.get(t, a.client(t, with(&client)), token)
		require.Equal(t, "OK", got, "a connection of its own has it")
	})
}

// G/191: early data is for QUIC alone. No ticket over TCP allows it, and who sends it all the same gets no answer.
func TestTLSEarlyData(t *testing.T) {
	t.Parallel()
	client := newCertificate(t, "client-1")
	var tickets atomic.Int64
	config := binding.TLSConfig(&tls.Config{})
	config.WrapSession = func(state tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
		tickets.Add(1)
		require.False(t, session.EarlyData)
		return config.EncryptTicket(state, session)
	}
	a := serveTLS(t, newGuard(t, binding.Config{}), config)
	got, _ := a.connect(t, tls.VersionTLS13, &oneSession{}, &client, a.URL, bearer(claims(t, boundTo(client.Leaf))))
	require.Equal(t, "OK", got)
	require.Positive(t, tickets.Load())

	for name, test := range map[string]struct {
		extension []byte
		alert     byte
	}{
		"as it is, which is answered": {nil, 0},
		"with early_data":             {[]byte{0, 42, 0, 0}, 110}, // unsupported_extension
	} {
		connection, err := net.Dial("tcp", a.Listener.Addr().String())
		require.NoError(t, err)
		_, err = connection.Write(extend(clientHello(t), test.extension))
		require.NoError(t, err)
		record := make([]byte, 7)
		_, err = io.ReadFull(connection, record)
		require.NoError(t, err)
		if test.alert == 0 {
			require.EqualValues(t, 22, record[0], "%s: a handshake record", name)
		} else {
			require.EqualValues(t, 21, record[0], "%s: an alert", name)
			require.Equal(t, test.alert, record[6], name)
		}
		require.NoError(t, connection.Close())
	}
}

// clientHello returns the first record that a TLS 1.3 client sends.
func clientHello(t *testing.T) []byte {
	t.Helper()
	near, far := net.Pipe()
	defer far.Close()
	go func() {
		defer near.Close()
		_ = tls.Client(near, &tls.Config{ServerName: "example.com", MinVersion: tls.VersionTLS13}).Handshake()
	}()
	head := make([]byte, 5)
	_, err := io.ReadFull(far, head)
	require.NoError(t, err)
	body := make([]byte, binary.BigEndian.Uint16(head[3:]))
	_, err = io.ReadFull(far, body)
	require.NoError(t, err)
	return append(head, body...)
}

// extend appends an extension to the record of a ClientHello (RFC 8446 §4.1.2) and corrects the lengths around it.
func extend(record, extension []byte) []byte {
	record = append(bytes.Clone(record), extension...)
	n := len(record)
	at := 5 + 4 + 2 + 32                                    // record, handshake, version, random
	at += 1 + int(record[at])                               // session ID
	at += 2 + int(binary.BigEndian.Uint16(record[at:]))     // cipher suites
	at += 1 + int(record[at])                               // compression methods
	binary.BigEndian.PutUint16(record[3:], uint16(n-5))     // record
	binary.BigEndian.PutUint16(record[7:], uint16(n-5-4))   // handshake: 24 bits, of which the first 8 are 0
	binary.BigEndian.PutUint16(record[at:], uint16(n-at-2)) // extensions
	return record
}

// G/194: odd certificates end in an answer or in a handshake that fails, and the next client is served.
func TestTLSOddCertificates(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	manyNames := clientTemplate("client-1")
	for len(manyNames.DNSNames) < 16<<10/16 {
		manyNames.DNSNames = append(manyNames.DNSNames, strings.Repeat("a", 12)+".example")
	}
	deep := clientTemplate("client-1")
	deep.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: nestedSequences(3_000)}}
	deepName := clientTemplate("client-1")
	deepName.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: nestedSequences(3_000)}}
	dsa := readCertificate(t, "dsa-client.pem")
	require.Equal(t, x509.DSA, dsa.PublicKeyAlgorithm)

	a := serveTLS(t, newGuard(t, binding.Config{}), binding.TLSConfig(nil))
	usual := newCertificate(t, "client-1")
	for _, test := range []struct {
		name        string
		certificate tls.Certificate
		want        string
	}{
		{"16 KiB of names", certify(t, manyNames, nil), "OK"},
		{"deep ASN.1 in an unknown extension", certify(t, deep, nil), "OK"},
		{"deep ASN.1 in the names", certify(t, deepName, nil), "OK"},
		{"DSA key", tls.Certificate{Certificate: [][]byte{dsa.Raw}, PrivateKey: key, Leaf: dsa}, "TLS"},
		{"no certificate at all", tls.Certificate{Certificate: [][]byte{{0x30, 0x80}}, PrivateKey: key, Leaf: usual.Leaf}, "TLS"},
		{"an empty one", tls.Certificate{Certificate: [][]byte{{}}, PrivateKey: key, Leaf: usual.Leaf}, "TLS"},
		{"of another key", tls.Certificate{Certificate: usual.Certificate, PrivateKey: key, Leaf: usual.Leaf}, "TLS"},
	} {
		got, _ := a.get(t, a.client(t, with(&test.certificate)), bearer(claims(t, boundTo(test.certificate.Leaf))))
		require.Equal(t, test.want, got, test.name)
		got, _ = a.get(t, a.client(t, with(&usual)), bearer(claims(t, boundTo(usual.Leaf))))
		require.Equal(t, "OK", got, "behind %s", test.name)
	}

	// The guard itself asks nothing of a certificate but its bytes.
	for name, leaf := range map[string]*x509.Certificate{"DSA": dsa, "no DER": {Raw: []byte{0x30, 0x80}}} {
		_, err := newGuard(t, binding.Config{}).Check(request(bearer(claims(t, boundTo(leaf))), leaf))
		require.NoError(t, err, name)
		_, err = newGuard(t, binding.Config{}).Check(request(bearer(claims(t, boundTo(leaf))), usual.Leaf))
		requireRefused(t, err, binding.ReasonThumbprintMismatch, http.StatusUnauthorized)
	}
}

// nestedSequences is DER: a SEQUENCE in a SEQUENCE, and so on.
func nestedSequences(depth int) []byte {
	var value []byte
	for range depth {
		switch n := len(value); {
		case n < 128:
			value = append([]byte{0x30, byte(n)}, value...)
		case n < 256:
			value = append([]byte{0x30, 0x81, byte(n)}, value...)
		default:
			value = append([]byte{0x30, 0x82, byte(n >> 8), byte(n)}, value...)
		}
	}
	return value
}

// Rows without a test here: G/192, a listener for HTTP/3 with another TLS policy than the TCP one, is an application's; that
// a request over HTTP/3 without a certificate is refused like any other is in TestCertificateOfTheConnection. G/193, floods
// of KeyUpdate and huge handshakes, is between crypto/tls and its peer before any request exists: no code of ours runs.
