package jwks

import "github.com/certbound/certbound/jwks/internal/jws"

// ReadKeySet reads a key set as a fetch does, and returns the kid of the keys
// that are used and how many are not: for FuzzKeySet, which would be slow over
// HTTPS.
func ReadKeySet(document []byte, maxKeys int) (used []string, ignored int, err error) {
	set, err := jws.ReadKeySet(document, maxKeys)
	if err != nil {
		return nil, 0, err
	}
	for _, k := range set.Keys {
		used = append(used, k.ID)
	}
	return used, len(set.Ignored), nil
}
