package forwarded

import (
	"fmt"

	"github.com/certbound/certbound/binding"
)

// ParseCertificate reads one value, of at most 256 KiB, that did not come in a
// header of the request: Envoy's ext_authz and API gateways hand it over in
// messages of their own. The encoding must be one that holds the client's
// certificate or its digest: neither [XFCC] nor [XFCCJSON], whose elements must
// be counted, nor a product other than [Traefik]. For a placeholder, as described at
// [Source.ClientCertificate], it returns the zero Certificate and no error.
//
// It does not check who sent the value. Use it in a [binding.CertificateSource]
// of your own, which finds the value in the request's context. Never use it for
// a header of the request: that is what [New] is for.
//
// The error is a [*binding.Error] with [binding.ReasonForwardedMalformed],
// [binding.ReasonForwardedAmbiguous] or [binding.ReasonForwardedTooLong], or
// with [binding.ReasonMisconfigured] for any other format. It never contains
// the value.
func ParseCertificate(encoding Format, value string) (binding.Certificate, error) {
	decode, ok := decoders[encoding]
	switch {
	case !ok:
		return binding.Certificate{}, refused(binding.ReasonMisconfigured,
			fmt.Errorf("forwarded: ParseCertificate reads only the encodings of one certificate or digest, and not %q", encoding))
	case len(value) > maxMaxBytes:
		return binding.Certificate{}, refused(binding.ReasonForwardedTooLong, nil)
	case isPlaceholder(value):
		return binding.Certificate{}, nil
	}
	return decode(value)
}
