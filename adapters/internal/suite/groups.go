package suite

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// groups is a group with a guard and stricter routes inside it: both guards
// run, the group's first.
func (s *suite) groups(t *testing.T) {
	var outerEvents, innerEvents eventLog
	group := []Step{Protect(s.Guard(t, binding.Config{
		Policy: binding.DangerouslyAcceptUnbound, Realm: "group", Observe: outerEvents.observe,
	}))}
	probe := new(Probe)
	route := func(path string, config binding.Config, more ...Step) Route {
		steps := append([]Step{Protect(s.Guard(t, config))}, more...)
		return Route{Path: path, Group: group, Steps: steps, Handler: probe}
	}
	server := s.Serve(t, s.build(s.Log,
		Route{Path: "/open", Group: group, Handler: probe},
		route("/bound", binding.Config{Realm: "route"}),
		route("/scoped", binding.Config{Scopes: []string{"payments"}, Realm: "route"}),
		route("/audience", binding.Config{Audiences: []string{"https://payments.example"}, ResourceMetadata: "https://api.example/.well-known/oauth-protected-resource"}),
		route("/ruled", binding.Config{Authorize: onlyCertificateOf(s.Holder)}),
		route("/looser", binding.Config{Policy: binding.DangerouslyBearerOnly}),
		route("/required", binding.Config{Realm: "route"}, RequireScopes("payments")),
		Route{Path: "/grouped", Group: append(group[:1:1], RequireScopes("payments")), Steps: []Step{RequireScopes("accounts")}, Handler: probe},
		Route{Path: "/seen", Group: group, Steps: []Step{Protect(s.Guard(t, binding.Config{Observe: innerEvents.observe}))}, Handler: probe},
	))

	holder := s.Holder.Certificate.Leaf
	unbound := s.Token(t, bindingtest.TokenSpec{})
	both := s.Token(t, bindingtest.TokenSpec{Certificate: holder, Audience: []string{Audience, "https://payments.example"}})
	poor := s.Good(t, "accounts")
	good := s.Good(t)
	ofGroup := func(a Answer) Answer { a.Realm = "group"; return a }
	ofRoute := func(a Answer) Answer { a.Realm = "route"; return a }
	withMetadata := func(a Answer) Answer {
		a.Metadata = "https://api.example/.well-known/oauth-protected-resource"
		return a
	}
	for _, row := range []struct {
		name   string
		path   string
		client *Client
		token  string
		want   Answer
	}{
		{"the group alone", "/open", s.Holder, good, OK},
		{"the group accepts an unbound token", "/open", s.Nobody, unbound, OK},
		{"the group refuses", "/open", s.Other, good, ofGroup(OtherCertificate)},
		{"the group refuses before the route", "/bound", s.Other, good, ofGroup(OtherCertificate)},
		{"the group refuses before the route's scopes", "/scoped", s.Other, poor, ofGroup(OtherCertificate)},
		{"stricter policy: a bound token", "/bound", s.Holder, good, OK},
		{"stricter policy: an unbound token", "/bound", s.Nobody, unbound, ofRoute(Unbound)},
		{"scopes: there", "/scoped", s.Holder, good, OK},
		{"scopes: missing", "/scoped", s.Holder, poor, ofRoute(MissesScopes("payments"))},
		{"audience: there", "/audience", s.Holder, both, OK},
		{"audience: missing", "/audience", s.Holder, good, withMetadata(BadAudience)},
		{"rule: the right certificate", "/ruled", s.Holder, good, OK},
		{"rule: another", "/ruled", s.Other, s.Token(t, bindingtest.TokenSpec{Certificate: s.Other.Certificate.Leaf}), Forbidden},
		{"a policy that excludes the group's: bound", "/looser", s.Holder, good, Bound},
		{"a looser policy opens nothing", "/looser", s.Other, good, ofGroup(OtherCertificate)},
		{"RequireScopes is answered by the inner guard", "/required", s.Holder, poor, ofRoute(MissesScopes("payments"))},
		{"RequireScopes of group and route: both there", "/grouped", s.Holder, good, OK},
		{"RequireScopes of the group", "/grouped", s.Holder, poor, ofGroup(MissesScopes("payments"))},
		{"RequireScopes of the route", "/grouped", s.Holder, s.Good(t, "payments"), ofGroup(MissesScopes("accounts"))},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			request := Bearer(row.client, row.token)
			request.Path = row.path
			server.Check(t, probe, request, row.want)
		})
	}

	t.Run("both guards run", func(t *testing.T) {
		t.Parallel()
		request := Bearer(s.Holder, good)
		request.Path = "/seen"
		server.check(t, probe, request, OK, 1)
		require.Len(t, innerEvents.all(), 1)
		assert.True(t, innerEvents.last().Accepted())
		assert.NotEmpty(t, outerEvents.all())
	})

	t.Run("one guard twice", func(t *testing.T) {
		t.Parallel()
		guard := s.Guard(t, binding.Config{})
		site := s.serve(t, Protect(guard), Protect(guard))
		site.Check(t, site.Probe, Bearer(s.Holder, good), OK)
		site.Check(t, site.Probe, Bearer(s.Other, good), OtherCertificate)
	})

	t.Run("guards on different routes know nothing of each other", func(t *testing.T) {
		t.Parallel()
		probe := new(Probe)
		server := s.Serve(t, s.build(s.Log,
			Route{Path: "/a", Group: []Step{Protect(s.Guard(t, binding.Config{Scopes: []string{"admin"}}))}, Handler: probe},
			Route{Path: "/b", Group: []Step{Protect(s.Guard(t, binding.Config{}))}, Handler: probe},
		))
		request := Bearer(s.Holder, good)
		request.Path = "/a"
		server.Check(t, probe, request, MissesScopes("admin"))
		request.Path = "/b"
		server.Check(t, probe, request, OK)
	})
}

func onlyCertificateOf(client *Client) func(context.Context, *binding.Token, binding.Certificate) error {
	return func(_ context.Context, _ *binding.Token, certificate binding.Certificate) error {
		if parsed, err := certificate.X509(); err != nil || !parsed.Equal(client.Certificate.Leaf) {
			return errors.New("not this client")
		}
		return nil
	}
}
