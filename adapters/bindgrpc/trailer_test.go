package bindgrpc_test

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	"github.com/certbound/certbound/adapters/internal/suite"
	"github.com/certbound/certbound/binding"
)

// A token in the trailers of a call is none. grpc-go takes a client that sends trailers for one that is broken, and ends
// the connection.
func TestTokenInTheTrailers(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	site := protected(t, f, f.Guard(t, binding.Config{}))
	transport := &http2.Transport{TLSClientConfig: &tls.Config{
		RootCAs: f.AS.RootCAs(), Certificates: []tls.Certificate{*f.Holder.Certificate}, NextProtos: []string{"h2"},
	}}
	t.Cleanup(transport.CloseIdleConnections)
	for kind, method := range kinds {
		// A body of unknown length, so that there are trailers: one empty message.
		body := struct{ *bytes.Reader }{bytes.NewReader(make([]byte, 5))}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+site.address+method, body)
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/grpc")
		request.Header.Set("Te", "trailers")
		request.Trailer = http.Header{"Authorization": {"Bearer " + f.Good(t)}}
		response, err := transport.RoundTrip(request)
		if err == nil {
			require.NotEqual(t, "0", response.Header.Get("Grpc-Status")+response.Trailer.Get("Grpc-Status"))
			require.NoError(t, response.Body.Close())
		}
		require.Empty(t, site.api.visited())
		require.Equal(t, codes.OK, call(t, site.as(t, f.Holder), kind, "authorization", "Bearer "+f.Good(t)).Code(), "the server serves the next")
		site.api.visited()
	}
}
