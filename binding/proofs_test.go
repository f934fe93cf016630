package binding_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// proofs is a ProofVerifier of a user's: the field DPoP names the owner of the
// key, "stale" or "used" behind it. What it was asked is in its journal.
type proofs struct {
	nonce   string
	journal []string

	verifies bool // its proofs have a Verify
}

func (p *proofs) Algorithms() []string { return []string{"ES256", "PS256"} }
func (p *proofs) Nonce() string        { return p.nonce }

func (p *proofs) ReadProof(r *http.Request, accessToken string) (binding.Proof, error) {
	owner, how, _ := strings.Cut(r.Header.Get("DPoP"), " ")
	switch owner {
	case "":
		return binding.Proof{}, &binding.Error{Reason: binding.ReasonProofMissing}
	case "malformed":
		return binding.Proof{}, &binding.Error{Reason: binding.ReasonProofMalformed}
	case "old-nonce":
		return binding.Proof{}, &binding.Error{Reason: binding.ReasonProofNonce}
	case "failed":
		return binding.Proof{}, errors.New("no reason")
	case "nothing":
		return binding.Proof{}, nil
	}
	p.journal = append(p.journal, "read")
	var verify func() error
	if p.verifies {
		verify = func() error {
			p.journal = append(p.journal, "verified")
			switch how {
			case "forged":
				return &binding.Error{Reason: binding.ReasonProofSignature}
			case "failed":
				return errors.New("no reason")
			}
			return nil
		}
	}
	return binding.Proof{Key: keyOf(owner), Stale: how == "stale", Verify: verify, Prove: func(ctx context.Context) error {
		p.journal = append(p.journal, "used")
		switch how {
		case "forged":
			return &binding.Error{Reason: binding.ReasonProofSignature}
		case "used":
			return &binding.Error{Reason: binding.ReasonProofReplayed}
		case "away":
			return &binding.Error{Reason: binding.ReasonReplaysUnavailable}
		case "failed":
			return errors.New("no reason")
		case "panics":
			panic("at the disco")
		}
		return nil
	}}, nil
}

func keyOf(owner string) binding.KeyThumbprint { return sha256.Sum256([]byte(owner)) }

// dpopRequest makes a request under a scheme, with a proof unless it is "".
func dpopRequest(scheme, token, proof string, chain ...*x509.Certificate) *http.Request {
	r := request(token, chain...)
	r.Header.Set("Authorization", scheme+" "+token)
	if proof != "" {
		r.Header.Set("DPoP", proof)
	}
	return r
}

// boundToKey returns the claim that binds a token to an owner's key, and to a certificate if there is one.
func boundToKey(owner string, certificate *x509.Certificate) members {
	cnf := members{"jkt": keyOf(owner).String()}
	if certificate != nil {
		cnf["x5t#S256"] = bindingtest.Thumbprint(certificate)
	}
	return members{"cnf": cnf}
}

func TestProofOfAKey(t *testing.T) {
	t.Parallel()
	holder, other := newCertificate(t, "holder").Leaf, newCertificate(t, "other").Leaf
	unbound := bearer(claims(t, nil))
	byKey := bearer(claims(t, boundToKey("alice", nil)))
	byCertificate := bearer(claims(t, boundTo(holder)))
	byBoth := bearer(claims(t, boundToKey("alice", holder)))
	expired := bearer(claims(t, members{"exp": now.Unix() - 100, "cnf": members{"jkt": keyOf("alice").String()}}))

	only := binding.Config{}
	lax := binding.Config{Policy: binding.DangerouslyAcceptUnbound}
	auth0 := binding.Config{AcceptDPoPScheme: true}
	needsProof := binding.Config{RequireProof: true}
	needsCertificate := binding.Config{RequireCertificate: true}
	needsBoth := binding.Config{RequireProof: true, RequireCertificate: true}

	// The challenges, as section L of the table of attacks names them.
	const (
		both   = "Bearer+DPoP algs" // of Bearer, with the error if there is one, and of DPoP without
		dpop   = "DPoP"             // alone, with the error
		figure = "Bearer+DPoP"      // both with the error
		none   = ""
	)
	for _, row := range []struct {
		name       string
		config     binding.Config
		request    *http.Request
		reason     binding.Reason
		status     int
		challenges string
	}{
		{"L/278 a good proof", only, dpopRequest("DPoP", byKey, "alice"), "", 0, none},
		{"L/278 scheme in capitals", only, dpopRequest("DPOP", byKey, "alice"), "", 0, none},
		{"L/280 no proof", only, dpopRequest("DPoP", byKey, ""), binding.ReasonProofMissing, 401, dpop},
		{"L/282 a malformed proof", only, dpopRequest("DPoP", byKey, "malformed"), binding.ReasonProofMalformed, 401, dpop},
		{"L/285 under Bearer", only, dpopRequest("Bearer", byKey, ""), binding.ReasonTokenScheme, 401, both},
		{"L/285 under Bearer with a good proof", only, dpopRequest("Bearer", byKey, "alice"), binding.ReasonTokenScheme, 401, both},
		{"L/286 unbound, Bearer, some proof", lax, dpopRequest("Bearer", unbound, "malformed"), "", 0, none},
		{"L/287 by certificate, Bearer, some proof", only, dpopRequest("Bearer", byCertificate, "malformed", holder), "", 0, none},
		{"L/288 unbound, DPoP", only, dpopRequest("DPoP", unbound, "alice"), binding.ReasonTokenUnbound, 401, dpop},
		{"L/288 unbound, DPoP, unbound accepted", lax, dpopRequest("DPoP", unbound, "alice"), binding.ReasonTokenUnbound, 401, dpop},
		{"L/289 by certificate, DPoP", only, dpopRequest("DPoP", byCertificate, "alice", holder), binding.ReasonTokenBinding, 401, dpop},
		{"L/290 by certificate, DPoP without a proof accepted", auth0, dpopRequest("DPoP", byCertificate, "", holder), "", 0, none},
		{"L/290 by certificate, DPoP accepted, with a proof", auth0, dpopRequest("DPoP", byCertificate, "alice", holder), "", 0, none},
		{"L/289 by certificate, DPoP without a proof", only, dpopRequest("DPoP", byCertificate, "", holder), binding.ReasonProofMissing, 401, dpop},
		{"L/290 by certificate, DPoP accepted without a proof, a malformed one", auth0, dpopRequest("DPoP", byCertificate, "malformed", holder), binding.ReasonProofMalformed, 401, dpop},
		{"L/290 by key, DPoP without a proof accepted", auth0, dpopRequest("DPoP", byKey, ""), binding.ReasonProofMissing, 401, dpop},
		{"L/290 unbound, DPoP without a proof accepted", auth0, dpopRequest("DPoP", unbound, ""), binding.ReasonTokenUnbound, 401, dpop},
		{"L/292 a proof and no credentials", only, withoutCredentials(dpopRequest("DPoP", byKey, "alice")), binding.ReasonCredentialsMissing, 401, both},
		{"L/293 the scheme alone", only, dpopRequest("DPoP", "", "alice"), binding.ReasonCredentialsMalformed, 400, dpop},
		{"L/293 two words", only, dpopRequest("DPoP", "a b", "alice"), binding.ReasonCredentialsMalformed, 400, dpop},
		{"L/291 two fields", only, twoCredentials(byKey), binding.ReasonCredentialsAmbiguous, 400, figure},
		{"L/291 two fields, a proof required", needsProof, twoCredentials(byKey), binding.ReasonCredentialsAmbiguous, 400, figure},
		{"L/361 another key", only, dpopRequest("DPoP", byKey, "mallory"), binding.ReasonProofKeyMismatch, 401, dpop},
		{"L/362 another's signature", only, dpopRequest("DPoP", byKey, "alice forged"), binding.ReasonProofSignature, 401, dpop},
		{"L/364 both, both proven", only, dpopRequest("DPoP", byBoth, "alice", holder), "", 0, none},
		{"L/364 both, unbound accepted", lax, dpopRequest("DPoP", byBoth, "alice", holder), "", 0, none},
		{"L/365 both, another certificate", only, dpopRequest("DPoP", byBoth, "alice", other), binding.ReasonThumbprintMismatch, 401, dpop},
		{"L/365 both, no certificate", lax, dpopRequest("DPoP", byBoth, "alice"), binding.ReasonCertificateMissing, 401, dpop},
		{"L/365 both, no proof", only, dpopRequest("DPoP", byBoth, "", holder), binding.ReasonProofMissing, 401, dpop},
		{"L/365 both, no proof, scheme accepted without", auth0, dpopRequest("DPoP", byBoth, "", holder), binding.ReasonProofMissing, 401, dpop},
		{"L/365 both, another key", only, dpopRequest("DPoP", byBoth, "mallory", holder), binding.ReasonProofKeyMismatch, 401, dpop},
		{"L/365 both, Bearer with the certificate", lax, dpopRequest("Bearer", byBoth, "", holder), binding.ReasonTokenScheme, 401, both},
		{"L/366 a proof required, by certificate", needsProof, dpopRequest("Bearer", byCertificate, "", holder), binding.ReasonTokenBinding, 401, dpop},
		{"L/366 a certificate required, by key", needsCertificate, dpopRequest("DPoP", byKey, "alice", holder), binding.ReasonTokenBinding, 401, dpop},
		{"L/366 a certificate required, by certificate", needsCertificate, dpopRequest("Bearer", byCertificate, "", holder), "", 0, none},
		{"L/366 a proof required, by key", needsProof, dpopRequest("DPoP", byKey, "alice"), "", 0, none},
		{"L/366 both required, by both", needsBoth, dpopRequest("DPoP", byBoth, "alice", holder), "", 0, none},
		{"L/366 both required, by key", needsBoth, dpopRequest("DPoP", byKey, "alice", holder), binding.ReasonTokenBinding, 401, dpop},
		{"L/366 a proof required, no credentials", needsProof, withoutCredentials(dpopRequest("DPoP", byKey, "")), binding.ReasonCredentialsMissing, 401, dpop},
		{"L/366 a proof required, Bearer", needsProof, dpopRequest("Bearer", byKey, ""), binding.ReasonTokenScheme, 401, dpop},
		{"L/367 an expired token, a good proof", only, dpopRequest("DPoP", expired, "alice"), binding.ReasonTokenExpired, 401, dpop},
		{"L/370 a used proof", only, dpopRequest("DPoP", byKey, "alice used"), binding.ReasonProofReplayed, 401, dpop},
		{"L/376 the memory of proofs is away", only, dpopRequest("DPoP", byKey, "alice away"), binding.ReasonReplaysUnavailable, 503, none},
		{"L/381 no scope", binding.Config{Scopes: []string{"admin"}}, dpopRequest("DPoP", byKey, "alice"), binding.ReasonScopeMissing, 403, dpop},
		{"an old nonce", only, dpopRequest("DPoP", byKey, "old-nonce"), binding.ReasonProofNonce, 401, dpop},
		{"a verifier that fails", only, dpopRequest("DPoP", byKey, "failed"), binding.ReasonUnavailable, 503, none},
		{"a verifier that returns nothing", only, dpopRequest("DPoP", byKey, "nothing"), binding.ReasonUnavailable, 503, none},
		{"a proof that fails", only, dpopRequest("DPoP", byKey, "alice failed"), binding.ReasonUnavailable, 503, none},
		{"a proof that panics", only, dpopRequest("DPoP", byKey, "alice panics"), binding.ReasonPanicked, 500, none},
		{"another scheme", only, dpopRequest("Basic", "eA==", ""), binding.ReasonCredentialsUnsupported, 401, both},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			config := row.config
			config.Proofs = new(proofs)
			token, err := newGuard(t, config).Check(row.request)
			if row.reason == "" {
				require.NoError(t, err)
				require.NotNil(t, token)
				return
			}
			refusal := refusalOf(t, err)
			require.Equal(t, row.reason, refusal.Reason)
			require.Equal(t, row.status, refusal.StatusCode())
			require.Equal(t, row.challenges, shapeOf(t, refusal))
		})
	}
}

// A refusal says which key the token is bound to and which was proven.
func TestKeysOfAMismatch(t *testing.T) {
	t.Parallel()
	_, err := newGuard(t, binding.Config{Proofs: new(proofs)}).Check(dpopRequest("DPoP", bearer(claims(t, boundToKey("alice", nil))), "mallory"))
	refusal := refusalOf(t, err)
	require.Equal(t, keyOf("alice"), refusal.ExpectedKey)
	require.Equal(t, keyOf("mallory"), refusal.PresentedKey)
}

// What failed is named to whoever reads the log.
func TestCauseOfAProofVerifierThatReturnsNothing(t *testing.T) {
	t.Parallel()
	_, err := newGuard(t, binding.Config{Proofs: new(proofs)}).Check(dpopRequest("DPoP", bearer(claims(t, boundToKey("alice", nil))), "nothing"))
	require.ErrorContains(t, refusalOf(t, err).Cause, "ProofVerifier returned no proof")
}

// shapeOf says which challenges there are, and holds each to its grammar and to
// whether it names the error.
func shapeOf(t *testing.T, refusal *binding.Error) string {
	t.Helper()
	var shape []string
	for i, challenge := range refusal.Challenges() {
		scheme, _, _ := strings.Cut(challenge, " ")
		if scheme == "DPoP" {
			require.Contains(t, challenge, `algs="ES256 PS256"`)
		}
		if named := strings.Contains(challenge, `error="`+refusal.Code()+`"`); i > 0 && !named {
			require.Equal(t, `DPoP algs="ES256 PS256"`, challenge)
			scheme += " algs"
		} else if i > 0 || refusal.Code() != "" {
			require.True(t, named, challenge)
		}
		shape = append(shape, scheme)
	}
	if refusal.Code() == "" && len(shape) == 2 && shape[1] == "DPoP" {
		shape[1] = "DPoP algs"
	}
	return strings.Join(shape, "+")
}

func withoutCredentials(r *http.Request) *http.Request {
	r.Header.Del("Authorization")
	return r
}

func twoCredentials(token string) *http.Request {
	r := dpopRequest("DPoP", token, "alice")
	r.Header.Add("Authorization", "Bearer "+token)
	return r
}

// The exact challenges of RFC 9449's figures 12 and 15 to 19, with our texts.
func TestChallengesOfDPoP(t *testing.T) {
	t.Parallel()
	byKey := bearer(claims(t, boundToKey("alice", nil)))
	config := binding.Config{Proofs: new(proofs), Realm: "accounts", ResourceMetadata: resourceMetadata, Scopes: []string{"admin"}}
	for name, row := range map[string]struct {
		request *http.Request
		want    []string
	}{
		"no credentials": {withoutCredentials(request("t")), []string{
			`Bearer realm="accounts", scope="admin", resource_metadata="` + resourceMetadata + `"`, `DPoP algs="ES256 PS256"`}},
		"another key": {dpopRequest("DPoP", byKey, "mallory"), []string{
			`DPoP realm="accounts", error="invalid_token", error_description="the access token is bound to another DPoP key", resource_metadata="` + resourceMetadata + `", algs="ES256 PS256"`}},
		"no proof": {dpopRequest("DPoP", byKey, ""), []string{
			`DPoP realm="accounts", error="invalid_dpop_proof", error_description="the request carries no DPoP proof", resource_metadata="` + resourceMetadata + `", algs="ES256 PS256"`}},
		"no scope": {dpopRequest("DPoP", byKey, "alice"), []string{
			`DPoP realm="accounts", error="insufficient_scope", error_description="the access token lacks a scope that this request needs", scope="admin", resource_metadata="` + resourceMetadata + `", algs="ES256 PS256"`}},
		"bound to nothing": {dpopRequest("Bearer", bearer(claims(t, nil)), ""), []string{
			`Bearer realm="accounts", error="invalid_token", error_description="the access token is bound to nothing", resource_metadata="` + resourceMetadata + `"`, `DPoP algs="ES256 PS256"`}},
	} {
		_, err := newGuard(t, config).Check(row.request)
		require.Equal(t, row.want, refusalOf(t, err).Challenges(), name)
	}
}

// A guard without Proofs answers as if there were no DPoP.
func TestGuardWithoutProofs(t *testing.T) {
	t.Parallel()
	byKey := bearer(claims(t, boundToKey("alice", nil)))
	for name, row := range map[string]struct {
		request *http.Request
		reason  binding.Reason
	}{
		"L/294 under Bearer": {dpopRequest("Bearer", byKey, ""), binding.ReasonConfirmationDPoP},
		"L/294 under DPoP":   {dpopRequest("DPoP", byKey, "alice"), binding.ReasonCredentialsUnsupported},
		"unbound":            {request(bearer(claims(t, nil))), binding.ReasonTokenUnbound},
	} {
		_, err := newGuard(t, binding.Config{}).Check(row.request)
		refusal := refusalOf(t, err)
		require.Equal(t, row.reason, refusal.Reason, name)
		require.Len(t, refusal.Challenges(), 1, name)
		require.True(t, strings.HasPrefix(refusal.Challenges()[0], "Bearer "), name)
		require.NotEqual(t, "the access token is bound to nothing", refusal.Description(), name)
	}
	// Nor is there a nonce, though the scheme is accepted.
	r := dpopRequest("DPoP", byKey, "")
	_, err := newGuard(t, binding.Config{AcceptDPoPScheme: true}).Check(r)
	requireRefused(t, err, binding.ReasonConfirmationDPoP, 401)
	w := httptest.NewRecorder()
	refusalOf(t, err).Write(w, r)
	require.Equal(t, 401, w.Code)
	require.NotContains(t, w.Header(), "Dpop-Nonce")
}

// A proof is used up last, and only for a token that is bound to a key and whose
// other binding holds: nobody burns another's.
func TestProofIsUsedLast(t *testing.T) {
	t.Parallel()
	holder, other := newCertificate(t, "holder").Leaf, newCertificate(t, "other").Leaf
	byBoth := bearer(claims(t, boundToKey("alice", holder)))
	for name, row := range map[string]struct {
		request *http.Request
		journal []string
	}{
		"accepted":                  {dpopRequest("DPoP", byBoth, "alice", holder), []string{"read", "used"}},
		"L/374 another key":         {dpopRequest("DPoP", byBoth, "mallory", holder), []string{"read"}},
		"L/374 another certificate": {dpopRequest("DPoP", byBoth, "alice", other), []string{"read"}},
		"L/367 a bad token":         {dpopRequest("DPoP", "x", "alice", holder), []string{"read"}},
		"L/287 not needed":          {dpopRequest("Bearer", bearer(claims(t, boundTo(holder))), "alice", holder), nil},
	} {
		verifier := new(proofs)
		_, _ = newGuard(t, binding.Config{Proofs: verifier, Authorize: func(context.Context, *binding.Token, binding.Certificate) error {
			require.Equal(t, row.journal, verifier.journal, name)
			return nil
		}}).Check(row.request)
		require.Equal(t, row.journal, verifier.journal, name)
	}
}

// What a token's verifier may know of the proof. A signature is verified once, whoever asks.
func TestPresentedKey(t *testing.T) {
	t.Parallel()
	payload := claims(t, boundToKey("alice", nil))
	for name, row := range map[string]struct {
		scheme, proof string
		verifies      bool // the ProofVerifier knows how to verify the signature alone
		key           string
		proves        bool
		journal       []string
		reason        binding.Reason
	}{
		"a good proof":                 {"DPoP", "alice", true, "alice", true, []string{"read", "verified", "used"}, ""},
		"a forged one":                 {"DPoP", "alice forged", true, "alice", false, []string{"read", "verified"}, binding.ReasonProofSignature},
		"one that cannot be verified":  {"DPoP", "alice failed", true, "alice", false, []string{"read", "verified"}, binding.ReasonUnavailable},
		"one by another key":           {"DPoP", "mallory", true, "mallory", true, []string{"read", "verified"}, binding.ReasonProofKeyMismatch},
		"a verifier that cannot":       {"DPoP", "alice", false, "alice", false, []string{"read", "used"}, ""},
		"no proof":                     {"DPoP", "", true, "", false, nil, binding.ReasonProofMissing},
		"a proof without the scheme":   {"Bearer", "alice", true, "", false, nil, binding.ReasonTokenScheme},
		"used before, known too late":  {"DPoP", "alice used", true, "alice", true, []string{"read", "verified", "used"}, binding.ReasonProofReplayed},
		"forged, and none can tell it": {"DPoP", "alice forged", false, "alice", false, []string{"read", "used"}, binding.ReasonProofSignature},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verifier := &proofs{verifies: row.verifies}
			_, err := newGuard(t, binding.Config{Proofs: verifier, Tokens: verifierFunc(func(ctx context.Context, _ string) (*binding.Token, error) {
				key, presented := binding.PresentedKey(ctx)
				require.Equal(t, row.key != "", presented)
				if presented {
					require.Equal(t, keyOf(row.key), key)
				}
				require.Equal(t, row.proves, binding.ProvesPresentedKey(ctx))
				require.Equal(t, row.proves, binding.ProvesPresentedKey(ctx))
				return mustParse(t, payload).Validate(good)
			})}).Check(dpopRequest(row.scheme, "opaque", row.proof))
			if row.reason == "" {
				require.NoError(t, err)
			} else {
				require.Equal(t, row.reason, binding.AsError(err).Reason)
			}
			require.Equal(t, row.journal, verifier.journal)
		})
	}
	_, presented := binding.PresentedKey(t.Context())
	require.False(t, presented, "no guard's context")
	require.False(t, binding.ProvesPresentedKey(t.Context()))
}

// An opaque token tells a thief nothing, whatever is wrong with the proof.
func TestOpaqueTokenAndProof(t *testing.T) {
	t.Parallel()
	opaque := verifierFunc(func(_ context.Context, token string) (*binding.Token, error) {
		if token != "alive" {
			return nil, &binding.Error{Reason: binding.ReasonTokenInactive, Opaque: true}
		}
		return mustParse(t, claims(t, boundToKey("alice", nil))).Validate(binding.Expect{Issuer: issuer, Audiences: []string{audience}, Now: now, Introspection: true})
	})
	guard := newGuard(t, binding.Config{Tokens: opaque, Proofs: new(proofs)})
	var first *httptest.ResponseRecorder
	for _, r := range []*http.Request{
		dpopRequest("DPoP", "dead", "mallory"),
		dpopRequest("DPoP", "alive", "mallory"),
		dpopRequest("DPoP", "alive", "alice forged"),
		dpopRequest("DPoP", "alive", "alice used"),
	} {
		_, err := guard.Check(r)
		recorder := httptest.NewRecorder()
		refusalOf(t, err).Write(recorder, r)
		if first == nil {
			first = recorder
		}
		require.Equal(t, first.Code, recorder.Code, "L/368")
		require.Equal(t, first.Header(), recorder.Header(), "L/368")
		require.Equal(t, first.Body.String(), recorder.Body.String(), "L/368")
	}
	require.Equal(t, 401, first.Code)
	require.Contains(t, first.Body.String(), "invalid_token")
}

// The nonce is on every refusal under the scheme DPoP, once, and on a success
// whose proof had another than the newest.
func TestNonceOfTheAnswer(t *testing.T) {
	t.Parallel()
	byKey := bearer(claims(t, boundToKey("alice", nil)))
	guard := newGuard(t, binding.Config{Proofs: &proofs{nonce: "newest"}, Scopes: []string{"accounts"}})
	nonceOf := func(r *http.Request) []string {
		header := http.Header{"Dpop-Nonce": {"from somewhere else"}}
		if admitted, err := guard.Admit(r); err != nil {
			binding.AsError(err).SetHeader(header)
		} else {
			header.Del("DPoP-Nonce")
			binding.SetAdmittedHeader(header, admitted)
			require.Equal(t, len(header["Dpop-Nonce"]) > 0, header.Get("Cache-Control") == "no-store")
		}
		return header.Values("DPoP-Nonce")
	}
	for _, proof := range []string{"", "malformed", "old-nonce", "mallory", "alice used", "alice away", "failed"} {
		require.Equal(t, []string{"newest"}, nonceOf(dpopRequest("DPoP", byKey, proof)), "L/355 %q", proof)
	}
	require.Equal(t, []string{"newest"}, nonceOf(dpopRequest("DPoP", "a b", "alice")), "400")
	require.Equal(t, []string{"newest"}, nonceOf(dpopRequest("DPoP", byKey, "alice stale")), "L/359")
	require.Empty(t, nonceOf(dpopRequest("DPoP", byKey, "alice")), "L/359")
	require.Equal(t, []string{"from somewhere else"}, nonceOf(dpopRequest("Bearer", byKey, "")), "nobody asked for a nonce")

	admitted, err := guard.Admit(dpopRequest("DPoP", byKey, "alice"))
	require.NoError(t, err)
	header := make(http.Header)
	binding.AsError(binding.CheckScopes(admitted.Context(), "admin")).SetHeader(header)
	require.Equal(t, "newest", header.Get("DPoP-Nonce"), "a refusal behind the guard")
	require.True(t, strings.HasPrefix(header.Get("WWW-Authenticate"), "DPoP "))

	header = make(http.Header)
	require.NotPanics(t, func() { binding.SetAdmittedHeader(header, request("")) })
	require.Empty(t, header, "no guard has admitted it")
	_, err = newGuard(t, binding.Config{Proofs: new(proofs)}).Check(dpopRequest("DPoP", byKey, ""))
	binding.AsError(err).SetHeader(header)
	require.NotContains(t, header, "Dpop-Nonce", "no nonces are required")
}

// A client that went away while its proof was judged is no fault of the memory of proofs.
func TestCanceledWhileAProofIsUsed(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := dpopRequest("DPoP", bearer(claims(t, boundToKey("alice", nil))), "alice failed").WithContext(ctx)
	_, err := newGuard(t, binding.Config{Proofs: new(proofs)}).Check(r)
	require.Equal(t, binding.ReasonCanceled, refusalOf(t, err).Reason)
}

// A verifier that asks somebody is told when no token could be accepted: each binding that the guard requires must be there to be
// proven, and of a token that may have either, one.
func TestRefusedUnaskedByWhatIsRequired(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	needsProof, needsCertificate := binding.Config{RequireProof: true}, binding.Config{RequireCertificate: true}
	needsBoth := binding.Config{RequireProof: true, RequireCertificate: true}
	for name, row := range map[string]struct {
		config  binding.Config
		request *http.Request
		want    binding.Reason
	}{
		"a proof alone":                         {binding.Config{}, dpopRequest("DPoP", "opaque", "alice"), ""},
		"a certificate alone":                   {binding.Config{}, dpopRequest("Bearer", "opaque", "", certificate), ""},
		"neither":                               {binding.Config{}, dpopRequest("Bearer", "opaque", ""), binding.ReasonCertificateMissing},
		"a proof alone, a certificate required": {needsCertificate, dpopRequest("DPoP", "opaque", "alice"), binding.ReasonCertificateMissing},
		"a proof alone, a proof required":       {needsProof, dpopRequest("DPoP", "opaque", "alice"), ""},
		"a certificate alone, a proof required": {needsProof, dpopRequest("Bearer", "opaque", "", certificate), binding.ReasonProofMissing},
		"neither, a proof required":             {needsProof, dpopRequest("Bearer", "opaque", ""), binding.ReasonCertificateMissing},
		"both, both required":                   {needsBoth, dpopRequest("DPoP", "opaque", "alice", certificate), ""},
		"a certificate alone, both required":    {needsBoth, dpopRequest("Bearer", "opaque", "", certificate), binding.ReasonProofMissing},
		"neither, unbound tokens accepted":      {binding.Config{Policy: binding.DangerouslyAcceptUnbound}, dpopRequest("Bearer", "opaque", ""), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got *binding.Error
			row.config.Proofs = new(proofs)
			row.config.Tokens = binding.TokenVerifierFunc(func(ctx context.Context, _ string) (*binding.Token, error) {
				got = binding.RefusedUnasked(ctx)
				return nil, errors.New("asks nobody")
			})
			guard, err := binding.New(row.config)
			require.NoError(t, err)
			_, err = guard.Check(row.request)
			require.Error(t, err)
			if row.want == "" {
				require.Nil(t, got)
				return
			}
			require.Equal(t, row.want, got.Reason)
			require.True(t, got.Opaque)
		})
	}
}

// A guard inside a guard asks for no proof twice.
func TestProofInNestedGuards(t *testing.T) {
	t.Parallel()
	alice := bearer(claims(t, boundToKey("alice", nil)))
	shared, another := new(proofs), new(proofs)
	outer := newGuard(t, binding.Config{Proofs: shared})
	admitted, err := outer.Admit(dpopRequest("DPoP", alice, "alice"))
	require.NoError(t, err)

	inner, err := newGuard(t, binding.Config{Proofs: shared, Scopes: []string{"accounts"}}).Admit(admitted)
	require.NoError(t, err)
	require.Equal(t, []string{"read", "used"}, shared.journal, "L/379")
	_, err = newGuard(t, binding.Config{Proofs: shared, RequireProof: true}).Check(inner)
	require.NoError(t, err)
	require.Equal(t, []string{"read", "used"}, shared.journal, "L/379")

	_, err = newGuard(t, binding.Config{Proofs: another}).Check(admitted)
	require.NoError(t, err)
	require.Equal(t, []string{"read", "used"}, another.journal, "another verifier has a memory of its own")

	exchanged := admitted.Clone(admitted.Context())
	exchanged.Header.Set("Authorization", "DPoP "+bearer(claims(t, members{"jti": "2", "cnf": members{"jkt": keyOf("alice").String()}})))
	_, err = newGuard(t, binding.Config{Proofs: shared}).Check(exchanged)
	require.NoError(t, err)
	require.Equal(t, []string{"read", "used", "read", "used"}, shared.journal, "another token needs a proof of its own")
}

// A guard outside that looked for no proof, or needed none, has proven nothing, and the one inside decides by itself.
func TestNestedGuardsOfATokenThatNeedsNoProof(t *testing.T) {
	t.Parallel()
	holder := newCertificate(t, "holder").Leaf
	token := bearer(claims(t, boundTo(holder)))
	verifier := new(proofs)
	inner := newGuard(t, binding.Config{AcceptDPoPScheme: true, Proofs: verifier})
	for name, outer := range map[string]*binding.Guard{
		"the same":     inner,
		"without them": newGuard(t, binding.Config{AcceptDPoPScheme: true}),
	} {
		admitted, err := outer.Admit(dpopRequest("DPoP", token, "", holder))
		require.NoError(t, err, name)
		_, err = inner.Check(admitted)
		require.NoError(t, err, name)
	}
}

// What a guard outside has proven is proven for that request, not for another that a handler makes and gives the same context.
func TestProofOfAnotherRequestInNestedGuards(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change func(*http.Request)
		again  bool
	}{
		"L/379 the same request":                           {func(*http.Request) {}, false},
		"L/379 http.StripPrefix between":                   {func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/", "" }, false},
		"L/379 another method":                             {func(r *http.Request) { r.Method = http.MethodDelete }, true},
		"L/379 another path":                               {func(r *http.Request) { r.RequestURI = "/accounts/7" }, true},
		"L/379 a request that was made here":               {func(r *http.Request) { r.RequestURI = "" }, true},
		"L/379 no server has read it, the same request":    {func(*http.Request) {}, false},
		"L/379 no server has read it, another path":        {func(r *http.Request) { r.URL = &url.URL{Path: "/payments"} }, true},
		"L/379 no server has read it, an escaped path":     {func(r *http.Request) { r.URL = &url.URL{Path: r.URL.Path, RawPath: "/%61ccounts"} }, true},
		"L/379 no server has read it, now it has a target": {func(r *http.Request) { r.RequestURI = r.URL.Path }, true},
	} {
		verifier := new(proofs)
		guard := newGuard(t, binding.Config{Proofs: verifier})
		r := dpopRequest("DPoP", bearer(claims(t, boundToKey("alice", nil))), "alice")
		require.NotEmpty(t, r.RequestURI)
		if strings.Contains(name, "no server has read it") {
			r.RequestURI = ""
		}
		admitted, err := guard.Admit(r)
		require.NoError(t, err, name)
		inner := admitted.Clone(admitted.Context())
		row.change(inner)
		_, err = guard.Check(inner)
		require.NoError(t, err, name)
		want := []string{"read", "used"}
		if row.again {
			want = append(want, want...)
		}
		require.Equal(t, want, verifier.journal, name)
	}
}

func TestRequirementsOfAGuard(t *testing.T) {
	t.Parallel()
	require.Equal(t, binding.Requirements{}, (*binding.Guard)(nil).Requirements())
	require.Equal(t, binding.Requirements{}, newGuard(t, binding.Config{}).Requirements())
	require.Equal(t, binding.Requirements{Certificate: true, Proof: true, ProofAlgorithms: []string{"ES256", "PS256"}},
		newGuard(t, binding.Config{Proofs: new(proofs), RequireProof: true, RequireCertificate: true}).Requirements())

	for name, row := range map[string]struct {
		config binding.Config
		fields []string
	}{
		"a proof that nobody reads":          {binding.Config{RequireProof: true}, []string{"RequireProof"}},
		"a nil verifier":                     {binding.Config{Proofs: (*proofs)(nil)}, []string{"Proofs"}},
		"a route that can prove nothing":     {binding.Config{Proofs: new(proofs), Policy: binding.DangerouslyBearerOnly}, []string{"Proofs"}},
		"required, and not":                  {binding.Config{RequireCertificate: true, Policy: binding.DangerouslyAcceptUnbound}, []string{"Policy"}},
		"a proof required, and not":          {binding.Config{RequireProof: true, Proofs: new(proofs), Policy: binding.DangerouslyAcceptUnbound}, []string{"Policy"}},
		"A/32 algorithms with a quote":       {binding.Config{Proofs: &algorithmWithQuote{}}, []string{"Proofs"}},
		"a verifier of no comparable type":   {binding.Config{Proofs: proofList{}}, []string{"Proofs"}},
		"a verifier that accepts no message": {binding.Config{Proofs: &noAlgorithms{}}, []string{"Proofs"}},
	} {
		row.config.Tokens = plain{}
		_, err := binding.New(row.config)
		var fields []string
		for mistake := range binding.ConfigErrors(err) {
			fields = append(fields, mistake.Field)
		}
		require.Equal(t, row.fields, slices.Compact(fields), name)
	}
}

type noAlgorithms struct{ proofs }

func (*noAlgorithms) Algorithms() []string { return nil }

type algorithmWithQuote struct{ proofs }

func (*algorithmWithQuote) Algorithms() []string { return []string{"ES256", `a"b`} }

type proofList []string

func (proofList) Algorithms() []string { return []string{"ES256"} }
func (proofList) Nonce() string        { return "" }
func (proofList) ReadProof(*http.Request, string) (binding.Proof, error) {
	return binding.Proof{}, nil
}
