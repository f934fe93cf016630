package main

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

// overGRPC is envoy.service.auth.v3.Authorization.
type overGRPC struct {
	authv3.UnimplementedAuthorizationServer

	decide http.Handler
}

// Check answers about one request. Every refusal is an answer, 503 too: an error
// would be a request that goes on where failure_mode_allow is set.
func (o *overGRPC) Check(ctx context.Context, question *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	w := &answer{header: make(http.Header)}
	if r := requestOf(ctx, question.GetAttributes()); r != nil {
		o.decide.ServeHTTP(w, r)
	} else {
		w.status = http.StatusForbidden
	}
	if w.status == http.StatusNoContent {
		ok := &authv3.OkHttpResponse{HeadersToRemove: unwanted(w.header)}
		for _, name := range identityFields {
			if value := w.header.Get(name); value != "" {
				ok.Headers = append(ok.Headers, fields(name, []string{value})...)
			}
		}
		// For the client's next DPoP proof.
		ok.ResponseHeadersToAdd = fields(nonceField, w.header.Values(nonceField))
		return &authv3.CheckResponse{
			Status:       &rpcstatus.Status{Code: int32(codes.OK)},
			HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: ok},
		}, nil
	}
	denied := &authv3.DeniedHttpResponse{
		Status: &typev3.HttpStatus{Code: typev3.StatusCode(w.status)}, Body: w.body.String(),
	}
	for name, values := range w.header {
		if name != "Content-Length" {
			denied.Headers = append(denied.Headers, fields(name, values)...)
		}
	}
	return &authv3.CheckResponse{
		Status:       &rpcstatus.Status{Code: int32(codes.PermissionDenied)},
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: denied},
	}, nil
}

// requestOf makes the request that Envoy asks about, or nil where it is none. The
// certificate is the one of Envoy's own handshake: it comes in no header, and so
// no client can forge it.
func requestOf(ctx context.Context, attributes *authv3.AttributeContext) *http.Request {
	asked := attributes.GetRequest().GetHttp()
	target, err := url.ParseRequestURI(asked.GetPath())
	if err != nil {
		return nil
	}
	header := make(http.Header)
	for _, field := range asked.GetHeaderMap().GetHeaders() { // encode_raw_headers
		add(header, field.GetKey(), string(field.GetRawValue()))
	}
	for name, value := range asked.GetHeaders() { // or all of one name in one value
		add(header, name, value)
	}
	certificate, err := forwarded.ParseCertificate(forwarded.URLPEM, attributes.GetSource().GetCertificate())
	ctx = context.WithValue(ctx, presentedKey{}, presented{certificate, err})
	r := &http.Request{
		Method: asked.GetMethod(), URL: target, RequestURI: asked.GetPath(), Host: asked.GetHost(), Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody,
	}
	return r.WithContext(ctx)
}

func add(header http.Header, name, value string) {
	if !strings.HasPrefix(name, ":") {
		header.Add(name, value)
	}
}

func fields(name string, values []string) []*corev3.HeaderValueOption {
	var all []*corev3.HeaderValueOption
	for i, value := range values {
		action := corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
		if i > 0 { // a challenge more
			action = corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD
		}
		all = append(all, &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: name, Value: value}, AppendAction: action})
	}
	return all
}

const nonceField = "DPoP-Nonce"

type presentedKey struct{}

type presented struct {
	certificate binding.Certificate
	err         error
}

// fromContext finds the certificate that requestOf has read.
type fromContext struct{}

func (fromContext) ClientCertificate(r *http.Request) (binding.Certificate, error) {
	p, _ := r.Context().Value(presentedKey{}).(presented)
	return p.certificate, p.err
}

func (fromContext) Headers() []string { return nil }

// An answer is what a handler writes.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}
