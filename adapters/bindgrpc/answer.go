package bindgrpc

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/certbound/certbound/binding"
)

// ErrorDomain is the domain of the ErrorInfo in a refusal. The reason is the
// error code of RFC 6750, RFC 9449 or RFC 9470 as it stands there, such as
// invalid_token.
const ErrorDomain = "github.com/certbound/certbound"

const challengeKey = "www-authenticate"

// A refusal is the error of a refused call: a gRPC status, and by errors.As a
// *binding.Error.
type refusal struct {
	refused  *binding.Error
	status   *status.Status
	trailer  metadata.MD
	answered bool // the trailer is set
}

// newRefusal gives a refusal its status and trailer.
func newRefusal(ctx context.Context, refused *binding.Error) *refusal {
	header := make(http.Header)
	refused.SetHeader(header)
	r := &refusal{refused: refused, trailer: make(metadata.MD), status: status.New(codeOf(ctx, refused), refused.Description())}
	for _, name := range [...]string{"Www-Authenticate", "Retry-After", "Dpop-Nonce"} {
		if values := header[name]; values != nil {
			r.trailer[strings.ToLower(name)] = values
		}
	}
	var details []protoadapt.MessageV1
	if code := refused.Code(); code != "" {
		details = append(details, &errdetails.ErrorInfo{Reason: code, Domain: ErrorDomain})
	}
	if seconds, err := strconv.ParseInt(header.Get("Retry-After"), 10, 64); err == nil {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(time.Duration(seconds) * time.Second)})
	}
	if detailed, err := r.status.WithDetails(details...); err == nil { // of fixed messages: it cannot fail
		r.status = detailed
	}
	return r
}

// Error returns the text of the *binding.Error.
func (r *refusal) Error() string { return r.refused.Error() }

// Unwrap returns the *binding.Error.
func (r *refusal) Unwrap() error { return r.refused }

// GRPCStatus returns what the client is answered.
func (r *refusal) GRPCStatus() *status.Status { return r.status }

func codeOf(ctx context.Context, refused *binding.Error) codes.Code {
	if refused.Reason == binding.ReasonCanceled && ctx.Err() != nil {
		return status.FromContextError(ctx.Err()).Code()
	}
	switch refused.StatusCode() {
	case http.StatusBadRequest, http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusServiceUnavailable:
		return codes.Unavailable
	}
	return codes.Internal
}

// answer returns the error of a call as its client gets it, and sets the
// trailer. An error that is no *binding.Error is the application's, and stays as
// it is. admitted is nil if the guard admitted nothing.
func answer(ctx context.Context, admitted *http.Request, err error) error {
	var answered *refusal
	var refused *binding.Error
	switch {
	case errors.As(err, &answered) && answered.answered: // by an inner Protect
		return err
	case !errors.As(err, &refused) || refused == nil:
		setNonce(ctx, admitted)
		return err
	}
	r := newRefusal(ctx, refused)
	r.answered = true
	_ = grpc.SetTrailer(ctx, r.trailer) // it fails only where there is no call
	if ctx.Value(http.ServerContextKey) != nil {
		// grpc.Server.ServeHTTP: net/http sends no challenge in a trailer (RFC 9110
		// §6.5.1). This fails if the method has sent its header.
		_ = grpc.SetHeader(ctx, metadata.MD{challengeKey: r.trailer[challengeKey]})
	}
	return r
}

// setNonce tells the client of an admitted call a newer nonce (RFC 9449 §8.2).
func setNonce(ctx context.Context, admitted *http.Request) {
	if admitted == nil {
		return
	}
	header := make(http.Header)
	binding.SetAdmittedHeader(header, admitted)
	if nonce := header.Get("Dpop-Nonce"); nonce != "" {
		_ = grpc.SetTrailer(ctx, metadata.Pairs("dpop-nonce", nonce)) // as above
	}
}
