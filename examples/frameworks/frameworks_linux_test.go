package frameworks_test

import (
	"crypto/tls"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/examples/internal/tryout"
)

func start(t *testing.T, folder string) *tryout.Server {
	t.Helper()
	as := tryout.NewAuthorizationServer(t, bindingtest.Config{})
	return tryout.Start(t, folder, []*bindingtest.AuthorizationServer{as})
}

func TestChi(t *testing.T) {
	t.Parallel()
	api := start(t, "./chi")
	api.Requires(t, http.StatusOK, "ok", api.Thief, "", http.MethodGet, "/healthz")
	api.Story(t, "/accounts")
	api.Requires(t, http.StatusOK, "paid", api.Client, api.Token(t, "payments"), http.MethodPost, "/payments")
	api.Requires(t, http.StatusForbidden, `scope="payments"`, api.Client, api.Token(t), http.MethodPost, "/payments")
}

func TestConnect(t *testing.T) {
	t.Parallel()
	api := start(t, "./connect")
	for protocol, options := range map[string][]connect.ClientOption{
		"Connect":           nil,
		"Connect with JSON": {connect.WithProtoJSON()},
		"gRPC":              {connect.WithGRPC()},
		"gRPC-Web":          {connect.WithGRPCWeb()},
	} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			call := func(certificate tls.Certificate, procedure, token string) (string, connect.Code) {
				client := connect.NewClient[emptypb.Empty, wrapperspb.StringValue](api.HTTPClient(t, certificate), api.URL+procedure, options...)
				request := connect.NewRequest(&emptypb.Empty{})
				if token != "" {
					request.Header().Set("Authorization", "Bearer "+token)
				}
				response, err := client.CallUnary(t.Context(), request)
				if err != nil {
					return err.Error(), connect.CodeOf(err)
				}
				return response.Msg.Value, 0
			}
			const list, pay = "/bank.v1.Accounts/List", "/bank.v1.Accounts/Pay"
			text, code := call(api.Client, list, api.Token(t))
			require.Zero(t, code, text)
			require.Equal(t, "the accounts of alice", text)
			text, code = call(api.Client, pay, api.Token(t, "payments"))
			require.Zero(t, code, text)

			text, code = call(api.Thief, list, api.Token(t))
			require.Equal(t, connect.CodeUnauthenticated, code, text)
			text, code = call(api.Client, list, "")
			require.Equal(t, connect.CodeUnauthenticated, code, text)
			text, code = call(api.Client, pay, api.Token(t))
			require.Equal(t, connect.CodePermissionDenied, code, text)
		})
	}
}
