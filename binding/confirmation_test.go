package binding_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

var allPolicies = map[string]binding.Policy{
	"RequireBound":             binding.RequireBound,
	"DangerouslyAcceptUnbound": binding.DangerouslyAcceptUnbound,
	"DangerouslyBearerOnly":    binding.DangerouslyBearerOnly,
}

// badConfirmations are values of cnf, as JSON, that are present and not understood.
func badConfirmations(t testing.TB) map[string]badConfirmation {
	const (
		malformed   = binding.ReasonConfirmationMalformed
		unsupported = binding.ReasonConfirmationUnsupported
		thumbprint  = binding.ReasonThumbprintMalformed
	)
	good := `"x5t#S256":"` + appendixA + `"`
	key := `"jkt":"` + appendixA + `"`
	all := map[string]badConfirmation{
		"F/150 null":                               {`null`, malformed},
		"F/150 string":                             {`"` + appendixA + `"`, malformed},
		"F/150 array":                              {`[{` + good + `}]`, malformed},
		"F/150 empty array":                        {`[]`, malformed},
		"F/150 number":                             {`1`, malformed},
		"F/150 true":                               {`true`, malformed},
		"F/150 false":                              {`false`, malformed},
		"F/150 object in a string":                 {`"{}"`, malformed},
		"F/151 empty object":                       {`{}`, unsupported},
		"F/152 x5t#S256 null":                      {`{"x5t#S256":null}`, thumbprint},
		"F/152 x5t#S256 number":                    {`{"x5t#S256":1}`, thumbprint},
		"F/152 x5t#S256 array":                     {`{"x5t#S256":["` + appendixA + `"]}`, thumbprint},
		"F/152 x5t#S256 empty array":               {`{"x5t#S256":[]}`, thumbprint},
		"F/152 x5t#S256 object":                    {`{"x5t#S256":{}}`, thumbprint},
		"F/152 x5t#S256 true":                      {`{"x5t#S256":true}`, thumbprint},
		"F/160 X5T#S256":                           {`{"X5T#S256":"` + appendixA + `"}`, unsupported},
		"F/160 x5t#s256":                           {`{"x5t#s256":"` + appendixA + `"}`, unsupported},
		"F/160 x5t#ſ256 (U+017F)":                  {`{"x5t#ſ256":"` + appendixA + `"}`, unsupported},
		"F/160 name with a space":                  {`{"x5t#S256 ":"` + appendixA + `"}`, unsupported},
		"F/163 x5t alone":                          {`{"x5t":"4L9fTBMb-b4PCMoyIB3fX7VCnY4"}`, unsupported},
		"F/163 x5t#S512 alone":                     {`{"x5t#S512":"` + strings.Repeat("A", 86) + `"}`, unsupported},
		"F/164 jkt null":                           {`{"jkt":null}`, thumbprint},
		"F/165 jkt null beside x5t#S256":           {`{` + good + `,"jkt":null}`, thumbprint},
		"F/165 jkt beside a malformed one":         {`{"x5t#S256":"","jkt":""}`, thumbprint},
		"M/415 jwk beside x5t#S256":                {`{` + good + `,"jwk":{"kty":"EC"}}`, unsupported},
		"M/415 jwk null beside x5t#S256":           {`{"jwk":null,` + good + `}`, unsupported},
		"M/415 jwe beside x5t#S256":                {`{` + good + `,"jwe":"a.b.c.d.e"}`, unsupported},
		"M/415 jku and kid beside x5t#S256":        {`{"kid":"1","jku":"https://example.com/keys",` + good + `}`, unsupported},
		"L/449 jwk beside jkt":                     {`{` + key + `,"jwk":{"kty":"EC"}}`, unsupported},
		"L/449 jwe beside jkt":                     {`{"jwe":"a.b.c.d.e",` + key + `}`, unsupported},
		"L/449 jku beside both":                    {`{` + good + `,"jku":"https://example.com/keys",` + key + `}`, unsupported},
		"F/166 jwk alone":                          {`{"jwk":{"kty":"EC"}}`, unsupported},
		"F/166 jwe alone":                          {`{"jwe":"a.b.c.d.e"}`, unsupported},
		"F/166 jku alone":                          {`{"jku":"https://example.com/keys"}`, unsupported},
		"F/166 kid alone":                          {`{"kid":"1"}`, unsupported},
		"F/166 several, none of them ours":         {`{"kid":"1","jwk":{},"x5t":""}`, unsupported},
		"F/160 right value in a member below":      {`{"cnf":{` + good + `}}`, unsupported},
		"F/158 not canonical by an escape":         {`{"x5t#S256":"` + appendixA[:42] + `\u0031"}`, thumbprint},
		"F/159 NUL by an escape":                   {`{"x5t#S256":"` + appendixA + `\u0000"}`, thumbprint},
		"F/159 LF by an escape":                    {`{"x5t#S256":"` + appendixA + `\n"}`, thumbprint},
		"F/152 lone surrogate in place of a digit": {`{"x5t#S256":"` + appendixA[:42] + `\ud800"}`, thumbprint},
	}
	for name, wrong := range wrongThumbprints(t) {
		value, err := json.Marshal(wrong.value)
		require.NoError(t, err)
		all[name] = badConfirmation{`{"x5t#S256":` + string(value) + `}`, wrong.reason}
		all["L/363 jkt, "+name] = badConfirmation{`{"jkt":` + string(value) + `}`, wrong.reason}
		all["L/363 jkt beside x5t#S256, "+name] = badConfirmation{`{` + good + `,"jkt":` + string(value) + `}`, wrong.reason}
	}
	return all
}

type badConfirmation struct {
	cnf    string
	reason binding.Reason
}

func TestConfirmationNotUnderstoodIsRefusedUnderEveryPolicy(t *testing.T) {
	t.Parallel()
	certificate := readCertificate(t, "rfc8705-appendix-a.pem")
	guards := make(map[string]*binding.Guard)
	for name, policy := range allPolicies {
		guards[name] = newGuard(t, binding.Config{Policy: policy})
	}
	for name, test := range badConfirmations(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload := claims(t, members{"cnf": json.RawMessage(test.cnf)})
			parsed, err := binding.ParseClaims(payload)
			require.Zero(t, parsed)
			requireRefused(t, err, test.reason, 401)

			for policy, guard := range guards {
				for _, r := range []string{"with the certificate", "without"} {
					message := policy + ", " + r
					chain := request(bearer(payload), certificate)
					if r == "without" {
						chain = request(bearer(payload))
					}
					token, err := guard.Check(chain)
					require.Nil(t, token, message)
					refusal := refusalOf(t, err)
					require.Equal(t, test.reason, refusal.Reason, message)
					require.Equal(t, "invalid_token", refusal.Code(), message)
				}
			}
		})
	}
}

// Names that occur twice, and bytes that are not UTF-8, refuse the whole token.
func TestConfirmationThatCanBeReadInTwoWaysIsMalformed(t *testing.T) {
	t.Parallel()
	good := `"x5t#S256":"` + appendixA + `"`
	other := `"x5t#S256":"` + strings.Repeat("B", 42) + `A"`
	for name, tail := range map[string]string{
		"F/161 x5t#S256 twice":             `"cnf":{` + good + `,` + other + `}`,
		"F/161 x5t#S256 twice, alike":      `"cnf":{` + good + `,` + good + `}`,
		"F/161 x5t#S256 twice, by escapes": `"cnf":{` + good + `,"x5t#\u0053256":"` + appendixA + `"}`,
		"F/161 jkt twice":                  `"cnf":{` + good + `,"jkt":1,"jkt":1}`,
		"F/161 twice below":                `"cnf":{` + good + `,"other":{"a":1,"a":1}}`,
		"F/162 cnf twice":                  `"cnf":{` + good + `},"cnf":{` + other + `}`,
		"F/162 cnf twice, the second null": `"cnf":{` + good + `},"cnf":null`,
		"F/162 cnf twice, by escapes":      `"cnf":{` + good + `},"\u0063nf":{` + good + `}`,
		"E/120 cnf is not UTF-8":           `"cnf":{` + good + ",\"\xff\":1}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload := claims(t, nil)
			payload = append(payload[:len(payload)-1], ","+tail+"}"...)
			_, err := binding.ParseClaims(payload)
			requireRefused(t, err, binding.ReasonTokenMalformed, 401)
			_, err = newGuard(t, binding.Config{Policy: binding.DangerouslyAcceptUnbound}).Check(request(bearer(payload)))
			requireRefused(t, err, binding.ReasonTokenMalformed, 401)
		})
	}
}

func TestConfirmationThatIsUnderstood(t *testing.T) {
	t.Parallel()
	certificate := readCertificate(t, "rfc8705-appendix-a.pem")
	good := `"x5t#S256":"` + appendixA + `"`
	for name, cnf := range map[string]string{
		"F/145 x5t#S256 alone":                 `{` + good + `}`,
		"F/145 with space around":              " {\n\t\"x5t#S256\" : \"" + appendixA + "\" } ",
		"F/167 with x5t#uri behind it":         `{` + good + `,"x5t#uri":"https://example.com"}`,
		"F/167 with an unknown one before it":  `{"x5t#uri":["a",{"b":null}],` + good + `}`,
		"F/167 with x5t beside it":             `{"x5t":"4L9fTBMb-b4PCMoyIB3fX7VCnY4",` + good + `}`,
		"M/415 with kid beside it":             `{"kid":"1",` + good + `}`,
		"N/434 with unknown ones beside it":    `{"kc-x":"1",` + good + `,"JWK":{},"y":{"jwk":1}}`,
		"F/160 with X5T#S256 beside it":        `{"X5T#S256":"","x5t#ſ256":null,` + good + `}`,
		"F/145 name and value by JSON escapes": `{"\u0078\u0035t#S256":"\u0041` + appendixA[1:] + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload := claims(t, members{"cnf": json.RawMessage(cnf)})
			token := valid(t, payload)
			require.True(t, token.Bound())
			thumbprint, bound := token.Thumbprint()
			require.True(t, bound)
			require.Equal(t, appendixA, thumbprint.String())
			key, bound := token.KeyThumbprint()
			require.False(t, bound)
			require.Zero(t, key)

			guard := newGuard(t, binding.Config{})
			_, err := guard.Check(request(bearer(payload), certificate))
			require.NoError(t, err)
			_, err = guard.Check(request(bearer(payload), newCertificate(t, "another").Leaf))
			requireRefused(t, err, binding.ReasonThumbprintMismatch, 401)
			_, err = guard.Check(request(bearer(payload)))
			requireRefused(t, err, binding.ReasonCertificateMissing, 401)
		})
	}
}

// A token that is bound to a DPoP key, alone or beside a certificate, is not one without a binding, nor one of a certificate.
// A guard that reads no proofs refuses it under every policy.
func TestConfirmationOfAKey(t *testing.T) {
	t.Parallel()
	certificate := readCertificate(t, "rfc8705-appendix-a.pem")
	const key = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	jkt, x5t := `"jkt":"`+key+`"`, `"x5t#S256":"`+appendixA+`"`
	for name, test := range map[string]struct {
		cnf  string
		both bool
	}{
		"F/164 jkt alone":                 {`{` + jkt + `}`, false},
		"N/434 jkt beside kc-jkt-type":    {`{` + jkt + `,"kc-jkt-type":"x"}`, false},
		"L/449 jkt beside kid":            {`{"kid":"1",` + jkt + `}`, false},
		"F/165 jkt behind x5t#S256":       {`{` + x5t + `,` + jkt + `}`, true},
		"F/165 jkt in front of x5t#S256":  {`{` + jkt + `,` + x5t + `}`, true},
		"L/449 both, an unknown one, kid": {`{"x":{},` + jkt + `,"kid":1,` + x5t + `}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload := claims(t, members{"cnf": json.RawMessage(test.cnf)})
			token := valid(t, payload)
			require.True(t, token.Bound())
			thumbprint, bound := token.KeyThumbprint()
			require.True(t, bound)
			require.Equal(t, key, thumbprint.String())
			ofCertificate, bound := token.Thumbprint()
			require.Equal(t, test.both, bound)
			require.Equal(t, test.both, ofCertificate == binding.ThumbprintOf(certificate))
			for _, policy := range allPolicies {
				for _, scheme := range []bool{false, true} {
					guard := newGuard(t, binding.Config{Policy: policy, AcceptDPoPScheme: scheme})
					_, err := guard.Check(request(bearer(payload), certificate))
					requireRefused(t, err, binding.ReasonConfirmationDPoP, 401)
				}
			}
		})
	}
}

// No cnf is the third state. What looks like one elsewhere is none.
func TestConfirmationThatIsAbsent(t *testing.T) {
	t.Parallel()
	cnf := boundTo(readCertificate(t, "rfc8705-appendix-a.pem"))["cnf"]
	for name, changes := range map[string]members{
		"F/148 no cnf":                        nil,
		"F/160 CNF in capitals":               {"CNF": cnf},
		"F/160 Cnf":                           {"Cnf": cnf},
		"F/172 x5t#S256 beside cnf's place":   {"x5t#S256": appendixA},
		"F/173 cnf in act":                    {"act": members{"sub": "b", "cnf": cnf}},
		"F/173 cnf in may_act":                {"may_act": members{"cnf": cnf}},
		"F/173 a malformed one in act":        {"act": members{"cnf": nil}},
		"F/172 confirmation by another name":  {"confirmation": cnf},
		"F/172 cnf as JSON text in a string":  {"ext": `{"cnf":{"x5t#S256":"` + appendixA + `"}}`},
		"F/172 cnf inside an array of claims": {"ext": []any{members{"cnf": cnf}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload := claims(t, changes)
			thumbprint, bound := valid(t, payload).Thumbprint()
			require.False(t, bound)
			require.Zero(t, thumbprint)
			require.False(t, valid(t, payload).Bound())

			r := request(bearer(payload), readCertificate(t, "rfc8705-appendix-a.pem"))
			_, err := newGuard(t, binding.Config{}).Check(r)
			requireRefused(t, err, binding.ReasonTokenUnbound, 401)
			// F/149: policy alone lets it in, and no certificate is needed.
			_, err = newGuard(t, binding.Config{Policy: binding.DangerouslyAcceptUnbound}).Check(request(bearer(payload)))
			require.NoError(t, err)
		})
	}
}

// A good confirmation of something other than the leaf's whole DER is another certificate's.
func TestConfirmationOfSomethingElseThanTheLeaf(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	other := newCertificate(t, "intermediate or root").Leaf
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
	for name, bytes := range map[string][]byte{
		"F/147 another certificate":                   newCertificate(t, "client-2").Leaf.Raw,
		"F/147 a certificate of the same name":        newCertificate(t, "client-1").Leaf.Raw,
		"F/168 another certificate that it also sent": other.Raw,
		"F/169 the SPKI":                              certificate.RawSubjectPublicKeyInfo,
		"F/170 the PEM text":                          text,
		"F/170 the base64 in the PEM text":            []byte(base64.StdEncoding.EncodeToString(certificate.Raw)),
		"F/170 the TBSCertificate":                    certificate.RawTBSCertificate,
		"F/153 nothing":                               nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			digest := sha256.Sum256(bytes)
			cnf := fmt.Sprintf(`{"x5t#S256":%q}`, base64.RawURLEncoding.EncodeToString(digest[:]))
			payload := claims(t, members{"cnf": json.RawMessage(cnf)})
			for policy, reason := range map[binding.Policy]binding.Reason{
				binding.RequireBound:             binding.ReasonThumbprintMismatch,
				binding.DangerouslyAcceptUnbound: binding.ReasonThumbprintMismatch,
				binding.DangerouslyBearerOnly:    binding.ReasonTokenBound,
			} {
				_, err := newGuard(t, binding.Config{Policy: policy}).Check(request(bearer(payload), certificate, other))
				requireRefused(t, err, reason, 401)
			}
		})
	}
}

// F/153: absent on one side and the digest of nothing, or zero, on the other side must never be equal.
func TestConfirmationOfNothingMatchesNoCertificateSource(t *testing.T) {
	t.Parallel()
	nothing := binding.Thumbprint(sha256.Sum256(nil))
	for name, bound := range map[string]binding.Thumbprint{"zero": {}, "digest of nothing": nothing} {
		for from, presented := range map[string]binding.Thumbprint{"zero": {}, "digest of nothing": nothing} {
			t.Run("F/153 "+name+" bound, "+from+" presented", func(t *testing.T) {
				t.Parallel()
				payload := claims(t, members{"cnf": members{"x5t#S256": bound.String()}})
				guard := newGuard(t, binding.Config{Certificates: certificateOf(binding.Certificate{Thumbprint: presented, DER: []byte{}})})
				_, err := guard.Check(request(bearer(payload)))
				requireRefused(t, err, binding.ReasonCertificateMissing, 401)
			})
		}
	}
}
