package suite

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// metadata is section J: the issuer's metadata is wrong, and no request gets
// through for it. What is right about a document and what is not is tested
// beside package metadata.
func (s *suite) metadata(t *testing.T) {
	for _, row := range []struct {
		name   string
		change map[string]any // of the metadata; nil removes a member
		want   Answer
	}{
		{"258 the issuer with a slash", claims{"issuer": "SLASH"}, Unavailable("any")},
		{"258 the issuer in capitals", claims{"issuer": "CAPITALS"}, Unavailable("any")},
		{"258 another issuer", claims{"issuer": "https://other.example"}, Unavailable("any")},
		{"258 no issuer", claims{"issuer": nil}, Unavailable("any")},
		{"260 no jwks_uri", claims{"jwks_uri": nil}, Unavailable("any")},
		{"260 a jwks_uri of another type", claims{"jwks_uri": []string{"https://other.example"}}, Unavailable("any")},
		{"261 a jwks_uri without TLS", claims{"jwks_uri": "http://127.0.0.1/jwks"}, Unavailable("any")},
		{"261 a jwks_uri in the local network", claims{"jwks_uri": "https://169.254.169.254/jwks"}, Unavailable("any")},
		{"263 tokens are said not to be bound", claims{"tls_client_certificate_bound_access_tokens": false}, OK},
		{"264 signed_metadata", claims{"signed_metadata": "eyJ4.e30.c2ln"}, OK},
		{"as it should be", nil, OK},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := NewFixture(t)
			document := f.AS.Metadata()
			for name, value := range row.change {
				switch value {
				case nil:
					delete(document, name)
				case "SLASH":
					document[name] = f.AS.Issuer() + "/"
				case "CAPITALS":
					document[name] = strings.ToUpper(f.AS.Issuer())
				default:
					document[name] = value
				}
			}
			text, err := json.Marshal(document)
			if err != nil {
				t.Fatal(err)
			}
			s.withMetadata(t, f, answers(http.StatusOK, "application/json", string(text)), row.want)
		})
	}
	for name, answer := range map[string]http.HandlerFunc{
		"a redirect":     func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"HTML":           answers(http.StatusOK, "text/html", "<html></html>"),
		"nothing":        answers(http.StatusOK, "application/json", ""),
		"too much":       answers(http.StatusOK, "application/json", `{"x":"`+strings.Repeat("x", 512<<10)+`"}`),
		"a server error": answers(http.StatusInternalServerError, "application/json", "{}"),
	} {
		t.Run("262 "+name, func(t *testing.T) {
			t.Parallel()
			s.withMetadata(t, NewFixture(t), answer, Unavailable("any"))
		})
	}
}

func (s *suite) withMetadata(t *testing.T, f *Fixture, answer http.HandlerFunc, want Answer) {
	t.Helper()
	f.AS.Handle(bindingtest.MetadataPaths, answer)
	site := s.serveIn(t, f, Protect(f.Guard(t, binding.Config{Tokens: f.Verifier(t)})))
	site.Check(t, site.Probe, Bearer(f.Holder, f.Good(t)), want)
	site.Check(t, site.Probe, Bearer(f.Other, f.Good(t)), refusedAlike(want))
}

// refusedAlike is the answer to the wrong certificate: known only to who has
// keys.
func refusedAlike(want Answer) Answer {
	if want.Status == http.StatusOK {
		return OtherCertificate
	}
	return want
}
