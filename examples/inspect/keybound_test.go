package main_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// A token that is bound to a DPoP key is not refused for want of a proof, which
// is another thing to inspect, and never said to be accepted without one.
func TestATokenOfAKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	jkt := strings.Repeat("B", 42) + "A"
	bound := func(confirmation map[string]any, spec bindingtest.TokenSpec) string {
		spec.Claims = map[string]any{"cnf": confirmation}
		return w.token(t, spec)
	}
	ofKey := map[string]any{"jkt": jkt}
	ofBoth := map[string]any{"jkt": jkt, "x5t#S256": bindingtest.Thumbprint(w.client.Leaf)}
	ofAnother := map[string]any{"jkt": jkt, "x5t#S256": bindingtest.Thumbprint(newClient(t, w).Leaf)}
	good := bound(ofKey, bindingtest.TokenSpec{})
	withoutCertificate := []string{"-issuer", w.as.Issuer(), "-as-ca", w.roots, "-audience", audience}
	unknown := []string{"cannot be told", "proof was NOT checked", "-proof, -method and -url", "401 invalid_token (confirmation_dpop)"}
	for name, test := range map[string]struct {
		token   string
		args    []string
		status  int
		mark    string   // of its binding
		binding []string // what is said of it
		verdict []string
	}{
		"alone":                  {good, w.flags(), 3, "-", []string{"NOT checked", jkt, "-proof"}, unknown},
		"without a certificate":  {good, withoutCertificate, 3, "-", []string{jkt}, unknown},
		"under DPoP":             {"DPoP " + good, w.flags(), 3, "-", []string{jkt}, unknown},
		"an endpoint's answer":   {`{"token_type":"DPoP","access_token":"` + good + `"}`, w.flags(), 3, "-", []string{jkt}, unknown},
		"proofs or certificates": {good, append(w.flags(), "-schemes", "Bearer,DPoP"), 3, "-", []string{jkt}, unknown},
		"offline":                {good, nil, 3, "-", []string{jkt}, append([]string{"issuer and signature were NOT checked"}, unknown...)},
		"under Bearer":           {"Bearer " + good, w.flags(), 1, "FAIL", []string{"must send Authorization: DPoP"}, []string{"401 invalid_token (token_scheme)"}},
		"answered as Bearer":     {`{"token_type":"Bearer","access_token":"` + good + `"}`, w.flags(), 1, "FAIL", nil, []string{"(token_scheme)"}},
		"expired":                {bound(ofKey, bindingtest.TokenSpec{ExpiresIn: -time.Hour}), w.flags(), 1, "-", []string{jkt}, []string{"(token_expired)"}},
		"forged":                 {bound(ofKey, bindingtest.TokenSpec{ForgedSignature: true}), w.flags(), 1, "-", []string{jkt}, []string{"(token_signature)"}},
		"without its scope":      {good, append(w.flags(), "-scope", "payments"), 1, "-", []string{jkt}, []string{"403 insufficient_scope (scope_missing)"}},
		"where nothing is bound": {good, append(w.flags(), "-policy", "refuse-bound"), 1, "FAIL", []string{"-policy refuse-bound"}, []string{"(confirmation_dpop)"}},

		"of a certificate too":           {bound(ofBoth, bindingtest.TokenSpec{}), w.flags(), 3, "-", []string{jkt, "needs both"}, unknown},
		"of a certificate that is not":   {bound(ofBoth, bindingtest.TokenSpec{}), withoutCertificate, 3, "-", []string{"-cert"}, []string{"certificate_missing", "proof was NOT checked"}},
		"of another certificate":         {bound(ofAnother, bindingtest.TokenSpec{}), w.flags(), 1, "FAIL", []string{"another certificate"}, []string{"(thumbprint_mismatch)"}},
		"opaque, and to send under DPoP": {`{"token_type":"DPoP","access_token":"2YotnFZFEjr1zCsicMWpAA"}`, w.flags(), 3, "", nil, []string{"the token is opaque"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, output := inspect(t, test.token, test.args...)
			require.Equal(t, test.status, status, output)
			if test.mark != "" {
				requireSays(t, output, "binding", test.mark, test.binding...)
			}
			mark := ""
			if test.status == 1 {
				mark = "FAIL"
			} else {
				require.NotContains(t, output, "FAIL")
			}
			requireSays(t, output, "verdict", mark, test.verdict...)
			require.NotContains(t, output, "would pass")
		})
	}
}
