package ownverifier

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo/v4"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindecho"
	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/bindingtest/conformance"
	"github.com/certbound/certbound/jwks"
)

// A setup makes an API with one verifier behind the guard.
type setup func(ctx context.Context, as *bindingtest.AuthorizationServer) (http.Handler, error)

var whoami = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	token, _ := binding.TokenFromContext(r.Context())
	fmt.Fprintln(w, token.Subject())
})

func protected(tokens binding.TokenVerifier, err error) (http.Handler, error) {
	if err != nil {
		return nil, err
	}
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		return nil, err
	}
	return bindhttp.Protect(guard)(whoami), nil
}

func overHTTP(as *bindingtest.AuthorizationServer) *http.Client {
	return &http.Client{Transport: as.Transport()}
}

func keysOf(ctx context.Context, as *bindingtest.AuthorizationServer) (keyfunc.Keyfunc, error) {
	return newKeyfunc(ctx, overHTTP(as), as.URL(bindingtest.JWKSPath), slog.New(slog.DiscardHandler))
}

func parserFor(as *bindingtest.AuthorizationServer) *jwt.Parser {
	return jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(as.Issuer()), jwt.WithAudience(as.Audience()),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(time.Minute))
}

var setups = map[string]setup{
	"go-oidc": func(ctx context.Context, as *bindingtest.AuthorizationServer) (http.Handler, error) {
		verifier, err := newGoOIDC(oidc.ClientContext(ctx, overHTTP(as)), as.Issuer())
		if err != nil {
			return nil, err
		}
		return protected(goOIDC(verifier, as.Issuer(), as.Audience()), nil)
	},
	"golang-jwt": func(ctx context.Context, as *bindingtest.AuthorizationServer) (http.Handler, error) {
		keys, err := keysOf(ctx, as)
		if err != nil {
			return nil, err
		}
		return protected(golangJWT(parserFor(as), keys.Keyfunc, as.Issuer(), as.Audience()), nil)
	},
	"jwx": func(ctx context.Context, as *bindingtest.AuthorizationServer) (http.Handler, error) {
		cache := jwk.NewCache(ctx)
		if err := cache.Register(as.URL(bindingtest.JWKSPath), jwk.WithHTTPClient(overHTTP(as))); err != nil {
			return nil, err
		}
		return protected(jwxCache(cache, as.URL(bindingtest.JWKSPath), as.Issuer(), as.Audience()), nil)
	},
	"echo-jwt": func(ctx context.Context, as *bindingtest.AuthorizationServer) (http.Handler, error) {
		keys, err := keysOf(ctx, as)
		if err != nil {
			return nil, err
		}
		guard, err := binding.New(binding.Config{Tokens: echoJWT(as.Issuer(), as.Audience())})
		if err != nil {
			return nil, err
		}
		e := echo.New()
		e.Use(before(keys.Keyfunc), bindecho.Protect(guard))
		e.GET("/", echo.WrapHandler(whoami))
		return e, nil
	},
}

// own is the verifier that the others are held against.
func own(_ context.Context, as *bindingtest.AuthorizationServer) (http.Handler, error) {
	return protected(jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport()}))
}

// letIn is the bad input that a server answers with 200, and that the kit asks it
// to refuse.
func letIn(t *testing.T, make setup) []conformance.Result {
	t.Helper()
	kit, err := conformance.New(conformance.Config{StartWait: 2 * time.Second, KeyWait: time.Millisecond})
	require.NoError(t, err)
	defer kit.Close()
	report, err := kit.Check(t.Context(), conformance.Handler(func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
		return make(t.Context(), as)
	}))
	require.NoError(t, err)
	var found []conformance.Result
	for _, result := range report.Results {
		if result.Row == 0 {
			require.Equal(t, conformance.AsExpected, result.Verdict, "the good request: %s", result.Got)
		} else if result.Verdict != conformance.AsExpected && strings.HasPrefix(result.Got, "200") {
			found = append(found, result)
		}
	}
	t.Logf("%v", report.Summary)
	return found
}

var update = flag.Bool("update", false, "write the guide's table anew")

// What each lets in that jwks does not is what the guide's table says.
func TestWhatTheyLetIn(t *testing.T) {
	require.Empty(t, letIn(t, own))
	names := slices.Sorted(maps.Keys(setups))
	lets := map[string]map[int]bool{}
	rows := map[int]string{}
	for _, name := range names {
		lets[name] = map[int]bool{}
		for _, result := range letIn(t, setups[name]) {
			lets[name][result.Row] = true
			rows[result.Row] = cmp.Or(rows[result.Row], result.Name)
		}
	}
	var table strings.Builder
	fmt.Fprintf(&table, "| row | what is let in | %s |\n|---|---|%s\n", strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	for _, row := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(&table, "| %d | %s |", row, strings.ReplaceAll(rows[row], "|", `\|`))
		for _, name := range names {
			mark := ""
			if lets[name][row] {
				mark = "yes"
			}
			fmt.Fprintf(&table, " %s |", mark)
		}
		table.WriteString("\n")
	}
	table.WriteString("| | *rows in all* |")
	for _, name := range names {
		fmt.Fprintf(&table, " %d |", len(lets[name]))
	}
	table.WriteString("\n")
	sync(t, "../../binding/ownverifier.md", "examples/ownverifier", table.String())
}

// A verifier that returns another library's error as it is tells the client that
// the server is at fault, and the client keeps a dead token.
func TestTheNaiveLine(t *testing.T) {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	require.NoError(t, err)
	defer as.Close()
	keys, err := keysOf(t.Context(), as)
	require.NoError(t, err)
	parser := parserFor(as)
	naive := binding.TokenVerifierFunc(func(_ context.Context, token string) (*binding.Token, error) {
		if _, err := parser.Parse(token, keys.Keyfunc); err != nil {
			return nil, err
		}
		return nil, nil
	})
	certificate, err := as.NewClientCertificate("client")
	require.NoError(t, err)
	expired := bindingtest.TokenSpec{Certificate: certificate.Leaf, ExpiresIn: -time.Hour}
	for name, row := range map[string]struct {
		tokens binding.TokenVerifier
		status int
	}{
		"M/422 the naive line": {naive, http.StatusServiceUnavailable},
		"M/422 told apart":     {golangJWT(parser, keys.Keyfunc, as.Issuer(), as.Audience()), http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			handler, err := protected(row.tokens, nil)
			require.NoError(t, err)
			api := as.Serve(handler)
			defer api.Close()
			response, err := as.ClientFor(expired, certificate).Get(api.URL)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.Equal(t, row.status, response.StatusCode)
		})
	}
}

// A thief is refused by each.
func TestAThief(t *testing.T) {
	for name, make := range setups {
		t.Run(name, func(t *testing.T) {
			as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
			require.NoError(t, err)
			defer as.Close()
			handler, err := make(t.Context(), as)
			require.NoError(t, err)
			api := as.Serve(handler)
			defer api.Close()
			for client, status := range map[*http.Client]int{as.BoundClient("alice"): 200, as.WronglyBoundClient("alice"): 401} {
				response, err := client.Get(api.URL)
				require.NoError(t, err)
				require.NoError(t, response.Body.Close())
				require.Equal(t, status, response.StatusCode)
			}
		})
	}
}
