package authorizationservers_test

import (
	"os"
	"testing"

	"github.com/certbound/certbound/examples/internal/tried"
)

// TestTried: examples/TRIED.md has the servers and the clients that the other
// tests run.
func TestTried(t *testing.T) {
	t.Parallel()
	var rows []tried.Row
	for _, pin := range []struct{ name, file, pinned, how string }{
		{"go-oidc", "go.mod", "github.com/luikyv/go-oidc", "JWTs, introspection; certificate, DPoP"},
		{"oidc-provider", "oidc-provider/package.json", "oidc-provider", "JWTs, introspection; certificate, DPoP"},
		{"Keycloak", "keycloak/pom.xml", "keycloak-quarkus-dist", "JWTs, introspection; certificate, DPoP"},
		{"Spring Authorization Server, by Spring Boot", "spring/pom.xml", "spring-boot-starter-parent", "JWTs, introspection; certificate, DPoP"},
		{"oauth4webapi", "oidc-provider/package.json", "oauth4webapi", "client; DPoP"},
		{"dpop", "oidc-provider/package.json", "dpop", "client; DPoP"},
	} {
		if _, err := os.Stat(pin.file); err != nil {
			continue
		}
		rows = append(rows, tried.Row{Name: pin.name, Version: tried.Pinned(t, pin.file, pin.pinned), How: pin.how})
	}
	tried.Sync(t, "examples/authorizationservers", rows)
}
