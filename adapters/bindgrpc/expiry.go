package bindgrpc

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/certbound/certbound/binding"
)

// errExpired is why the context of a stream ended.
var errExpired = errors.New("bindgrpc: the access token expired, and the stream ended with it")

// untilExpiry runs the method of a stream that ends with its token.
func untilExpiry(ctx context.Context, server any, stream grpc.ServerStream, handler grpc.StreamHandler) error {
	guarded := guardedStream{stream, ctx}
	token, has := binding.TokenFromContext(ctx)
	if !has || token.Expiry().IsZero() {
		return handler(server, &guarded)
	}
	ctx, end := context.WithDeadlineCause(ctx, token.Expiry(), errExpired)
	defer end()
	guarded.ctx = ctx
	ending := &endingStream{guarded}
	err := handler(server, ending)
	if ending.expired() {
		return ending.refusal()
	}
	return err
}

// An endingStream ends with its context.
type endingStream struct{ guardedStream }

// RecvMsg receives a message, or ends with the token. A protobuf message is
// received into another, which the method never sees if it comes too late: by
// then the method may use its own for another call.
func (s *endingStream) RecvMsg(message any) error {
	own, is := message.(proto.Message)
	if !is || own.ProtoReflect().Interface() != own { // only its codec could copy it
		return s.unlessExpired(func() error { return s.ServerStream.RecvMsg(message) })
	}
	received := own.ProtoReflect().New().Interface()
	err := s.unlessExpired(func() error { return s.ServerStream.RecvMsg(received) })
	if err == nil {
		proto.Reset(own)
		proto.Merge(own, received)
	}
	return err
}

// SendMsg sends a message, or ends with the token.
func (s *endingStream) SendMsg(message any) error {
	return s.unlessExpired(func() error { return s.ServerStream.SendMsg(message) })
}

// unlessExpired calls f, which may wait for the client, until the token expires.
// What waits then ends with the stream, when the method has returned. Until then
// f may use its message.
func (s *endingStream) unlessExpired(f func() error) error {
	if s.expired() {
		return s.refusal()
	}
	done := make(chan func() error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- func() error { panic(p) } // where the method can recover it
			}
		}()
		err := f()
		done <- func() error { return err }
	}()
	select {
	case result := <-done:
		return result()
	case <-s.ctx.Done():
	}
	if s.expired() {
		return s.refusal()
	}
	return (<-done)() // the call ended
}

func (s *endingStream) expired() bool { return context.Cause(s.ctx) == errExpired }

// refusal has no challenge: under which scheme, and of which realm, only the
// guard could say, and it did not refuse.
func (s *endingStream) refusal() error {
	r := newRefusal(s.ctx, &binding.Error{Reason: binding.ReasonTokenExpired, Cause: errExpired})
	r.trailer, r.answered = nil, true
	return r
}
