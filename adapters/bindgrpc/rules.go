package bindgrpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc"

	"github.com/certbound/certbound/binding"
)

// Rules say what single methods of a server need beyond what the guard demands
// of every call. A method is named as the generated code's constants
// Service_Method_FullMethodName are: /package.Service/Method. The zero Rules
// change nothing.
//
//	var server *grpc.Server
//	rules := bindgrpc.Rules{
//		Methods:  map[string]bindgrpc.Rule{pb.Bank_Pay_FullMethodName: {Scopes: []string{"payments"}}},
//		Public:   []string{healthpb.Health_Check_FullMethodName},
//		Services: func() map[string]grpc.ServiceInfo { return server.GetServiceInfo() },
//	}
//	unary, stream := bindgrpc.Protect(guard, rules)
//	server = grpc.NewServer(grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
//	// register the services, and then, before Serve:
//	if err := rules.Check(); err != nil {
//		log.Fatal(err)
//	}
//
// A name that no registered method has is a typing mistake, and would leave a
// method open. [Rules.Check] finds it at the start. Without it every call is
// refused with Internal, and the first one is logged. So is everything else that
// is wrong here: names without Services, a Rule that requires nothing, a method
// that is public and has a Rule, and more than one Rules.
type Rules struct {
	// Methods are what methods need. A method without a rule needs what the guard
	// demands.
	Methods map[string]Rule

	// Public are the methods that everybody may call, without a token: health
	// checks (Check, and Watch, which grpc-go's clients use) and reflection. Each
	// is a whole name; there are no patterns. The guard is not asked: their
	// context has no token (TokenFromContext returns nil), and their metadata is
	// as it came.
	Public []string

	// EndStreamsAtExpiry ends a stream when its token expires
	// ([binding.Token.Expiry], without a leeway, by the machine's clock): with
	// Unauthenticated and invalid_token, without www-authenticate. RecvMsg and
	// SendMsg then return that error, also those that wait, and the context ends.
	// After that error, neither change nor pool a message that was given to SendMsg,
	// or one that is no proto.Message and was given to RecvMsg: grpc-go may still be
	// using it. A proto.Message given to RecvMsg is free for other use: it only gets
	// a copy of what was received in time.
	// Default: a stream goes on for as long as its method likes. A token that has
	// no expiry, as introspection permits, ends none.
	EndStreamsAtExpiry bool

	// Services returns the services that are registered: GetServiceInfo of the
	// server, which is made after the interceptors. It is called once, in the
	// first call, and by Check. Methods and Public need it.
	Services func() map[string]grpc.ServiceInfo
}

// Check looks for mistakes in the Rules, for the start of a program: call it when
// every service is registered. The error joins a [binding.ConfigError] for each.
func (r Rules) Check() error {
	set := copied(r)
	if err := fenced(func() error { return set.validate(r.Services) }); err != nil {
		return fmt.Errorf("bindgrpc: the Rules are wrong: %w", cause(err))
	}
	return nil
}

// A Rule is what a method needs. All that is set must hold. A Rule that requires
// nothing is a mistake.
type Rule struct {
	Scopes         []string               // all of them; see CheckScopes
	AnyScope       []string               // any one of them; see CheckAnyScope
	Authentication binding.Authentication // see CheckAuthentication
}

func (r Rule) requiresNothing() bool {
	return r.Scopes == nil && r.AnyScope == nil && r.Authentication.ACRValues == nil && r.Authentication.MaxAge == 0
}

func (r Rule) clone() Rule {
	r.Scopes, r.AnyScope = slices.Clone(r.Scopes), slices.Clone(r.AnyScope)
	r.Authentication.ACRValues = slices.Clone(r.Authentication.ACRValues)
	return r
}

func (r Rule) check(ctx context.Context) error {
	if r.Scopes != nil {
		if err := binding.CheckScopes(ctx, r.Scopes...); err != nil {
			return err
		}
	}
	if r.AnyScope != nil {
		if err := binding.CheckAnyScope(ctx, r.AnyScope...); err != nil {
			return err
		}
	}
	if r.Authentication.ACRValues != nil || r.Authentication.MaxAge != 0 {
		return binding.CheckAuthentication(ctx, r.Authentication)
	}
	return nil
}

// A ruleset is a copy of the Rules.
type ruleset struct {
	methods            map[string]Rule
	public             map[string]struct{}
	endStreamsAtExpiry bool

	// mistakes are looked for once, and logged. It must be called before the
	// rules are used.
	mistakes func() error
}

func newRuleset(all []Rules) *ruleset {
	switch len(all) {
	case 0:
		return &ruleset{mistakes: func() error { return nil }}
	case 1:
		set := copied(all[0])
		set.mistakes = logged(func() error { return set.validate(all[0].Services) })
		return set
	}
	return &ruleset{mistakes: logged(func() error { return errors.New("bindgrpc: Protect takes one Rules at most") })}
}

func copied(rules Rules) *ruleset {
	set := &ruleset{methods: make(map[string]Rule), public: make(map[string]struct{}), endStreamsAtExpiry: rules.EndStreamsAtExpiry}
	for name, rule := range rules.Methods {
		set.methods[name] = rule.clone()
	}
	for _, name := range rules.Public {
		set.public[name] = struct{}{}
	}
	return set
}

// logged remembers what validate returns, or that it panicked, and logs a
// mistake once.
func logged(validate func() error) func() error {
	return sync.OnceValue(func() error {
		err := fenced(validate)
		if err != nil {
			slog.Default().Error("bindgrpc: every call is refused because of a mistake in Rules", "err", cause(err))
		}
		return err
	})
}

// cause is the error below a panic's refusal, which does not tell where it was.
func cause(err error) error {
	var panicked *binding.PanicError
	if errors.As(err, &panicked) {
		return fmt.Errorf("Rules.Services panicked with a %T: is the server nil?", panicked.Value)
	}
	return err
}

// validate reports every mistake at once.
func (s *ruleset) validate(services func() map[string]grpc.ServiceInfo) error {
	if len(s.methods)+len(s.public) == 0 {
		return nil
	}
	if services == nil {
		return binding.ConfigError{Field: "Rules.Services", Problem: "is required to check the names in Methods and Public: set it to a function that calls GetServiceInfo of the server"}
	}
	registered := make(map[string]struct{})
	for service, info := range services() {
		for _, method := range info.Methods {
			registered["/"+service+"/"+method.Name] = struct{}{}
		}
	}
	var errs []error
	mistake := func(field, problem string) { errs = append(errs, binding.ConfigError{Field: field, Problem: problem}) }
	unknown := func(field, name string) {
		if _, is := registered[name]; is {
			return
		}
		problem := fmt.Sprintf("no registered method has the name %q", name)
		if _, is := registered["/"+strings.TrimPrefix(name, "/")]; is {
			problem += ": it must begin with a slash"
		}
		mistake(field, problem)
	}
	for _, name := range slices.Sorted(maps.Keys(s.methods)) {
		unknown("Rules.Methods", name)
		if s.methods[name].requiresNothing() {
			mistake("Rules.Methods", fmt.Sprintf("%q requires nothing", name))
		}
		if s.isPublic(name) {
			mistake("Rules.Public", fmt.Sprintf("%q also has a Rule", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.public)) {
		unknown("Rules.Public", name)
	}
	return errors.Join(errs...)
}

func (s *ruleset) isPublic(method string) bool {
	_, is := s.public[method]
	return is
}

func (s *ruleset) check(ctx context.Context, method string) error {
	if rule, has := s.methods[method]; has {
		return rule.check(ctx)
	}
	return nil
}
