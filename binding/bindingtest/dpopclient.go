package bindingtest

import (
	"crypto"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"sync"
)

// DPoPClient returns an HTTP client of a user's: with a key of its own and no
// certificate. It has a token for the subject and the scopes that is bound to
// that key (RFC 9449), in the Authorization of every request, and signs a new
// proof for each. The token's client_id is the subject too.
//
//	response, err := as.DPoPClient("alice", "accounts").Get(api.URL + "/accounts")
//
// It learns the nonces that a server gives it, and sends a request that was
// refused for its nonce once more (RFC 9449 §9), if it has no body or
// [http.Request.GetBody]. The proof's htu is the request's URL, with
// Config.Origin in place of scheme, host and port if there is one.
//
// The token is signed anew when it expires by Config.Clock, and after Rotate. A
// request that has an Authorization of its own keeps it, and gets a proof for
// the token in it if the scheme is DPoP; one that has a DPoP field of its own
// keeps that. What goes wrong in making key, token or proof is the error of the
// request. The client has a timeout of 30 seconds, and trusts RootCAs alone.
func (s *AuthorizationServer) DPoPClient(subject string, scopes ...string) *http.Client {
	key, err := newProofKey()
	return s.proverWith(TokenSpec{Subject: subject, ClientID: subject, Scopes: scopes}, key, tls.Certificate{}, err)
}

// WronglyProvenClient returns a thief: an HTTP client that is as DPoPClient's
// is, with good proofs by a key of its own, but for its token, which is bound
// to the key of somebody else.
func (s *AuthorizationServer) WronglyProvenClient(subject string, scopes ...string) *http.Client {
	spec := TokenSpec{Subject: subject, ClientID: subject, Scopes: scopes}
	another, err := newProofKey()
	if err != nil {
		return s.proverWith(spec, nil, tls.Certificate{}, err)
	}
	spec.Key = another.Public()
	key, err := newProofKey()
	return s.proverWith(spec, key, tls.Certificate{}, err)
}

// DPoPClientFor returns an HTTP client as DPoPClient does, with a key, a token
// and a certificate of the caller's choice. The token is bound to spec.Key, or
// to the client's key if that is nil, and to spec.Certificate as well if there
// is one: then it needs both. The zero tls.Certificate is none.
func (s *AuthorizationServer) DPoPClientFor(spec TokenSpec, key crypto.Signer, certificate tls.Certificate) *http.Client {
	return s.proverWith(spec, key, certificate, nil)
}

func newProofKey() (crypto.Signer, error) {
	es256, _ := algorithmNamed("ES256")
	return es256.generate()
}

func (s *AuthorizationServer) proverWith(spec TokenSpec, key crypto.Signer, certificate tls.Certificate, err error) *http.Client {
	if spec.Key == nil && key != nil {
		spec.Key = key.Public()
	}
	client := s.clientWith(spec, certificate, err)
	client.Transport = &prover{bearer: client.Transport.(*bearer), key: key, nonces: make(map[string]string)}
	return client
}

// prover adds a token and a proof to requests.
type prover struct {
	*bearer
	key crypto.Signer

	learning sync.Mutex
	nonces   map[string]string // the newest of each origin
}

func (p *prover) RoundTrip(r *http.Request) (*http.Response, error) {
	r, err := p.authorized(r, "DPoP")
	if err != nil {
		return nil, err
	}
	token, bound := strings.CutPrefix(r.Header.Get("Authorization"), "DPoP ")
	if !bound || len(r.Header.Values("DPoP")) > 0 {
		return p.base.RoundTrip(r)
	}
	response, nonce, err := p.send(r, token)
	if err != nil || !wantsNonce(response) || p.nonce(r) == nonce {
		return response, err
	}
	again := r.Clone(r.Context())
	if r.Body != nil && r.Body != http.NoBody {
		if r.GetBody == nil {
			return response, nil
		}
		if again.Body, err = r.GetBody(); err != nil {
			return response, nil //nolint:nilerr // there is an answer
		}
	}
	// So that the connection can be used again.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxTokenRequest))
	_ = response.Body.Close()
	response, _, err = p.send(again, token)
	return response, err
}

// send sends the request with a new proof. It returns the nonce in it, and
// keeps the answer's for the next.
func (p *prover) send(r *http.Request, token string) (response *http.Response, nonce string, err error) {
	nonce = p.nonce(r)
	proof, err := p.server.Proof(ProofSpec{Key: p.key, Method: r.Method, URL: originOf(r) + r.URL.RequestURI(), Token: token, Nonce: nonce})
	if err != nil {
		closeBody(r)
		return nil, "", err
	}
	proven := r.Clone(r.Context())
	proven.Header.Set("DPoP", proof)
	if response, err = p.base.RoundTrip(proven); err != nil {
		return nil, "", err
	}
	if given := response.Header.Get("DPoP-Nonce"); given != "" {
		p.learning.Lock()
		defer p.learning.Unlock()
		p.nonces[originOf(r)] = given
	}
	return response, nonce, nil
}

func (p *prover) nonce(r *http.Request) string {
	p.learning.Lock()
	defer p.learning.Unlock()
	return p.nonces[originOf(r)]
}

func originOf(r *http.Request) string { return r.URL.Scheme + "://" + r.URL.Host }

// wantsNonce is RFC 9449 §9.
func wantsNonce(response *http.Response) bool {
	if response.StatusCode != http.StatusUnauthorized {
		return false
	}
	for _, challenge := range response.Header.Values("WWW-Authenticate") {
		if strings.Contains(challenge, `error="use_dpop_nonce"`) {
			return true
		}
	}
	return false
}
