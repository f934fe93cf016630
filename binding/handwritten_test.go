package binding_test

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// A handwritten check answers a request whose token has these claims; their signature holds.
type handwritten func(claims []byte, r *http.Request) int

// thumbprintOf is how such a check reads the confirmation, right for the token that it was written for.
func thumbprintOf(claims []byte) (string, error) {
	var token struct {
		Confirmation struct {
			Thumbprint string `json:"x5t#S256"`
		} `json:"cnf"`
	}
	err := json.Unmarshal(claims, &token)
	return token.Confirmation.Thumbprint, err
}

// hexOf is the digest in a form that is no thumbprint.
func hexOf(certificate *x509.Certificate) string {
	digest := sha256.Sum256(certificate.Raw)
	return hex.EncodeToString(digest[:])
}

func status(ok bool) int {
	if ok {
		return http.StatusOK
	}
	return http.StatusUnauthorized
}

// What the table in handwritten.md says of a check, the check does, and the guard does not. Every line of the table is here.
func TestHandwrittenChecks(t *testing.T) {
	t.Parallel()
	victim, thief := newCertificate(t, "victim").Leaf, newCertificate(t, "thief").Leaf
	bound := func(member, thumbprint string) string {
		return fmt.Sprintf(`{%s,%q:{"x5t#S256":%q}}`, alice, member, thumbprint)
	}
	ofVictim := bound("cnf", binding.ThumbprintOf(victim).String())

	answered := make(map[string]int) // of the check that answers once
	tests := map[string]struct {
		check  handwritten
		claims string
		before []*x509.Certificate // of a request that came before
		with   []*x509.Certificate // the chain that is presented
		header string
		policy binding.Policy
		scopes []string // that are needed
		want   int      // the check's answer; 0 is 200, and the guard's is 401
	}{
		"decodes `cnf` into a struct with `encoding/json`": {
			claims: bound("CNF", binding.ThumbprintOf(thief).String()), with: []*x509.Certificate{thief},
			check: func(claims []byte, r *http.Request) int {
				thumbprint, err := thumbprintOf(claims)
				return status(err == nil && thumbprint == bindingtest.Thumbprint(r.TLS.PeerCertificates[0]))
			},
		},
		"treats a `cnf` that it cannot read as none": {
			claims: `{` + alice + `,"cnf":"malformed"}`, with: []*x509.Certificate{thief}, policy: binding.DangerouslyAcceptUnbound,
			check: func(claims []byte, r *http.Request) int {
				thumbprint, err := thumbprintOf(claims)
				return status(err != nil || thumbprint == "" || thumbprint == bindingtest.Thumbprint(r.TLS.PeerCertificates[0]))
			},
		},
		"skips the check if the connection has no certificate": {
			claims: ofVictim,
			check: func(claims []byte, r *http.Request) int {
				if len(r.TLS.PeerCertificates) == 0 {
					return http.StatusOK
				}
				thumbprint, err := thumbprintOf(claims)
				return status(err == nil && thumbprint == bindingtest.Thumbprint(r.TLS.PeerCertificates[0]))
			},
		},
		"compares hex, or SHA-1, or the key's digest": {
			claims: bound("cnf", hexOf(thief)), with: []*x509.Certificate{thief},
			check: func(claims []byte, r *http.Request) int {
				thumbprint, err := thumbprintOf(claims)
				return status(err == nil && thumbprint == hexOf(r.TLS.PeerCertificates[0]))
			},
		},
		"takes the certificate from a header, from anyone": {
			claims: ofVictim, with: []*x509.Certificate{thief},
			header: url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: victim.Raw}))),
			check: func(claims []byte, r *http.Request) int {
				text, _ := url.PathUnescape(r.Header.Get("X-SSL-Client-Cert"))
				block, _ := pem.Decode([]byte(text))
				if block == nil {
					return http.StatusUnauthorized
				}
				certificate, err := x509.ParseCertificate(block.Bytes)
				if err != nil {
					return http.StatusUnauthorized
				}
				thumbprint, err := thumbprintOf(claims)
				return status(err == nil && thumbprint == bindingtest.Thumbprint(certificate))
			},
		},
		"verifies once and caches the result by token": {
			claims: ofVictim, before: []*x509.Certificate{victim}, with: []*x509.Certificate{thief},
			check: func(claims []byte, r *http.Request) int {
				if _, seen := answered[string(claims)]; !seen {
					thumbprint, err := thumbprintOf(claims)
					answered[string(claims)] = status(err == nil && thumbprint == bindingtest.Thumbprint(r.TLS.PeerCertificates[0]))
				}
				return answered[string(claims)]
			},
		},
		"looks for the certificate anywhere in the chain": {
			claims: ofVictim, with: []*x509.Certificate{thief, victim},
			check: func(claims []byte, r *http.Request) int {
				thumbprint, err := thumbprintOf(claims)
				return status(err == nil && slices.ContainsFunc(r.TLS.PeerCertificates, func(c *x509.Certificate) bool {
					return thumbprint == bindingtest.Thumbprint(c)
				}))
			},
		},
		"compares two empty values": {
			claims: `{` + alice + `,"cnf":{}}`, policy: binding.DangerouslyAcceptUnbound,
			check: func(claims []byte, r *http.Request) int {
				presented := ""
				if len(r.TLS.PeerCertificates) > 0 {
					presented = bindingtest.Thumbprint(r.TLS.PeerCertificates[0])
				}
				thumbprint, err := thumbprintOf(claims)
				return status(err == nil && thumbprint == presented)
			},
		},
		"answers 403, or tells scope before binding": {
			claims: ofVictim, with: []*x509.Certificate{thief}, scopes: []string{"payments"}, want: http.StatusForbidden,
			check: func(claims []byte, r *http.Request) int {
				if !strings.Contains(string(claims), `"payments"`) {
					return http.StatusForbidden
				}
				thumbprint, err := thumbprintOf(claims)
				return status(err == nil && thumbprint == bindingtest.Thumbprint(r.TLS.PeerCertificates[0]))
			},
		},
	}

	document, err := os.ReadFile("handwritten.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(strings.ReplaceAll(string(document), "\r\n", "\n"), "| the check | lets in |\n|---|---|\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	lines := regexp.MustCompile(`(?m)^\| (.+?) \|`).FindAllStringSubmatch(table, -1)
	require.Len(t, lines, len(tests))
	for _, line := range lines {
		test, found := tests[line[1]]
		require.True(t, found, line[1])
		t.Run(line[1], func(t *testing.T) {
			t.Parallel()
			guard, err := binding.New(binding.Config{Tokens: opaque{"token": test.claims}, Policy: test.policy, Scopes: test.scopes})
			require.NoError(t, err)
			checked := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(test.check([]byte(test.claims), r))
			})
			answer := func(handler http.Handler) int {
				if test.before != nil {
					require.Equal(t, http.StatusOK, send(handler, "token", test.before...).Code, "the victim")
				}
				return send(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if test.header != "" {
						r.Header.Set("X-SSL-Client-Cert", test.header)
					}
					handler.ServeHTTP(w, r)
				}), "token", test.with...).Code
			}
			require.Equal(t, cmp.Or(test.want, http.StatusOK), answer(checked), "the check is better than the table says")
			require.Equal(t, http.StatusUnauthorized, answer(protect(guard, func(http.ResponseWriter, *http.Request) {})))
		})
	}
}
