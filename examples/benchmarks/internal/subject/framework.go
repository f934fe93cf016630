package subject

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"

	"github.com/certbound/certbound/adapters/bindecho"
	"github.com/certbound/certbound/adapters/bindgin"
	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
)

// A Framework is a server of one route, with a guard in front of the handler and without.
type Framework struct {
	Name          string
	Bare, Guarded http.Handler
}

// Frameworks returns a server in each of the frameworks that there is an adapter for. The handler is the same in all.
func Frameworks(guard *binding.Guard, handler func(r *http.Request)) []Framework {
	inHTTP := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { handler(r) })
	plain := func(h http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("GET /accounts", h)
		return mux
	}

	inEcho := func(c echo.Context) error { handler(c.Request()); return nil }
	withEcho := func(middleware ...echo.MiddlewareFunc) http.Handler {
		e := echo.New()
		e.GET("/accounts", inEcho, middleware...)
		return e
	}

	gin.SetMode(gin.ReleaseMode)
	inGin := func(c *gin.Context) { handler(c.Request) }
	withGin := func(handlers ...gin.HandlerFunc) http.Handler {
		g := gin.New()
		g.GET("/accounts", append(handlers, inGin)...)
		return g
	}

	return []Framework{
		{"net-http", plain(inHTTP), plain(bindhttp.Protect(guard)(inHTTP))},
		{"echo", withEcho(), withEcho(bindecho.Protect(guard))},
		{"gin", withGin(), withGin(bindgin.Protect(guard))},
	}
}
