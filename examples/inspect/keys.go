package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/jwks"
)

// keys is what is learned of the issuer while it is asked.
type keys struct {
	mu      sync.Mutex
	fetched chan jwks.Event // the first that tells of a fetch
	date    time.Time       // the issuer's clock, from an answer
	at      time.Time       // ours, then
}

func newKeys() *keys { return &keys{fetched: make(chan jwks.Event, 1)} }

func (k *keys) observe(event jwks.Event) {
	if event.Kind != jwks.KeysFetched && event.Kind != jwks.KeysFailed {
		return
	}
	select {
	case k.fetched <- event:
	default:
	}
}

// clocks compares the issuer's clock with ours, if it has answered.
func (k *keys) clocks() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.date.IsZero() {
		return "compare them"
	}
	apart := k.date.Sub(k.at).Round(time.Second)
	switch {
	case apart > 2*time.Second:
		return fmt.Sprintf("by its own answer the issuer's is %v ahead of this machine's", apart)
	case apart < -2*time.Second:
		return fmt.Sprintf("by its own answer the issuer's is %v behind this machine's", -apart)
	}
	return "by the issuer's answer they agree"
}

// through is a transport that notes the Date of an answer (RFC 9110 §6.6.1).
func (k *keys) through(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
			k.mu.Lock()
			k.date, k.at = date, time.Now()
			k.mu.Unlock()
		}
		return response, nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// signature asks a verifier that has the issuer's keys, and no objection to
// issuer, audience, type and time.
func (i *inspection) signature(ctx context.Context) {
	if i.options.issuer == "" {
		i.report.say("signature", notChecked, "NOT checked: without -issuer nothing is fetched, and whoever likes can have written this token")
		return
	}
	address, lines, err := i.keysURL(ctx)
	if err != nil {
		i.report.say("signature", notChecked, "NOT checked: the issuer does not say where its keys are", lines...)
		return
	}
	config := i.options.verifier()
	config.Issuer, config.Audiences = i.own("iss", doubtless.issuer)[0], i.own("aud", doubtless.audience)
	config.URL, config.MetadataURL = address, ""
	config.Algorithms, config.TokenTypes, config.MaxLifetime = nil, everyType, 0
	at := i.within(ctx)
	config.Clock = func() time.Time { return at }
	config.Transport = i.keys.through(config.Transport)
	config.Observe = i.keys.observe
	verifier, err := jwks.New(config)
	if err != nil {
		i.report.say("signature", notChecked, "NOT checked: "+clean(err))
		return
	}
	defer verifier.Close()
	_, err = verifier.VerifyToken(ctx, i.given.token)
	refusal := binding.AsError(err)
	switch {
	case err == nil:
		i.report.say("signature", ok, "by a key of "+quote(address), append(lines, i.published(ctx)...)...)
	case refusal.Reason == binding.ReasonTokenKeyUnknown:
		i.report.say("signature", fail, "the issuer publishes no key for it: no kid and algorithm that fit", append(append(lines, i.published(ctx)...),
			"is the token of another issuer, tenant or realm, or was its key taken away?")...)
	case refusal.Reason == binding.ReasonTokenSignature:
		i.report.say("signature", fail, "no key that fits verifies it: it was changed, cut, or signed by somebody else", append(lines, i.published(ctx)...)...)
	case refusal.Reason == binding.ReasonKeysUnavailable || refusal.Reason == binding.ReasonCanceled:
		i.report.say("signature", notChecked, "NOT checked: the keys could not be had from "+quote(address), append(append(lines, clean(causeOf(refusal))), i.published(ctx)...)...)
	default:
		i.report.say("signature", notChecked, "not reached: a signature is looked at only when nothing cheaper is wrong", lines...)
	}
}

// keysURL is where the issuer's keys are, and what its metadata says besides.
func (i *inspection) keysURL(ctx context.Context) (address string, lines []string, err error) {
	if i.options.jwksURL != "" {
		return i.options.jwksURL, nil, nil
	}
	client := &metadata.Client{Transport: i.keys.through(i.options.transport()), DangerouslyAllowHTTP: i.options.allowHTTP}
	var server *metadata.AuthorizationServer
	if i.options.metadataURL != "" {
		server, err = client.AuthorizationServerAt(ctx, i.options.issuer, i.options.metadataURL)
	} else {
		server, err = client.AuthorizationServer(ctx, i.options.issuer)
	}
	if err != nil {
		lines = append(lines, clean(err))
		if errors.Is(err, metadata.ErrIssuer) {
			lines = append(lines, i.otherIssuer(ctx, client)...)
		}
		return "", lines, err
	}
	if server.JWKSURI == "" {
		return "", []string{"its metadata names no jwks_uri"}, errors.New("no jwks_uri")
	}
	if !server.CertificateBoundAccessTokens {
		lines = append(lines, "note: the issuer's metadata does not say that it binds tokens to certificates (RFC 8705 section 3.3)")
	}
	return server.JWKSURI, lines, nil
}

// otherIssuer says whose the metadata is, if not the issuer's (RFC 8414 §3.3).
func (i *inspection) otherIssuer(ctx context.Context, client *metadata.Client) []string {
	addresses, _ := metadata.WellKnown(i.options.issuer)
	if i.options.metadataURL != "" {
		addresses = []string{i.options.metadataURL}
	}
	for _, address := range addresses {
		document, err := client.Get(ctx, address)
		if err != nil {
			continue
		}
		members, _ := readObject(document)
		if named, found := members.text("issuer"); found && named != i.options.issuer {
			return []string{fmt.Sprintf("the metadata says %s, -issuer is %s: it %s", quote(named), quote(i.options.issuer), difference(i.options.issuer, named))}
		}
	}
	return nil
}

// published says which keys came.
func (i *inspection) published(ctx context.Context) []string {
	select {
	case event := <-i.keys.fetched: // told soon after the keys were used
		var lines []string
		if event.Kind == jwks.KeysFetched {
			lines = append(lines, fmt.Sprintf("usable keys there: %d, with kid %s", event.Keys, quoteAll(event.Added)))
		}
		for _, ignored := range event.Ignored[:min(len(event.Ignored), 8)] {
			lines = append(lines, fmt.Sprintf("note: key %s is not used: %s", quote(ignored.KeyID), clean(ignored.Problem)))
		}
		return lines
	case <-ctx.Done():
		return nil
	}
}
