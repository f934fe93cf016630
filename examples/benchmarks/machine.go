package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// machine names the processor, and how many cores of it there are.
func machine() string {
	model := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s", model, runtime.NumCPU(), runtime.GOOS)
}

// versions names the Go release and the other libraries, each with its version.
func versions() string {
	names := []string{runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return names[0]
	}
	for _, library := range []struct{ name, module string }{
		{"golang-jwt", "github.com/golang-jwt/jwt/v5"},
		{"go-oidc", "github.com/coreos/go-oidc/v3"},
		{"jwx", "github.com/lestrrat-go/jwx/v2"},
		{"go-jose", "github.com/go-jose/go-jose/v4"},
		{"auth0/go-jwt-middleware", "github.com/auth0/go-jwt-middleware/v2"},
		{"go-redis", "github.com/redis/go-redis/v9"},
		{"auth0/go-jwt-middleware", "github.com/auth0/go-jwt-middleware/v3"},
	} {
		for _, module := range info.Deps {
			if module.Path == library.module {
				names = append(names, library.name+" "+module.Version)
			}
		}
	}
	return strings.Join(names, ", ")
}
