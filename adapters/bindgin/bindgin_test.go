package bindgin_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	"go.uber.org/goleak"

	"github.com/certbound/certbound/adapters/bindgin"
	"github.com/certbound/certbound/adapters/internal/suite"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode) // gin's default writes routes and warnings to stdout
	goleak.VerifyTestMain(m)
}

func TestSuite(t *testing.T) {
	t.Parallel()
	suite.Run(t, build)
}

// Not parallel: it counts the allocations of the whole process.
func TestAllocationsOfASeenToken(t *testing.T) { suite.AllocationsOfASeenToken(t, build) }

func BenchmarkSeenToken(b *testing.B) { suite.BenchmarkSeenToken(b, build) }

// build is the suite's Framework.
func build(log io.Writer, routes ...suite.Route) http.Handler {
	r := newGin(log)
	for _, route := range routes {
		group := r.Group("", middleware(route.Group)...)
		group.Any(route.Path, append(middleware(route.Steps), gin.WrapH(route.Handler))...)
	}
	return r
}

// newGin is a gin that logs every request.
func newGin(log io.Writer) *gin.Engine {
	r := gin.New()
	r.Use(gin.LoggerWithWriter(log))
	return r
}

func middleware(steps []suite.Step) []gin.HandlerFunc {
	var list []gin.HandlerFunc
	for _, step := range steps {
		if step.IsRequireScopes() {
			list = append(list, bindgin.RequireScopes(step.Scopes...))
		} else {
			list = append(list, bindgin.Protect(step.Guard))
		}
	}
	return list
}
