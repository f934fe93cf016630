package main_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/examples/benchmarks/internal/subject"
)

// What is measured is the work and not an error on its way: each contender accepts the good token and refuses what is not.
func TestEachContenderDoesTheWork(t *testing.T) {
	t.Parallel()
	thief, err := subject.NewClientCertificate()
	require.NoError(t, err)
	for _, algorithm := range subject.Algorithms() {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			contest, err := subject.NewContest(algorithm, 8)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, contest.Close()) })
			require.Len(t, contest.Contenders, 7)

			good, err := contest.Issuer.NewToken(contest.Certificate)
			require.NoError(t, err)
			expired, err := contest.Issuer.Token(bindingtest.TokenSpec{Certificate: contest.Certificate, ExpiresIn: -time.Hour})
			require.NoError(t, err)
			forged, err := contest.Issuer.Token(bindingtest.TokenSpec{Certificate: contest.Certificate, ForgedSignature: true})
			require.NoError(t, err)
			stranger, err := subject.NewIssuer(algorithm, 0)
			require.NoError(t, err)
			t.Cleanup(stranger.Close)
			foreign, err := stranger.NewToken(contest.Certificate)
			require.NoError(t, err)
			unbound, err := contest.Issuer.Token(bindingtest.TokenSpec{})
			require.NoError(t, err)

			for _, contender := range contest.Contenders {
				t.Run(contender.Name, func(t *testing.T) {
					check := func(token string) error { return contender.Check(subject.NewRequest(token, contest.Certificate)) }
					require.NoError(t, check(good))
					require.Error(t, check(forged))
					require.Error(t, check(foreign))
					require.Error(t, contender.Check(subject.NewRequest("", contest.Certificate)))
					if contender.Name == subject.BareName {
						return // the signature is all that it looks at
					}
					require.Error(t, contender.Check(subject.NewRequest(good, thief)), "the thief's")
					require.NoError(t, check(good), "after the thief")
					require.Error(t, check(expired))
					require.Error(t, check(unbound))
				})
			}
		})
	}
}

// A token that a guard is to see for the first time is never one that it has seen.
func TestFirstTimeIsTheFirstTime(t *testing.T) {
	t.Parallel()
	const pool = 8
	contest, err := subject.NewContest("ES256", pool)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, contest.Close()) })
	first := contest.Contender(subject.FirstName)
	for range 2 {
		require.NoError(t, first.Renew())
		require.Equal(t, pool, first.Left())
		for range pool {
			require.NoError(t, first.Once())
		}
		require.Zero(t, first.Left())
		require.Error(t, first.Once())
	}
}

func TestTokenIsAboutSixHundredBytes(t *testing.T) {
	t.Parallel()
	issuer, err := subject.NewIssuer("ES256", 0)
	require.NoError(t, err)
	t.Cleanup(issuer.Close)
	certificate, err := subject.NewClientCertificate()
	require.NoError(t, err)
	token, err := issuer.NewToken(certificate)
	require.NoError(t, err)
	require.InDelta(t, 600, len(token), 30)
	another, err := issuer.NewToken(certificate)
	require.NoError(t, err)
	require.NotEqual(t, token, another)
}

func TestFrameworksGuardTheirHandler(t *testing.T) {
	t.Parallel()
	stream, err := subject.NewStream("ES256", 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, stream.Close()) })
	requests, err := stream.Requests(1)
	require.NoError(t, err)
	good := requests[0]
	thief, err := subject.NewClientCertificate()
	require.NoError(t, err)
	stolen := subject.NewRequest(strings.TrimPrefix(good.Header.Get("Authorization"), "Bearer "), thief)

	var served, proven int
	for _, framework := range subject.Frameworks(stream.Guard.Guard, func(r *http.Request) {
		served++
		if _, ok := binding.TokenFromContext(r.Context()); ok {
			proven++
		}
	}) {
		t.Run(framework.Name, func(t *testing.T) {
			served, proven = 0, 0
			framework.Guarded.ServeHTTP(subject.NewWriter(), good)
			framework.Guarded.ServeHTTP(subject.NewWriter(), stolen)
			require.Equal(t, []int{1, 1}, []int{served, proven})
			framework.Bare.ServeHTTP(subject.NewWriter(), good)
			framework.Bare.ServeHTTP(subject.NewWriter(), stolen)
			require.Equal(t, []int{3, 1}, []int{served, proven})
		})
	}
}

func TestEachEncodingIsRead(t *testing.T) {
	t.Parallel()
	certificate, err := subject.NewClientCertificate()
	require.NoError(t, err)
	require.Len(t, subject.Encodings(), 12)
	for _, encoding := range subject.Encodings() {
		r, source, err := subject.Forward(encoding, certificate)
		require.NoError(t, err)
		read, err := source.ClientCertificate(r)
		require.NoError(t, err, encoding)
		require.Equal(t, binding.ThumbprintOf(certificate), read.Thumbprint, encoding)
	}
}
