package bindgrpc_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/certbound/certbound/adapters/bindgrpc"
	"github.com/certbound/certbound/adapters/internal/suite"
	"github.com/certbound/certbound/binding"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Methods of the service under test, by the kind of call.
const (
	unaryMethod  = testpb.TestService_UnaryCall_FullMethodName
	streamMethod = testpb.TestService_FullDuplexCall_FullMethodName
	emptyMethod  = testpb.TestService_EmptyCall_FullMethodName
)

// A kind is a way to call: every question is asked in both.
type kind string

var kinds = map[kind]string{"unary": unaryMethod, "stream": streamMethod}

// An api is the service under test. It remembers the contexts of its methods.
type api struct {
	testpb.UnimplementedTestServiceServer

	mu     sync.Mutex
	visits []context.Context

	then   func(context.Context) error                                                                                 // in every method; may be nil
	duplex func(grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error // in place of an echo; may be nil
}

func (a *api) visit(ctx context.Context) error {
	a.mu.Lock()
	a.visits = append(a.visits, ctx)
	a.mu.Unlock()
	if a.then != nil {
		return a.then(ctx)
	}
	return nil
}

// visited returns the contexts since it was last asked.
func (a *api) visited() []context.Context {
	a.mu.Lock()
	defer a.mu.Unlock()
	visits := a.visits
	a.visits = nil
	return visits
}

func (a *api) EmptyCall(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
	return &testpb.Empty{}, a.visit(ctx)
}

func (a *api) UnaryCall(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	return &testpb.SimpleResponse{}, a.visit(ctx)
}

func (a *api) FullDuplexCall(stream grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	if err := a.visit(stream.Context()); err != nil {
		return err
	}
	if a.duplex != nil {
		return a.duplex(stream)
	}
	for {
		if _, err := stream.Recv(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
	}
}

// A site is a server of the api over TLS that asks for client certificates.
type site struct {
	*suite.Fixture
	api     *api
	server  *grpc.Server
	address string
}

// protected starts a server behind one Protect.
func protected(t *testing.T, f *suite.Fixture, guard *binding.Guard, rules ...bindgrpc.Rules) *site {
	t.Helper()
	unary, stream := bindgrpc.Protect(guard, rules...)
	return serve(t, f, grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
}

// tlsOf is how a server of the Fixture's speaks TLS.
func tlsOf(f *suite.Fixture) credentials.TransportCredentials {
	return credentials.NewTLS(binding.TLSConfig(&tls.Config{Certificates: []tls.Certificate{f.AS.ServerCertificate()}}))
}

func serve(t *testing.T, f *suite.Fixture, options ...grpc.ServerOption) *site {
	t.Helper()
	return serveWith(t, f, func(*grpc.Server) {}, options...)
}

// serveWith registers more than the api.
func serveWith(t *testing.T, f *suite.Fixture, register func(*grpc.Server), options ...grpc.ServerOption) *site {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return serveOn(t, f, listener, register, append(options, grpc.Creds(tlsOf(f)))...)
}

func serveOn(t *testing.T, f *suite.Fixture, listener net.Listener, register func(*grpc.Server), options ...grpc.ServerOption) *site {
	t.Helper()
	s := &site{Fixture: f, api: new(api), address: listener.Addr().String(), server: grpc.NewServer(options...)}
	testpb.RegisterTestServiceServer(s.server, s.api)
	register(s.server)
	done := make(chan error, 1)
	go func() { done <- s.server.Serve(listener) }()
	t.Cleanup(func() {
		s.server.Stop()
		assert.NoError(t, <-done)
	})
	return s
}

// as connects as a client.
func (s *site) as(t *testing.T, client *suite.Client) *grpc.ClientConn {
	t.Helper()
	config := &tls.Config{RootCAs: s.AS.RootCAs()}
	if client.Certificate != nil {
		config.Certificates = []tls.Certificate{*client.Certificate}
	}
	return dial(t, s.address, credentials.NewTLS(config))
}

func dial(t *testing.T, address string, creds credentials.TransportCredentials, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	connection, err := grpc.NewClient("passthrough:///"+address, append(options, grpc.WithTransportCredentials(creds))...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// An answered call: its status and what came with it.
type answered struct {
	*status.Status
	header, trailer metadata.MD
}

// call calls the method of the kind, with pairs of metadata.
func call(t *testing.T, connection *grpc.ClientConn, kind kind, pairs ...string) answered {
	t.Helper()
	return callIn(metadata.AppendToOutgoingContext(t.Context(), pairs...), connection, kind)
}

func callIn(ctx context.Context, connection *grpc.ClientConn, kind kind) answered {
	var a answered
	var err error
	client := testpb.NewTestServiceClient(connection)
	collect := []grpc.CallOption{grpc.Header(&a.header), grpc.Trailer(&a.trailer), grpc.MaxCallSendMsgSize(64 << 20)}
	if kind == "unary" {
		_, err = client.UnaryCall(ctx, &testpb.SimpleRequest{}, collect...)
	} else {
		err = callStream(ctx, client, collect)
	}
	a.Status = status.Convert(err)
	return a
}

func callStream(ctx context.Context, client testpb.TestServiceClient, options []grpc.CallOption) error {
	stream, err := client.FullDuplexCall(ctx, options...)
	if err != nil {
		return err
	}
	if err := stream.Send(&testpb.StreamingOutputCallRequest{}); err != nil && err != io.EOF {
		return err
	}
	if _, err := stream.Recv(); err != nil {
		return err
	}
	_ = stream.CloseSend()
	if _, err := stream.Recv(); err != io.EOF {
		return err
	}
	return nil
}

// accepted asserts that the call was, and returns the context of its method.
func (s *site) accepted(t *testing.T, a answered) context.Context {
	t.Helper()
	require.Equal(t, codes.OK, a.Code(), a.Message())
	for _, name := range []string{"www-authenticate", "retry-after"} {
		assert.NotContains(t, a.trailer, name)
	}
	visits := s.api.visited()
	require.Len(t, visits, 1, "how often the method ran")
	return visits[0]
}

// A refusal is what a test expects of a refused call.
type refusal struct {
	code       codes.Code
	message    string
	reason     string // of the ErrorInfo; "" for none
	challenges []string
	retry      int // seconds; 0 for never
}

// unauthenticated is a refusal of a guard that knows no DPoP.
func unauthenticated(reason, message string) refusal {
	return refusal{
		code: codes.Unauthenticated, message: message, reason: reason,
		challenges: []string{`Bearer error="` + reason + `", error_description="` + message + `"`},
	}
}

var (
	noCredentials = refusal{code: codes.Unauthenticated, challenges: []string{`Bearer realm="protected resource"`}}
	failed        = refusal{code: codes.Internal, reason: "server_error", message: "the resource server failed"}
	misconfigured = refusal{code: codes.Internal, reason: "server_error", message: "the resource server is misconfigured"}
)

// refused asserts that the call was refused so, and that no method ran.
func (s *site) refused(t *testing.T, a answered, want refusal) {
	t.Helper()
	require.Equal(t, want.code, a.Code(), a.Message())
	assert.Equal(t, want.message, a.Message())
	assert.Equal(t, want.challenges, a.trailer["www-authenticate"])
	var reason string
	var retry *errdetails.RetryInfo
	for _, detail := range a.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			reason = detail.GetReason()
			assert.Equal(t, bindgrpc.ErrorDomain, detail.GetDomain())
		case *errdetails.RetryInfo:
			retry = detail
		default:
			t.Errorf("a detail of type %T", detail)
		}
	}
	assert.Equal(t, want.reason, reason)
	if want.retry > 0 {
		require.Equal(t, []string{strconv.Itoa(want.retry)}, a.trailer["retry-after"])
		require.EqualValues(t, want.retry, retry.GetRetryDelay().GetSeconds())
	} else {
		assert.Nil(t, retry)
		assert.Empty(t, a.trailer["retry-after"])
	}
	assert.Empty(t, s.api.visited(), "the method ran for a call that is refused")
}
