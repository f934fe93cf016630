package main_test

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// A refusal is a token that is refused, for a reason, and the line that explains
// it.
type refusal struct {
	reason binding.Reason
	token  func(t *testing.T, w *world) string
	args   []string
	label  string
	texts  []string
}

func spec(change bindingtest.TokenSpec) func(*testing.T, *world) string {
	return func(t *testing.T, w *world) string { return w.token(t, change) }
}

func claims(changes map[string]any) func(*testing.T, *world) string {
	return spec(bindingtest.TokenSpec{Claims: changes})
}

func header(changes map[string]any) func(*testing.T, *world) string {
	return spec(bindingtest.TokenSpec{Header: changes})
}

func cnf(value any) func(*testing.T, *world) string { return claims(map[string]any{"cnf": value}) }

// thumbprint is a token whose x5t#S256 is made from the right one's bytes.
func thumbprint(write func([]byte) string) func(*testing.T, *world) string {
	return func(t *testing.T, w *world) string {
		right := binding.ThumbprintOf(w.client.Leaf)
		return w.confirmed(t, write(right[:]))
	}
}

// raw is a token with this payload, in which RIGHT stands for the thumbprint,
// ISS for the issuer and EXP for a time to come.
func raw(payload string) func(*testing.T, *world) string {
	return func(t *testing.T, w *world) string {
		payload := strings.NewReplacer("RIGHT", bindingtest.Thumbprint(w.client.Leaf), "ISS", w.as.Issuer(),
			"EXP", strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10)).Replace(payload)
		token, err := w.as.SignRaw([]byte(`{"alg":"ES256","typ":"at+jwt"}`), []byte(payload))
		require.NoError(t, err)
		return token
	}
}

const good = `"iss":"ISS","aud":"https://api.example","exp":EXP,"cnf":{"x5t#S256":"RIGHT"}`

// inStandardBase64 asks for certificates until the standard alphabet shows.
func inStandardBase64(t *testing.T, w *world) string {
	for {
		digest := binding.ThumbprintOf(w.client.Leaf)
		text := base64.RawStdEncoding.EncodeToString(digest[:])
		if strings.ContainsAny(text, "+/") {
			return w.confirmed(t, text)
		}
		renewed, err := w.as.RenewClientCertificate(w.client)
		require.NoError(t, err)
		w.client = renewed
		w.file = writeFile(t, inPEM(renewed))
	}
}

var refusals = map[string]refusal{
	"wrapped over lines": {
		reason: binding.ReasonCredentialsMalformed, label: "credentials", texts: []string{"at byte 40", "a space or a line end"},
		token: func(t *testing.T, w *world) string {
			token := w.token(t, bindingtest.TokenSpec{})
			return token[:40] + "\r\n" + token[40:]
		},
	},
	"under the DPoP scheme": {
		reason: binding.ReasonCredentialsUnsupported, label: "credentials", texts: []string{"-schemes Bearer,DPoP"},
		token: func(t *testing.T, w *world) string { return "DPoP " + w.token(t, bindingtest.TokenSpec{}) },
	},
	"cut off": {
		reason: binding.ReasonTokenMalformed, label: "token", texts: []string{"it has 2 segments", "a signed JWT has 3"},
		token: func(t *testing.T, w *world) string {
			token := w.token(t, bindingtest.TokenSpec{})
			return token[:strings.LastIndexByte(token, '.')]
		},
	},
	"padded segments": {
		reason: binding.ReasonTokenMalformed, label: "token", texts: []string{`the signature, is padded with "="`},
		token: func(t *testing.T, w *world) string { return w.token(t, bindingtest.TokenSpec{}) + "==" },
	},
	"encrypted": {
		reason: binding.ReasonTokenMalformed, label: "token", texts: []string{"JWE", "must not encrypt"},
		token: func(*testing.T, *world) string {
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RSA-OAEP","enc":"A256GCM"}`)) + ".AAAA.AAAA.AAAA.AAAA"
		},
	},
	"a claim twice": {
		reason: binding.ReasonTokenMalformed, label: "claims", texts: []string{`"exp": more than once`},
		token: raw(`{` + good + `,"exp":EXP}`),
	},
	"x5t#S256 twice": {
		reason: binding.ReasonTokenMalformed, label: "claims", texts: []string{"cnf has a name more than once"},
		token: raw(`{"iss":"ISS","aud":"https://api.example","exp":EXP,"cnf":{"x5t#S256":"RIGHT","x5t#S256":"RIGHT"}}`),
	},
	"not UTF-8": {
		reason: binding.ReasonTokenMalformed, label: "claims", texts: []string{"not one JSON object in UTF-8"},
		token: raw(`{` + good + `,"sub":"` + "\xff" + `"}`),
	},
	"too long": {
		reason: binding.ReasonTokenTooLong, label: "token", texts: []string{"more than a server reads"},
		token: claims(map[string]any{"groups": strings.Repeat("x", 16<<10)}),
	},
	"crit": {
		reason: binding.ReasonTokenHeader, label: "header", texts: []string{"crit demands an extension"},
		token: header(map[string]any{"crit": []string{"exp"}}),
	},
	"a kid that is a number": {
		reason: binding.ReasonTokenHeader, label: "header", texts: []string{"kid is a number, and must be a string"},
		token: header(map[string]any{"kid": 1}),
	},
	"HMAC": {
		reason: binding.ReasonTokenAlgorithm, label: "header", texts: []string{`alg "HS256"`, "HMAC needs a secret"},
		token: header(map[string]any{"alg": "HS256"}),
	},
	"none": {
		reason: binding.ReasonTokenAlgorithm, label: "header", texts: []string{"none is no signature"},
		token: header(map[string]any{"alg": "none"}),
	},
	"an algorithm that the server does not accept": {
		reason: binding.ReasonTokenAlgorithm, label: "header", texts: []string{"the server accepts [PS256]"},
		token: spec(bindingtest.TokenSpec{}), args: []string{"-alg", "PS256"},
	},
	"typ JWT": {
		reason: binding.ReasonTokenType, label: "type", texts: []string{`typ "JWT" is not accepted here (at+jwt)`, "Auth0's default profile and Keycloak", "-typ at+jwt,JWT"},
		token: header(map[string]any{"typ": "JWT"}),
	},
	"no typ": {
		reason: binding.ReasonTokenType, label: "type", texts: []string{"it has no typ", "Okta", "Spring Authorization Server"},
		token: header(map[string]any{"typ": nil}),
	},
	"an ID token": {
		reason: binding.ReasonTokenType, label: "type", texts: []string{`"nonce"`, "is it an ID token"}, args: []string{"-typ", "JWT"},
		token: spec(bindingtest.TokenSpec{Header: map[string]any{"typ": "JWT"}, Claims: map[string]any{"nonce": "n"}}),
	},
	"a logout token": {
		reason: binding.ReasonTokenType, label: "type", texts: []string{"a logout token"},
		token: header(map[string]any{"typ": "logout+jwt"}),
	},
	"no exp": {
		reason: binding.ReasonTokenClaims, label: "claims", texts: []string{"there is no exp"},
		token: claims(map[string]any{"exp": nil}),
	},
	"exp in milliseconds": {
		reason: binding.ReasonTokenClaims, label: "claims", texts: []string{"exp is 1900000000000, milliseconds perhaps"},
		token: claims(map[string]any{"exp": int64(1900000000000)}),
	},
	"exp that is a string": {
		reason: binding.ReasonTokenClaims, label: "claims", texts: []string{`exp is a string ("tomorrow")`},
		token: claims(map[string]any{"exp": "tomorrow"}),
	},
	"sub that is a number": {
		reason: binding.ReasonTokenClaims, label: "claims", texts: []string{"sub is a number, and must be a string"},
		token: claims(map[string]any{"sub": 7}),
	},
	"aud with a number": {
		reason: binding.ReasonTokenClaims, label: "claims", texts: []string{"aud is an array, and must be"},
		token: claims(map[string]any{"aud": []any{audience, 7}}),
	},
	"scopes with two spaces": {
		reason: binding.ReasonTokenClaims, label: "claims", texts: []string{"scope is a string that is not scope tokens with one space"},
		token: claims(map[string]any{"scope": "a  b"}),
	},
	"a wrong issuer": {
		reason: binding.ReasonTokenIssuer, label: "issuer", texts: []string{`the token says "https://other.example"`},
		token: claims(map[string]any{"iss": "https://other.example"}),
	},
	"no issuer, for it is miscased": {
		reason: binding.ReasonTokenIssuer, label: "issuer", texts: []string{`"ISS" is not iss`},
		token: func(t *testing.T, w *world) string {
			return w.token(t, bindingtest.TokenSpec{Claims: map[string]any{"iss": nil, "ISS": w.as.Issuer()}})
		},
	},
	"a wrong audience": {
		reason: binding.ReasonTokenAudience, label: "audience", texts: []string{`the token is for "https://other.example"`},
		token: spec(bindingtest.TokenSpec{Audience: []string{"https://other.example"}}),
	},
	"no audience": {
		reason: binding.ReasonTokenAudience, label: "audience", texts: []string{"does not say whom it is for"},
		token: claims(map[string]any{"aud": nil}),
	},
	"the audience is the client": {
		reason: binding.ReasonTokenAudience, label: "audience", texts: []string{"as an ID token is"},
		token: spec(bindingtest.TokenSpec{Audience: []string{"client"}}),
	},
	"the audience of Keycloak": {
		reason: binding.ReasonTokenAudience, label: "audience", texts: []string{"audience mapper"},
		token: spec(bindingtest.TokenSpec{Audience: []string{"account"}}),
	},
	"long expired": {
		reason: binding.ReasonTokenExpired, label: "times", texts: []string{"it expired", "1h0m", "a leeway of 1m0s"},
		token: spec(bindingtest.TokenSpec{ExpiresIn: -time.Hour}),
	},
	"just expired": {
		reason: binding.ReasonTokenExpired, label: "times", texts: []string{"by the issuer's answer they agree"},
		token: spec(bindingtest.TokenSpec{ExpiresIn: -2 * time.Minute}),
	},
	"from the future": {
		reason: binding.ReasonTokenNotYetValid, label: "times", texts: []string{"comes from the future, by 10m", "one of two clocks"},
		token: func(t *testing.T, w *world) string {
			return w.token(t, bindingtest.TokenSpec{Claims: map[string]any{"nbf": time.Now().Add(10*time.Minute + 2*time.Second).Unix()}, ExpiresIn: time.Hour})
		},
	},
	"long-lived": {
		reason: binding.ReasonTokenLifetime, label: "times", texts: []string{"longer than the server accepts: 1h0m0s"},
		token: spec(bindingtest.TokenSpec{ExpiresIn: 24 * time.Hour}), args: []string{"-max-lifetime", "1h"},
	},
	"an unknown kid": {
		reason: binding.ReasonTokenKeyUnknown, label: "signature", texts: []string{"publishes no key for it", "usable keys there: 1, with kid"},
		token: header(map[string]any{"kid": "gone"}),
	},
	"forged": {
		reason: binding.ReasonTokenSignature, label: "signature", texts: []string{"no key that fits verifies it"},
		token: spec(bindingtest.TokenSpec{ForgedSignature: true}),
	},

	"cnf is null":          {reason: binding.ReasonConfirmationMalformed, token: raw(`{"iss":"ISS","aud":"https://api.example","exp":EXP,"cnf":null}`), label: "binding", texts: []string{"cnf is null, and must be an object"}},
	"cnf is a string":      {reason: binding.ReasonConfirmationMalformed, token: cnf("RIGHT"), label: "binding", texts: []string{"cnf is a string", `the issuer must send "cnf":{"x5t#S256":`}},
	"cnf is empty":         {reason: binding.ReasonConfirmationUnsupported, token: cnf(map[string]any{}), label: "binding", texts: []string{"cnf is empty"}},
	"x5t#S256 is miscased": {reason: binding.ReasonConfirmationUnsupported, token: cnf(map[string]any{"x5t#s256": "RIGHT"}), label: "binding", texts: []string{`cnf has "x5t#s256", which is not x5t#S256`}},
	"x5tS256":              {reason: binding.ReasonConfirmationUnsupported, token: cnf(map[string]any{"x5tS256": "RIGHT"}), label: "binding", texts: []string{`cnf has "x5tS256", which is not x5t#S256`}},
	"a letter that folds":  {reason: binding.ReasonConfirmationUnsupported, token: cnf(map[string]any{"x5t#\u017f256": "RIGHT"}), label: "binding", texts: []string{`cnf has "x5t#\u017f256", which is not x5t#S256`}},
	"only x5t":             {reason: binding.ReasonConfirmationUnsupported, token: cnf(map[string]any{"x5t": "RIGHT"}), label: "binding", texts: []string{"SHA-256 is needed"}},
	"only jwk":             {reason: binding.ReasonConfirmationUnsupported, token: cnf(map[string]any{"jwk": map[string]any{}}), label: "binding", texts: []string{"cnf has jwk"}},
	"jkt, where nothing may be bound": {
		reason: binding.ReasonConfirmationDPoP, label: "binding", texts: []string{"bound to a DPoP key", "takes no proofs"}, args: []string{"-policy", "refuse-bound"},
		token: cnf(map[string]any{"jkt": strings.Repeat("A", 43)}),
	},
	"jkt under Bearer": {
		reason: binding.ReasonTokenScheme, label: "binding", texts: []string{"must send Authorization: DPoP"},
		token: func(t *testing.T, w *world) string {
			return "Bearer " + cnf(map[string]any{"jkt": strings.Repeat("A", 43)})(t, w)
		},
	},
	"jkt is no thumbprint": {reason: binding.ReasonThumbprintMalformed, token: cnf(map[string]any{"jkt": "yes!"}), label: "binding", texts: []string{"cnf jkt is no thumbprint"}},
	"jkt is a number":      {reason: binding.ReasonThumbprintMalformed, token: cnf(map[string]any{"jkt": 1, "x5t#S256": strings.Repeat("A", 43)}), label: "binding", texts: []string{"cnf jkt is no thumbprint"}},
	"jwk beside x5t#S256":  {reason: binding.ReasonConfirmationUnsupported, token: cnf(map[string]any{"jwk": map[string]any{}, "x5t#S256": strings.Repeat("A", 43)}), label: "binding", texts: []string{"cnf names another key beside x5t#S256"}},
	"x5t#S256 is an array": {reason: binding.ReasonThumbprintMalformed, token: cnf(map[string]any{"x5t#S256": []string{}}), label: "binding", texts: []string{"x5t#S256 is an array, and must be a string"}},
	"x5t#S256 is empty":    {reason: binding.ReasonThumbprintMalformed, token: cnf(map[string]any{"x5t#S256": ""}), label: "binding", texts: []string{"x5t#S256 is empty"}},
	"x5t#S256 is a word":   {reason: binding.ReasonThumbprintMalformed, token: cnf(map[string]any{"x5t#S256": "yes!"}), label: "binding", texts: []string{`is "yes!", which is no digest`}},

	"hexadecimal":             {reason: binding.ReasonThumbprintHex, token: thumbprint(hex.EncodeToString), label: "binding", texts: []string{"is the SHA-256 of the certificate in hexadecimal", "RFC 8705 section 3.1 wants", "the issuer must send"}},
	"hexadecimal with colons": {reason: binding.ReasonThumbprintHex, token: thumbprint(withColons), label: "binding", texts: []string{"is the SHA-256 of the certificate in hexadecimal with separators"}},
	"padded":                  {reason: binding.ReasonThumbprintPadded, token: thumbprint(base64.URLEncoding.EncodeToString), label: "binding", texts: []string{"of the certificate in base64url with padding"}},
	"standard alphabet":       {reason: binding.ReasonThumbprintStandardAlphabet, token: inStandardBase64, label: "binding", texts: []string{"of the certificate in standard base64"}},
	"hexadecimal, encoded": {
		reason: binding.ReasonThumbprintMalformed, label: "binding", texts: []string{"of the certificate in hexadecimal, and that text in base64url"},
		token: thumbprint(func(digest []byte) string {
			return base64.RawURLEncoding.EncodeToString([]byte(hex.EncodeToString(digest)))
		}),
	},
	"no canonical end": {
		reason: binding.ReasonThumbprintMalformed, label: "binding", texts: []string{"with a last character that no encoder writes"},
		token: thumbprint(func(digest []byte) string {
			text := []byte(base64.RawURLEncoding.EncodeToString(digest))
			text[42]++ // the last of four characters that decode alike
			return string(text)
		}),
	},
	"the SHA-1": {
		reason: binding.ReasonThumbprintSHA1, label: "binding", texts: []string{"is the SHA-1 of the certificate in base64url"},
		token: func(t *testing.T, w *world) string { return w.confirmed(t, inBase64URL(sha1Of(w.client.Leaf.Raw))) },
	},
	"the SHA-512": {
		reason: binding.ReasonThumbprintMalformed, label: "binding", texts: []string{"is the SHA-512 of the certificate in base64url"},
		token: func(t *testing.T, w *world) string { return w.confirmed(t, inBase64URL(sha512Of(w.client.Leaf.Raw))) },
	},
	"of the public key": {
		reason: binding.ReasonThumbprintMismatch, label: "binding", texts: []string{"is the SHA-256 of the public key (SubjectPublicKeyInfo) in base64url", "the issuer must send"},
		token: func(t *testing.T, w *world) string {
			return w.confirmed(t, inBase64URL(sha256Of(w.client.Leaf.RawSubjectPublicKeyInfo)))
		},
	},
	"of the TBSCertificate": {
		reason: binding.ReasonThumbprintMismatch, label: "binding", texts: []string{"of the TBSCertificate"},
		token: func(t *testing.T, w *world) string {
			return w.confirmed(t, inBase64URL(sha256Of(w.client.Leaf.RawTBSCertificate)))
		},
	},
	"of the PEM text": {
		reason: binding.ReasonThumbprintMismatch, label: "binding", texts: []string{"is the SHA-256 of the PEM text"},
		token: func(t *testing.T, w *world) string { return w.confirmed(t, inBase64URL(sha256Of(inPEM(w.client)))) },
	},
	"of the PEM text, and in hexadecimal": {
		reason: binding.ReasonThumbprintHex, label: "binding", texts: []string{"is the SHA-256 of the PEM text without its last line end in hexadecimal"},
		token: func(t *testing.T, w *world) string {
			return w.confirmed(t, hex.EncodeToString(sha256Of([]byte(strings.TrimSpace(string(inPEM(w.client)))))))
		},
	},
	"of the key as a JWK": {
		reason: binding.ReasonThumbprintMismatch, label: "binding", texts: []string{"RFC 7638, as jkt has it"},
		token: func(t *testing.T, w *world) string { return w.confirmed(t, jwkThumbprint(t, w.client.Leaf)) },
	},
	"cut off, the thumbprint": {
		reason: binding.ReasonThumbprintMalformed, label: "binding", texts: []string{"is the beginning of the thumbprint of the certificate, 32 of 43 characters"},
		token: thumbprint(func(digest []byte) string { return inBase64URL(digest)[:32] }),
	},
	"in lower case": {
		reason: binding.ReasonThumbprintMismatch, label: "binding", texts: []string{"with another upper and lower case"},
		token: func(t *testing.T, w *world) string {
			// The last character stands as it is: in another case it might not be canonical.
			right := bindingtest.Thumbprint(w.client.Leaf)
			return w.confirmed(t, strings.ToLower(right[:42])+right[42:])
		},
	},
	"of nothing": {
		reason: binding.ReasonThumbprintMismatch, label: "binding", texts: []string{"is the SHA-256 of nothing"},
		token: func(t *testing.T, w *world) string { return w.confirmed(t, inBase64URL(sha256Of(nil))) },
	},
	"of a stranger": {
		reason: binding.ReasonThumbprintMismatch, label: "binding", texts: []string{"is no digest of the certificate in a form that is known", "-other"},
		token: func(t *testing.T, w *world) string {
			stranger, err := bindingtest.NewSelfSignedCertificate("a stranger")
			require.NoError(t, err)
			token, err := w.as.Token(bindingtest.TokenSpec{Certificate: stranger.Leaf})
			require.NoError(t, err)
			return token
		},
	},

	"unbound": {
		reason: binding.ReasonTokenUnbound, label: "binding", texts: []string{"it has no cnf", "mtls_endpoint_aliases"},
		token: claims(map[string]any{"cnf": nil}),
	},
	"cnf is miscased": {
		reason: binding.ReasonTokenUnbound, label: "binding", texts: []string{`"CNF" is not cnf`, `the issuer must send "cnf"`},
		token: claims(map[string]any{"cnf": nil, "CNF": map[string]any{"x5t#S256": "RIGHT"}}),
	},
	"x5t#S256 outside cnf": {
		reason: binding.ReasonTokenUnbound, label: "binding", texts: []string{"a claim of its own: the issuer must put it into cnf"},
		token: claims(map[string]any{"cnf": nil, "x5t#S256": "RIGHT"}),
	},
	"cnf inside act": {
		reason: binding.ReasonTokenUnbound, label: "binding", texts: []string{"the cnf inside act is another party's"},
		token: claims(map[string]any{"cnf": nil, "act": map[string]any{"cnf": map[string]any{}}}),
	},
	"unbound, under DPoP": {
		reason: binding.ReasonTokenUnbound, label: "binding", texts: []string{"no policy accepts that"}, args: []string{"-policy", "if-bound", "-schemes", "Bearer,DPoP"},
		token: func(t *testing.T, w *world) string {
			return "DPoP " + w.token(t, bindingtest.TokenSpec{Claims: map[string]any{"cnf": nil}})
		},
	},
	"bound where nothing may be": {
		reason: binding.ReasonTokenBound, label: "binding", texts: []string{"-policy refuse-bound"}, args: []string{"-policy", "refuse-bound"},
		token: spec(bindingtest.TokenSpec{}),
	},
	"a scope is missing": {
		reason: binding.ReasonScopeMissing, label: "scopes", texts: []string{`missing: "payments"`}, args: []string{"-scope", "accounts payments"},
		token: spec(bindingtest.TokenSpec{Scopes: []string{"accounts"}}),
	},
	"the scopes are elsewhere": {
		reason: binding.ReasonScopeMissing, label: "scopes", texts: []string{`the token has scp "payments"`, "-scope-claim"}, args: []string{"-scope", "payments"},
		token: claims(map[string]any{"scp": []string{"payments"}}),
	},
}

// Each refusal has the reason that a server has, over real TLS, and a line that
// explains it; and the lines do not contradict the verdict.
func TestRefusals(t *testing.T) {
	t.Parallel()
	shared := newWorld(t, bindingtest.Config{})
	ask := shared.server(t)
	for name, test := range refusals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := *shared
			token := test.token(t, &w)
			status, output := inspect(t, token+"\n", append(w.flags(), test.args...)...)
			require.Equal(t, 1, status, output)
			requireSays(t, output, "verdict", "FAIL", "refused: ", "("+string(test.reason)+")", "what to change: see ", test.label)
			requireSays(t, output, test.label, "FAIL", test.texts...)
			requireDiscreet(t, output, strings.TrimPrefix(token, "DPoP "))
			require.Contains(t, output, strconv.Itoa((&binding.Error{Reason: test.reason}).StatusCode()))
			if test.args == nil && !strings.ContainsAny(token, " \r\n") && w.file == shared.file {
				answered, reason := ask("Bearer " + token)
				require.Equal(t, test.reason, reason, "the server sees it otherwise")
				require.Equal(t, (&binding.Error{Reason: reason}).StatusCode(), answered)
			}
		})
	}
}
