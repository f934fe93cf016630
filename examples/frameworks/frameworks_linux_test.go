package frameworks_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/go-jose/go-jose/v4"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/examples/internal/tryout"
)

func start(t *testing.T, folder string, environment ...string) *tryout.Server {
	t.Helper()
	as := tryout.NewAuthorizationServer(t, bindingtest.Config{})
	return tryout.Start(t, folder, []*bindingtest.AuthorizationServer{as}, environment...)
}

func TestChi(t *testing.T) {
	t.Parallel()
	api := start(t, "./chi")
	api.Requires(t, http.StatusOK, "ok", api.Thief, "", http.MethodGet, "/healthz")
	api.Story(t, "/accounts")
	api.Requires(t, http.StatusOK, "paid", api.Client, api.Token(t, "payments"), http.MethodPost, "/payments")
	api.Requires(t, http.StatusForbidden, `scope="payments"`, api.Client, api.Token(t), http.MethodPost, "/payments")
}

// The token reaches the handler through the context that Admit returns, also on a connection that is used again.
func TestFiber(t *testing.T) {
	t.Parallel()
	api := start(t, "./fiber")
	api.Requires(t, http.StatusOK, "ok", api.Thief, "", http.MethodGet, "/healthz")
	api.Story(t, "/accounts")
	api.Story(t, "/accounts?of=bob")
	api.Requires(t, http.StatusOK, "paid", api.Client, api.Token(t, "payments"), http.MethodPost, "/payments")
	api.Requires(t, http.StatusForbidden, `scope="payments"`, api.Client, api.Token(t), http.MethodPost, "/payments")

	client := api.HTTPClient(t, api.Client)
	for _, row := range []struct {
		name   string
		tokens []string
		status int
	}{
		{"one", []string{api.Token(t)}, http.StatusOK},
		{"two fields", []string{api.Token(t), api.Token(t)}, http.StatusBadRequest},
		{"two fields, the first of them empty", []string{"", api.Token(t)}, http.StatusBadRequest},
		{"one again", []string{api.Token(t)}, http.StatusOK},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api.URL+"/accounts", nil)
		require.NoError(t, err)
		for _, token := range row.tokens {
			request.Header.Add("Authorization", "Bearer "+token)
		}
		response, err := client.Do(request)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, row.status, response.StatusCode, row.name)
	}
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
			call := func(certificate tls.Certificate, procedure, token string) (string, error) {
				client := connect.NewClient[emptypb.Empty, wrapperspb.StringValue](api.HTTPClient(t, certificate), api.URL+procedure, options...)
				request := connect.NewRequest(&emptypb.Empty{})
				if token != "" {
					request.Header().Set("Authorization", "Bearer "+token)
				}
				response, err := client.CallUnary(t.Context(), request)
				if err != nil {
					return "", err
				}
				return response.Msg.Value, nil
			}
			const list, pay = "/bank.v1.Accounts/List", "/bank.v1.Accounts/Pay"
			text, err := call(api.Client, list, api.Token(t))
			require.NoError(t, err)
			require.Equal(t, "the accounts of alice", text)
			text, err = call(api.Client, pay, api.Token(t, "payments"))
			require.NoError(t, err)
			require.Equal(t, "paid", text)

			refused := func(err error, code connect.Code, message, challenge string) {
				t.Helper()
				var answer *connect.Error
				require.ErrorAs(t, err, &answer)
				require.Equal(t, code, answer.Code())
				require.Equal(t, message, answer.Message())
				require.Contains(t, answer.Meta().Get("WWW-Authenticate"), challenge)
				require.Equal(t, "no-store", answer.Meta().Get("Cache-Control"))
			}
			_, err = call(api.Thief, list, api.Token(t))
			refused(err, connect.CodeUnauthenticated, "the access token is bound to another client certificate", `Bearer error="invalid_token"`)
			_, err = call(api.Client, list, "")
			refused(err, connect.CodeUnauthenticated, "Unauthorized", "Bearer realm=")
			_, err = call(api.Client, list, "two words")
			refused(err, connect.CodeUnauthenticated, "the Authorization field must be Bearer, a space and an access token", `error="invalid_request"`)
			_, err = call(api.Client, pay, api.Token(t))
			refused(err, connect.CodePermissionDenied, "the access token lacks a scope that this request needs", `scope="payments"`)
		})
	}
}

// Who speaks none of connect's protocols is answered as everywhere.
func TestConnectForAnotherClient(t *testing.T) {
	t.Parallel()
	api := start(t, "./connect")
	api.Requires(t, http.StatusUnauthorized, "Bearer realm=", api.Client, "", http.MethodGet, "/bank.v1.Accounts/List")
}

// What the server says over TCP leads to what it serves over QUIC. The folder's own tests ask the rest.
func TestHTTP3(t *testing.T) {
	t.Parallel()
	api := start(t, "./http3")
	overTCP := api.HTTPClient(t, api.Client)
	overQUIC := &http3.Transport{TLSClientConfig: overTCP.Transport.(*http.Transport).TLSClientConfig.Clone()}
	t.Cleanup(func() { require.NoError(t, overQUIC.Close()) })
	for _, client := range []*http.Client{{Transport: overQUIC}, overTCP} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api.URL+"/accounts", nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+api.Token(t))
		response, err := client.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode)
		if client == overTCP {
			require.Contains(t, response.Header.Get("Alt-Svc"), `h3=":`)
		} else {
			require.Equal(t, 3, response.ProtoMajor)
		}
	}
	api.Story(t, "/accounts")
}

// An encrypted token is decrypted by the algorithms that were agreed on, within a length, and then judged as any other.
func TestJWE(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "jwe-key.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	api := start(t, "./jwe", "DECRYPTION_KEY="+file)
	good := api.Token(t)
	encrypted := func(token string, algorithm jose.KeyAlgorithm, content jose.ContentEncryption, options *jose.EncrypterOptions) string {
		t.Helper()
		encrypter, err := jose.NewEncrypter(content, jose.Recipient{Algorithm: algorithm, Key: key.Public()}, options.WithContentType("JWT"))
		require.NoError(t, err)
		message, err := encrypter.Encrypt([]byte(token))
		require.NoError(t, err)
		text, err := message.CompactSerialize()
		require.NoError(t, err)
		return text
	}
	agreed := func(token string) string {
		return encrypted(token, jose.RSA_OAEP_256, jose.A256GCM, new(jose.EncrypterOptions))
	}
	api.Requires(t, http.StatusOK, "the accounts of alice", api.Client, agreed(good), http.MethodGet, "/accounts")
	for _, row := range []struct{ name, token, description string }{
		{"signed and not encrypted", good, "the access token is malformed"},
		{"another algorithm for the key", encrypted(good, jose.RSA_OAEP, jose.A256GCM, new(jose.EncrypterOptions)), "the access token is malformed"},
		{"another algorithm for the content", encrypted(good, jose.RSA_OAEP_256, jose.A128GCM, new(jose.EncrypterOptions)), "the access token is malformed"},
		{"compressed", encrypted(good, jose.RSA_OAEP_256, jose.A256GCM, &jose.EncrypterOptions{Compression: jose.DEFLATE}), "the header of the access token"},
		{"compressed to a thousandth", encrypted(strings.Repeat("x", 200_000), jose.RSA_OAEP_256, jose.A256GCM, &jose.EncrypterOptions{Compression: jose.DEFLATE}), "the header of the access token"},
		{"too long", agreed(strings.Repeat("x", 24<<10)), "the access token is too long"},
		{"changed", changed(agreed(good)), "the access token is not valid"},
		{"encrypted twice", agreed(agreed(good)), "the access token is malformed"},
		{"not signed by the issuer", agreed(good[:strings.LastIndex(good, ".")] + "."), "invalid_token"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			api.Requires(t, http.StatusUnauthorized, row.description, api.Client, row.token, http.MethodGet, "/accounts")
		})
	}
	t.Run("a thief", func(t *testing.T) {
		t.Parallel()
		api.Requires(t, http.StatusUnauthorized, "bound to another client certificate", api.Thief, agreed(good), http.MethodGet, "/accounts")
	})
}

// changed is the message with another tag: its first letter is another one.
func changed(message string) string {
	at := strings.LastIndex(message, ".") + 1
	other := "A"
	if message[at] == 'A' {
		other = "B"
	}
	return message[:at] + other + message[at+1:]
}
