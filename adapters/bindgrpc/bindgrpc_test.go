package bindgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/certbound/certbound/adapters/bindgrpc"
	"github.com/certbound/certbound/adapters/internal/suite"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks/dpop"
)

const otherCertificate = "the access token is bound to another client certificate"

func TestCalls(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	token := f.Good(t)
	owner := []string{"authorization", "Bearer " + token}
	several := refusal{
		code: codes.Unauthenticated, reason: "invalid_request", message: "the request must carry exactly one Authorization field",
		challenges: []string{`Bearer error="invalid_request", error_description="the request must carry exactly one Authorization field"`},
	}
	for name, test := range map[string]struct {
		client   *suite.Client
		metadata []string
		want     *refusal // nil: it is accepted
	}{
		"the owner":                {f.Holder, owner, nil},
		"the owner, in lower case": {f.Holder, []string{"authorization", "bearer " + token}, nil},
		"a thief":                  {f.Other, owner, ptr(unauthenticated("invalid_token", otherCertificate))},
		"a thief without a certificate": {f.Nobody, owner,
			ptr(unauthenticated("invalid_token", "the access token is bound to a client certificate, and the client presented none"))},
		"no token":                 {f.Holder, nil, &noCredentials},
		"another scheme":           {f.Holder, []string{"authorization", "Basic eDp5"}, &noCredentials},
		"no b64token":              {f.Holder, []string{"authorization", "Bearer a b"}, ptr(unauthenticated("invalid_request", "the Authorization field must be Bearer, a space and an access token"))},
		"two tokens":               {f.Holder, append([]string{"authorization", "Bearer x"}, owner...), &several},
		"the same token twice":     {f.Holder, append(owner, owner...), &several},
		"two tokens and a comma":   {f.Holder, []string{"authorization", "Bearer " + token + ", Bearer " + token}, ptr(unauthenticated("invalid_request", "the Authorization field must be Bearer, a space and an access token"))},
		"a binary token":           {f.Holder, []string{"authorization-bin", "Bearer " + token}, &noCredentials},
		"a binary one beside ours": {f.Holder, append([]string{"authorization-bin", "Bearer x"}, owner...), nil},
		"a token of 1 MiB":         {f.Holder, []string{"authorization", "Bearer " + strings.Repeat("a", 1<<20-1<<10)}, ptr(unauthenticated("invalid_token", "the access token is too long"))},
		"metadata of 1 MiB":        {f.Holder, append([]string{"x-padding", strings.Repeat("a", 1<<20)}, owner...), ptr(refusal{code: codes.ResourceExhausted, message: "the metadata of the call is too large"})},
		"20,000 fields":            {f.Holder, append(strings.Split(strings.Repeat("x-padding,a,", 30000), ",")[:60000], owner...), ptr(refusal{code: codes.ResourceExhausted, message: "the metadata of the call is too large"})},
		"metadata of half of it":   {f.Holder, append([]string{"x-padding", strings.Repeat("a", 1<<19)}, owner...), nil},
		"an expired token": {f.Holder, []string{"authorization", "Bearer " + f.Token(t, bindingtest.TokenSpec{Certificate: f.Holder.Certificate.Leaf, ExpiresIn: -time.Hour})},
			ptr(unauthenticated("invalid_token", "the access token expired"))},
		"a token that is bound to nothing": {f.Holder, []string{"authorization", "Bearer " + f.Token(t, bindingtest.TokenSpec{})},
			ptr(unauthenticated("invalid_token", "the access token is not bound to a client certificate"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := protected(t, f, f.Guard(t, binding.Config{}))
			connection := site.as(t, test.client)
			for kind := range kinds {
				a := call(t, connection, kind, test.metadata...)
				if test.want != nil {
					site.refused(t, a, *test.want)
					continue
				}
				ctx := site.accepted(t, a)
				admitted, found := binding.TokenFromContext(ctx)
				require.True(t, found)
				require.Equal(t, suite.Subject, admitted.Subject())
				certificate, proven := binding.CertificateFromContext(ctx)
				require.True(t, proven)
				require.Equal(t, f.Holder.Certificate.Leaf.Raw, certificate.DER)
			}
		})
	}
}

func ptr[T any](value T) *T { return &value }

func TestPanicsAreAnswers(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	for name, panicking := range map[string]func(){
		"an error":             func() { panic(errors.New("mine")) },
		"http.ErrAbortHandler": func() { panic(http.ErrAbortHandler) },
	} {
		for hook, config := range map[string]binding.Config{
			"verifier": {Tokens: binding.TokenVerifierFunc(func(context.Context, string) (*binding.Token, error) {
				panicking()
				return nil, nil
			})},
			"source":    {Certificates: panickingSource(panicking)},
			"Authorize": {Authorize: func(context.Context, *binding.Token, binding.Certificate) error { panicking(); return nil }},
			"observer":  {Observe: func(context.Context, binding.Event) { panicking() }},
		} {
			t.Run(hook+" panics with "+name, func(t *testing.T) {
				t.Parallel()
				site := protected(t, f, f.Guard(t, config))
				connection := site.as(t, f.Holder)
				for kind := range kinds {
					site.refused(t, call(t, connection, kind, "authorization", "Bearer "+f.Good(t)), failed)
				}
			})
		}
		t.Run("observer of CheckScopes panics with "+name, func(t *testing.T) {
			t.Parallel()
			site := protected(t, f, f.Guard(t, binding.Config{Observe: func(_ context.Context, event binding.Event) {
				if !event.Accepted() {
					panicking()
				}
			}}))
			site.api.then = func(ctx context.Context) error { return bindgrpc.CheckScopes(ctx, "none") }
			for kind := range kinds {
				a := call(t, site.as(t, f.Holder), kind, "authorization", "Bearer "+f.Good(t))
				require.Len(t, site.api.visited(), 1)
				site.refused(t, a, failed)
			}
		})
	}
}

// The clock of a ProofVerifier is asked for the nonce of an answer, after the decision.
func TestClockThatPanicsEndsNoProcess(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	verifier := proofs(t, dpop.Config{RequireNonce: true, Clock: func() time.Time { panic("the clock") }})
	site := protected(t, f, f.Guard(t, binding.Config{Proofs: verifier}))
	for kind := range kinds {
		require.Equal(t, codes.Unauthenticated, call(t, site.as(t, f.Nobody), kind, "authorization", "DPoP x").Code())
	}
}

type panickingSource func()

func (panickingSource) Headers() []string { return nil }

func (p panickingSource) ClientCertificate(*http.Request) (binding.Certificate, error) {
	p()
	return binding.Certificate{}, nil
}

// What nobody can say at present is not the client's fault.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	site := protected(t, f, f.Guard(t, binding.Config{Tokens: binding.TokenVerifierFunc(func(context.Context, string) (*binding.Token, error) {
		return nil, errors.New("away")
	})}))
	for kind := range kinds {
		site.refused(t, call(t, site.as(t, f.Holder), kind, "authorization", "Bearer t"), refusal{
			code: codes.Unavailable, reason: "temporarily_unavailable", retry: 5, message: "the access token cannot be verified at present",
		})
	}
}

// A call that ended before the decision is none that the server could not serve.
func TestCallsThatEndFirst(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	type outcome struct {
		err error
		ctx context.Context
	}
	outcomes := make(chan outcome, 1)
	asked := make(chan struct{}, 1)
	unary, stream := bindgrpc.Protect(f.Guard(t, binding.Config{Tokens: binding.TokenVerifierFunc(func(ctx context.Context, _ string) (*binding.Token, error) {
		asked <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})}))
	site := serve(t, f,
		grpc.ChainUnaryInterceptor(func(ctx context.Context, m any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			response, err := next(ctx, m)
			outcomes <- outcome{err, ctx}
			return response, err
		}, unary),
		grpc.ChainStreamInterceptor(func(s any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			err := next(s, ss)
			outcomes <- outcome{err, ss.Context()}
			return err
		}, stream))
	connection := site.as(t, f.Holder)
	for kind := range kinds {
		t.Run(string(kind)+", canceled", func(t *testing.T) {
			ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer t"))
			go func() {
				<-asked
				cancel()
			}()
			require.Equal(t, codes.Canceled, callIn(ctx, connection, kind).Code())
			came := <-outcomes
			require.Equal(t, codes.Canceled, status.Code(came.err))
			require.Equal(t, binding.ReasonCanceled, binding.AsError(came.err).Reason)
		})
		t.Run(string(kind)+", late", func(t *testing.T) {
			ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer t"), 200*time.Millisecond)
			defer cancel()
			require.Equal(t, codes.DeadlineExceeded, callIn(ctx, connection, kind).Code())
			<-asked
			came := <-outcomes
			require.Contains(t, []codes.Code{codes.DeadlineExceeded, codes.Canceled}, status.Code(came.err), "the client resets what is late")
			require.Equal(t, status.FromContextError(came.ctx.Err()).Code(), status.Code(came.err))
		})
	}
}

// What a method returns of a check is the answer, however it is wrapped, and by whichever of the two it was called.
func TestChecks(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	misses := func(scopes string) refusal {
		const message = "the access token lacks a scope that this request needs"
		return refusal{code: codes.PermissionDenied, reason: "insufficient_scope", message: message,
			challenges: []string{`Bearer error="insufficient_scope", error_description="` + message + `", scope="` + scopes + `"`}}
	}
	const tooOld = "the authentication of the user is too weak or too old for this request"
	mine := status.Error(codes.NotFound, "no such account")
	for name, test := range map[string]struct {
		check func(context.Context) error
		want  *refusal
	}{
		"has all scopes":     {func(ctx context.Context) error { return bindgrpc.CheckScopes(ctx, "accounts", "payments") }, nil},
		"has one of them":    {func(ctx context.Context) error { return bindgrpc.CheckAnyScope(ctx, "loans", "payments") }, nil},
		"misses a scope":     {func(ctx context.Context) error { return bindgrpc.CheckScopes(ctx, "accounts", "loans") }, ptr(misses("accounts loans"))},
		"misses all":         {func(ctx context.Context) error { return bindgrpc.CheckAnyScope(ctx, "loans", "cards") }, ptr(misses("loans cards"))},
		"by package binding": {func(ctx context.Context) error { return binding.CheckScopes(ctx, "loans") }, ptr(misses("loans"))},
		"wrapped": {func(ctx context.Context) error {
			return fmt.Errorf("pay: %w", bindgrpc.CheckScopes(ctx, "loans"))
		}, ptr(misses("loans"))},
		"no scope": {func(ctx context.Context) error { return bindgrpc.CheckScopes(ctx) }, &misconfigured},
		"authentication": {func(ctx context.Context) error {
			return bindgrpc.CheckAuthentication(ctx, binding.Authentication{ACRValues: []string{"phr"}})
		}, &refusal{code: codes.Unauthenticated, reason: "insufficient_user_authentication", message: tooOld,
			challenges: []string{`Bearer error="insufficient_user_authentication", error_description="` + tooOld + `", acr_values="phr"`}}},
		"an error of the method's own": {func(context.Context) error { return mine }, &refusal{code: codes.NotFound, message: "no such account"}},
		"a nil *binding.Error":         {func(context.Context) error { return (*binding.Error)(nil) }, &refusal{code: codes.Unknown, message: "<nil>"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := protected(t, f, f.Guard(t, binding.Config{}))
			var checked error
			site.api.then = func(ctx context.Context) error {
				checked = test.check(ctx)
				return checked
			}
			for kind := range kinds {
				a := call(t, site.as(t, f.Holder), kind, "authorization", "Bearer "+f.Good(t))
				if test.want == nil {
					site.accepted(t, a)
					continue
				}
				require.Len(t, site.api.visited(), 1)
				site.refused(t, a, *test.want)
			}
		})
	}
}

// A check in a method that decides otherwise leaves nothing in the answer.
func TestCheckThatIsNotReturned(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	site := protected(t, f, f.Guard(t, binding.Config{}))
	site.api.then = func(ctx context.Context) error {
		err := bindgrpc.CheckScopes(ctx, "loans")
		assert.Equal(t, codes.PermissionDenied, status.Code(err))
		assert.EqualError(t, err, "binding: request refused: scope_missing")
		return nil
	}
	for kind := range kinds {
		site.accepted(t, call(t, site.as(t, f.Holder), kind, "authorization", "Bearer "+f.Good(t)))
	}
}

func TestNoGuard(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	for name, guard := range map[string]*binding.Guard{"nil": nil, "zero": new(binding.Guard)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := protected(t, f, guard)
			for kind := range kinds {
				site.refused(t, call(t, site.as(t, f.Holder), kind, "authorization", "Bearer "+f.Good(t)), misconfigured)
			}
		})
	}
}

// Guards may stand in a chain, and each keeps to its own.
func TestGuardsInAChain(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	outerUnary, outerStream := bindgrpc.Protect(f.Guard(t, binding.Config{}))
	innerUnary, innerStream := bindgrpc.Protect(f.Guard(t, binding.Config{Scopes: []string{"payments"}, Realm: "payments"}))
	site := serve(t, f, grpc.ChainUnaryInterceptor(outerUnary, innerUnary), grpc.ChainStreamInterceptor(outerStream, innerStream))
	const message = "the access token lacks a scope that this request needs"
	for kind := range kinds {
		site.accepted(t, call(t, site.as(t, f.Holder), kind, "authorization", "Bearer "+f.Good(t)))
		site.refused(t, call(t, site.as(t, f.Holder), kind, "authorization", "Bearer "+f.Good(t, "accounts")), refusal{
			code: codes.PermissionDenied, reason: "insufficient_scope", message: message,
			challenges: []string{`Bearer realm="payments", error="insufficient_scope", error_description="` + message + `", scope="payments"`},
		})
		site.refused(t, call(t, site.as(t, f.Other), kind, "authorization", "Bearer "+f.Good(t)), unauthenticated("invalid_token", otherCertificate))
	}
}

// An interceptor that no server calls cannot say what is called.
func TestInterceptorWithoutAServer(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	unary, _ := bindgrpc.Protect(f.Guard(t, binding.Config{}))
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+f.Good(t)))
	_, err := unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: unaryMethod}, func(context.Context, any) (any, error) {
		t.Error("the method ran")
		return nil, nil
	})
	require.Equal(t, codes.Internal, status.Code(err))
	require.ErrorContains(t, binding.AsError(err).Cause, "not called by a gRPC server")
}

// The event of a refused call names the method, and the peer without its port.
func TestRefusalNamesTheMethod(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	told := make(chan binding.Event, len(kinds))
	site := protected(t, f, f.Guard(t, binding.Config{Observe: func(_ context.Context, event binding.Event) { told <- event }}))
	for kind, method := range kinds {
		site.refused(t, call(t, site.as(t, f.Holder), kind), noCredentials)
		event := <-told
		require.Equal(t, method, event.Route)
		require.Equal(t, "127.0.0.1", event.Peer)
	}
}
