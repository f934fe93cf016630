package bindgrpctest_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/certbound/certbound/adapters/bindgrpc"
	"github.com/certbound/certbound/adapters/bindgrpc/bindgrpctest"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const origin = "https://api.bank.example"

// FullDuplexCall says one thing and ends.
func (accounts) FullDuplexCall(stream grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	return stream.Send(&testpb.StreamingOutputCallResponse{})
}

// A site is the service under test, which takes certificates and keys.
type site struct {
	as      *bindingtest.AuthorizationServer
	address string
}

func serve(t *testing.T, proofs dpop.Config) site {
	t.Helper()
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Origin: origin})
	require.NoError(t, err)
	t.Cleanup(as.Close)
	tokens, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = tokens.Close() })
	proofs.Origins = []string{origin}
	verifier, err := dpop.New(proofs)
	require.NoError(t, err)
	guard, err := binding.New(binding.Config{Tokens: tokens, Proofs: verifier})
	require.NoError(t, err)
	unary, stream := bindgrpc.Protect(guard)
	server := grpc.NewServer(grpc.Creds(bindgrpctest.Credentials(as)), grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
	testpb.RegisterTestServiceServer(server, accounts{})
	t.Cleanup(server.Stop)
	return site{as, bindgrpctest.Serve(server)}
}

func callUnary(ctx context.Context, connection *grpc.ClientConn, options ...grpc.CallOption) codes.Code {
	_, err := testpb.NewTestServiceClient(connection).UnaryCall(ctx, &testpb.SimpleRequest{}, options...)
	return status.Code(err)
}

func callStream(t *testing.T, connection *grpc.ClientConn) codes.Code {
	t.Helper()
	stream, err := testpb.NewTestServiceClient(connection).FullDuplexCall(t.Context())
	require.NoError(t, err)
	for err == nil {
		_, err = stream.Recv()
	}
	if err == io.EOF {
		return codes.OK
	}
	return status.Code(err)
}

func TestClients(t *testing.T) {
	t.Parallel()
	s := serve(t, dpop.Config{})
	certificate, err := s.as.NewClientCertificate("client")
	require.NoError(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	both := bindingtest.TokenSpec{Certificate: certificate.Leaf, Key: key.Public(), Scopes: []string{"accounts"}}
	for name, test := range map[string]struct {
		connection    *grpc.ClientConn
		unary, stream codes.Code
	}{
		"with a certificate":         {bindgrpctest.BoundClient(s.as, s.address, "alice", "accounts"), codes.OK, codes.OK},
		"without the scope":          {bindgrpctest.BoundClient(s.as, s.address, "alice", "payments"), codes.PermissionDenied, codes.OK},
		"a thief with a certificate": {bindgrpctest.WronglyBoundClient(s.as, s.address, "alice", "accounts"), codes.Unauthenticated, codes.Unauthenticated},
		"with a key":                 {bindgrpctest.DPoPClient(s.as, s.address, "alice", "accounts"), codes.OK, codes.OK},
		"a thief with a key":         {bindgrpctest.WronglyProvenClient(s.as, s.address, "alice", "accounts"), codes.Unauthenticated, codes.Unauthenticated},
		"both":                       {bindgrpctest.ClientFor(s.as, s.address, both, certificate, key), codes.OK, codes.OK},
		"both, without the key":      {bindgrpctest.ClientFor(s.as, s.address, both, certificate, nil), codes.Unauthenticated, codes.Unauthenticated},
		"both, without the other":    {bindgrpctest.ClientFor(s.as, s.address, both, tls.Certificate{}, key), codes.Unauthenticated, codes.Unauthenticated},
		"a key of the caller's":      {bindgrpctest.ClientFor(s.as, s.address, bindingtest.TokenSpec{Scopes: []string{"accounts"}}, tls.Certificate{}, key), codes.OK, codes.OK},
		"a token bound to nothing":   {bindgrpctest.ClientFor(s.as, s.address, bindingtest.TokenSpec{}, certificate, nil), codes.Unauthenticated, codes.Unauthenticated},
		"a token that cannot be":     {bindgrpctest.ClientFor(s.as, s.address, bindingtest.TokenSpec{Claims: map[string]any{"x": func() {}}}, certificate, nil), codes.Unknown, codes.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() { _ = test.connection.Close() })
			for range 2 {
				require.Equal(t, test.unary, callUnary(t.Context(), test.connection))
				if test.stream != codes.Unknown { // the stream does not begin
					require.Equal(t, test.stream, callStream(t, test.connection))
				}
				require.NoError(t, s.as.Rotate())
			}
		})
	}
}

// A client learns nonces: a unary call is made once more, a stream is not. The caller's own trailer is the last answer's.
func TestNonces(t *testing.T) {
	t.Parallel()
	s := serve(t, dpop.Config{RequireNonce: true})
	connection := bindgrpctest.DPoPClient(s.as, s.address, "alice", "accounts")
	t.Cleanup(func() { _ = connection.Close() })
	require.Equal(t, codes.Unauthenticated, callStream(t, connection))
	require.Equal(t, codes.OK, callStream(t, connection))

	another := bindgrpctest.DPoPClient(s.as, s.address, "alice", "accounts")
	t.Cleanup(func() { _ = another.Close() })
	var trailer metadata.MD
	require.Equal(t, codes.OK, callUnary(t.Context(), another, grpc.Trailer(&trailer)))
	require.Empty(t, trailer["www-authenticate"])
}

// A call keeps an authorization of its own.
func TestAuthorizationOfItsOwn(t *testing.T) {
	t.Parallel()
	s := serve(t, dpop.Config{})
	connection := bindgrpctest.BoundClient(s.as, s.address, "alice", "accounts")
	t.Cleanup(func() { _ = connection.Close() })
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer forged")
	require.Equal(t, codes.Unauthenticated, callUnary(ctx, connection))
	require.Equal(t, codes.OK, callUnary(t.Context(), connection))
}
