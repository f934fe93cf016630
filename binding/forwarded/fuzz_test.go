package forwarded_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

func FuzzRFC9440(f *testing.F)         { fuzz(f, forwarded.RFC9440) }
func FuzzURLPEM(f *testing.F)          { fuzz(f, forwarded.URLPEM) }
func FuzzURLPEMChain(f *testing.F)     { fuzz(f, forwarded.URLPEMChain) }
func FuzzPEMSpaces(f *testing.F)       { fuzz(f, forwarded.PEMSpaces) }
func FuzzBase64DER(f *testing.F)       { fuzz(f, forwarded.Base64DER) }
func FuzzBase64PEM(f *testing.F)       { fuzz(f, forwarded.Base64PEM) }
func FuzzTraefik(f *testing.F)         { fuzz(f, forwarded.Traefik) }
func FuzzXFCC(f *testing.F)            { fuzz(f, forwarded.XFCC) }
func FuzzXFCCJSON(f *testing.F)        { fuzz(f, forwarded.XFCCJSON) }
func FuzzSHA256Hex(f *testing.F)       { fuzz(f, forwarded.SHA256Hex) }
func FuzzSHA256Base64(f *testing.F)    { fuzz(f, forwarded.SHA256Base64) }
func FuzzSHA256Base64URL(f *testing.F) { fuzz(f, forwarded.SHA256Base64URL) }

// fuzz has an encoding read anything. What it accepts is one certificate, or
// the digest of one, and written anew as a proxy writes it, it is the same.
func fuzz(f *testing.F, encoding forwarded.Format) {
	var der []byte
	vectors := loadVectors(f)
	for _, v := range vectors {
		for _, value := range v.Values {
			f.Add(value)
		}
		if v.ID == "derived/azure-app-service/ecdsa" {
			certificate, err := read(sourceOf(f, forwarded.Base64DER), v.Values[0])
			require.NoError(f, err)
			der = certificate.DER
		}
	}
	for _, value := range malformed(der)[encoding] {
		f.Add(value)
	}
	for _, v := range vectorsOf(f, "xfcc-captured.json") {
		for _, value := range v.Values {
			f.Add(value)
		}
	}
	source := sourceOf(f, encoding)
	f.Fuzz(func(t *testing.T, value string) {
		certificate, err := read(source, value)
		if encoding != forwarded.XFCC && encoding != forwarded.XFCCJSON && len(value) <= 32<<10 {
			parsed, parseErr := forwarded.ParseCertificate(encoding, value)
			require.Equal(t, certificate, parsed)
			if parseErr != nil { // for the same cause, without the header that it did not come in
				require.Equal(t, binding.AsError(err).Reason, binding.AsError(parseErr).Reason)
				if inner := binding.AsError(parseErr).Cause; inner != nil {
					require.ErrorIs(t, err, inner)
				}
			}
		}
		if err != nil {
			var refusal *binding.Error
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, 401, refusal.StatusCode())
			require.Zero(t, certificate)
			return
		}
		require.True(t, certificate.Thumbprint.Matches(certificate.Thumbprint))
		if certificate.DER != nil {
			require.Equal(t, binding.Thumbprint(sha256.Sum256(certificate.DER)), certificate.Thumbprint)
			var outer asn1.RawValue
			rest, err := asn1.Unmarshal(certificate.DER, &outer)
			require.NoError(t, err)
			require.Empty(t, rest)
			require.True(t, outer.IsCompound && outer.Class == asn1.ClassUniversal && outer.Tag == asn1.TagSequence)
		}
		again, err := read(source, encode(encoding, certificate.DER, certificate.Thumbprint))
		if len(value) < 16<<10 { // written in full it may be longer than is read
			require.NoError(t, err)
		}
		if err == nil {
			require.Equal(t, certificate, again)
		}
	})
}

// FuzzXFCCElements reads a header as a careless reader might, who splits it at separators outside of quotes and knows of no
// other rule. What is accepted has as many elements for it, one Hash in the client's, and no separator that it could take for
// one within quotes.
func FuzzXFCCElements(f *testing.F) {
	hash, other := "Hash="+strings.Repeat("ab", 32), "Hash="+strings.Repeat("cd", 32)
	for _, value := range []string{
		hash, "By=spiffe://x;" + hash + `;Subject="CN=a\",b\;c";URI=spiffe://y`, hash + "," + other, other + `;X=",By=x;` + hash + `;URI=";a=b`,
		hash + `;Subject="";URI=,By=a;` + other, hash + `;Subject="a;b"`,
	} {
		f.Add(value)
	}
	for _, v := range vectorsOf(f, "xfcc-captured.json") {
		for _, value := range v.Values {
			f.Add(value)
		}
	}
	sources := []*forwarded.Source{
		newSource(f, forwarded.Config{Format: forwarded.XFCC}), newSource(f, forwarded.Config{Format: forwarded.XFCC, Elements: 2, Element: 2}),
	}
	f.Fuzz(func(t *testing.T, value string) {
		for i, source := range sources {
			certificate, err := source.ClientCertificate(requestWith(http.Header{"X-Forwarded-Client-Cert": {value}}))
			if err != nil {
				continue
			}
			elements := splitOutside(value, ',')
			require.Len(t, elements, i+1)
			var hashes []string
			for _, pair := range splitOutside(elements[i], ';') {
				if key, value, _ := strings.Cut(pair, "="); strings.EqualFold(key, "hash") {
					hashes = append(hashes, strings.ToLower(value))
				}
			}
			require.Equal(t, []string{hex.EncodeToString(certificate.Thumbprint[:])}, hashes)
			require.NotRegexp(t, `(?s)="([^"\\]|\\.)*;([^"\\]|\\.)*"(;|,|$)`, strings.ReplaceAll(strings.ReplaceAll(value, `\\`, ""), `\;`, ""))
		}
	})
}

func splitOutside(s string, separator byte) (parts []string) {
	quoted, from := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && s[i] == separator:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}

// FuzzTrustPeers: a peer is trusted only if package net, which has another reader of addresses, finds it in the range; and
// always if it does, and the address is written as a connection's is.
func FuzzTrustPeers(f *testing.F) {
	for _, peer := range []string{
		"192.0.2.9:1", "[::ffff:192.0.2.9]:1", "[fe80::1%eth0]:1", "[fd00::1]:1", "192.0.2.9", "::1", "[192.0.2.9]:1", "192.0.2.9:", "192.0.2.9:http", "192.0.2.9:65536", "192.0.2.9:-1",
		"192.0.2.09:1", "192.0.2:1", "0300.0.2.9:1", "[::ffff:c000:209]:1", "@", "", ":1", "192.0.2.9:1, 203.0.113.1:1", " 192.0.2.9:1", "192.0.2.9:1\n", "[::]:1", "[::1%]:1", "[::ffff:192.0.2.9%1]:1", "localhost:1",
	} {
		for _, prefix := range []string{"192.0.2.0/24", "::ffff:192.0.2.0/120", "fe80::/10", "fc00::/7", "192.0.2.77/24", "192.0.2.9/32"} {
			f.Add(peer, prefix)
		}
	}
	f.Add("192.0.2.9:1", "0.0.0.0/0")
	f.Add("192.0.2.9:1", "::/0")
	f.Add("192.0.2.9:1", "::ffff:0:0/96")
	f.Add("192.0.2.9:1", "::ffff:0.0.0.0/10")
	f.Fuzz(func(t *testing.T, peer, prefix string) {
		parsed, err := netip.ParsePrefix(prefix)
		if err != nil {
			t.Skip()
		}
		trusting := func(rule forwarded.Trust) (*forwarded.Source, error) {
			return forwarded.New(forwarded.Config{Format: forwarded.SHA256Hex, Header: "X-Test-Cert", Trust: []forwarded.Trust{rule}})
		}
		byPeer, err := trusting(forwarded.TrustPeers(parsed))
		byRemoteAddr, otherErr := trusting(forwarded.DangerouslyTrustRemoteAddr(parsed))
		require.Equal(t, err == nil, otherErr == nil)
		first, network, errNet := net.ParseCIDR(prefix)
		require.NoError(t, errNet)
		ones, bits := network.Mask.Size()
		if first.To4() != nil {
			ones -= bits - 32 // IPv4 in IPv6 form
		}
		if err != nil {
			require.Less(t, ones, 8)
			return
		}
		require.GreaterOrEqual(t, ones, 7)
		other := "203.0.113.1:1"
		if network.Contains(net.ParseIP("203.0.113.1")) {
			other = "198.51.100.1:1"
		}
		header := http.Header{"X-Test-Cert": {strings.Repeat("ab", 32)}, "X-Forwarded-For": {peer}, "Forwarded": {"for=" + peer}}
		byField := requestWith(header).WithContext(t.Context())
		byField.RemoteAddr = peer
		byConnection := from(requestWith(header), addressText(peer))
		byConnection.RemoteAddr = other // as middleware left it
		address, usual := addressOf(peer)
		within := address != nil && network.Contains(address)
		for r, source := range map[*http.Request]*forwarded.Source{byField: byRemoteAddr, byConnection: byPeer} {
			_, err := source.ClientCertificate(r)
			if err == nil {
				require.True(t, within)
				continue
			}
			requireReason(t, binding.ReasonForwardedUntrusted, err)
			require.False(t, within && usual)
		}
	})
}

// addressText is the address of a connection by its text.
type addressText string

func (a addressText) Network() string { return "tcp" }
func (a addressText) String() string  { return string(a) }

// addressOf reads the address of a peer with package net, and reports whether it is in the form that a connection's has.
func addressOf(peer string) (address net.IP, usual bool) {
	without, zone := peer, "" // which may be any text
	if from, to := strings.Index(peer, "%"), strings.LastIndex(peer, "]:"); from >= 0 && from < to {
		without, zone = peer[:from]+peer[to:], peer[from+1:to]
	}
	host, port, err := net.SplitHostPort(without)
	if err != nil {
		return nil, false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if address = net.ParseIP(host); address == nil || err != nil {
		return nil, false
	}
	text := (&net.TCPAddr{IP: address, Port: int(number), Zone: zone}).String()
	return address, text == peer || zone == "" && "[::ffff:"+strings.Replace(text, ":", "]:", 1) == peer
}

// FuzzHeaderName puts another header beside the proxy's. If a careless reader could take it for that, nobody's certificate is
// believed; otherwise it changes nothing.
func FuzzHeaderName(f *testing.F) {
	for _, name := range []string{
		"X-Test-Cert", "x-test-cert", "X_Test_Cert", "X.Test.Cert", "X-Test-cert", "X-Test-Cert ", "X-Test-Certs", "X-Test", "X1Test-Cert", "X\xffTest-Cert", "X\u00e9Test-Cert", "\u212aTest-Cert", "", "Client-Cert",
	} {
		f.Add(name, strings.Repeat("ab", 32))
		f.Add(name, "")
	}
	looksLike := regexp.MustCompile(`(?s)\A[xX][^A-Za-z0-9][tT][eE][sS][tT][^A-Za-z0-9][cC][eE][rR][tT]\z`)
	source := sourceOf(f, forwarded.SHA256Hex)
	f.Fuzz(func(t *testing.T, name, value string) {
		header := http.Header{"X-Test-Cert": {strings.Repeat("cd", 32)}}
		header[name] = append(header[name], value)
		certificate, err := source.ClientCertificate(requestWith(header))
		if len(name) == len("X-Test-Cert") && looksLike.MatchString(name) {
			requireReason(t, binding.ReasonForwardedAmbiguous, err)
			require.Zero(t, certificate)
			return
		}
		require.NoError(t, err)
		require.Equal(t, bytes.Repeat([]byte{0xcd}, 32), certificate.Thumbprint[:])
	})
}
