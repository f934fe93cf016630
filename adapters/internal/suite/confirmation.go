package suite

import (
	"crypto/sha1" //nolint:gosec // RFC 7515's x5t, to see it refused
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// confirmation is section F. Row 174, constant time, cannot be shown by a request. Rows 168 and 171, which need other
// certificates, are in boundCertificates.
func (s *suite) confirmation(t *testing.T) {
	holder := s.Holder.Certificate.Leaf
	digest := sha256.Sum256(holder.Raw)
	good := bindingtest.Thumbprint(holder)
	url := base64.RawURLEncoding.EncodeToString
	sum := func(b []byte) string { d := sha256.Sum256(b); return url(d[:]) }
	oldSum := sha1.Sum(holder.Raw)
	longSum := sha512.Sum512(holder.Raw)
	standard, padded := standardForm(t, s)
	noncanonical := good[:len(good)-1] + successor(good[len(good)-1:])
	tbs := sum(holder.RawTBSCertificate)
	asPEM := sum(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: holder.Raw}))

	required := s.guarded(t, binding.Config{})
	accepting := s.guarded(t, binding.Config{Policy: binding.DangerouslyAcceptUnbound})
	bearer := s.guarded(t, binding.Config{Policy: binding.DangerouslyBearerOnly})

	// In every row the right certificate is on the connection. What is not understood is refused under every policy.
	member := func(value any) string { return fmt.Sprintf(`{"x5t#S256":%s}`, quoted(value)) }
	for _, row := range []struct{ name, cnf string }{
		{"150 null", `null`},
		{"150 string", quoted(good)},
		{"150 array", `[` + member(good) + `]`},
		{"150 number", `1`},
		{"150 true", `true`},
		{"151 no members", `{}`},
		{"152 x5t#S256 null", member(nil)},
		{"152 x5t#S256 number", member(1)},
		{"152 x5t#S256 array", member([]string{good})},
		{"152 x5t#S256 empty array", member([]string{})},
		{"152 x5t#S256 object", member(map[string]string{"x5t#S256": good})},
		{"152 x5t#S256 true", member(true)},
		{"153 empty", member("")},
		{"154 padded", member(padded)},
		{"155 standard alphabet", member(standard)},
		{"156 hex, lower case", member(hex.EncodeToString(digest[:]))},
		{"156 hex, upper case", member(strings.ToUpper(hex.EncodeToString(digest[:])))},
		{"156 hex with colons", member(strings.ReplaceAll(fmt.Sprintf("% X", digest[:]), " ", ":"))},
		{"157 SHA-1", member(url(oldSum[:]))},
		{"157 31 bytes", member(url(digest[:31]))},
		{"157 33 bytes", member(url(append(digest[:], 0)))},
		{"157 48 bytes", member(url(longSum[:48]))},
		{"157 64 bytes", member(url(longSum[:]))},
		{"158 last character not canonical", member(noncanonical)},
		{"159 space at the end", member(good + " ")},
		{"159 LF at the end", member(good + "\n")},
		{"159 LF inside", member(good[:20] + "\n" + good[20:])},
		{"159 NUL at the end", member(good + "\x00")},
		{"160 X5T#S256", fmt.Sprintf(`{"X5T#S256":%q}`, good)},
		{"160 x5t#s256", fmt.Sprintf(`{"x5t#s256":%q}`, good)},
		{"160 x5t#ſ256, which folds to S", fmt.Sprintf(`{"x5t#ſ256":%q}`, good)},
		{"163 x5t alone", fmt.Sprintf(`{"x5t":%q}`, url(oldSum[:]))},
		{"163 x5t#S512 alone", fmt.Sprintf(`{"x5t#S512":%q}`, url(longSum[:]))},
		{"164 jkt alone", fmt.Sprintf(`{"jkt":%q}`, good)},
		{"165 jkt beside x5t#S256", fmt.Sprintf(`{"jkt":%q,"x5t#S256":%q}`, good, good)},
		{"165 jkt null beside x5t#S256", fmt.Sprintf(`{"jkt":null,"x5t#S256":%q}`, good)},
		{"166 jwk", `{"jwk":{"kty":"EC"}}`},
		{"166 jwe", `{"jwe":"x"}`},
		{"166 jku", `{"jku":"https://attacker.example/keys"}`},
		{"166 kid", `{"kid":"x"}`},
		{"a digest of nothing", member(sum(nil))},
		{"zeros", member(strings.Repeat("A", 43))},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			token := s.Confirmed(t, row.cnf)
			want, underBearer := BadConfirmation, BadConfirmation
			if row.name == "a digest of nothing" || row.name == "zeros" {
				// Well-formed, and no certificate's.
				want, underBearer = OtherCertificate, Bound
			}
			required.Check(t, required.Probe, Bearer(s.Holder, token), want)
			accepting.Check(t, accepting.Probe, Bearer(s.Holder, token), want)
			bearer.Check(t, bearer.Probe, Bearer(s.Holder, token), underBearer)
			if want == BadConfirmation {
				// Two absent things are not the same thing.
				required.Check(t, required.Probe, Bearer(s.Nobody, token), want)
				accepting.Check(t, accepting.Probe, Bearer(s.Nobody, token), want)
			}
		})
	}

	for _, row := range []struct {
		name   string
		client *Client
		token  string
		want   Answer
	}{
		{"145 the right certificate", s.Holder, s.Good(t), OK},
		{"146 no certificate", s.Nobody, s.Good(t), NoCertificate},
		{"147 another certificate", s.Other, s.Good(t), OtherCertificate},
		{"148 no cnf", s.Holder, s.Token(t, bindingtest.TokenSpec{}), Unbound},
		{"153 a digest of nothing, and no certificate", s.Nobody, s.Confirmed(t, member(sum(nil))), NoCertificate},
		{"153 zeros, and no certificate", s.Nobody, s.Confirmed(t, member(strings.Repeat("A", 43))), NoCertificate},
		{"161 x5t#S256 twice", s.Holder, s.raw(t, s.claims(t, nil, fmt.Sprintf(`"cnf":{"x5t#S256":%q,"x5t#S256":%q}`, good, good))), Malformed},
		{"161 x5t#S256 twice, once escaped", s.Holder, s.raw(t, s.claims(t, nil, fmt.Sprintf(`"cnf":{"x5t#S256":%q,"x5t\u0023S256":%q}`, good, good))), Malformed},
		{"162 cnf twice", s.Holder, s.raw(t, s.claims(t, s.Holder.Certificate, `"cnf":`+member(good))), Malformed},
		{"162 cnf twice, the thief's last", s.Other, s.raw(t, s.claims(t, s.Holder.Certificate, `"cnf":`+member(bindingtest.Thumbprint(s.Other.Certificate.Leaf)))), Malformed},
		{"162 Cnf beside cnf", s.Other, s.raw(t, s.claims(t, s.Holder.Certificate, `"Cnf":`+member(bindingtest.Thumbprint(s.Other.Certificate.Leaf)))), OtherCertificate},
		{"167 an unknown member beside it", s.Holder, s.Confirmed(t, fmt.Sprintf(`{"x5t#S256":%q,"x5t#uri":"spiffe://x"}`, good)), OK},
		{"167 an escaped name", s.Holder, s.Confirmed(t, fmt.Sprintf(`{"x5t\u0023S256":%q}`, good)), OK},
		{"169 of the SPKI", s.Holder, s.Confirmed(t, member(sum(holder.RawSubjectPublicKeyInfo))), OtherCertificate},
		{"170 of the PEM text", s.Holder, s.Confirmed(t, member(asPEM)), OtherCertificate},
		{"170 of the TBSCertificate", s.Holder, s.Confirmed(t, member(tbs)), OtherCertificate},
		{"172 x5t#S256 outside of cnf", s.Holder, s.raw(t, s.claims(t, nil, `"x5t#S256":`+quoted(good))), Unbound},
		{"173 cnf in act alone", s.Holder, s.raw(t, s.claims(t, nil, `"act":{"sub":"x","cnf":`+member(good)+`}`)), Unbound},
		{"173 another cnf in act", s.Holder, s.raw(t, s.claims(t, s.Holder.Certificate, `"act":{"cnf":{"jkt":"x"}}`)), OK},
		{"173 the thief's cnf in may_act", s.Other, s.raw(t, s.claims(t, s.Holder.Certificate, `"may_act":{"cnf":`+member(bindingtest.Thumbprint(s.Other.Certificate.Leaf))+`}`)), OtherCertificate},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			required.Check(t, required.Probe, Bearer(row.client, row.token), row.want)
		})
	}

	t.Run("149 no cnf where the policy accepts it", func(t *testing.T) {
		t.Parallel()
		accepting.Check(t, accepting.Probe, Bearer(s.Nobody, s.Token(t, bindingtest.TokenSpec{})), OK)
	})

	t.Run("155 standard alphabet, and the certificate is right", func(t *testing.T) {
		t.Parallel()
		client, thumbprint := s.clientWithStandardForm(t)
		required.Check(t, required.Probe, Bearer(client, s.Confirmed(t, member(thumbprint))), BadConfirmation)
	})
}

// standardForm returns a thumbprint of the Holder's as it would be in the standard alphabet, with a "+" in any case, and
// with padding.
func standardForm(t *testing.T, s *suite) (standard, padded string) {
	t.Helper()
	good := bindingtest.Thumbprint(s.Holder.Certificate.Leaf)
	standard = strings.NewReplacer("-", "+", "_", "/").Replace(good)
	if standard == good {
		standard = "+" + good[1:]
	}
	return standard, good + "="
}

// clientWithStandardForm makes certificates until the thumbprint of one is different in the standard alphabet: most are.
func (s *suite) clientWithStandardForm(t *testing.T) (*Client, string) {
	t.Helper()
	for {
		client := s.client(t, "standard")
		digest := sha256.Sum256(client.Certificate.Leaf.Raw)
		if text := base64.RawStdEncoding.EncodeToString(digest[:]); strings.ContainsAny(text, "+/") {
			return client, text
		}
	}
}
