package bindgrpc

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/certbound/certbound/binding/forwarded"
)

const (
	authority   = ":authority"
	proofKey    = "dpop"
	proofHeader = "Dpop" // canonical
)

// newRequest returns the HTTP request that a call is, as the guard judges it.
func newRequest(ctx context.Context, method string, fields metadata.MD) *http.Request {
	r := &http.Request{
		Method: http.MethodPost,
		URL:    &url.URL{Path: method},
		// What is compared with the htu of a proof (RFC 9449 §4.3): the bytes that came.
		RequestURI: method,
		Proto:      "HTTP/2.0", ProtoMajor: 2,
		Header: headerOf(fields),
		Body:   http.NoBody,
	}
	if host := fields[authority]; len(host) == 1 {
		r.Host = host[0]
	}
	if proofs := proofsRemovedFrom(ctx); r.Header[proofHeader] == nil && proofs != nil {
		r.Header[proofHeader] = proofs
	}
	if from, known := peer.FromContext(ctx); known {
		ctx = withConnection(ctx, from)
		if from.Addr != nil {
			r.RemoteAddr = from.Addr.String()
		}
		if info, isTLS := from.AuthInfo.(credentials.TLSInfo); isTLS {
			r.TLS = &info.State
		}
	}
	return r.WithContext(ctx)
}

// headerOf returns the metadata as header fields. Binary values, which grpc-go
// has decoded, are encoded as they are on the wire.
func headerOf(fields metadata.MD) http.Header {
	header := make(http.Header, len(fields)+1)
	for name, values := range fields {
		if name == authority || name == "host" { // of the request, as in net/http
			continue
		}
		if strings.HasSuffix(name, "-bin") {
			encoded := make([]string, len(values))
			for i, value := range values {
				encoded[i] = base64.RawStdEncoding.EncodeToString([]byte(value))
			}
			values = encoded
		}
		header[http.CanonicalHeaderKey(name)] = values
	}
	return header
}

// withConnection says who connected, for package forwarded. The context of a
// call that grpc.Server.ServeHTTP serves is the HTTP request's, and has what
// its ConnContext put there: the address is then text that middleware may have
// taken from a header, and is no *net.TCPAddr.
func withConnection(ctx context.Context, from *peer.Peer) context.Context {
	switch remote := from.Addr.(type) {
	case connAddr:
		ctx = forwarded.ConnContext(ctx, remote.connection)
	case *net.TCPAddr:
		ctx = forwarded.PeerContext(ctx, remote)
	}
	if from.LocalAddr != nil {
		ctx = context.WithValue(ctx, http.LocalAddrContextKey, from.LocalAddr)
	}
	return ctx
}

// handedOn returns the context of an admitted call with the metadata that is
// handed on: without what the guard removed from the header, and without the
// proof, which was good for this call alone.
func handedOn(fields metadata.MD, r, admitted *http.Request) context.Context {
	ctx, before := admitted.Context(), len(fields)
	if len(admitted.Header) < len(r.Header) {
		for name := range fields {
			canonical := http.CanonicalHeaderKey(name)
			if r.Header[canonical] != nil && admitted.Header[canonical] == nil {
				delete(fields, name)
			}
		}
	}
	if proofs := fields[proofKey]; proofs != nil {
		delete(fields, proofKey)
		ctx = context.WithValue(ctx, removedProofs{}, proofs)
	}
	if len(fields) == before {
		return ctx
	}
	return metadata.NewIncomingContext(ctx, fields)
}

// removedProofs is the key of the proofs that an outer Protect has removed, for
// the guard of an inner one.
type removedProofs struct{}

func proofsRemovedFrom(ctx context.Context) []string {
	proofs, _ := ctx.Value(removedProofs{}).([]string)
	return proofs
}

// maxMetadataBytes is net/http's limit for a header (http.DefaultMaxHeaderBytes).
const maxMetadataBytes = 1 << 20

// isTooLarge counts as RFC 9113 §6.5.2 does.
func isTooLarge(fields metadata.MD) bool {
	size := 0
	for name, values := range fields {
		for _, value := range values {
			size += len(name) + len(value) + 32
		}
	}
	return size >= maxMetadataBytes
}

var errTooLarge = status.Error(codes.ResourceExhausted, "the metadata of the call is too large")

var errNoCall = errors.New("bindgrpc: the interceptor was not called by a gRPC server: its context has no method")
