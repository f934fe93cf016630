package bindecho5_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/labstack/echo/v5"
	"go.uber.org/goleak"

	"github.com/certbound/certbound/adapters/bindecho5"
	"github.com/certbound/certbound/adapters/internal/suite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSuite(t *testing.T) {
	t.Parallel()
	suite.Run(t, build)
}

// Not parallel: it counts the allocations of the whole process.
func TestAllocationsOfASeenToken(t *testing.T) { suite.AllocationsOfASeenToken(t, build) }

func BenchmarkSeenToken(b *testing.B) { suite.BenchmarkSeenToken(b, build) }

// build is the suite's Framework.
func build(log io.Writer, routes ...suite.Route) http.Handler {
	e := newEcho(log)
	for _, route := range routes {
		group := e.Group("", middleware(route.Group)...)
		group.Any(route.Path, echo.WrapHandler(route.Handler), middleware(route.Steps)...)
	}
	return e
}

// newEcho is an echo that logs every error that a handler returns, in all detail, as an application might.
func newEcho(log io.Writer) *echo.Echo {
	e := echo.New()
	e.Logger = slog.New(slog.NewTextHandler(log, nil))
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			err := next(c)
			if err != nil {
				c.Logger().Error(fmt.Sprintf("%v %+v %#v", err, err, err), "error", err)
			}
			return err
		}
	})
	return e
}

func middleware(steps []suite.Step) []echo.MiddlewareFunc {
	var list []echo.MiddlewareFunc
	for _, step := range steps {
		if step.IsRequireScopes() {
			list = append(list, bindecho5.RequireScopes(step.Scopes...))
		} else {
			list = append(list, bindecho5.Protect(step.Guard))
		}
	}
	return list
}
