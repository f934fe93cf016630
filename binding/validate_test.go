package binding_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// good is what the tokens of [claims] meet.
var good = binding.Expect{Issuer: issuer, Audiences: []string{audience}, Now: now, Leeway: 10 * time.Second}

func TestValidate(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) json.Number {
		b, err := json.Marshal(float64(now.Add(d).UnixMilli()) / 1000)
		require.NoError(t, err)
		return json.Number(b)
	}
	const (
		ok       = binding.Reason("")
		claim    = binding.ReasonTokenClaims
		iss      = binding.ReasonTokenIssuer
		aud      = binding.ReasonTokenAudience
		expired  = binding.ReasonTokenExpired
		notYet   = binding.ReasonTokenNotYetValid
		lifetime = binding.ReasonTokenLifetime
		kind     = binding.ReasonTokenType
	)
	for name, test := range map[string]struct {
		changes members
		expect  func(*binding.Expect)
		want    binding.Reason
	}{
		"good":                           {nil, nil, ok},
		"good without iat, nbf, sub":     {members{"iat": nil, "sub": nil}, nil, ok},
		"E/123 exp missing":              {members{"exp": nil}, nil, claim},
		"E/122 EXP alone":                {members{"exp": nil, "EXP": at(time.Minute)}, nil, claim},
		"E/122 Exp alone":                {members{"exp": nil, "Exp": at(time.Minute)}, nil, claim},
		"E/122 exp past, EXP future":     {members{"exp": at(-time.Hour), "EXP": at(time.Hour)}, nil, expired},
		"E/129 exp fraction":             {members{"exp": json.Number("1800000060.5")}, nil, ok},
		"E/129 exp exponent":             {members{"exp": json.Number("1.80000006e9")}, nil, ok},
		"E/130 exp equal to now":         {members{"exp": at(0)}, nil, ok},
		"E/130 exp now - leeway":         {members{"exp": at(-10 * time.Second)}, nil, ok},
		"E/130 exp now - leeway - 1 ms":  {members{"exp": at(-10*time.Second - time.Millisecond)}, nil, expired},
		"E/130 exp now - leeway - 1 s":   {members{"exp": at(-11 * time.Second)}, nil, expired},
		"E/130 no leeway, exp in 1 s":    {members{"exp": at(time.Second)}, func(e *binding.Expect) { e.Leeway = 0 }, ok},
		"E/130 no leeway, exp 1 s ago":   {members{"exp": at(-time.Second)}, func(e *binding.Expect) { e.Leeway = 0 }, expired},
		"E/131 exp as far as allowed":    {members{"exp": at(70 * time.Second)}, func(e *binding.Expect) { e.MaxLifetime = time.Minute }, ok},
		"E/131 exp 1 s further":          {members{"exp": at(71 * time.Second)}, func(e *binding.Expect) { e.MaxLifetime = time.Minute }, lifetime},
		"E/131 exp far, no limit":        {members{"exp": json.Number("253402300799")}, nil, ok},
		"E/131 negative is no limit":     {members{"exp": at(time.Hour)}, func(e *binding.Expect) { e.MaxLifetime = -1 }, ok},
		"E/131 the longest limit":        {nil, func(e *binding.Expect) { e.MaxLifetime = math.MaxInt64 }, ok},
		"E/132 nbf now":                  {members{"nbf": at(0)}, nil, ok},
		"E/132 nbf now + leeway":         {members{"nbf": at(10 * time.Second)}, nil, ok},
		"E/132 nbf beyond leeway":        {members{"nbf": at(11 * time.Second)}, nil, notYet},
		"E/132 nbf 0":                    {members{"nbf": 0}, nil, ok},
		"E/132 nbf in the year 9999":     {members{"nbf": json.Number("253402300799")}, nil, notYet},
		"E/133 iat now + leeway":         {members{"iat": at(10 * time.Second)}, nil, ok},
		"E/133 iat beyond leeway":        {members{"iat": at(11 * time.Second)}, nil, notYet},
		"E/133 iat long ago":             {members{"iat": 1}, nil, ok},
		"E/135 iss missing":              {members{"iss": nil}, nil, iss},
		"E/135 ISS alone":                {members{"iss": nil, "ISS": issuer}, nil, iss},
		"E/136 iss with trailing slash":  {members{"iss": issuer + "/"}, nil, iss},
		"E/136 iss without its slash":    {nil, func(e *binding.Expect) { e.Issuer = issuer + "/" }, iss},
		"E/136 iss in another case":      {members{"iss": "https://Auth.bank.example"}, nil, iss},
		"E/136 iss with a suffix":        {members{"iss": issuer + ".evil"}, nil, iss},
		"E/136 iss with userinfo":        {members{"iss": "https://auth.bank.example@evil.example"}, nil, iss},
		"E/136 iss with the port":        {members{"iss": issuer + ":443"}, nil, iss},
		"E/136 iss with http":            {members{"iss": "http://auth.bank.example"}, nil, iss},
		"E/137 iss of another tenant":    {members{"iss": issuer + "/tenant2"}, nil, iss},
		"E/138 aud missing":              {members{"aud": nil}, nil, aud},
		"E/138 AUD alone":                {members{"aud": nil, "AUD": audience}, nil, aud},
		"E/139 aud array with ours":      {members{"aud": []string{"https://other.example", audience}}, nil, ok},
		"E/139 aud is one of ours":       {nil, func(e *binding.Expect) { e.Audiences = []string{"other", audience} }, ok},
		"E/140 aud of another":           {members{"aud": "https://other.example"}, nil, aud},
		"E/140 aud array of others":      {members{"aud": []string{"a", "b"}}, nil, aud},
		"E/140 aud in another case":      {members{"aud": "https://API.bank.example"}, nil, aud},
		"E/140 aud with trailing slash":  {members{"aud": audience + "/"}, nil, aud},
		"E/140 aud with ours as prefix":  {members{"aud": audience + "/v2"}, nil, aud},
		"E/140 aud is a prefix of ours":  {members{"aud": "https://api.bank"}, nil, aud},
		"E/140 aud joined by a space":    {members{"aud": "https://other.example " + audience}, nil, aud},
		"E/140 aud with a space":         {members{"aud": " " + audience}, nil, aud},
		"C/110 nonce (ID token)":         {members{"nonce": "n"}, nil, kind},
		"C/110 nonce null":               {members{"nonce": null}, nil, kind},
		"C/110 at_hash (ID token)":       {members{"at_hash": "h"}, nil, kind},
		"C/110 c_hash (ID token)":        {members{"c_hash": "h"}, nil, kind},
		"C/110 s_hash (ID token)":        {members{"s_hash": "h"}, nil, kind},
		"C/108 events (security event)":  {members{"events": members{}}, nil, kind},
		"C/108 typ ID (Keycloak)":        {members{"typ": "ID"}, nil, kind},
		"C/108 typ Refresh (Keycloak)":   {members{"typ": "Refresh"}, nil, kind},
		"C/108 typ Offline (Keycloak)":   {members{"typ": "Offline"}, nil, kind},
		"C/108 typ empty":                {members{"typ": ""}, nil, kind},
		"C/108 typ null":                 {members{"typ": null}, nil, kind},
		"C/108 typ array":                {members{"typ": []string{"Bearer"}}, nil, kind},
		"C/108 typ Bearer (Keycloak)":    {members{"typ": "Bearer"}, nil, ok},
		"C/108 typ DPoP (Keycloak)":      {members{"typ": "DPoP"}, nil, ok},
		"C/108 typ JWT":                  {members{"typ": "JWT"}, nil, ok},
		"C/108 typ at+jwt":               {members{"typ": "at+jwt"}, nil, ok},
		"C/108 token_use id (Cognito)":   {members{"token_use": "id"}, nil, kind},
		"C/108 token_use refresh_token":  {members{"token_use": "refresh_token"}, nil, kind},
		"C/108 token_use number":         {members{"token_use": 1}, nil, kind},
		"C/108 token_use access":         {members{"token_use": "access"}, nil, ok},
		"C/108 token_use access_token":   {members{"token_use": "access_token"}, nil, ok},
		"N/426 typ bearer (Keycloak)":    {members{"typ": "bearer"}, nil, ok},
		"N/426 typ BEARER":               {members{"typ": "BEARER"}, nil, ok},
		"N/426 typ dpop":                 {members{"typ": "dpop"}, nil, ok},
		"N/426 typ jwt":                  {members{"typ": "jwt"}, nil, ok},
		"N/426 typ AT+JWT":               {members{"typ": "AT+JWT"}, nil, ok},
		"N/426 typ refresh":              {members{"typ": "refresh"}, nil, kind},
		"N/426 token_use Access":         {members{"token_use": "Access"}, nil, kind},
		"M/393 nonce beside Bearer":      {members{"nonce": "n", "typ": "Bearer"}, nil, ok},
		"M/393 nonce beside bearer":      {members{"nonce": "n", "typ": "bearer"}, nil, ok},
		"M/393 nonce beside DPoP":        {members{"nonce": "n", "typ": "DPoP"}, nil, ok},
		"M/393 nonce beside access":      {members{"nonce": "n", "token_use": "access"}, nil, ok},
		"M/394 nonce beside ID":          {members{"nonce": "n", "typ": "ID"}, nil, kind},
		"M/394 nonce beside JWT":         {members{"nonce": "n", "typ": "JWT"}, nil, kind},
		"M/394 nonce, Bearer and id":     {members{"nonce": "n", "typ": "Bearer", "token_use": "id"}, nil, kind},
		"M/394 at_hash beside Bearer":    {members{"at_hash": "h", "typ": "Bearer"}, nil, kind},
		"N/429 at_hash null":             {members{"at_hash": null}, nil, kind},
		"N/429 events null":              {members{"events": null}, nil, kind},
		"N/429 token_use null":           {members{"token_use": null}, nil, kind},
		"C/108 other kind, typ says not": {members{"nonce": "n", "typ": "ID"}, func(e *binding.Expect) { e.KnownAccessToken = true }, ok},

		"a leeway of years reaches not 9999":   {members{"nbf": json.Number("253402300799")}, func(e *binding.Expect) { e.Leeway = math.MaxInt64 }, notYet},
		"a lifetime is judged with its leeway": {members{"exp": at(61 * time.Second)}, func(e *binding.Expect) { e.MaxLifetime = time.Minute }, ok},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect := good
			if test.expect != nil {
				test.expect(&expect)
			}
			token, err := mustParse(t, claims(t, test.changes)).Validate(expect)
			if test.want == ok {
				require.NoError(t, err)
				require.NotNil(t, token)
				return
			}
			require.Nil(t, token)
			requireRefused(t, err, test.want, 401)
		})
	}
}

// An Expect that lacks what is required accepts nothing, not anything, and that is our fault, not the token's.
func TestValidateRefusesAnExpectThatLacksWhatIsRequired(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		expect func(*binding.Expect)
		field  string
	}{
		"no Issuer":                        {func(e *binding.Expect) { e.Issuer = "" }, "Issuer"},
		"no Issuer, in an answer":          {func(e *binding.Expect) { e.Issuer, e.Introspection = "", true }, "Issuer"},
		"no Audiences":                     {func(e *binding.Expect) { e.Audiences = nil }, "Audiences"},
		"an empty audience":                {func(e *binding.Expect) { e.Audiences = []string{audience, ""} }, "Audiences"},
		"no Audiences, in an answer":       {func(e *binding.Expect) { e.Audiences, e.Introspection = nil, true }, "Audiences"},
		"no Audiences, none required, JWT": {func(e *binding.Expect) { e.Audiences, e.DangerouslyAcceptMissingAudience = nil, true }, "Audiences"},
		"no Now":                           {func(e *binding.Expect) { e.Now = time.Time{} }, "Now"},
		"zero Expect":                      {func(e *binding.Expect) { *e = binding.Expect{} }, "Issuer"},
		"zero Expect of an answer": {func(e *binding.Expect) {
			*e = binding.Expect{Introspection: true, DangerouslyAcceptMissingAudience: true}
		}, "Issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect := good
			test.expect(&expect)
			for _, changes := range []members{nil, {"iss": nil, "aud": nil, "exp": nil}, {"iss": nil, "aud": nil, "token_type": "Bearer"}} {
				token, err := mustParse(t, claims(t, changes)).Validate(expect)
				require.Nil(t, token)
				requireRefused(t, err, binding.ReasonMisconfigured, 500)
				require.ErrorContains(t, refusalOf(t, err).Cause, "Expect."+test.field)
			}
		})
	}
}

// Claims that nobody has read are not the claims of a token without any.
func TestValidateRefusesTheZeroClaims(t *testing.T) {
	t.Parallel()
	for _, introspection := range []bool{false, true} {
		expect := good
		expect.Introspection, expect.DangerouslyAcceptMissingAudience = introspection, introspection
		token, err := binding.Claims{}.Validate(expect)
		require.Nil(t, token)
		requireRefused(t, err, binding.ReasonTokenMalformed, 401)
		require.ErrorContains(t, refusalOf(t, err).Cause, "ParseClaims")
	}
}

func TestValidateReadsScopesAndClientFromTheClaimsThatExpectNames(t *testing.T) {
	t.Parallel()
	payload := claims(t, members{"scp": []string{"read"}, "permissions": []string{"write"}, "azp": "client-2", "cid": ""})
	for name, test := range map[string]struct {
		scopeClaims, clientIDClaims []string
		scopes                      []string
		clientID                    string
	}{
		"neither":                    {nil, nil, []string{"accounts", "payments"}, "client-1"},
		"scp":                        {[]string{"scp"}, nil, []string{"read"}, "client-1"},
		"the first that is present":  {[]string{"none", "permissions", "scp"}, nil, []string{"write"}, "client-1"},
		"scope is not read besides":  {[]string{"none"}, nil, nil, "client-1"},
		"no claim at all":            {[]string{}, []string{}, nil, ""},
		"azp":                        {nil, []string{"azp", "client_id"}, []string{"accounts", "payments"}, "client-2"},
		"azp and scp":                {[]string{"scp"}, []string{"azp"}, []string{"read"}, "client-2"},
		"client_id in another case":  {nil, []string{"Client_ID"}, []string{"accounts", "payments"}, ""},
		"the subject for the client": {nil, []string{"sub"}, []string{"accounts", "payments"}, "alice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect := good
			expect.ScopeClaims, expect.ClientIDClaims = test.scopeClaims, test.clientIDClaims
			token, err := mustParse(t, payload).Validate(expect)
			require.NoError(t, err)
			require.ElementsMatch(t, test.scopes, token.Scopes())
			require.Equal(t, test.clientID, token.ClientID())
		})
	}
}

func TestValidateRefusesNamedClaimsOfTheWrongType(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		changes members
		expect  binding.Expect
	}{
		"E/143 scp number":       {members{"scp": 1}, binding.Expect{ScopeClaims: []string{"scp"}}},
		"E/143 scp two spaces":   {members{"scp": "a  b"}, binding.Expect{ScopeClaims: []string{"scp"}}},
		"E/142 cid empty":        {members{"cid": ""}, binding.Expect{ClientIDClaims: []string{"cid"}}},
		"E/142 cid array":        {members{"cid": []string{"a"}}, binding.Expect{ClientIDClaims: []string{"cid"}}},
		"E/142 both of them bad": {members{"cid": "", "scp": 1}, binding.Expect{ScopeClaims: []string{"scp"}, ClientIDClaims: []string{"cid"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect := good
			expect.ScopeClaims, expect.ClientIDClaims = test.expect.ScopeClaims, test.expect.ClientIDClaims
			token, err := mustParse(t, claims(t, test.changes)).Validate(expect)
			require.Nil(t, token)
			requireRefused(t, err, binding.ReasonTokenClaims, 401)
		})
	}
}

// A refusal says to the operator which claim it was, what this server expects and which option says so, and never what the
// token says.
func TestRefusalsNameTheClaimAndTheOption(t *testing.T) {
	t.Parallel()
	answer := good
	answer.Introspection, answer.DangerouslyAcceptMissingAudience = true, true
	short := good
	short.MaxLifetime = time.Second
	named := good
	named.ScopeClaims = []string{"scp"}
	for name, test := range map[string]struct {
		changes members
		expect  binding.Expect
		texts   []string
	}{
		"another issuer":         {members{"iss": "https://secret.example"}, good, []string{"iss", issuer, "Issuer"}},
		"a slash too many":       {members{"iss": issuer + "/"}, good, []string{"slashes", issuer, "Issuer"}},
		"no issuer":              {members{"iss": nil}, good, []string{"iss is missing", issuer}},
		"another audience":       {members{"aud": "https://secret.example"}, good, []string{"aud", audience, "Audiences"}},
		"no audience":            {members{"aud": nil}, good, []string{"aud is missing", audience, "Audiences"}},
		"N/433 nor a token_type": {members{"aud": nil}, answer, []string{"aud is missing", "token_type", "DangerouslyAcceptMissingAudience"}},
		"another token_type":     {members{"token_type": "secret"}, answer, []string{`token_type is not one of an access token, and must be "Bearer" or "DPoP" or "access_token"`}},
		"token_type number":      {members{"token_type": 7}, answer, []string{"token_type has the wrong type"}},
		"nonce":                  {members{"nonce": "secret"}, good, []string{"nonce", "another kind", "at+jwt"}},
		"typ":                    {members{"typ": "secret"}, good, []string{"typ", "another kind"}},
		"exp missing":            {members{"exp": nil}, good, []string{"exp is missing"}},
		"lifetime":               {nil, short, []string{"exp lies too far ahead", "MaxLifetime"}},
		"N/435 a claim's form":   {members{"scp": "secret  secret"}, named, []string{"scp has the wrong type"}},
		"N/435 aud []":           {members{"aud": []string{}}, good, []string{"aud is null or an empty list"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := mustParse(t, claims(t, test.changes)).Validate(test.expect)
			cause := refusalOf(t, err).Cause
			require.Error(t, cause)
			for _, text := range test.texts {
				require.ErrorContains(t, cause, text)
			}
			require.NotContains(t, cause.Error(), "secret")
		})
	}
	// That token_type is missing is only said where it would have helped.
	for _, introspection := range []bool{false, true} {
		for _, accept := range []bool{false, true} {
			for _, changes := range []members{{"aud": "https://secret.example"}, {"aud": nil}} {
				expect := good
				expect.Introspection, expect.DangerouslyAcceptMissingAudience = introspection, accept
				_, err := mustParse(t, claims(t, changes)).Validate(expect)
				said := strings.Contains(refusalOf(t, err).Cause.Error(), "token_type")
				require.Equal(t, introspection && accept && changes["aud"] == nil, said)
			}
		}
	}
	two := good
	two.Audiences = []string{audience, "other"}
	_, err := mustParse(t, claims(t, members{"aud": "https://secret.example"})).Validate(two)
	require.EqualError(t, refusalOf(t, err).Cause, `binding: the claim aud does not name this resource server, and must be "`+audience+`" or "other" (compared exactly: option Audiences)`)
	for claim, value := range map[string]any{"sub": 1, "aud": 1, "exp": "secret", "nbf": "secret", "iat": "secret", "jti": 1, "client_id": 1, "scope": "secret  "} {
		_, err := binding.ParseClaims(claims(t, members{claim: value}))
		require.EqualError(t, refusalOf(t, err).Cause, "binding: the claim "+claim+" has the wrong type or form")
	}
}

// A verifier that keeps a token asks for its times at every use.
func TestValidAt(t *testing.T) {
	t.Parallel()
	token := valid(t, claims(t, members{"exp": 1800000060, "nbf": 1800000000, "iat": 1800000000}))
	require.NoError(t, token.ValidAt(now, 0))
	require.NoError(t, token.ValidAt(now.Add(time.Minute), 0))
	requireRefused(t, token.ValidAt(now.Add(time.Minute+1), 0), binding.ReasonTokenExpired, 401)
	requireRefused(t, token.ValidAt(now.Add(-1), 0), binding.ReasonTokenNotYetValid, 401)
	require.NoError(t, token.ValidAt(now.Add(-time.Second), time.Second))
	requireRefused(t, token.ValidAt(time.Time{}, time.Hour), binding.ReasonMisconfigured, 500)
	require.ErrorContains(t, refusalOf(t, token.ValidAt(time.Time{}, time.Hour)).Cause, "ValidAt needs the time")
	requireRefused(t, new(binding.Token).ValidAt(now, time.Hour), binding.ReasonTokenClaims, 401)
}
