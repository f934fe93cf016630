package bindgrpc_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/certbound/certbound/adapters/bindgrpc"
	"github.com/certbound/certbound/adapters/internal/suite"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// ruled starts a server with rules whose Services are its own, and with a health service.
func ruled(t *testing.T, f *suite.Fixture, rules bindgrpc.Rules) *site {
	t.Helper()
	var s *site
	rules.Services = func() map[string]grpc.ServiceInfo { return s.server.GetServiceInfo() }
	unary, stream := bindgrpc.Protect(f.Guard(t, binding.Config{}), rules)
	s = serveWith(t, f, func(server *grpc.Server) { healthpb.RegisterHealthServer(server, health.NewServer()) },
		grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
	return s
}

func TestRules(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	methods := map[string]bindgrpc.Rule{
		unaryMethod:  {Scopes: []string{"payments"}},
		streamMethod: {Scopes: []string{"payments"}},
	}
	public := []string{healthpb.Health_Check_FullMethodName}
	site := ruled(t, f, bindgrpc.Rules{Methods: methods, Public: public})
	methods[unaryMethod], public[0] = bindgrpc.Rule{}, emptyMethod // Protect has copied them
	const message = "the access token lacks a scope that this request needs"
	misses := refusal{code: codes.PermissionDenied, reason: "insufficient_scope", message: message,
		challenges: []string{`Bearer error="insufficient_scope", error_description="` + message + `", scope="payments"`}}
	holder := site.as(t, f.Holder)
	for kind := range kinds {
		site.accepted(t, call(t, holder, kind, "authorization", "Bearer "+f.Good(t)))
		site.refused(t, call(t, holder, kind, "authorization", "Bearer "+f.Good(t, "accounts")), misses)
		// A thief does not learn which scopes the method needs.
		site.refused(t, call(t, site.as(t, f.Other), kind, "authorization", "Bearer "+f.Good(t, "accounts")), unauthenticated("invalid_token", otherCertificate))
	}
	t.Run("a method without a rule needs what the guard demands", func(t *testing.T) {
		client := testpb.NewTestServiceClient(holder)
		_, err := client.EmptyCall(t.Context(), &testpb.Empty{})
		require.Equal(t, codes.Unauthenticated, status.Code(err))
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+f.Good(t, "accounts"))
		_, err = client.EmptyCall(ctx, &testpb.Empty{})
		require.NoError(t, err)
	})
	t.Run("a public method, and no other of its service", func(t *testing.T) {
		client := healthpb.NewHealthClient(site.as(t, f.Nobody))
		_, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{})
		require.NoError(t, err)
		watch, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{})
		require.NoError(t, err)
		_, err = watch.Recv()
		require.Equal(t, codes.Unauthenticated, status.Code(err))
	})
}

func TestRulesOfEveryKind(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	for name, test := range map[string]struct {
		rule bindgrpc.Rule
		want codes.Code
	}{
		"all scopes":        {bindgrpc.Rule{Scopes: []string{"accounts", "payments"}}, codes.OK},
		"one is missing":    {bindgrpc.Rule{Scopes: []string{"accounts", "loans"}}, codes.PermissionDenied},
		"any scope":         {bindgrpc.Rule{AnyScope: []string{"loans", "payments"}}, codes.OK},
		"none of them":      {bindgrpc.Rule{AnyScope: []string{"loans", "cards"}}, codes.PermissionDenied},
		"both":              {bindgrpc.Rule{Scopes: []string{"accounts"}, AnyScope: []string{"loans"}}, codes.PermissionDenied},
		"a class":           {bindgrpc.Rule{Authentication: binding.Authentication{ACRValues: []string{"phr"}}}, codes.OK},
		"another class":     {bindgrpc.Rule{Authentication: binding.Authentication{ACRValues: []string{"other"}}}, codes.Unauthenticated},
		"too long ago":      {bindgrpc.Rule{Authentication: binding.Authentication{MaxAge: time.Minute}}, codes.Unauthenticated},
		"an empty list":     {bindgrpc.Rule{Scopes: []string{}}, codes.Internal},
		"no scope token":    {bindgrpc.Rule{AnyScope: []string{"a b"}}, codes.Internal},
		"an impossible acr": {bindgrpc.Rule{Authentication: binding.Authentication{ACRValues: []string{"a b"}}}, codes.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := ruled(t, f, bindgrpc.Rules{Methods: map[string]bindgrpc.Rule{unaryMethod: test.rule, streamMethod: test.rule}})
			token := f.Token(t, bindingtest.TokenSpec{Certificate: f.Holder.Certificate.Leaf, Claims: map[string]any{"acr": "phr"}})
			for kind := range kinds {
				require.Equal(t, test.want, call(t, site.as(t, f.Holder), kind, "authorization", "Bearer "+token).Code())
			}
		})
	}
}

// Not parallel: what is logged goes to the default logger.
func TestMistakesInRulesAreLoud(t *testing.T) {
	f := suite.NewFixture(t)
	registered := func() map[string]grpc.ServiceInfo {
		return map[string]grpc.ServiceInfo{"grpc.testing.TestService": {Methods: []grpc.MethodInfo{{Name: "UnaryCall"}, {Name: "FullDuplexCall"}}}}
	}
	scoped := bindgrpc.Rule{Scopes: []string{"payments"}}
	for name, test := range map[string]struct {
		rules []bindgrpc.Rules
		want  []string
	}{
		"no services, a rule": {[]bindgrpc.Rules{{Methods: map[string]bindgrpc.Rule{unaryMethod: scoped}}}, []string{"Rules.Services: is required"}},
		"no services, public": {[]bindgrpc.Rules{{Public: []string{unaryMethod}}}, []string{"Rules.Services: is required"}},
		"typing mistakes": {[]bindgrpc.Rules{{Services: registered, Public: []string{"/grpc.testing.TestService/*", "grpc.testing.TestService"},
			Methods: map[string]bindgrpc.Rule{unaryMethod + "s": scoped, strings.ToLower(unaryMethod): scoped}}},
			[]string{`"/grpc.testing.TestService/UnaryCalls"`, `"/grpc.testing.testservice/unarycall"`, `"/grpc.testing.TestService/*"`, `"grpc.testing.TestService"`}},
		"no slash":           {[]bindgrpc.Rules{{Services: registered, Public: []string{unaryMethod[1:]}}}, []string{"it must begin with a slash"}},
		"requires nothing":   {[]bindgrpc.Rules{{Services: registered, Methods: map[string]bindgrpc.Rule{unaryMethod: {}}}}, []string{"requires nothing"}},
		"public and ruled":   {[]bindgrpc.Rules{{Services: registered, Public: []string{unaryMethod}, Methods: map[string]bindgrpc.Rule{unaryMethod: scoped}}}, []string{"also has a Rule"}},
		"two of them":        {[]bindgrpc.Rules{{}, {}}, []string{"takes one Rules at most"}},
		"Services panics":    {[]bindgrpc.Rules{{Public: []string{unaryMethod}, Services: func() map[string]grpc.ServiceInfo { return (*grpc.Server)(nil).GetServiceInfo() }}}, []string{"is the server nil?"}},
		"Services says none": {[]bindgrpc.Rules{{Public: []string{unaryMethod}, Services: func() map[string]grpc.ServiceInfo { return nil }}}, []string{"no registered method"}},
	} {
		t.Run(name, func(t *testing.T) {
			var log lockedBuffer
			before := slog.Default()
			slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
			defer slog.SetDefault(before)
			site := protected(t, f, f.Guard(t, binding.Config{}), test.rules...)
			for range 2 {
				for kind := range kinds {
					site.refused(t, call(t, site.as(t, f.Holder), kind, "authorization", "Bearer "+f.Good(t)), misconfigured)
				}
			}
			for _, want := range test.want {
				assert.Contains(t, strings.ReplaceAll(log.String(), `\`, ""), want)
				if len(test.rules) == 1 {
					assert.ErrorContains(t, test.rules[0].Check(), want)
				}
			}
			assert.Equal(t, 1, strings.Count(log.String(), "every call is refused"), log.String())
		})
	}
	t.Run("no mistake", func(t *testing.T) {
		site := protected(t, f, f.Guard(t, binding.Config{}), bindgrpc.Rules{})
		for kind := range kinds {
			site.accepted(t, call(t, site.as(t, f.Holder), kind, "authorization", "Bearer "+f.Good(t)))
		}
	})
}

// What Check finds at the start is every mistake, and nothing in Rules that fit the services that are registered by then.
func TestCheckOfRules(t *testing.T) {
	t.Parallel()
	server := grpc.NewServer()
	rules := bindgrpc.Rules{
		Methods:  map[string]bindgrpc.Rule{unaryMethod: {Scopes: []string{"payments"}}, emptyMethod: {Scopes: []string{"accounts"}}},
		Public:   []string{healthpb.Health_Check_FullMethodName},
		Services: func() map[string]grpc.ServiceInfo { return server.GetServiceInfo() },
	}
	var mistakes []binding.ConfigError
	for mistake := range binding.ConfigErrors(rules.Check()) {
		mistakes = append(mistakes, mistake)
	}
	require.Len(t, mistakes, 3, "nothing is registered yet")
	testpb.RegisterTestServiceServer(server, new(api))
	require.ErrorContains(t, rules.Check(), healthpb.Health_Check_FullMethodName)
	healthpb.RegisterHealthServer(server, health.NewServer())
	require.NoError(t, rules.Check())
	require.NoError(t, bindgrpc.Rules{}.Check())
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// A service may be registered under another name than that of its code: rules, and proofs, are for the name that is called.
func TestServiceUnderAnotherName(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	var s *site
	unary, stream := bindgrpc.Protect(f.Guard(t, binding.Config{}), bindgrpc.Rules{
		Public:   []string{unaryMethod},
		Services: func() map[string]grpc.ServiceInfo { return s.server.GetServiceInfo() },
	})
	renamed := testpb.TestService_ServiceDesc
	renamed.ServiceName = "another.Service"
	s = serveWith(t, f, func(server *grpc.Server) { server.RegisterService(&renamed, new(api)) },
		grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
	connection := s.as(t, f.Nobody)
	s.accepted(t, call(t, connection, "unary"))
	err := connection.Invoke(t.Context(), "/another.Service/UnaryCall", &testpb.SimpleRequest{}, &testpb.SimpleResponse{})
	require.Equal(t, codes.Unauthenticated, status.Code(err), "the generated code says that it is the public one")
}

// What no service has is refused as well, where the application serves it.
func TestUnknownServiceHandler(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	refusals := make(chan binding.Event, 1)
	unary, stream := bindgrpc.Protect(f.Guard(t, binding.Config{Observe: func(_ context.Context, event binding.Event) {
		if !event.Accepted() {
			refusals <- event
		}
	}}))
	ran := make(chan context.Context, 1)
	s := serve(t, f, grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			ran <- stream.Context()
			return status.Error(codes.DataLoss, "it ran")
		}))
	for _, method := range []string{"/unknown.Service/Method", "/unknown.Service/Method?a=b", "/%zz/..%2f", "//", "/a/b/c", "/unknown.Service/" + strings.Repeat("a", 9000)} {
		connection := s.as(t, f.Holder)
		err := connection.Invoke(t.Context(), method, &testpb.Empty{}, &testpb.Empty{})
		require.Equal(t, codes.Unauthenticated, status.Code(err), method)
		require.Empty(t, ran)
		event := <-refusals
		require.Empty(t, event.Route, "the client's text is no route of the server's")
		require.NotEmpty(t, event.Path)
		require.LessOrEqual(t, len(event.Path), 203)
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+f.Good(t))
		err = connection.Invoke(ctx, method, &testpb.Empty{}, &testpb.Empty{})
		require.Equal(t, codes.DataLoss, status.Code(err), method)
		token, found := binding.TokenFromContext(<-ran)
		require.True(t, found)
		require.Equal(t, suite.Subject, token.Subject())
	}
}
