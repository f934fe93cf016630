package jwks

// ReadKeySet reads a key set as a fetch does, and returns the kid of the keys
// that are used and how many are not: for FuzzKeySet, which would be slow over
// HTTPS.
func ReadKeySet(document []byte, maxKeys int) (used []string, ignored int, err error) {
	set, err := readKeySet(document, maxKeys)
	if err != nil {
		return nil, 0, err
	}
	for _, k := range set.all {
		used = append(used, k.id)
	}
	return used, len(set.ignored), nil
}
