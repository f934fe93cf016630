package main

import (
	"flag"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/certbound/certbound/adapters/bindredis"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/examples/internal/commandline"
	"github.com/certbound/certbound/jwks/dpop"
)

// proving is what the server asks of DPoP proofs (RFC 9449), and of tokens' bindings.
type proving struct {
	on     bool // -dpop-origins is given
	config dpop.Config
	keys   *nonceKeys // nil: this process makes one at random
	redis  string     // host:port; "": this process remembers the proofs that were used

	requireCertificate, requireProof bool
}

// proofFlags adds the flags that say so. What it returns reads them when the
// command line has been parsed.
func proofFlags(flags *flag.FlagSet) func() (proving, []error) {
	origins := flags.String("dpop-origins", "", "comma `list` of the origins by which clients know this server, such as https://api.example; without it DPoP is off")
	nonce := flags.Bool("dpop-nonce", false, "require a nonce of this server in each proof")
	nonceKeys := flags.String("dpop-nonce-keys", "", "with -dpop-nonce: `file` with the keys that replicas share, one a line: 32 random bytes or more in base64url without padding; the first makes nonces, all are accepted; read anew when it changes")
	maxAge := flags.String("dpop-max-age", "60s", "a `duration`: how old a proof may be, from 1s to 5m")
	algorithms := flags.String("dpop-algorithms", "", "comma `list` of the proofs' signature algorithms; without it ES256, EdDSA, Ed25519, PS256 and RS256")
	prefix := flags.String("dpop-path-prefix", "", "what a proxy in front takes off the `path`, such as /v1")
	redis := flags.String("dpop-redis", "", "`host:port` of the Redis or Valkey in which replicas remember the proofs that were used; without it each remembers its own")
	require := flags.String("require", "", "comma `list` of what tokens must be bound to: certificate, proof (a DPoP key), or both; without it either will do")
	return func() (p proving, mistakes []error) {
		mistake := func(format string, a ...any) { mistakes = append(mistakes, fmt.Errorf(format, a...)) }
		given := make(map[string]bool)
		flags.Visit(func(f *flag.Flag) { given[f.Name] = true }) // also if what it is given is ""
		p.on = given["dpop-origins"]
		for name := range given {
			if strings.HasPrefix(name, "dpop-") && !p.on {
				mistake("-%s: needs -dpop-origins", name)
			}
		}
		for _, what := range commandline.Split(*require) {
			switch what {
			case "certificate":
				p.requireCertificate = true
			case "proof":
				p.requireProof = true
			default:
				mistake("-require: %q is not certificate or proof", what)
			}
		}
		if given["require"] && len(commandline.Split(*require)) == 0 {
			mistake("-require: must name certificate, proof, or both")
		}
		if p.requireProof && !p.on {
			mistake("-require: proof needs -dpop-origins")
		}
		p.config = dpop.Config{Origins: commandline.Split(*origins), PathPrefix: *prefix, RequireNonce: *nonce}
		if given["dpop-algorithms"] {
			p.config.Algorithms = append([]string{}, commandline.Split(*algorithms)...)
		}
		var err error
		if p.config.MaxAge, err = time.ParseDuration(*maxAge); err != nil || p.config.MaxAge <= 0 {
			mistake("-dpop-max-age: must be a duration from 1s to 5m")
			p.config.MaxAge = 0 // named once
		}
		if given["dpop-nonce-keys"] {
			if p.keys, err = newNonceKeys(*nonceKeys); err != nil {
				mistake("-dpop-nonce-keys: %w", err)
			}
			p.config.NonceKeys = p.keys.keys
		}
		if p.redis = *redis; given["dpop-redis"] {
			host, port, err := net.SplitHostPort(*redis)
			if number, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || host == "" || number == 0 {
				mistake("-dpop-redis: must be host:port")
				p.redis = ""
			}
		}
		return p, mistakes
	}
}

// newProofs makes the verifier of proofs, or nil if DPoP is off, and what closes
// it. The mistakes are those of the flags.
func newProofs(p proving, log *slog.Logger) (proofs binding.ProofVerifier, end func(), mistakes []error) {
	end = func() {}
	if !p.on {
		return nil, end, nil
	}
	if p.redis != "" {
		store, err := bindredis.New(bindredis.Config{Client: valkey.ClientOption{InitAddress: []string{p.redis}}, Logger: log})
		if err != nil {
			return nil, end, commandline.FlagErrors(err, flagOf)
		}
		p.config.Replays, end = store, store.Close
	}
	verifier, err := dpop.New(p.config)
	if err != nil {
		return nil, end, commandline.FlagErrors(err, flagOf)
	}
	if p.keys != nil {
		closeStore, leave := end, p.keys.keepUp(verifier, log)
		end = func() { leave(); closeStore() }
	}
	return verifier, end, nil
}
