package bindingtest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

func jsonOf(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return string(text)
}

// askProven asks for a token as "secret client", without a client certificate, with proofs.
func (w world) askProven(t *testing.T, proofs ...string) answer {
	t.Helper()
	request := tokenRequest(t.Context(), t, w.as.URL(bindingtest.TokenPath), plainForm())
	request.SetBasicAuth(url.QueryEscape("secret client"), url.QueryEscape(secret))
	for _, proof := range proofs {
		request.Header.Add("DPoP", proof)
	}
	return do(t, w.as.HTTPClient(), request)
}

// proof is a good one for the token endpoint.
func (w world) proof(t *testing.T, changes ...func(*bindingtest.ProofSpec)) string {
	t.Helper()
	spec := bindingtest.ProofSpec{Key: w.key, Method: http.MethodPost, URL: w.as.URL(bindingtest.TokenPath), IssuedAt: noon}
	for _, change := range changes {
		change(&spec)
	}
	proof, err := bindingtest.NewProof(spec)
	require.NoError(t, err)
	return proof
}

func claim(name string, value any) func(*bindingtest.ProofSpec) {
	return func(spec *bindingtest.ProofSpec) { spec.Claims = map[string]any{name: value} }
}

func header(name string, value any) func(*bindingtest.ProofSpec) {
	return func(spec *bindingtest.ProofSpec) { spec.Header = map[string]any{name: value} }
}

func TestAProofBindsTheTokenToItsKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{Clock: fixedClock})
	thumbprint, err := bindingtest.KeyThumbprint(w.key.Public())
	require.NoError(t, err)
	for name, proof := range map[string]string{
		"good":              w.proof(t),
		"with a query":      w.proof(t, claim("htu", w.as.URL(bindingtest.TokenPath)+"?a=b#c")),
		"typ in capitals":   w.proof(t, header("typ", "application/DPOP+JWT")),
		"a fraction":        w.proof(t, claim("iat", float64(noon.Unix())+0.5)),
		"ten seconds ago":   w.proof(t, claim("iat", noon.Unix()-10)),
		"ten seconds ahead": w.proof(t, claim("iat", noon.Unix()+10)),
		"a nonce, unasked":  w.proof(t, claim("nonce", "n")),
	} {
		got := w.askProven(t, proof)
		require.Equal(t, http.StatusOK, got.status, name)
		require.Equal(t, "DPoP", got.members(t)["token_type"])
		require.Empty(t, got.header.Get("DPoP-Nonce"))
		claims := verify(t, w.as, got.members(t)["access_token"].(string))
		require.Equal(t, map[string]any{"jkt": thumbprint}, claims["cnf"])
		require.Equal(t, "secret client", claims["client_id"])
	}

	request := tokenRequest(t.Context(), t, w.as.MTLSURL(bindingtest.TokenPath), clientForm("pki-client"))
	request.Header.Set("DPoP", w.proof(t, claim("htu", w.as.MTLSURL(bindingtest.TokenPath))))
	both := do(t, w.as.HTTPClient(w.issued), request).members(t)
	require.Equal(t, "DPoP", both["token_type"])
	require.Equal(t, map[string]any{"jkt": thumbprint, "x5t#S256": bindingtest.Thumbprint(w.issued.Leaf)},
		verify(t, w.as, both["access_token"].(string))["cnf"])
}

func TestTheTokenEndpointRefusesProofs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{Clock: fixedClock})
	used := w.proof(t)
	require.Equal(t, http.StatusOK, w.askProven(t, used).status)
	for name, proofs := range map[string][]string{
		"used before":        {used},
		"two":                {w.proof(t), w.proof(t)},
		"empty":              {""},
		"no JWT":             {"a.b.c"},
		"forged":             {w.proof(t, func(s *bindingtest.ProofSpec) { s.ForgedSignature = true })},
		"of another type":    {w.proof(t, header("typ", "JWT"))},
		"without a type":     {w.proof(t, header("typ", nil))},
		"without a key":      {w.proof(t, header("jwk", nil))},
		"a private key":      {w.proof(t, header("jwk", privateJWK(t, w.key)))},
		"a secret":           {w.proof(t, header("jwk", map[string]any{"kty": "oct", "k": "AAAA"}))},
		"another algorithm":  {w.proof(t, header("alg", "ES384"))},
		"none":               {w.proof(t, header("alg", "none"))},
		"crit":               {w.proof(t, func(s *bindingtest.ProofSpec) { s.Header = map[string]any{"crit": []string{"x"}, "x": 1} })},
		"another method":     {w.proof(t, claim("htm", "GET"))},
		"another URL":        {w.proof(t, claim("htu", w.as.URL(bindingtest.IntrospectionPath)))},
		"without an htu":     {w.proof(t, claim("htu", nil))},
		"without a jti":      {w.proof(t, claim("jti", nil))},
		"a jti of no string": {w.proof(t, claim("jti", 1))},
		"without an iat":     {w.proof(t, claim("iat", nil))},
		"old":                {w.proof(t, claim("iat", noon.Unix()-61))},
		"of the future":      {w.proof(t, claim("iat", noon.Unix()+31))},
	} {
		got := w.askProven(t, proofs...)
		requireRefused(t, got, http.StatusBadRequest, "invalid_dpop_proof")
		require.Empty(t, got.header.Get("WWW-Authenticate"), name)
	}
}

func privateJWK(t *testing.T, key any) map[string]any {
	t.Helper()
	private, err := jwk.FromRaw(key)
	require.NoError(t, err)
	var members map[string]any
	require.NoError(t, json.Unmarshal([]byte(jsonOf(t, private)), &members))
	require.Contains(t, members, "d")
	return members
}

func TestAUsedProofIsForgottenWhenItIsOld(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	w := newWorld(t, bindingtest.Config{Clock: func() time.Time { return noon.Add(time.Duration(now.Load()) * time.Second) }})
	proof := w.proof(t)
	require.Equal(t, http.StatusOK, w.askProven(t, proof).status)
	for _, later := range []int64{1, 59, 60, 61, 62, 3600} {
		now.Store(later)
		requireRefused(t, w.askProven(t, proof), http.StatusBadRequest, "invalid_dpop_proof")
	}
}

func TestTheTokenEndpointGivesItsNonce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{Clock: fixedClock, RequireNonce: true})
	another := newServer(t, bindingtest.Config{RequireNonce: true})
	asked := w.askProven(t, w.proof(t))
	requireRefused(t, asked, http.StatusBadRequest, "use_dpop_nonce")
	nonce := asked.header.Get("DPoP-Nonce")
	require.NotEmpty(t, nonce)
	require.Equal(t, http.StatusOK, w.askProven(t, w.proof(t, claim("nonce", nonce))).status)
	requireRefused(t, w.askProven(t, w.proof(t, claim("nonce", nonce+"x"))), http.StatusBadRequest, "use_dpop_nonce")
	requireRefused(t, w.askProven(t, w.proof(t, claim("nonce", ""))), http.StatusBadRequest, "use_dpop_nonce")

	form := assertionForm(w.assertion(t))
	request := tokenRequest(t.Context(), t, w.as.URL(bindingtest.TokenPath), form)
	request.Header.Set("DPoP", w.proof(t))
	requireRefused(t, do(t, w.as.HTTPClient(), request), http.StatusBadRequest, "use_dpop_nonce")
	request = tokenRequest(t.Context(), t, w.as.URL(bindingtest.TokenPath), form)
	request.Header.Set("DPoP", w.proof(t, claim("nonce", nonce)))
	require.Equal(t, http.StatusOK, do(t, w.as.HTTPClient(), request).status, "the assertion was not used up")

	require.Equal(t, http.StatusOK, w.ask(t, clientForm("pki-client"), w.issued).status, "without a proof no nonce")
	request = tokenRequest(t.Context(), t, another.URL(bindingtest.TokenPath), plainForm())
	request.Header.Set("DPoP", w.proof(t, func(s *bindingtest.ProofSpec) { s.URL, s.Nonce = another.URL(bindingtest.TokenPath), nonce }))
	require.NotEqual(t, nonce, do(t, another.HTTPClient(), request).header.Get("DPoP-Nonce"))
}

// A page at another origin gets metadata, keys and a token, as fetch sends it.
func TestPagesOfAnyOriginMayAsk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{Clock: fixedClock, RequireNonce: true, Path: "/tenant1"})
	client := w.as.HTTPClient()
	for _, path := range []string{bindingtest.TokenPath, bindingtest.OAuthMetadataPath, bindingtest.OpenIDMetadataPath, bindingtest.JWKSPath} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, w.as.URL(path), nil)
		require.NoError(t, err)
		request.Header.Set("Origin", "https://app.example")
		request.Header.Set("Access-Control-Request-Method", http.MethodPost)
		request.Header.Set("Access-Control-Request-Headers", "authorization,content-type,dpop")
		got := do(t, client, request)
		require.Equal(t, http.StatusNoContent, got.status)
		require.Equal(t, "*", got.header.Get("Access-Control-Allow-Origin"))
		require.Equal(t, "GET, POST", got.header.Get("Access-Control-Allow-Methods"))
		require.Equal(t, "Authorization, Content-Type, DPoP", got.header.Get("Access-Control-Allow-Headers"))
		require.Empty(t, got.body)
		if path != bindingtest.TokenPath {
			require.Equal(t, "*", get(t, client, w.as.URL(path)).header.Get("Access-Control-Allow-Origin"))
		}
	}
	refused := w.askProven(t, w.proof(t))
	require.Equal(t, "*", refused.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "DPoP-Nonce, WWW-Authenticate", refused.header.Get("Access-Control-Expose-Headers"))
	granted := w.askProven(t, w.proof(t, claim("nonce", refused.header.Get("DPoP-Nonce"))))
	require.Equal(t, http.StatusOK, granted.status)
	require.Equal(t, "*", granted.header.Get("Access-Control-Allow-Origin"))
}
