package forwarded_test

import (
	"fmt"
	"net/http"
	"net/netip"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

// nginx on two hosts in front of this server, which listens where nothing else
// can reach it.
func ExampleNew() {
	source, err := forwarded.New(forwarded.Config{
		Format: forwarded.Nginx,
		Trust:  []forwarded.Trust{forwarded.TrustPeers(netip.MustParsePrefix("192.0.2.10/31"))},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := binding.New(binding.Config{Tokens: verifier, Certificates: source})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := guard.Admit(r); err != nil {
				binding.AsError(err).Write(w, r)
			}
		}),
		ConnContext: forwarded.ConnContext, // who the peer is, before any middleware
	}
	fmt.Println(source.Headers(), server.ConnContext != nil)
	// Output: [X-Ssl-Client-Cert] true
}

// Who may say so has no default.
func ExampleNew_withoutTrust() {
	_, err := forwarded.New(forwarded.Config{Format: forwarded.Nginx})
	fmt.Println(err)
	// Output: forwarded: the source's Config is wrong: Trust: at least one rule is required: whoever can reach this server could be any client
}

var verifier tokens

// What a command's flag may name. Products that use one header mean different encodings: so a format is named, and never
// detected.
func ExampleFormats() {
	for _, format := range forwarded.Formats() {
		if format.Header() == "X-Ssl-Client-Cert" {
			fmt.Println(format, "is", format.Encoding(), "in", format.Header())
		}
	}
	// Output:
	// nginx is url-pem in X-Ssl-Client-Cert
	// apache is pem-spaces in X-Ssl-Client-Cert
	// fastly is base64-pem in X-Ssl-Client-Cert
	// f5 is base64-der in X-Ssl-Client-Cert
}
