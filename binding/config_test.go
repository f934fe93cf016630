package binding_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// mistakes returns what a constructor's error joins.
func mistakes(t *testing.T, err error) []binding.ConfigError {
	t.Helper()
	require.Error(t, err)
	all := slices.Collect(binding.ConfigErrors(err))
	for _, mistake := range all {
		require.NotEmpty(t, mistake.Problem)
	}
	return all
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	a, b, c := binding.ConfigError{Field: "A"}, binding.ConfigError{Field: "B"}, binding.ConfigError{Field: "C"}
	other := errors.New("another error")
	for name, test := range map[string]struct {
		err  error
		want []binding.ConfigError
	}{
		"nil":        {nil, nil},
		"none":       {other, nil},
		"one":        {a, []binding.ConfigError{a}},
		"wrapped":    {fmt.Errorf("x: %w", fmt.Errorf("y: %w", a)), []binding.ConfigError{a}},
		"joined":     {errors.Join(a, other, b), []binding.ConfigError{a, b}},
		"the deep":   {errors.Join(fmt.Errorf("x: %w", errors.Join(a, b)), c), []binding.ConfigError{a, b, c}},
		"two in one": {fmt.Errorf("%w and %w", b, a), []binding.ConfigError{b, a}},
	} {
		require.Equal(t, test.want, slices.Collect(binding.ConfigErrors(test.err)), name)
	}
	for range binding.ConfigErrors(errors.Join(errors.Join(a, b), c)) {
		break // and nothing more is yielded, which would panic
	}
}

func TestNewReportsEveryMistakeAtOnce(t *testing.T) {
	t.Parallel()
	guard, err := binding.New(binding.Config{
		Certificates:     (*source)(nil),
		Policy:           3,
		Audiences:        []string{},
		Scopes:           []string{"", "good", "a b"},
		Realm:            `a "quoted" realm`,
		ResourceMetadata: "http://api.bank.example/.well-known/oauth-protected-resource",
	})
	require.Nil(t, guard)
	var fields []string
	for _, mistake := range mistakes(t, err) {
		fields = append(fields, mistake.Field)
		require.ErrorContains(t, err, mistake.Error())
	}
	require.Equal(t, []string{"Tokens", "Certificates", "Policy", "Audiences", "Scopes", "Scopes", "Realm", "ResourceMetadata"}, fields)
	var first binding.ConfigError
	require.ErrorAs(t, err, &first)
	require.Equal(t, "Tokens", first.Field)
}

type sourceFunc func(*http.Request) (binding.Certificate, error)

func (f sourceFunc) ClientCertificate(r *http.Request) (binding.Certificate, error) { return f(r) }

func (f sourceFunc) Headers() []string { return nil }

// sourceOf is a source that is comparable if what it holds is.
type sourceOf struct{ any }

func (sourceOf) Headers() []string { return nil }

func (sourceOf) ClientCertificate(*http.Request) (binding.Certificate, error) {
	return binding.Certificate{}, nil
}

func TestNewValidatesEachField(t *testing.T) {
	t.Parallel()
	const metadata = "https://api.bank.example/.well-known/oauth-protected-resource"
	for name, test := range map[string]struct {
		field  string // "": the Config is good
		change func(*binding.Config)
	}{
		"good":                               {"", func(*binding.Config) {}},
		"Tokens nil":                         {"Tokens", func(c *binding.Config) { c.Tokens = nil }},
		"Tokens a nil pointer":               {"Tokens", func(c *binding.Config) { c.Tokens = (*pointerVerifier)(nil) }},
		"Tokens a nil function":              {"Tokens", func(c *binding.Config) { c.Tokens = verifierFunc(nil) }},
		"Certificates nil":                   {"", func(c *binding.Config) { c.Certificates = nil }},
		"Certificates a nil pointer":         {"Certificates", func(c *binding.Config) { c.Certificates = (*headerSource)(nil) }},
		"Certificates a function":            {"Certificates", func(c *binding.Config) { c.Certificates = sourceFunc(nil) }},
		"Certificates a comparable struct":   {"", func(c *binding.Config) { c.Certificates = sourceOf{1} }},
		"Certificates not comparable inside": {"", func(c *binding.Config) { c.Certificates = sourceOf{[]int{1}} }},
		"AnyScope empty":                     {"AnyScope", func(c *binding.Config) { c.AnyScope = []string{} }},
		"A/32 AnyScope with a quote":         {"AnyScope", func(c *binding.Config) { c.AnyScope = []string{"good", `a"b`} }},
		"AnyScope":                           {"", func(c *binding.Config) { c.AnyScope = []string{"a", "b"} }},
		"Authentication": {"", func(c *binding.Config) {
			c.Authentication = binding.Authentication{ACRValues: []string{"urn:a", "2"}, MaxAge: time.Second}
		}},
		"Authentication, no value":               {"Authentication", func(c *binding.Config) { c.Authentication.ACRValues = []string{} }},
		"Authentication, an empty value":         {"Authentication", func(c *binding.Config) { c.Authentication.ACRValues = []string{"a", ""} }},
		"Authentication, two values in one":      {"Authentication", func(c *binding.Config) { c.Authentication.ACRValues = []string{"a b"} }},
		"A/32 Authentication with a quote":       {"Authentication", func(c *binding.Config) { c.Authentication.ACRValues = []string{`a"`} }},
		"Authentication, MaxAge negative":        {"Authentication", func(c *binding.Config) { c.Authentication.MaxAge = -time.Second }},
		"Authentication, MaxAge under a second":  {"Authentication", func(c *binding.Config) { c.Authentication.MaxAge = time.Second - 1 }},
		"Policy negative":                        {"Policy", func(c *binding.Config) { c.Policy = -1 }},
		"Policy beyond the last":                 {"Policy", func(c *binding.Config) { c.Policy = binding.DangerouslyBearerOnly + 1 }},
		"Policy the last":                        {"", func(c *binding.Config) { c.Policy = binding.DangerouslyBearerOnly }},
		"Audiences empty":                        {"Audiences", func(c *binding.Config) { c.Audiences = []string{} }},
		"Audiences with an empty one":            {"Audiences", func(c *binding.Config) { c.Audiences = []string{audience, ""} }},
		"Audiences of one":                       {"", func(c *binding.Config) { c.Audiences = []string{audience} }},
		"A/32 scope with a quote":                {"Scopes", func(c *binding.Config) { c.Scopes = []string{`a"b`} }},
		"A/32 scope with a backslash":            {"Scopes", func(c *binding.Config) { c.Scopes = []string{`a\b`} }},
		"A/32 scope with CR LF":                  {"Scopes", func(c *binding.Config) { c.Scopes = []string{"a\r\nX-Injected: 1"} }},
		"A/32 scope with a space":                {"Scopes", func(c *binding.Config) { c.Scopes = []string{"accounts payments"} }},
		"A/32 scope beyond ASCII":                {"Scopes", func(c *binding.Config) { c.Scopes = []string{"käse"} }},
		"A/32 scope with DEL":                    {"Scopes", func(c *binding.Config) { c.Scopes = []string{"a\x7f"} }},
		"A/32 scope empty":                       {"Scopes", func(c *binding.Config) { c.Scopes = []string{""} }},
		"scope with every character":             {"", func(c *binding.Config) { c.Scopes = []string{"!#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~"} }},
		"A/32 realm with a quote":                {"Realm", func(c *binding.Config) { c.Realm = `a"` }},
		"A/32 realm with a backslash":            {"Realm", func(c *binding.Config) { c.Realm = `a\` }},
		"A/32 realm with CR LF":                  {"Realm", func(c *binding.Config) { c.Realm = "a\r\nX-Injected: 1" }},
		"A/32 realm with LF":                     {"Realm", func(c *binding.Config) { c.Realm = "\n" }},
		"A/32 realm with a tab":                  {"Realm", func(c *binding.Config) { c.Realm = "\t" }},
		"A/32 realm with NUL":                    {"Realm", func(c *binding.Config) { c.Realm = "\x00" }},
		"A/32 realm with DEL":                    {"Realm", func(c *binding.Config) { c.Realm = "\x7f" }},
		"A/32 realm beyond ASCII":                {"Realm", func(c *binding.Config) { c.Realm = "Käse" }},
		"realm with spaces, commas and equals":   {"", func(c *binding.Config) { c.Realm = "a, b=c ~" }},
		"ResourceMetadata":                       {"", func(c *binding.Config) { c.ResourceMetadata = metadata }},
		"ResourceMetadata with a query":          {"", func(c *binding.Config) { c.ResourceMetadata = metadata + "?a=b" }},
		"ResourceMetadata with http":             {"ResourceMetadata", func(c *binding.Config) { c.ResourceMetadata = "http://api.bank.example/" }},
		"ResourceMetadata relative":              {"ResourceMetadata", func(c *binding.Config) { c.ResourceMetadata = "/.well-known/oauth-protected-resource" }},
		"ResourceMetadata without a host":        {"ResourceMetadata", func(c *binding.Config) { c.ResourceMetadata = "https:///path" }},
		"ResourceMetadata opaque":                {"ResourceMetadata", func(c *binding.Config) { c.ResourceMetadata = "https:api.bank.example" }},
		"ResourceMetadata with a fragment":       {"ResourceMetadata", func(c *binding.Config) { c.ResourceMetadata = metadata + "#a" }},
		"ResourceMetadata with a password":       {"ResourceMetadata", func(c *binding.Config) { c.ResourceMetadata = "https://a:b@api.bank.example/" }},
		"ResourceMetadata that is no URL":        {"ResourceMetadata", func(c *binding.Config) { c.ResourceMetadata = "https://%zz" }},
		"A/32 ResourceMetadata with a quote":     {"ResourceMetadata", func(c *binding.Config) { c.ResourceMetadata = metadata + `"` }},
		"A/32 ResourceMetadata with backslash":   {"ResourceMetadata", func(c *binding.Config) { c.ResourceMetadata = metadata + `?a\` }},
		"A/32 ResourceMetadata with CR LF":       {"ResourceMetadata", func(c *binding.Config) { c.ResourceMetadata = metadata + "\r\nX-Injected: 1" }},
		"A/32 ResourceMetadata beyond ASCII":     {"ResourceMetadata", func(c *binding.Config) { c.ResourceMetadata = metadata + "/ä" }},
		"A/32 ResourceMetadata with a space":     {"ResourceMetadata", func(c *binding.Config) { c.ResourceMetadata = metadata + "/a b" }},
		"ResourceMetadata with the space as %20": {"", func(c *binding.Config) { c.ResourceMetadata = metadata + "/a%20b" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := binding.Config{Tokens: plain{}}
			test.change(&config)
			guard, err := binding.New(config)
			if test.field == "" {
				require.NoError(t, err)
				require.NotNil(t, guard)
				return
			}
			require.Nil(t, guard)
			all := mistakes(t, err)
			require.Len(t, all, 1)
			require.Equal(t, test.field, all[0].Field)
		})
	}
}

type pointerVerifier struct{ plain }

// What a caller does with its Config after New changes no guard.
func TestNewCopiesItsConfig(t *testing.T) {
	t.Parallel()
	config := binding.Config{
		Policy:    binding.DangerouslyAcceptUnbound,
		Tokens:    plain{},
		Audiences: []string{audience},
		Scopes:    []string{"accounts"},
		AnyScope:  []string{"payments"},

		Authentication: binding.Authentication{ACRValues: []string{"1"}},
	}
	guard := newGuard(t, config)
	config.Audiences[0], config.Scopes[0], config.AnyScope[0] = "https://other.example", "admin", "admin"
	config.Authentication.ACRValues[0] = "2"
	_, err := guard.Check(request(bearer(claims(t, members{"acr": "1"}))))
	require.NoError(t, err)
}
