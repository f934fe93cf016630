package dpop_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/dpop"
)

// requireJudged reads whatever comes as a proof: an answer that a client may have, and no panic.
func requireJudged(t *testing.T, v *dpop.Verifier, r *http.Request) error {
	t.Helper()
	_, err := use(t, v, r)
	if err != nil {
		status := binding.AsError(err).StatusCode()
		require.Equal(t, http.StatusUnauthorized, status, "%v", err)
	}
	return err
}

func FuzzProof(f *testing.F) {
	f.Add(figure13Input + "." + figure13Signature)
	f.Add(figure2)
	for _, text := range []string{"", ".", "..", "a.b.c", "e30.e30.AA", "eyJhbGciOiJub25lIn0.e30.", strings.Repeat("A", 9000)} {
		f.Add(text)
	}
	v := newVerifier(f, func(c *dpop.Config) { c.DangerouslyAcceptReplays = true })
	f.Fuzz(func(t *testing.T, text string) {
		require.Error(t, requireJudged(t, v, get(text)), "nobody signs for noon")
	})
}

// FuzzHeader signs whatever header comes, so that the signature stops nothing: what is accepted is a header that names the
// signer's key.
func FuzzHeader(f *testing.F) {
	s := es256()
	for _, header := range []object{
		s.header(), s.header().with("typ", "1"), s.header().with("typ", `"application/DPoP+jwt"`), s.header().with("alg", `"none"`), s.header().with("jwk", "[]"),
		s.header().with("jwk", s.jwk().with("d", "1").String()), s.header().with("crit", "[]"), s.header().with("kid", `"1"`),
	} {
		f.Add(header.String())
	}
	v := newVerifier(f, func(c *dpop.Config) { c.DangerouslyAcceptReplays = true })
	f.Fuzz(func(t *testing.T, header string) {
		if len(header) > 4000 {
			t.Skip()
		}
		proof, err := v.ReadProof(get(s.sign(header, goodClaims().String())), token)
		if err != nil {
			require.Equal(t, http.StatusUnauthorized, binding.AsError(err).StatusCode())
			return
		}
		err = proof.Prove(t.Context())
		require.Equal(t, proof.Key == s.thumbprint(), err == nil, "%v", err)
	})
}

// FuzzClaims signs whatever claims come.
func FuzzClaims(f *testing.F) {
	good := goodClaims()
	for _, claims := range []string{
		good.String(), good.with("iat", "1e400").String(), good.with("iat", "1.7e9").String(), good.with("nonce", "1").String(), good.and(`"jti":"2"`), good.with("exp", "1").String(),
		good.with("jti", `"\ud800"`).String(), good.with("htu", `"https://api.example/%2e/accounts"`).String(), "null", "[]", "{}",
	} {
		f.Add(claims)
	}
	v := newVerifier(f, func(c *dpop.Config) { c.DangerouslyAcceptReplays = true })
	f.Fuzz(func(t *testing.T, claims string) {
		if len(claims) > 4000 {
			t.Skip()
		}
		if requireJudged(t, v, get(es256().sign(es256().header().String(), claims))) == nil {
			require.True(t, json.Valid([]byte(claims)))
		}
	})
}

// FuzzURI holds the comparison of htu against one that net/url and RFC 3986 make: what differs is refused by us.
func FuzzURI(f *testing.F) {
	for _, pair := range [][2]string{
		{"/accounts", origin + "/accounts"}, {"/a%2Fb", origin + "/a/b"}, {"/%61", "HTTPS://API.EXAMPLE:443/a?b#c"}, {"/x/../a", origin + "/a"}, {"/a", origin + "/x/%2e%2E/a"},
		{"/a?b", origin + "/a"}, {"/a|b", origin + "/a%7Cb"}, {"/", origin}, {"//a", origin + "//a"}, {"/a", "https://user@api.example/a"}, {"/a", `https://api.example\a`}, {"/é", origin + "/%C3%A9"},
		{"/a", "https://api.example:/a"}, {"/a/", origin + "/a/b/.."}, {"/a", "https:a"}, {"/a", origin + "//../a"}, {"/;", origin + "/%3B"},
	} {
		f.Add(pair[0], pair[1])
	}
	v := newVerifier(f, func(c *dpop.Config) { c.DangerouslyAcceptReplays = true })
	f.Fuzz(func(t *testing.T, target, htu string) {
		r := get()
		if !strings.HasPrefix(target, "/") || len(target)+len(htu) > 3000 {
			t.Skip()
		}
		r.RequestURI = target // whatever net/http lets through
		r.Header.Set("DPoP", proofFor(htu))
		if requireJudged(t, v, r) != nil {
			return
		}
		if quoted := quote(htu); strings.Contains(quoted, `\ufffd`) {
			return // no text that a client sent
		}
		bare, _, _ := strings.Cut(htu, "#") // what nobody looks at may be anything
		bare, _, _ = strings.Cut(bare, "?")
		claimed, err := url.Parse(bare)
		require.NoError(t, err, "accepted, and no URI: %q", htu)
		require.Equal(t, "https", claimed.Scheme)
		require.Nil(t, claimed.User)
		require.Equal(t, "api.example", strings.ToLower(claimed.Hostname()))
		require.Contains(t, []string{"", "443"}, claimed.Port())
		path, _, _ := strings.Cut(target, "?")
		asked := segmentsOf(t, path)
		got := segmentsOf(t, claimed.EscapedPath())
		if !equal(asked, got) {
			require.Equal(t, asked, withoutDots(got))
		}
	})
}

// segmentsOf are the segments of a path, decoded: an encoded slash is in one, and a bare one ends it.
func segmentsOf(t *testing.T, path string) []string {
	t.Helper()
	if path == "" {
		path = "/"
	}
	var segments []string
	for _, segment := range strings.Split(path, "/")[1:] {
		// RFC 3986 §2.2: a reserved character that is encoded is not the same as the bare one.
		for _, reserved := range "!$&'()*+,;=:@" {
			segment = strings.ReplaceAll(segment, string(reserved), "\x01"+url.PathEscape("%")+string(reserved))
		}
		decoded, err := url.PathUnescape(segment)
		require.NoError(t, err)
		segments = append(segments, decoded)
	}
	return segments
}

func equal(a, b []string) bool { return strings.Join(a, "\x00/") == strings.Join(b, "\x00/") }

// withoutDots is RFC 3986 §5.2.4.
func withoutDots(segments []string) []string {
	var out []string
	for n, segment := range segments {
		last := n == len(segments)-1
		switch segment {
		case ".":
		case "..":
			out = out[:max(0, len(out)-1)]
		default:
			out = append(out, segment)
			continue
		}
		if last {
			out = append(out, "")
		}
	}
	return out
}
