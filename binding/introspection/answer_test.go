package introspection_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/introspection"
)

// verify asks once about a token that is answered for with the body.
func verify(t *testing.T, body string, with func(*introspection.Config)) (*binding.Token, error) {
	t.Helper()
	return verifyAt(t, time.Now(), body, with)
}

// verifyAt does so at a time: that by which the body was written, however long the test then waits for its turn.
func verifyAt(t *testing.T, now time.Time, body string, with func(*introspection.Config)) (*binding.Token, error) {
	t.Helper()
	c := config(&server{answer: always(http.StatusOK, body)})
	c.Clock = func() time.Time { return now }
	if with != nil {
		with(&c)
	}
	return newVerifier(t, c).VerifyToken(t.Context(), canary)
}

func TestAnswersThatAreTheServersFault(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"nothing":                  ``,
		"HTML":                     `<html>active</html>`,
		"a string":                 `"active"`,
		"true":                     `true`,
		"an array":                 `[{"active":true}]`,
		"an array of two":          `["active",true]`,
		"two objects":              text(good(nil)) + text(good(nil)),
		"cut off":                  strings.TrimSuffix(text(good(nil)), "}"),
		"not UTF-8":                `{"active":true,"sub":"` + "\xff" + `"}`,
		"a byte order mark":        "\ufeff" + text(good(nil)),
		"no active":                text(good(members{"active": nil})),
		"active is true in text":   text(good(members{"active": "true"})),
		"active is 1":              text(good(members{"active": 1})),
		"active is an array":       text(good(members{"active": []bool{true}})),
		"active is null":           strings.Replace(text(good(nil)), `"active":true`, `"active":null`, 1),
		"Active":                   strings.Replace(text(good(nil)), `"active"`, `"Active"`, 1),
		"ACTIVE beside false?":     `{"ACTIVE":true,"aud":"https://api.example"}`,
		"active twice":             strings.Replace(text(good(nil)), `"active":true`, `"active":false,"active":true`, 1),
		"active twice, escaped":    strings.Replace(text(good(nil)), `"active":true`, `"active":true,"\u0061ctive":false`, 1),
		"iss twice":                strings.Replace(text(good(nil)), `{`, `{"iss":"https://auth.example",`, 1),
		"active inside":            `{"token":{"active":true}}`,
		"a JWT (RFC 9701)":         "eyJhbGciOiJub25lIn0.eyJhY3RpdmUiOnRydWV9.",
		"an error with status 200": `{"error":"invalid_request"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := verify(t, body, nil)
			require.Nil(t, got)
			refusal := requireReason(t, err, binding.ReasonUnavailable)
			require.Equal(t, http.StatusServiceUnavailable, refusal.StatusCode())
			header := make(http.Header)
			refusal.SetHeader(header)
			require.NotEmpty(t, header.Get("Retry-After"))
			require.Empty(t, header.Get("WWW-Authenticate"))
		})
	}
}

func TestAnswersThatAreTheTokensFault(t *testing.T) {
	t.Parallel()
	digest, err := base64.RawURLEncoding.DecodeString(thumbprint)
	require.NoError(t, err)
	cnf := func(value any) members { return members{"cnf": value} }
	raw := func(from, to string) string { return strings.Replace(text(good(nil)), from, to, 1) }
	now := time.Now()
	minutes := func(n time.Duration) int64 { return now.Add(n * time.Minute).Unix() }
	for name, test := range map[string]struct {
		body   string
		reason binding.Reason
	}{
		"inactive":                      {`{"active":false}`, binding.ReasonTokenInactive},
		"inactive, escaped":             {`{"\u0061ctive":false}`, binding.ReasonTokenInactive},
		"inactive, and much besides":    {text(good(members{"active": false})), binding.ReasonTokenInactive},
		"inactive, with a broken cnf":   {text(good(members{"active": false, "cnf": 1})), binding.ReasonTokenInactive},
		"another issuer":                {text(good(members{"iss": issuer + "/"})), binding.ReasonTokenIssuer},
		"an empty issuer":               {text(good(members{"iss": ""})), binding.ReasonTokenClaims},
		"issuer is a number":            {text(good(members{"iss": 1})), binding.ReasonTokenClaims},
		"another audience":              {text(good(members{"aud": "https://other.example"})), binding.ReasonTokenAudience},
		"no audience":                   {text(good(members{"aud": nil})), binding.ReasonTokenAudience},
		"an empty audience":             {text(good(members{"aud": ""})), binding.ReasonTokenClaims},
		"no audience in the list":       {text(good(members{"aud": []string{}})), binding.ReasonTokenAudience},
		"audience with a number":        {text(good(members{"aud": []any{audience, 1}})), binding.ReasonTokenClaims},
		"expired, the server's mistake": {text(good(members{"exp": minutes(-2)})), binding.ReasonTokenExpired},
		"exp 0 is not never":            {text(good(members{"exp": 0})), binding.ReasonTokenClaims},
		"exp is text":                   {text(good(members{"exp": "1893456000"})), binding.ReasonTokenClaims},
		"not yet valid":                 {text(good(members{"nbf": minutes(2)})), binding.ReasonTokenNotYetValid},
		"issued in the future":          {text(good(members{"iat": minutes(2)})), binding.ReasonTokenNotYetValid},
		"scope is a number":             {text(good(members{"scope": 1})), binding.ReasonTokenClaims},
		"client_id is a number":         {text(good(members{"client_id": 1})), binding.ReasonTokenClaims},

		// RFC 7662 §2.1: a server may look past token_type_hint.
		"a refresh token":               {text(good(members{"token_type": "refresh_token"})), binding.ReasonTokenType},
		"an ID token":                   {text(good(members{"token_type": "id_token"})), binding.ReasonTokenType},
		"a MAC token":                   {text(good(members{"token_type": "mac"})), binding.ReasonTokenType},
		"an empty type":                 {text(good(members{"token_type": ""})), binding.ReasonTokenType},
		"N_A (RFC 8693)":                {text(good(members{"token_type": "N_A"})), binding.ReasonTokenType},
		"token_type is a number":        {text(good(members{"token_type": 1})), binding.ReasonTokenClaims},
		"Keycloak's Refresh":            {text(good(members{"typ": "Refresh"})), binding.ReasonTokenType},
		"Keycloak's Offline":            {text(good(members{"typ": "Offline"})), binding.ReasonTokenType},
		"Keycloak's ID":                 {text(good(members{"typ": "ID", "token_type": nil})), binding.ReasonTokenType},
		"Hydra's refresh_token":         {text(good(members{"token_use": "refresh_token"})), binding.ReasonTokenType},
		"Cognito's id":                  {text(good(members{"token_use": "id"})), binding.ReasonTokenType},
		"a nonce (ID token)":            {text(good(members{"nonce": "n"})), binding.ReasonTokenType},
		"access_token in other letters": {text(good(members{"token_type": "acce\u017f\u017f_token"})), binding.ReasonTokenType},

		"cnf null":            {raw(`"cnf":{`, `"cnf":null,"was":{`), binding.ReasonConfirmationMalformed},
		"cnf a string":        {text(good(cnf(thumbprint))), binding.ReasonConfirmationMalformed},
		"cnf an array":        {text(good(cnf([]any{members{"x5t#S256": thumbprint}}))), binding.ReasonConfirmationMalformed},
		"cnf in text":         {text(good(cnf(`{"x5t#S256":"` + thumbprint + `"}`))), binding.ReasonConfirmationMalformed},
		"cnf empty":           {text(good(cnf(members{}))), binding.ReasonConfirmationUnsupported},
		"cnf with jwk alone":  {text(good(cnf(members{"jwk": members{}}))), binding.ReasonConfirmationUnsupported},
		"L/363 jkt alone":     {text(good(cnf(members{"jkt": "a"}))), binding.ReasonThumbprintMalformed},
		"L/363 jkt and x5t":   {text(good(cnf(members{"jkt": "a", "x5t#S256": thumbprint}))), binding.ReasonThumbprintMalformed},
		"cnf twice inside":    {raw(`"cnf":{`, `"cnf":{"x5t#S256":"`+thumbprint+`",`), binding.ReasonTokenMalformed},
		"thumbprint empty":    {text(good(cnf(members{"x5t#S256": ""}))), binding.ReasonThumbprintMalformed},
		"thumbprint number":   {text(good(cnf(members{"x5t#S256": 1}))), binding.ReasonThumbprintMalformed},
		"thumbprint hex":      {text(good(cnf(members{"x5t#S256": hex.EncodeToString(digest)}))), binding.ReasonThumbprintHex},
		"thumbprint padded":   {text(good(cnf(members{"x5t#S256": thumbprint + "="}))), binding.ReasonThumbprintPadded},
		"thumbprint of SHA-1": {text(good(cnf(members{"x5t#S256": base64.RawURLEncoding.EncodeToString(digest[:20])}))), binding.ReasonThumbprintSHA1},
		"x5t#s256":            {text(good(cnf(members{"x5t#s256": thumbprint}))), binding.ReasonConfirmationUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := verifyAt(t, now, test.body, nil)
			require.Nil(t, got)
			refusal := requireReason(t, err, test.reason)
			require.Equal(t, http.StatusUnauthorized, refusal.StatusCode())
			require.Equal(t, "invalid_token", refusal.Code())
			require.True(t, refusal.Opaque)
			require.Equal(t, (&binding.Error{Reason: binding.ReasonTokenInactive}).Description(), refusal.Description(),
				"a client cannot tell it from an inactive token")
		})
	}
}

func TestAnswersThatAreGood(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, test := range map[string]struct {
		changes members
		with    func(*introspection.Config)
	}{
		"all members":                 {nil, nil},
		"the optional ones left out":  {members{"iss": nil, "exp": nil, "iat": nil, "sub": nil, "token_type": nil, "scope": nil}, nil},
		"token_type bearer":           {members{"token_type": "bearer"}, nil},
		"token_type access_token":     {members{"token_type": "access_token"}, nil},
		"token_type DPoP":             {members{"token_type": "DPoP"}, nil}, // the guard's to judge
		"Keycloak's Bearer":           {members{"typ": "Bearer"}, nil},
		"Hydra's access_token":        {members{"token_use": "access_token"}, nil},
		"several audiences":           {members{"aud": []string{"https://other.example", audience}}, nil},
		"expired within the leeway":   {members{"exp": now.Add(-30 * time.Second).Unix()}, nil},
		"a clock ahead by half a min": {members{"nbf": now.Add(30 * time.Second).Unix()}, nil},
		"members nobody knows":        {members{"username": "alice", "ext": members{"a": nil}}, nil},
		"scope in scp":                {members{"scope": nil, "scp": []string{"accounts"}}, func(c *introspection.Config) { c.ScopeClaims = []string{"scp"} }},
		"client in azp":               {members{"client_id": nil, "azp": "app"}, nil},
		"no audience, by option":      {members{"aud": nil}, missingAudience},
		"an audience, by option":      {nil, missingAudience},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changes := members{"iat": now.Unix()} // not of the moment in which this subtest gets to run
			maps.Copy(changes, test.changes)
			got, err := verifyAt(t, now, text(good(changes)), test.with)
			require.NoError(t, err)
			require.Equal(t, "app", got.ClientID())
			bound, ok := got.Thumbprint()
			require.True(t, ok)
			require.Equal(t, thumbprint, bound.String())
		})
	}
}

// MaxLifetime is counted from the answer, with the leeway, and an answer without exp has none.
func TestMaxLifetime(t *testing.T) {
	t.Parallel()
	now := time.Unix(time.Now().Unix(), 0)
	for name, test := range map[string]struct {
		exp      any
		most     time.Duration
		accepted bool
	}{
		"no limit":              {now.Add(1000 * time.Hour).Unix(), 0, true},
		"no limit, no exp":      {nil, 0, true},
		"as far as allowed":     {now.Add(time.Hour + time.Minute).Unix(), time.Hour, true},
		"a second further":      {now.Add(time.Hour + time.Minute + time.Second).Unix(), time.Hour, false},
		"a limit, and no exp":   {nil, time.Hour, false},
		"a limit far away":      {now.Add(time.Hour).Unix(), 1000 * time.Hour, true},
		"a limit, and it ended": {now.Add(-time.Hour).Unix(), time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := verifyAt(t, now, text(good(members{"iat": now.Unix(), "exp": test.exp})), func(c *introspection.Config) { c.MaxLifetime = test.most })
			if test.accepted {
				require.NoError(t, err)
				return
			}
			reason := binding.ReasonTokenLifetime
			if strings.HasSuffix(name, "ended") {
				reason = binding.ReasonTokenExpired
			}
			refusal := requireReason(t, err, reason)
			require.Equal(t, 401, refusal.StatusCode())
			require.Equal(t, (&binding.Error{Reason: binding.ReasonTokenInactive}).Description(), refusal.Description())
		})
	}
}

func missingAudience(c *introspection.Config) { c.DangerouslyAcceptMissingAudience = true }

func TestMissingAudienceNeedsATokenType(t *testing.T) {
	t.Parallel()
	_, err := verify(t, text(good(members{"aud": nil, "token_type": nil})), missingAudience)
	requireReason(t, err, binding.ReasonTokenAudience)
	_, err = verify(t, text(good(members{"aud": nil, "token_type": "refresh_token"})), missingAudience)
	requireReason(t, err, binding.ReasonTokenType)
	_, err = verify(t, text(good(members{"aud": "https://other.example"})), missingAudience)
	requireReason(t, err, binding.ReasonTokenAudience)
}

func TestTokensThatAreNotSent(t *testing.T) {
	t.Parallel()
	s := &server{answer: always(http.StatusOK, text(good(nil)))}
	v := newVerifier(t, config(s))
	for token, reason := range map[string]binding.Reason{
		"":                            binding.ReasonTokenMalformed,
		"=":                           binding.ReasonTokenMalformed,
		"a b":                         binding.ReasonTokenMalformed,
		"a\nb":                        binding.ReasonTokenMalformed,
		"a&active=true":               binding.ReasonTokenMalformed,
		"a=b":                         binding.ReasonTokenMalformed,
		"ä":                           binding.ReasonTokenMalformed,
		"a\x00":                       binding.ReasonTokenMalformed,
		strings.Repeat("a", 16<<10+1): binding.ReasonTokenTooLong,
	} {
		_, err := v.VerifyToken(t.Context(), token)
		requireReason(t, err, reason)
	}
	require.Zero(t, s.calls())
	_, err := v.VerifyToken(t.Context(), strings.Repeat("a", 16<<10-8)+"-._~+/==")
	require.NoError(t, err)
}

func TestFaultsOverTheWire(t *testing.T) {
	t.Parallel()
	claims := text(good(nil))
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		ok      bool
	}{
		"a JWT by its type": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/token-introspection+jwt")
			_, _ = w.Write([]byte(claims))
		}, false},
		"application/jwt": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "Application/JWT; charset=utf-8")
			_, _ = w.Write([]byte(claims))
		}, false},
		"no type": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			_, _ = w.Write([]byte(claims))
		}, true},
		"too large": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(claims + strings.Repeat(" ", 512<<10)))
		}, false},
		"large": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(claims + strings.Repeat(" ", 512<<10-len(claims))))
		}, true},
		"too slow": {func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, false},
		"hung up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, false},
		"status 201": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(claims))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			as := newAuthorizationServer(t, bindingtest.Config{})
			as.Handle(bindingtest.IntrospectionPath, test.handler)
			c := configFor(as)
			c.Issuer, c.URL = issuer, as.URL(bindingtest.IntrospectionPath)
			if name == "too slow" {
				c.Timeout = time.Second
			}
			_, err := newVerifier(t, c).VerifyToken(t.Context(), canary)
			if test.ok {
				require.NoError(t, err)
				return
			}
			refusal := requireReason(t, err, binding.ReasonUnavailable)
			require.NotContains(t, refusal.Cause.Error(), canary)
			if name != "too slow" { // a second may pass before it is asked
				require.Equal(t, 1, as.Requests(bindingtest.IntrospectionPath))
			}
		})
	}
}

func TestNoErrorRepeatsTheToken(t *testing.T) {
	t.Parallel()
	respond := func(head, body string) string {
		return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", head, len(body), body)
	}
	for name, written := range map[string]string{
		"in a status line":   canary + " 200\r\n\r\n",
		"in a header":        "HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n",
		"in a length":        "HTTP/1.1 200 OK\r\nContent-Length: " + canary + "\r\n\r\n",
		"in an error":        respond("400 Bad Request", `{"error":"`+canary+`"}`),
		"in a redirect":      respond("302 Found\r\nLocation: https://"+canary+"/%zz", ""),
		"in a reason phrase": respond("500 "+canary, ""),
		"in a type":          respond("200 OK\r\nContent-Type: "+canary, "{}"),
		"in what is no JSON": respond("200 OK", `{"`+canary),
		"in active":          respond("200 OK", `{"active":"`+canary+`"}`),
		"in a claim":         respond("200 OK", `{"active":true,"iss":"`+canary+`"}`),
		"in a broken claim":  respond("200 OK", `{"active":true,"cnf":"`+canary+`"}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			as := newAuthorizationServer(t, bindingtest.Config{})
			as.Handle(bindingtest.IntrospectionPath, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				connection, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					return
				}
				_, _ = connection.Write([]byte(written))
				_ = connection.Close()
			}))
			told := &events{}
			c := configFor(as)
			c.Issuer, c.URL, c.Observe = issuer, as.URL(bindingtest.IntrospectionPath), told.observe
			v := newVerifier(t, c)
			_, err := v.VerifyToken(t.Context(), canary)
			require.Error(t, err)
			require.Eventually(t, func() bool { return len(told.all()) > 0 }, time.Minute, time.Millisecond)
			require.NoError(t, v.Close())
			for e := err; e != nil; e = errors.Unwrap(e) {
				require.NotContains(t, e.Error(), canary)
			}
			require.NotContains(t, fmt.Sprintf("%+v %v", told.all(), told.all()), canary)
			require.NotContains(t, strings.Join(binding.AsError(err).Challenges(), "\n"), canary)
		})
	}
}
