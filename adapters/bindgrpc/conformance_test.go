package bindgrpc_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/certbound/certbound/adapters/bindgrpc"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/bindingtest/conformance"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

// The conformance kit asks over gRPC what it asks over HTTP, each row as a unary call and as a stream: a bridge makes a call
// of each of its requests and an HTTP answer of each status. Nonces are required of the streams.
func TestConformance(t *testing.T) {
	t.Parallel()
	const patience = 2 * time.Minute
	for name, test := range map[string]struct {
		method string
		nonces bool
	}{"unary": {unaryMethod, false}, "stream": {streamMethod, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var visits atomic.Int64
			conformance.Run(t, conformance.Config{
				Path: test.method, ScopePath: scopedPath, HTTP2: test.nonces, DPoP: true, Origin: origin, Nonces: test.nonces,
				StartWait: patience, KeyWait: patience, Timeout: patience, RemovedKeyAfter: patience,
				Visits: func() int { return int(visits.Load()) },
			}, conformance.Handler(func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
				tokens, err := jwks.New(jwks.Config{
					Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport(), Fresh: 5 * time.Second,
				})
				if err != nil {
					return nil, err
				}
				t.Cleanup(func() { _ = tokens.Close() })
				verifier, err := dpop.New(dpop.Config{Origins: []string{origin}, RequireNonce: test.nonces})
				if err != nil {
					return nil, err
				}
				guard, err := binding.New(binding.Config{Tokens: tokens, Proofs: bridgedProofs{verifier}})
				if err != nil {
					return nil, err
				}
				return newBridge(t, guard, &visits, test.method), nil
			}))
		})
	}
}

// scopedPath stands for a method that needs the scope payments: the bridge calls the same.
const scopedPath = "/scoped"

// A bridge is an HTTP handler in front of a gRPC server. Each request is a call over a connection of its own, which has the
// TLS state of the request's.
type bridge struct {
	method  string
	calls   chan net.Conn
	ended   chan struct{}
	closing sync.Once
}

func newBridge(t *testing.T, guard *binding.Guard, visits *atomic.Int64, method string) *bridge {
	t.Helper()
	b := &bridge{method: method, calls: make(chan net.Conn), ended: make(chan struct{})}
	unary, stream := bindgrpc.Protect(guard)
	server := grpc.NewServer(grpc.Creds(bridgedTLS{}), grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
	service := &api{then: func(ctx context.Context) error {
		fields, _ := metadata.FromIncomingContext(ctx)
		if slices.Contains(fields[strings.ToLower(bridgedTarget)], scopedPath) {
			if err := bindgrpc.CheckScopes(ctx, "payments"); err != nil {
				return err
			}
		}
		visits.Add(1)
		return nil
	}}
	testpb.RegisterTestServiceServer(server, service)
	done := make(chan error, 1)
	go func() { done <- server.Serve(b) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-done)
	})
	return b
}

// Fields that a bridge adds: what HTTP has and gRPC has not.
const (
	bridgedMethod = "X-Bridged-Method"
	bridgedTarget = "X-Bridged-Target"
)

// bridgedProofs compares the htm and htu of a proof with those of the request in front of the bridge: a call is always a
// POST, and has no query. That they are compared with the call's own is in TestDPoP.
type bridgedProofs struct{ *dpop.Verifier }

func (b bridgedProofs) ReadProof(r *http.Request, token string) (binding.Proof, error) {
	asked := *r
	asked.Method, asked.RequestURI = r.Header.Get(bridgedMethod), r.Header.Get(bridgedTarget)
	return b.Verifier.ReadProof(&asked, token)
}

func (b *bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	transport := &http2.Transport{AllowHTTP: true, DialTLSContext: func(ctx context.Context, _, _ string, _ *tls.Config) (net.Conn, error) {
		pipe := bufconn.Listen(1 << 16)
		go func() {
			theirs, err := pipe.Accept()
			if err != nil {
				return
			}
			select {
			case b.calls <- stateful{theirs, *r.TLS}:
			case <-b.ended:
				_ = theirs.Close()
			}
		}()
		return pipe.DialContext(ctx)
	}}
	defer transport.CloseIdleConnections()
	// One empty message.
	call, err := http.NewRequestWithContext(r.Context(), http.MethodPost, "http://"+r.Host+b.method, bytes.NewReader(make([]byte, 5)))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	call.Header = r.Header.Clone()
	for _, name := range []string{"Connection", "Content-Length", "Transfer-Encoding", "Upgrade", "Keep-Alive", "Proxy-Connection"} {
		call.Header.Del(name)
	}
	call.Header.Set("Content-Type", "application/grpc")
	call.Header.Set("Te", "trailers")
	call.Header.Set(bridgedMethod, r.Method)
	call.Header.Set(bridgedTarget, r.RequestURI)
	response, err := transport.RoundTrip(call)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body)
	answerOverHTTP(w, response)
}

// answerOverHTTP writes a call's status as bindhttp would write the refusal.
func answerOverHTTP(w http.ResponseWriter, response *http.Response) {
	trailer := response.Trailer
	if trailer.Get("Grpc-Status") == "" { // trailers alone, as a header
		trailer = response.Header
	}
	var answered statuspb.Status
	details, err := base64.RawStdEncoding.DecodeString(trailer.Get("Grpc-Status-Details-Bin"))
	if err == nil {
		err = proto.Unmarshal(details, &answered)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	var reason errdetails.ErrorInfo
	for _, detail := range answered.GetDetails() {
		_ = detail.UnmarshalTo(&reason)
	}
	statuses := map[string]int{"0": http.StatusOK, "16": http.StatusUnauthorized, "7": http.StatusForbidden, "14": http.StatusServiceUnavailable, "8": http.StatusRequestHeaderFieldsTooLarge}
	code, known := statuses[trailer.Get("Grpc-Status")]
	switch {
	case !known:
		code = http.StatusInternalServerError
	case reason.GetReason() == "invalid_request":
		code = http.StatusBadRequest
	}
	for _, name := range []string{"Www-Authenticate", "Retry-After", "Dpop-Nonce"} {
		if values := trailer[name]; values != nil {
			w.Header()[name] = values
		}
	}
	// Of HTTP alone: there is nothing that stores the answer to a call.
	if code != http.StatusOK || w.Header().Get("Dpop-Nonce") != "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	if code == http.StatusOK {
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": reason.GetReason(), "error_description": trailer.Get("Grpc-Message")})
}

// The bridge is the listener of its gRPC server.

func (b *bridge) Accept() (net.Conn, error) {
	select {
	case connection := <-b.calls:
		return connection, nil
	case <-b.ended:
		return nil, net.ErrClosed
	}
}

func (b *bridge) Close() error {
	b.closing.Do(func() { close(b.ended) })
	return nil
}

func (b *bridge) Addr() net.Addr { return &net.UnixAddr{Name: "bridge", Net: "unix"} }

type stateful struct {
	net.Conn
	state tls.ConnectionState
}

// bridgedTLS says of a connection what the handshake in front of the bridge found.
type bridgedTLS struct {
	credentials.TransportCredentials
}

func (bridgedTLS) ServerHandshake(connection net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return connection, credentials.TLSInfo{State: connection.(stateful).state}, nil
}

func (bridgedTLS) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

func (b bridgedTLS) Clone() credentials.TransportCredentials { return b }
