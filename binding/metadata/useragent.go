package metadata

import (
	"runtime/debug"
	"strings"
	"sync"
)

const module = "github.com/certbound/certbound"

// userAgent returns our product and its version, if the program knows it (RFC
// 9110 §10.1.5). Some firewalls refuse net/http's own.
var userAgent = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "certbound"
	}
	version := ""
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module {
			version = m.Version
		}
	}
	version = strings.TrimPrefix(version, "v")
	if version == "" || strings.ContainsAny(version, "() ") { // (devel)
		return "certbound"
	}
	return "certbound/" + version
})
