package binding_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/certbound/certbound/binding"
)

// A mistake is found at once, and so is every other.
func ExampleNew_mistakes() {
	_, err := binding.New(binding.Config{
		Scopes: []string{"accounts payments"}, // two in one
		Realm:  `the "bank"`,
	})
	fmt.Println(err)
	var mistake binding.ConfigError
	fmt.Println(errors.As(err, &mistake), mistake.Field)
	// Output:
	// binding: the guard's Config is wrong: Tokens: a TokenVerifier is required
	// Scopes: "accounts payments" is not a scope token (RFC 6749 section 3.3)
	// Realm: must be printable ASCII without quote and backslash (RFC 6750 section 3)
	// true Tokens
}

// A rule of the application's own. It is asked last, so that a thief learns nothing from it, and for every request.
func ExampleConfig_authorize() {
	certificate, tokens := exampleClient()
	revoked := map[string]bool{}
	guard, err := binding.New(binding.Config{
		Tokens: tokens,
		Authorize: func(_ context.Context, token *binding.Token, certificate binding.Certificate) error {
			switch {
			case revoked[token.Subject()]:
				return &binding.Error{Reason: binding.ReasonTokenRevoked, Cause: errors.New("left the bank")} // 401
			case certificate.DER == nil:
				return &binding.Error{Reason: binding.ReasonUnavailable} // 503
			case token.Subject() != "alice":
				return errors.New("not alice") // 403
			}
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	accounts := protect(guard, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "accounts") })

	fmt.Println(send(accounts, "good", certificate).Code)
	revoked["alice"] = true
	fmt.Println(send(accounts, "good", certificate).Code)
	// Output:
	// 200
	// 401
}

// A body of one's own. Status, challenge and Cache-Control stay.
func ExampleConfig_onError() {
	_, tokens := exampleClient()
	guard, err := binding.New(binding.Config{
		Tokens: tokens,
		OnError: func(w http.ResponseWriter, _ *http.Request, refusal *binding.Error) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = fmt.Fprint(w, "No: ", refusal.Description())
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	accounts := protect(guard, func(http.ResponseWriter, *http.Request) {})

	answer := send(accounts, "good")
	fmt.Println(answer.Code, answer.Body)
	fmt.Println(answer.Header().Get("WWW-Authenticate"))
	// Output:
	// 401 No: the access token is bound to a client certificate, and the client presented none
	// Bearer error="invalid_token", error_description="the access token is bound to a client certificate, and the client presented none"
}

// One event for each decision, for logs and metrics.
func ExampleConfig_observe() {
	certificate, tokens := exampleClient()
	decisions := map[binding.Reason]int{}
	guard, err := binding.New(binding.Config{
		Tokens:  tokens,
		Observe: func(_ context.Context, event binding.Event) { decisions[event.Reason()]++ }, // with a lock, in a server
	})
	if err != nil {
		log.Fatal(err)
	}
	accounts := protect(guard, func(http.ResponseWriter, *http.Request) {})

	send(accounts, "good", certificate)
	send(accounts, "good")
	send(accounts, "forged", certificate)
	fmt.Println(decisions)
	// Output: map[:1 certificate_missing:1 token_malformed:1]
}

// The policy, the scopes and the rules of a route are another guard over the same verifier.
func ExampleConfig_routes() {
	certificate, tokens := exampleClient()
	everywhere, err := binding.New(binding.Config{Tokens: tokens, Policy: binding.DangerouslyAcceptUnbound})
	if err != nil {
		log.Fatal(err)
	}
	strict, err := binding.New(binding.Config{Tokens: tokens, Scopes: []string{"payments"}})
	if err != nil {
		log.Fatal(err)
	}
	done := func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "done") }
	fmt.Println(send(protect(everywhere, done), "unbound").Code)
	fmt.Println(send(protect(strict, done), "unbound").Code)
	fmt.Println(send(protect(strict, done), "good", certificate).Code)
	// Output:
	// 200
	// 401
	// 403
}

// For a handler that finds out what it needs: behind a guard, with the guard's realm, observer and error handler.
func ExampleCheckScopes() {
	certificate, tokens := exampleClient()
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	transfer := protect(guard, func(w http.ResponseWriter, r *http.Request) {
		if err := binding.CheckScopes(r.Context(), "payments"); err != nil {
			binding.AsError(err).Write(w, r)
			return
		}
		_, _ = fmt.Fprint(w, "transferred")
	})

	answer := send(transfer, "good", certificate)
	fmt.Println(answer.Code, answer.Header().Get("WWW-Authenticate"))
	// Output: 403 Bearer error="insufficient_scope", error_description="the access token lacks a scope that this request needs", scope="payments"
}

// Incorrect: without a guard in front there is no token whose scopes could be checked. That is no mistake of the client's,
// and nobody gets in.
func ExampleCheckScopes_incorrect() {
	transfer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := binding.CheckScopes(r.Context(), "payments"); err != nil {
			binding.AsError(err).Write(w, r)
		}
	})
	fmt.Println(send(transfer, "good").Code)
	// Output: 500
}

// For a handler that either of two scopes will do for.
func ExampleCheckAnyScope() {
	certificate, tokens := exampleClient()
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	statements := protect(guard, func(w http.ResponseWriter, r *http.Request) {
		if err := binding.CheckAnyScope(r.Context(), "accounts", "audit"); err != nil {
			binding.AsError(err).Write(w, r)
			return
		}
		_, _ = fmt.Fprint(w, "statements")
	})

	fmt.Println(send(statements, "good", certificate).Header().Get("WWW-Authenticate"))
	// Output: Bearer error="insufficient_scope", error_description="the access token lacks a scope that this request needs", scope="accounts audit"
}

// The thumbprint of a DPoP key (RFC 7638) has the same forms as that of a certificate.
func ExampleParseKeyThumbprint() {
	thumbprint, err := binding.ParseKeyThumbprint("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")
	fmt.Println(thumbprint, err)
	_, err = binding.ParseKeyThumbprint("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I=")
	fmt.Println(binding.AsError(err).Reason)
	// Output:
	// 0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I <nil>
	// thumbprint_padded
}

// The forms that issuers get wrong are told apart, and all refused.
func ExampleParseThumbprint() {
	for _, value := range []string{
		"A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0",
		"A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0=",
		"0380ed2f626650c840b2f263e6d2b29fae12ab39ae5db32b25ad27efad72e6fd",
		"A4DtL2JmUMhAsvJj5tKyn64Sqzk",
	} {
		thumbprint, err := binding.ParseThumbprint(value)
		if err != nil {
			fmt.Println(binding.AsError(err).Reason)
			continue
		}
		fmt.Println(thumbprint)
	}
	// Output:
	// A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0
	// thumbprint_padded
	// thumbprint_hex
	// thumbprint_sha1
}

// A guard that only reports, for the time before it is trusted to refuse: see rollout.md.
func ExampleGuard_Check_shadow() {
	_, tokens := exampleClient()
	guard, err := binding.New(binding.Config{
		Tokens: tokens,
		Observe: func(_ context.Context, event binding.Event) {
			if !event.Accepted() {
				fmt.Println("would refuse:", event.Reason())
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	shadow := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = guard.Check(r) // the observer has it
			next.ServeHTTP(w, r)
		})
	}
	accounts := shadow(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "accounts") }))

	fmt.Println(send(accounts, "unbound").Code)
	// Output:
	// would refuse: token_unbound
	// 200
}

// fromMesh is a source of one's own: a service mesh that forwards nothing but the digest, to a server that only its own
// sidecar can reach.
type fromMesh struct{}

const meshHeader = "X-Mesh-Client-Digest"

// Headers has Guard.Admit remove the header before the handler runs.
func (*fromMesh) Headers() []string { return []string{meshHeader} }

// ClientCertificate returns no certificate where there is no header, and an error where there is one that it cannot read: a
// bound token is then refused, and never taken for an unbound one.
func (*fromMesh) ClientCertificate(r *http.Request) (binding.Certificate, error) {
	values := r.Header.Values(meshHeader)
	if len(values) == 0 {
		return binding.Certificate{}, nil
	}
	if len(values) > 1 {
		return binding.Certificate{}, &binding.Error{Reason: binding.ReasonForwardedAmbiguous}
	}
	thumbprint, err := binding.ParseThumbprint(values[0])
	if err != nil {
		return binding.Certificate{}, &binding.Error{Reason: binding.ReasonForwardedMalformed}
	}
	return binding.Certificate{Thumbprint: thumbprint}, nil
}

// Package forwarded knows what most proxies send. This is for one that it does not know.
func ExampleCertificateSource() {
	certificate, tokens := exampleClient()
	guard, err := binding.New(binding.Config{Tokens: tokens, Certificates: &fromMesh{}})
	if err != nil {
		log.Fatal(err)
	}
	accounts := protect(guard, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%q", r.Header.Get(meshHeader))
	})
	sidecar := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set(meshHeader, binding.ThumbprintOf(certificate).String())
		accounts.ServeHTTP(w, r)
	})

	fmt.Println(send(sidecar, "good").Code, send(sidecar, "good").Body)
	fmt.Println(send(accounts, "good").Code)
	// Output:
	// 200 ""
	// 401
}

// A payment needs a user who was authenticated in the last five minutes, with more than a password. The challenge tells the
// client what to ask the authorization server for (RFC 9470). Each adapter has it as RequireAuthentication.
func ExampleCheckAuthentication() {
	certificate, tokens := exampleClient()
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	pay := protect(guard, func(w http.ResponseWriter, r *http.Request) {
		if err := binding.CheckAuthentication(r.Context(), binding.Authentication{
			ACRValues: []string{"urn:bank:two-factors"},
			MaxAge:    5 * time.Minute,
		}); err != nil {
			binding.AsError(err).Write(w, r)
			return
		}
		_, _ = fmt.Fprint(w, "paid")
	})
	answer := send(pay, "good", certificate)
	fmt.Println(answer.Code, answer.Header().Get("WWW-Authenticate"))
	// Output:
	// 401 Bearer error="insufficient_user_authentication", error_description="the authentication of the user is too weak or too old for this request", acr_values="urn:bank:two-factors", max_age="300"
}

// The certificate that was proven, over TLS or behind a proxy.
func ExampleCertificateFromContext() {
	certificate, tokens := exampleClient()
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	accounts := protect(guard, func(w http.ResponseWriter, r *http.Request) {
		proven, _ := binding.CertificateFromContext(r.Context())
		parsed, err := proven.X509()
		if err != nil {
			http.Error(w, "the proxy forwards a digest alone", http.StatusInternalServerError)
			return
		}
		_, _ = fmt.Fprint(w, parsed.Subject)
	})
	fmt.Println(send(accounts, "good", certificate).Body)
	// Output: CN=client-1
}

// Each mistake of a configuration, by the field that it is in.
func ExampleConfigErrors() {
	_, err := binding.New(binding.Config{Realm: `"`})
	for mistake := range binding.ConfigErrors(err) {
		fmt.Println(mistake.Field)
	}
	// Output:
	// Tokens
	// Realm
}
