package dpop_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/dpop"
)

// The figures of RFC 9449: proofs of others, by one key.
const (
	figureHeader = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
	// Figure 2: a proof for POST https://server.example.com/token.
	figure2 = figureHeader + ".eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
	// Figure 13: for GET https://resource.example.org/protectedresource.
	figure13Input     = figureHeader + ".eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9"
	figure13Signature = "2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
	// The other signature of the same, which can be made of the first without the key.
	figure13Twin = "2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plel_fuFVO46DNVBNVNqYZjPFpbmdA8d0H3BbGP5h-8jZxQ"
	// Figures 9 and 11: the key's thumbprint.
	figureThumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
)

func figureVerifier(t *testing.T, iat int64) *dpop.Verifier {
	t.Helper()
	return newVerifier(t, func(c *dpop.Config) {
		c.Origins = []string{"https://resource.example.org", "https://server.example.com"}
		c.Clock = func() time.Time { return time.Unix(iat, 0) }
	})
}

func TestFiguresOfRFC9449(t *testing.T) {
	t.Parallel()
	v := figureVerifier(t, 1562262618)
	r := request("GET", "/protectedresource", figure13Input+"."+figure13Signature)
	proof, err := use(t, v, r)
	require.NoError(t, err)
	require.Equal(t, figureThumbprint, proof.Key.String())
	requireRefused(t, v, r, binding.ReasonProofReplayed)
	requireRefused(t, v, request("GET", "/protectedresource", figure13Input+"."+figure13Twin), binding.ReasonProofReplayed)
	requireAccepted(t, figureVerifier(t, 1562262618), request("GET", "/protectedresource", figure13Input+"."+figure13Twin))
	requireRefused(t, v, request("POST", "/protectedresource", figure13Input+"."+figure13Signature), binding.ReasonProofMethod)
	requireRefused(t, v, request("GET", "/protectedresources", figure13Input+"."+figure13Signature), binding.ReasonProofURI)
	requireRefused(t, figureVerifier(t, 1562262679), r, binding.ReasonProofExpired)
	_, err = v.ReadProof(r, token+"x")
	require.Equal(t, binding.ReasonProofToken, binding.AsError(err).Reason)
	// A proof for a token endpoint has no ath.
	requireRefused(t, figureVerifier(t, 1562262616), request("POST", "/token", figure2), binding.ReasonProofClaims)
}

// As net/http's own server hands a request on.
func TestRequestOfAServer(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "https://resource.example.org/protectedresource?page=2", nil)
	r.Header.Set("dpop", figure13Input+"."+figure13Signature)
	requireAccepted(t, figureVerifier(t, 1562262618), r)
}
