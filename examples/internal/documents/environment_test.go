package documents_test

// environment is what the fragments in the documents take for given: every package of this module that a user imports, those
// of the frameworks, and the names below. A fragment may declare any of these anew.
const environment = `package fragment

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/forwarded"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

var (
	ctx    context.Context
	t      *testing.T
	logger *slog.Logger
	mux    *http.ServeMux
	server *http.Server
	client *http.Client
	e      *echo.Echo
	router *gin.Engine
	as     *bindingtest.AuthorizationServer
	api    *httptest.Server

	tokens      *jwks.Verifier
	proofs      *dpop.Verifier
	guard       *binding.Guard
	source      *forwarded.Source
	certificate tls.Certificate

	handler http.Handler
)

func accounts(http.ResponseWriter, *http.Request) {}
func payments(http.ResponseWriter, *http.Request) {}
func pay(echo.Context) error                      { return nil }
func payGin(*gin.Context)                         {}
`

// imports are the packages that a fragment may name.
var imports = []string{
	"context", "crypto/ecdsa", "crypto/sha256", "crypto/tls", "crypto/x509", "encoding/base64", "encoding/json", "errors", "fmt", "log",
	"log/slog", "net", "net/http", "net/http/httptest", "net/netip", "net/url", "os", "slices", "strings", "sync", "testing", "time",
	"github.com/gin-gonic/gin",
	"github.com/labstack/echo/v4",
	"github.com/stretchr/testify/require",
	"github.com/certbound/certbound/adapters/bindecho",
	"github.com/certbound/certbound/adapters/bindgin",
	"github.com/certbound/certbound/adapters/bindhttp",
	"github.com/certbound/certbound/binding",
	"github.com/certbound/certbound/binding/bindingtest",
	"github.com/certbound/certbound/binding/bindingtest/conformance",
	"github.com/certbound/certbound/binding/forwarded",
	"github.com/certbound/certbound/binding/introspection",
	"github.com/certbound/certbound/binding/metadata",
	"github.com/certbound/certbound/jwks",
	"github.com/certbound/certbound/jwks/dpop",
}
