package authorizationservers_test

import (
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/certbound/certbound/examples/internal/builds"
)

// The programs of ../server and ../client, built once.
var serverProgram, clientProgram string

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	builds.Main(m, map[string]*string{"../server": &serverProgram, "../client": &clientProgram})
}
