package main

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"

	"github.com/certbound/certbound/adapters/bindecho"
	"github.com/certbound/certbound/adapters/bindgin"
	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
)

// routes builds the API in one of the frameworks. Each has the same four
// routes, and its own way to put a guard in front of two of them.
func routes(framework string, guard *binding.Guard, scopes []string, ready http.Handler) http.Handler {
	switch framework {
	case "echo":
		return echoRoutes(guard, scopes, ready)
	case "gin":
		return ginRoutes(guard, scopes, ready)
	default:
		return netHTTPRoutes(guard, scopes, ready)
	}
}

func netHTTPRoutes(guard *binding.Guard, scopes []string, ready http.Handler) http.Handler {
	protect, requireScopes := bindhttp.Protect(guard), bindhttp.RequireScopes(scopes...)
	mux := http.NewServeMux()
	mux.Handle("GET /whoami", protect(http.HandlerFunc(whoami)))
	mux.Handle("GET /payments", protect(requireScopes(http.HandlerFunc(payments))))
	mux.HandleFunc("GET /healthz", healthz)
	mux.Handle("GET /readyz", ready)
	return mux
}

func echoRoutes(guard *binding.Guard, scopes []string, ready http.Handler) http.Handler {
	e := echo.New()
	protected := e.Group("", bindecho.Protect(guard))
	protected.GET("/whoami", echo.WrapHandler(http.HandlerFunc(whoami)))
	protected.GET("/payments", echo.WrapHandler(http.HandlerFunc(payments)), bindecho.RequireScopes(scopes...))
	e.GET("/healthz", echo.WrapHandler(http.HandlerFunc(healthz)))
	e.GET("/readyz", echo.WrapHandler(ready))
	return e
}

func ginRoutes(guard *binding.Guard, scopes []string, ready http.Handler) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	protected := r.Group("", bindgin.Protect(guard))
	protected.GET("/whoami", gin.WrapF(whoami))
	protected.GET("/payments", bindgin.RequireScopes(scopes...), gin.WrapF(payments))
	r.GET("/healthz", gin.WrapF(healthz))
	r.GET("/readyz", gin.WrapH(ready))
	return r
}

// bearer is what GET /whoami answers.
type bearer struct {
	Issuer     string `json:"iss"`
	Subject    string `json:"sub,omitempty"`
	ClientID   string `json:"client_id,omitempty"`
	Scope      string `json:"scope"`
	Thumbprint string `json:"x5t#S256,omitempty"`
	Key        string `json:"jkt,omitempty"`
}

func whoami(w http.ResponseWriter, r *http.Request) {
	token, ok := binding.TokenFromContext(r.Context())
	if !ok { // only behind a guard
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	who := bearer{
		Issuer:   token.Issuer(),
		Subject:  token.Subject(),
		ClientID: token.ClientID(),
		Scope:    strings.Join(token.Scopes(), " "),
	}
	if thumbprint, bound := token.Thumbprint(); bound {
		who.Thumbprint = thumbprint.String()
	}
	if key, bound := token.KeyThumbprint(); bound {
		who.Key = key.String()
	}
	writeJSON(w, http.StatusOK, who)
}

func payments(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"payments": []string{}})
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}
