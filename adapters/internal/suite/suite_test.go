package suite_test

import (
	"io"
	"net/http"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/certbound/certbound/adapters/internal/suite"
	"github.com/certbound/certbound/binding"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A framework without an adapter of its own calls Admit, CheckScopes and Write
// itself, and gets what the others get. It is to hand the form over, too, as
// uploads says.
func TestWithoutAdapter(t *testing.T) {
	t.Parallel()
	suite.Run(t, func(_ io.Writer, routes ...suite.Route) http.Handler {
		mux := http.NewServeMux()
		for _, route := range routes {
			handler := route.Handler
			for _, step := range slices.Backward(slices.Concat(route.Group, route.Steps)) {
				handler = behind(step, handler)
			}
			mux.Handle(route.Path, handler)
		}
		return mux
	})
}

func behind(step suite.Step, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		admitted, err := r, error(nil)
		if step.IsRequireScopes() {
			err = binding.CheckScopes(r.Context(), step.Scopes...)
		} else {
			admitted, err = step.Guard.Admit(r)
		}
		if err != nil {
			binding.AsError(err).Write(w, r)
			return
		}
		if !step.IsRequireScopes() {
			defer binding.RemoveUpload(admitted)
			binding.SetAdmittedHeader(w.Header(), admitted)
		}
		next.ServeHTTP(w, admitted)
	})
}
