package forwarded

import (
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/internal/grammar"
	"github.com/certbound/certbound/binding/internal/strictjson"
)

// xfccJSONDecoder reads Envoy's x-forwarded-client-cert in JSON: an array of
// objects, one for each proxy, the newest last. There must be exactly count of
// them; the one with the number index, counted from 1, is the client's. An
// empty array says that there is no certificate.
func xfccJSONDecoder(count, index int) decoder {
	return func(value string) (binding.Certificate, error) {
		objects, err := strictjson.Objects(value)
		switch {
		case err != nil:
			return binding.Certificate{}, malformed(errObjects)
		case len(objects) == 0:
			return binding.Certificate{}, nil
		case len(objects) != count:
			return binding.Certificate{}, refused(binding.ReasonForwardedAmbiguous, errElements)
		}
		return xfccObject(objects[index-1])
	}
}

// xfccObject makes a certificate of hash and, where there is one, cert. A name
// that is one of them in other letters is not read as it, and not passed over
// either: another reader may compare without case.
func xfccObject(text string) (binding.Certificate, error) {
	members, err := strictjson.Object(text)
	if err != nil {
		return binding.Certificate{}, malformed(errObjects)
	}
	var hash, cert *strictjson.Member
	for i := range members {
		switch name := members[i].Name; {
		case name == "hash":
			hash = &members[i]
		case name == "cert":
			cert = &members[i]
		case grammar.FoldsTo(name, "hash"), grammar.FoldsTo(name, "cert"):
			return binding.Certificate{}, malformed(errMember)
		}
	}
	if hash == nil {
		return binding.Certificate{}, malformed(errDigest)
	}
	digits, ok := strictjson.String(hash.Value)
	if !ok {
		return binding.Certificate{}, malformed(errDigest)
	}
	digest, err := decodeHexDigest(digits)
	if err != nil {
		return binding.Certificate{}, malformed(err)
	}
	if cert == nil {
		return digestOnly(digest), nil
	}
	text, ok = strictjson.String(cert.Value)
	if !ok {
		return binding.Certificate{}, malformed(errPEM)
	}
	certificate, err := decodePEM(text, "\n")
	if err != nil {
		return binding.Certificate{}, err
	}
	if certificate.Thumbprint != digest {
		return binding.Certificate{}, malformed(errHash)
	}
	return certificate, nil
}
