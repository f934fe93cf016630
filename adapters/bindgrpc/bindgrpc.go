// Package bindgrpc puts a [binding.Guard] in front of the services of a
// grpc-go server.
//
//	unary, stream := bindgrpc.Protect(guard)
//	server := grpc.NewServer(
//		grpc.Creds(credentials.NewTLS(binding.TLSConfig(&tls.Config{Certificates: certificates}))),
//		grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
//
// Both interceptors come from one call, so that the program of somebody who
// forgets one does not compile. In a method, call [binding.TokenFromContext]
// with its context, and [CheckScopes] where it needs more than a token.
//
// # What the guard sees
//
// A call is judged as the HTTP request that it is: POST, the method's full name
// as the path, the metadata as header fields, the connection's TLS state and
// its addresses. A DPoP proof is for htm POST and for an htu of an origin and
// that path, such as https://api.bank.example/bank.Accounts/List. Binary
// metadata (with names that end in "-bin") is in its base64 form, and is not
// credentials. Metadata of 1 MiB or more is refused, as net/http refuses such
// header fields, with ResourceExhausted; grpc.MaxHeaderListSize sets a lower
// limit before that.
//
// The fields that carried a certificate, and the DPoP proof, are gone from the
// incoming metadata of an admitted call.
//
// # Answers
//
// A refusal has the code Unauthenticated (400 and 401), PermissionDenied (403),
// Unavailable (503) or Internal (500); a call that its client canceled, or whose
// deadline passed, before the decision has Canceled or DeadlineExceeded. The
// message is the description, empty if the call carried no credentials. The
// details hold an ErrorInfo with the RFC's error code and [ErrorDomain], and
// with Unavailable a RetryInfo. The trailer holds www-authenticate, retry-after
// and dpop-nonce, as the header of an HTTP answer would; that of an admitted
// call holds dpop-nonce if there is a newer one. Behind grpc.Server.ServeHTTP
// www-authenticate is in the header: net/http sends no such trailer. Config.OnError
// of the guard is not called: there is no HTTP answer.
//
// A panic in one of the guard's functions is an answer, Internal, and does not
// end the process. http.ErrAbortHandler is no exception: grpc-go, unlike
// net/http, knows nothing of it.
//
// # Tests
//
// Package bindgrpctest, below this one, serves the service under test and makes
// connections of clients and thieves, with certificates and DPoP keys.
//
// # Limits
//
// grpc-go reads and decodes the message of a unary call before any interceptor
// runs, so a client without a token can make the server decode as much as
// grpc.MaxRecvMsgSize permits, 4 MiB by default, in each of the calls that
// grpc.MaxConcurrentStreams permits. A stream is judged before its first
// message is read.
//
// grpc-go answers Unimplemented by itself for methods that it does not know,
// and runs no interceptor, unless grpc.UnknownServiceHandler is set; the event
// of such a call has no Route. The in-process handlers of grpc-gateway
// (RegisterXHandlerServer) run no interceptors at all: do not use them for a
// guarded service.
//
// No interceptor in front may replace the peer in the context, as some do by
// X-Forwarded-For.
package bindgrpc

import (
	"context"
	"net/http"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/certbound/certbound/binding"
)

// Protect returns the interceptors that run a method only for calls that the
// guard admits, with the token in their context ([binding.TokenFromContext]).
// There may be one [Rules], for what single methods need. Protect copies it.
//
// Chained interceptors may each be of another Protect. A nil guard refuses
// every call, with Internal.
func Protect(guard *binding.Guard, rules ...Rules) (grpc.UnaryServerInterceptor, grpc.StreamServerInterceptor) {
	p := &protection{guard: guard, rules: newRuleset(rules)}
	return p.unary, p.stream
}

// CheckScopes is [binding.CheckScopes] for a method: it checks that the token
// carries all of the scopes. ctx is the method's context, and the method
// returns the error as it is; it is a gRPC status.
//
//	func (s *server) Pay(ctx context.Context, payment *pb.Payment) (*pb.Receipt, error) {
//		if err := bindgrpc.CheckScopes(ctx, "payments"); err != nil {
//			return nil, err
//		}
func CheckScopes(ctx context.Context, scopes ...string) error {
	return checked(ctx, func() error { return binding.CheckScopes(ctx, scopes...) })
}

// CheckAnyScope is [CheckScopes] for a method that needs any one of the scopes.
func CheckAnyScope(ctx context.Context, scopes ...string) error {
	return checked(ctx, func() error { return binding.CheckAnyScope(ctx, scopes...) })
}

// CheckAuthentication is [binding.CheckAuthentication] for a method: it checks
// that the user was authenticated as required (RFC 9470). It is used as
// [CheckScopes] is.
func CheckAuthentication(ctx context.Context, required binding.Authentication) error {
	return checked(ctx, func() error { return binding.CheckAuthentication(ctx, required) })
}

func checked(ctx context.Context, check func() error) error {
	if err := fenced(check); err != nil {
		return newRefusal(ctx, binding.AsError(err))
	}
	return nil
}

// A protection is what the two interceptors of a Protect share.
type protection struct {
	guard *binding.Guard
	rules *ruleset
}

func (p *protection) unary(ctx context.Context, message any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, admitted, err := p.admit(ctx, true)
	if err != nil {
		return nil, answer(ctx, nil, err)
	}
	response, err := handler(ctx, message)
	return response, answer(ctx, admitted, err)
}

func (p *protection) stream(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	// grpc-go has no server for grpc.UnknownServiceHandler.
	ctx, admitted, err := p.admit(stream.Context(), server != nil)
	switch {
	case err != nil:
		return answer(ctx, nil, err)
	case p.rules.endStreamsAtExpiry:
		err = untilExpiry(ctx, server, stream, handler)
	default:
		err = handler(server, &guardedStream{stream, ctx})
	}
	return answer(ctx, admitted, err)
}

// guardedStream is the stream with the context of the admitted call. There is
// no other way to hand one on.
type guardedStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context returns the context that has the token.
func (s *guardedStream) Context() context.Context { return s.ctx }

// admit decides about a call, of a method that is registered or that the client
// made up. It returns the context to hand on, and the request that the guard
// admitted, which is nil for a public method. With an error the context is the
// one that came.
func (p *protection) admit(came context.Context, registered bool) (ctx context.Context, admitted *http.Request, err error) {
	// The name that came: the one in the generated code (FullMethod) is another
	// where a service is registered under a name of its own.
	method, isCall := grpc.Method(came)
	if !isCall {
		return came, nil, &binding.Error{Reason: binding.ReasonMisconfigured, Cause: errNoCall}
	}
	if err := p.rules.mistakes(); err != nil {
		return came, nil, &binding.Error{Reason: binding.ReasonMisconfigured, Cause: err}
	}
	if p.rules.isPublic(method) {
		return came, nil, nil
	}
	fields, _ := metadata.FromIncomingContext(came) // a copy
	if isTooLarge(fields) {
		return came, nil, errTooLarge
	}
	r := newRequest(came, method, fields)
	if registered {
		r.Pattern = method // for the event of a refusal: methods are the server's routes
	}
	if err := fenced(func() (err error) { admitted, err = p.guard.Admit(r); return err }); err != nil {
		return came, nil, err
	}
	ctx = handedOn(fields, r, admitted)
	if err := fenced(func() error { return p.rules.check(ctx, method) }); err != nil {
		return came, nil, err
	}
	return ctx, admitted, nil
}

// fenced calls f, which calls functions of the application's, and turns a panic
// into a refusal. A guard does so itself, but for http.ErrAbortHandler.
func fenced(f func() error) (err error) {
	returned := false // with GODEBUG=panicnil=1 a panic may have nothing to recover
	defer func() {
		if p := recover(); !returned {
			err = &binding.Error{Reason: binding.ReasonPanicked, Cause: &binding.PanicError{Value: p, Stack: debug.Stack()}}
		}
	}()
	err = f()
	returned = true
	return err
}
