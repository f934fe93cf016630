package metadata_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/metadata"
)

// What is wrong with a configuration names the field, and an http URL is told why it is one.
func TestIssuerCheck(t *testing.T) {
	t.Parallel()
	const (
		noHTTP   = ": is an http URL, and must be https: whoever is on the path could choose the answers (for development there is DangerouslyAllowHTTP)"
		noURL    = ": must be an absolute https URL without user and fragment"
		noIssuer = "Issuer: must be an https URL without user, query and fragment (RFC 8414 section 2), unless another option says where to ask"
		issuer   = "https://auth.example"
	)
	for name, test := range map[string]struct {
		name, metadataURL, url string
		allowHTTP, elsewhere   bool
		want                   []string
	}{
		"an issuer":                        {issuer, "", "", false, false, nil},
		"no issuer":                        {"", "", "", false, false, []string{"Issuer: is required"}},
		"no issuer, and keys at hand":      {"", "", "", false, true, []string{"Issuer: is required"}},
		"an issuer over http":              {"http://auth.example", "", "", false, false, []string{"Issuer" + noHTTP}},
		"an issuer over http, allowed":     {"http://auth.example", "", "", true, false, nil},
		"an issuer that is a name":         {"auth", "", "", false, false, []string{noIssuer}},
		"a name, and keys at hand":         {"auth", "", "", false, true, nil},
		"a name, and where to ask":         {"auth", "", issuer + "/keys", false, false, nil},
		"a name, and where metadata is":    {"auth", issuer + "/metadata", "", false, false, nil},
		"both":                             {"auth", issuer + "/metadata", issuer + "/keys", false, false, []string{"MetadataURL: and URL are both set: one of them says where to ask"}},
		"a URL over http":                  {issuer, "", "http://auth.example/keys", false, false, []string{"URL" + noHTTP}},
		"a URL over HTTP":                  {issuer, "", "HTTP://auth.example/keys", false, false, []string{"URL" + noHTTP}},
		"a URL over http, allowed":         {issuer, "", "http://auth.example/keys", true, false, nil},
		"one with a user, http is allowed": {issuer, "", "http://user@auth.example/keys", true, false, []string{"URL" + noURL}},
		"one with a user":                  {issuer, "", "https://user@auth.example/keys", false, false, []string{"URL" + noURL}},
		"another scheme":                   {issuer, "", "ftp://auth.example/keys", false, false, []string{"URL" + noURL}},
		"as long as the scheme":            {issuer, "", "keys.js", false, false, []string{"URL" + noURL}},
		"metadata over http":               {issuer, "http://auth.example/metadata", "", false, false, []string{"MetadataURL" + noHTTP}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := metadata.Issuer{
				Client: &metadata.Client{DangerouslyAllowHTTP: test.allowHTTP}, Name: test.name, MetadataURL: test.metadataURL,
			}
			var mistakes []string
			asked.Check(test.url, test.elsewhere, func(field, format string, args ...any) {
				mistakes = append(mistakes, field+": "+fmt.Sprintf(format, args...))
			})
			require.Equal(t, test.want, mistakes)
		})
	}
}
