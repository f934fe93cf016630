package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/dpop"
)

// A proofInspection asks about a DPoP proof (RFC 9449), for one request and the
// token that was given. The verdict is that of a dpop.Verifier.
type proofInspection struct {
	text   string
	method string
	url    *url.URL
	token  string
	report *report
	now    time.Time
}

// run says the first thing that is wrong. A proof that is pasted is mostly too
// old by then: so its age is told, and what else is wrong as well.
func (p *proofInspection) run(ctx context.Context) int {
	reason, cause := p.judge(ctx, p.now)
	switch reason {
	case "":
		p.report.say("proof", ok, "a server that this is sent to for the first time accepts it", p.notes()...)
		return exitAccepted
	case binding.ReasonProofExpired, binding.ReasonProofNotYetValid:
		p.tell(reason, cause)
		made, known := p.made()
		if !known {
			return exitRefused
		}
		if reason, cause = p.judge(ctx, made); reason == "" {
			p.report.say("else", ok, "but for the time, nothing is wrong with it", p.notes()...)
			return exitRefused
		}
	}
	p.tell(reason, cause)
	return exitRefused
}

func (p *proofInspection) tell(reason binding.Reason, cause error) {
	advice := adviceFor[reason]
	lines := []string{advice.change}
	switch reason {
	case binding.ReasonProofURI:
		lines = append(whyURI(p.claim("htu"), p.url), lines...)
	case binding.ReasonProofMethod:
		lines = append([]string{"htm is " + quote(p.claim("htm")) + ", and the request's method " + quote(p.method) + "; methods are case-sensitive"}, lines...)
	case binding.ReasonProofExpired, binding.ReasonProofNotYetValid:
		if made, known := p.made(); known {
			lines = append([]string{"iat is " + made.UTC().Format(time.RFC3339) + ", and here it is " + p.now.UTC().Format(time.RFC3339)}, lines...)
		}
	default:
		if cause != nil {
			lines = append([]string{clean(cause)}, lines...)
		}
	}
	p.report.say("proof", fail, fmt.Sprintf("%s (%s)", advice.meaning, reason), lines...)
}

// notes are what this cannot tell of a proof that is good.
func (p *proofInspection) notes() []string {
	lines := []string{"a server also refuses one that was used before (proof_replayed)"}
	if p.claim("nonce") != "" {
		lines = append(lines, "whether its nonce is a recent one only the server knows")
	}
	return append(lines, "the token was NOT checked, but that it is bound to the proof's key: leave -proof out for that")
}

// judge returns the first reason to refuse the proof at a time, or "".
func (p *proofInspection) judge(ctx context.Context, at time.Time) (binding.Reason, error) {
	verifier, err := dpop.New(dpop.Config{
		Origins: []string{p.url.Scheme + "://" + p.url.Host}, Clock: func() time.Time { return at },
		DangerouslyAcceptReplays: true, DangerouslyAllowHTTP: true,
	})
	if err != nil {
		return binding.ReasonMisconfigured, err
	}
	path := p.url.EscapedPath()
	if path == "" {
		path = "/"
	}
	r := (&http.Request{Method: p.method, URL: p.url, RequestURI: path, Header: http.Header{"Dpop": {p.text}}}).WithContext(ctx)
	proof, err := verifier.ReadProof(r, p.token)
	if err == nil {
		if problem := p.keyProblem(proof.Key); problem != nil {
			return binding.ReasonProofKeyMismatch, problem
		}
		err = proof.Prove(ctx)
	}
	if err == nil {
		return "", nil
	}
	refusal := binding.AsError(err)
	return refusal.Reason, refusal.Cause
}

// keyProblem compares the key with the token's jkt, where the token can be read.
func (p *proofInspection) keyProblem(key binding.KeyThumbprint) error {
	specimen := takeApart(p.token)
	if specimen.form != jws {
		return nil
	}
	var claims struct {
		Confirmation struct {
			Key *string `json:"jkt"`
		} `json:"cnf"`
	}
	payload, _ := decodeLoosely(specimen.segments[1])
	if json.Unmarshal(payload, &claims) != nil || claims.Confirmation.Key == nil {
		return fmt.Errorf("the token's cnf has no jkt: it is bound to no key")
	}
	if *claims.Confirmation.Key != key.String() {
		return fmt.Errorf("the proof's key has the thumbprint %s, and jkt is %s", key, quote(*claims.Confirmation.Key))
	}
	return nil
}

// claim is a claim of the proof that is text, or "".
func (p *proofInspection) claim(name string) (text string) {
	_ = json.Unmarshal(p.claims()[name], &text)
	return text
}

func (p *proofInspection) claims() (claims map[string]json.RawMessage) {
	segments := strings.Split(p.text, ".")
	if len(segments) == 3 {
		payload, _ := decodeLoosely(segments[1])
		_ = json.Unmarshal(payload, &claims)
	}
	return claims
}

func (p *proofInspection) made() (time.Time, bool) {
	var seconds float64
	err := json.Unmarshal(p.claims()["iat"], &seconds)
	return time.Unix(int64(seconds), 0), err == nil
}
