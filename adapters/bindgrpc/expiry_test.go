package bindgrpc_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/certbound/certbound/adapters/bindgrpc"
	"github.com/certbound/certbound/adapters/internal/suite"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

type duplex = grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]

var expired = refusal{code: codes.Unauthenticated, reason: "invalid_token", message: "the access token expired"}

// soon is when the tokens of these tests expire: exp is cut to a second.
const soon = 2 * time.Second

func TestStreamsEndAtExpiry(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	message := &testpb.StreamingOutputCallResponse{Payload: &testpb.Payload{Body: make([]byte, 1<<20)}}
	for name, method := range map[string]func(duplex) error{
		"it waits for a message": func(stream duplex) error {
			_, err := stream.Recv()
			return err
		},
		"it waits for the client to read": func(stream duplex) error {
			for {
				if err := stream.Send(message); err != nil {
					return err
				}
			}
		},
		"it waits for its context": func(stream duplex) error {
			<-stream.Context().Done()
			return stream.Context().Err()
		},
		"it keeps the error for itself": func(stream duplex) error {
			_, err := stream.Recv()
			assert.Equal(t, codes.Unauthenticated, status.Code(err))
			return nil
		},
		"it tries again": func(stream duplex) error {
			<-stream.Context().Done()
			_, err := stream.Recv()
			assert.Equal(t, codes.Unauthenticated, status.Code(err))
			assert.Equal(t, codes.Unauthenticated, status.Code(stream.Send(&testpb.StreamingOutputCallResponse{})))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := protected(t, f, f.Guard(t, binding.Config{}), bindgrpc.Rules{EndStreamsAtExpiry: true})
			site.api.duplex = method
			token := f.Token(t, bindingtest.TokenSpec{Certificate: f.Holder.Certificate.Leaf, ExpiresIn: soon})
			ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
			stream, err := testpb.NewTestServiceClient(site.as(t, f.Holder)).FullDuplexCall(ctx)
			require.NoError(t, err)
			_, err = stream.Header() // it does not come before the end; and nothing is read until then
			require.NoError(t, err)
			for err == nil {
				_, err = stream.Recv()
			}
			require.Len(t, site.api.visited(), 1)
			site.refused(t, answered{Status: status.Convert(err), trailer: stream.Trailer()}, expired)
		})
	}
}

// A method may use its message for another call when RecvMsg has refused.
func TestNoMessageIsWrittenAfterExpiry(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	unary, stream := bindgrpc.Protect(f.Guard(t, binding.Config{}), bindgrpc.Rules{EndStreamsAtExpiry: true})
	received := make(chan error, 2)
	site := serve(t, f, grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(
		func(server any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			return stream(server, tellingStream{ss, received}, info, next)
		}))
	refused := make(chan struct{})
	site.api.duplex = func(stream duplex) error {
		message := &testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: []byte("of the call before")}}
		if err := stream.RecvMsg(message); !assert.NoError(t, err) {
			return err
		}
		assert.NoError(t, <-received)
		assert.True(t, proto.Equal(asked("in time"), message), "it has the message alone: %v", message)
		err := stream.RecvMsg(message)
		assert.True(t, proto.Equal(asked("in time"), message), "a refusal leaves the message alone: %v", message)
		proto.Reset(message)
		message.Payload = &testpb.Payload{Body: []byte("of the next call")}
		close(refused)
		assert.NoError(t, <-received)
		assert.True(t, proto.Equal(&testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: []byte("of the next call")}}, message), "%v", message)
		return err
	}
	token := f.Token(t, bindingtest.TokenSpec{Certificate: f.Holder.Certificate.Leaf, ExpiresIn: 2 * soon})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
	client, err := testpb.NewTestServiceClient(site.as(t, f.Holder)).FullDuplexCall(ctx)
	require.NoError(t, err)
	require.NoError(t, client.Send(asked("in time")))
	<-refused
	require.NoError(t, client.Send(asked("too late")))
	_, err = client.Recv()
	require.Equal(t, codes.Unauthenticated, status.Code(err))
}

func asked(status string) *testpb.StreamingOutputCallRequest {
	return &testpb.StreamingOutputCallRequest{ResponseStatus: &testpb.EchoStatus{Message: status}}
}

// A tellingStream tells when a message was received, or was not.
type tellingStream struct {
	grpc.ServerStream
	received chan<- error
}

func (s tellingStream) RecvMsg(message any) error {
	err := s.ServerStream.RecvMsg(message)
	s.received <- err
	return err
}

// What is more than the protobuf message in it is received as it is: only its
// codec knows how to copy it.
func TestMessagesOfOtherCodecsBeforeExpiry(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	unary, stream := bindgrpc.Protect(f.Guard(t, binding.Config{}), bindgrpc.Rules{EndStreamsAtExpiry: true})
	type frame struct {
		*testpb.Empty
		text string
	}
	messages := make(chan any, 1)
	site := serve(t, f, grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(
		func(server any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			return stream(server, givingStream{ss, messages}, info, next)
		}))
	for name, message := range map[string]any{"no protobuf": new(string), "one around a protobuf": &frame{text: "mine"}} {
		site.api.duplex = func(stream duplex) error { return stream.RecvMsg(message) }
		require.Equal(t, codes.Unknown, call(t, site.as(t, f.Holder), "stream", "authorization", "Bearer "+f.Good(t)).Code(), name)
		require.Same(t, message, <-messages, name)
	}
}

var errGiven = errors.New("given")

// A givingStream gives away into what a message would be received.
type givingStream struct {
	grpc.ServerStream
	messages chan<- any
}

func (s givingStream) RecvMsg(message any) error {
	s.messages <- message
	return errGiven
}

func TestStreamsThatDoNotEndAtExpiry(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	past := bindingtest.TokenSpec{Certificate: f.Holder.Certificate.Leaf, ExpiresIn: -10 * time.Second} // within the leeway
	opaque := binding.TokenVerifierFunc(func(context.Context, string) (*binding.Token, error) {
		claims, err := binding.ParseClaims([]byte(`{"aud":"api","cnf":{"x5t#S256":"` + bindingtest.Thumbprint(f.Holder.Certificate.Leaf) + `"}}`))
		if err != nil {
			return nil, err
		}
		return claims.Validate(binding.Expect{Issuer: "https://as.example", Audiences: []string{"api"}, Now: time.Now(), Introspection: true})
	})
	for name, test := range map[string]struct {
		config binding.Config
		rules  []bindgrpc.Rules
		token  string
	}{
		"without the option":        {binding.Config{}, nil, f.Token(t, past)},
		"a token that has not":      {binding.Config{}, []bindgrpc.Rules{{EndStreamsAtExpiry: true}}, f.Good(t)},
		"a token without an expiry": {binding.Config{Tokens: opaque}, []bindgrpc.Rules{{EndStreamsAtExpiry: true}}, "opaque"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := protected(t, f, f.Guard(t, test.config), test.rules...)
			require.Equal(t, codes.OK, call(t, site.as(t, f.Holder), "stream", "authorization", "Bearer "+test.token).Code())
		})
	}
	t.Run("a client that goes away", func(t *testing.T) {
		t.Parallel()
		site := protected(t, f, f.Guard(t, binding.Config{}), bindgrpc.Rules{EndStreamsAtExpiry: true})
		ended := make(chan error, 1)
		site.api.duplex = func(stream duplex) error {
			_, err := stream.Recv()
			ended <- err
			return err
		}
		ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+f.Good(t)))
		stream, err := testpb.NewTestServiceClient(site.as(t, f.Holder)).FullDuplexCall(ctx)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return len(site.api.visited()) == 1 }, time.Minute, time.Millisecond)
		cancel()
		_, err = stream.Recv()
		require.Equal(t, codes.Canceled, status.Code(err))
		require.Equal(t, codes.Canceled, status.Code(<-ended))
	})
	t.Run("a message that panics", func(t *testing.T) {
		t.Parallel()
		unary, stream := bindgrpc.Protect(f.Guard(t, binding.Config{}), bindgrpc.Rules{EndStreamsAtExpiry: true})
		recovered := make(chan any, 1)
		site := serve(t, f, grpc.UnaryInterceptor(unary), grpc.ChainStreamInterceptor(
			func(server any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
				defer func() {
					recovered <- recover()
					err = status.Error(codes.Internal, "recovered")
				}()
				return next(server, ss)
			}, func(server any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
				return stream(server, panickingStream{ss}, info, next)
			}))
		a := call(t, site.as(t, f.Holder), "stream", "authorization", "Bearer "+f.Good(t))
		require.Equal(t, codes.Internal, a.Code())
		require.Equal(t, "mine", <-recovered)
	})
}

type panickingStream struct{ grpc.ServerStream }

func (panickingStream) RecvMsg(any) error { panic("mine") }
