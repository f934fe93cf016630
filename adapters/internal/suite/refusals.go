package suite

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// refusals are rows 265, 266, 270 and 271: one request for every kind of
// answer, with a Fixture whose log nothing else is in.
func (s *suite) refusals(t *testing.T) {
	f := NewFixture(t)
	good := s.serveIn(t, f, Protect(f.Guard(t, binding.Config{})), RequireScopes("accounts"))
	down := s.serveIn(t, f, Protect(f.Guard(t, verifies(nil, errors.New("no database")))))
	const canary = "canary-of-the-claims"
	holder := f.Holder.Certificate.Leaf
	token := func(spec bindingtest.TokenSpec) string {
		spec.Subject = canary
		return f.Token(t, spec)
	}
	bound := token(bindingtest.TokenSpec{Certificate: holder})
	kinds := []struct {
		site    site
		request Request
		want    Answer
		reason  binding.Reason
	}{
		{good, Request{}, NoCredentials, binding.ReasonCredentialsMissing},
		{good, Request{Authorization: []string{"Bearer " + bound, "Bearer " + bound}}, ManyCredentials, binding.ReasonCredentialsAmbiguous},
		{good, Bearer(f.Holder, bound+"!"), BadCredentials, binding.ReasonCredentialsMalformed},
		{good, Bearer(f.Holder, bound+"."), Malformed, binding.ReasonTokenMalformed},
		{good, Bearer(f.Holder, token(bindingtest.TokenSpec{Certificate: holder, ForgedSignature: true})), Unverifiable, binding.ReasonTokenSignature},
		{good, Bearer(f.Holder, token(bindingtest.TokenSpec{Certificate: holder, ExpiresIn: -time.Hour})), Expired, binding.ReasonTokenExpired},
		{good, Bearer(f.Holder, token(bindingtest.TokenSpec{})), Unbound, binding.ReasonTokenUnbound},
		{good, Bearer(f.Nobody, bound), NoCertificate, binding.ReasonCertificateMissing},
		{good, Bearer(f.Other, bound), OtherCertificate, binding.ReasonThumbprintMismatch},
		{good, Bearer(f.Holder, token(bindingtest.TokenSpec{Certificate: holder, Scopes: []string{"payments"}})), MissesScopes("accounts"), binding.ReasonScopeMissing},
		{down, Bearer(f.Holder, bound), Unavailable("5"), binding.ReasonUnavailable},
	}

	t.Run("265 to 266 the texts are fixed, and no log has anything of the token", func(t *testing.T) {
		t.Parallel()
		for _, kind := range kinds {
			kind.site.Check(t, kind.site.Probe, kind.request, kind.want)
			response, body := kind.site.Get(t, kind.request)
			all := dump(response, []byte(body))
			for _, secret := range []string{
				canary, f.AS.KeyID(), f.AS.Issuer(), bindingtest.Thumbprint(holder), bindingtest.Thumbprint(f.Other.Certificate.Leaf),
				"jwks: ", "binding: ", "crypto/",
			} {
				assert.NotContains(t, all, secret, kind.reason)
			}
			for _, character := range response.Header.Get("WWW-Authenticate") {
				require.True(t, ' ' <= character && character <= '~', "%q in a challenge", character)
			}
		}
		written := f.Log.String()
		for _, kind := range kinds {
			assert.Contains(t, written, string(kind.reason), "there is a log, and it says why")
		}
		for part := range strings.SplitSeq(bound, ".") {
			assert.NotContains(t, written, part[len(part)-40:])
		}
		assert.NotContains(t, written, canary)
		f.Log.check(t)
	})

	t.Run("270 no refusal may be stored", func(t *testing.T) {
		t.Parallel()
		for _, kind := range kinds {
			response, _ := kind.site.Get(t, kind.request)
			require.Equal(t, kind.want.Status, response.StatusCode)
			assert.Equal(t, []string{"no-store"}, response.Header["Cache-Control"], kind.reason)
		}
	})

	t.Run("271 no handler runs after a refusal, and one does after none", func(t *testing.T) {
		t.Parallel()
		for _, version := range []int{1, 2} {
			for _, kind := range kinds {
				id := f.newCase(kind.request.Authorization...)
				client := kind.request.Client
				if client == nil {
					client = f.Nobody
				}
				response, err := client.HTTP(version).Do(kind.request.build(t, kind.site.URL, id))
				require.NoError(t, err)
				require.NoError(t, response.Body.Close())
				assert.Empty(t, kind.site.Probe.of(id), fmt.Sprintf("%s, HTTP/%d", kind.reason, version))
			}
			id := f.newCase()
			response, err := f.Holder.HTTP(version).Do(Bearer(f.Holder, bound).build(t, good.URL, id))
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.Equal(t, http.StatusOK, response.StatusCode)
			assert.Len(t, good.Probe.of(id), 1)
		}
	})
}
