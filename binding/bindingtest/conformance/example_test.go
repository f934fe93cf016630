package conformance_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"testing"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/bindingtest/conformance"
	"github.com/certbound/certbound/jwks"
)

// Without a test: a command, or a check before a deployment. In a test, conformance.Run takes the same Config and Target.
func ExampleKit_Check() {
	kit, err := conformance.New(conformance.Config{Audience: "https://api.bank.example", Path: "/accounts", Level: conformance.Must})
	if err != nil {
		log.Fatal(err)
	}
	defer kit.Close()

	var verifiers []*jwks.Verifier // one for each authorization server that the kit starts
	report, err := kit.Check(context.Background(), conformance.Handler(func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
		tokens, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport()})
		if err != nil {
			return nil, err
		}
		verifiers = append(verifiers, tokens)
		guard, err := binding.New(binding.Config{Tokens: tokens})
		if err != nil {
			return nil, err
		}
		accounts := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		return bindhttp.Protect(guard)(accounts), nil
	}))
	for _, tokens := range verifiers {
		_ = tokens.Close()
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Passed(), report.Rows(conformance.Violates))
	// Output: true []
}

// In a test, with a subtest for each input.
func ExampleRun() {
	TestConformance := func(t *testing.T) {
		conformance.Run(t, conformance.Config{Path: "/accounts"}, conformance.Handler(
			func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
				tokens, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport()})
				if err != nil {
					return nil, err
				}
				t.Cleanup(func() { _ = tokens.Close() })
				guard, err := binding.New(binding.Config{Tokens: tokens})
				if err != nil {
					return nil, err
				}
				accounts := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
				return bindhttp.Protect(guard)(accounts), nil
			}))
	}
	_ = TestConformance
}

// Incorrect: nothing protects this handler. The kit finds what it lets in.
func ExampleKit_Check_incorrect() {
	kit, err := conformance.New(conformance.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer kit.Close()
	report, err := kit.Check(context.Background(), conformance.Handler(func(*bindingtest.AuthorizationServer) (http.Handler, error) {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), nil // incorrect
	}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Passed(), len(report.Rows(conformance.Violates)) > 100)
	// Output: false true
}
