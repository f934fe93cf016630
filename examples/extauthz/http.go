package main

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// askedBy makes of a proxy's question the request that it is about, for each
// proxy, and of the answer what the proxy understands.
var askedBy = map[string]func(decide http.Handler, log *slog.Logger) http.Handler{
	"nginx": askedByNginx,
	"envoy": askedByEnvoy,
}

// askedByNginx reads the method and the target from two header fields that nginx
// writes. auth_request knows 401 and 403, and of several challenges old versions
// pass one on: 400 becomes 401, and all challenges one field (RFC 9110 §11.6.1).
func askedByNginx(decide http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		methods, targets := r.Header.Values("X-Original-Method"), r.Header.Values("X-Original-Uri")
		if len(methods) != 1 || len(targets) != 1 {
			log.Error("nginx does not say what it asks about: set X-Original-Method and X-Original-URI, as extauthz.md has it")
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		target, err := url.ParseRequestURI(targets[0])
		if err != nil {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		original := r.Clone(r.Context())
		original.Method, original.URL, original.RequestURI = methods[0], target, targets[0]
		decide.ServeHTTP(forNginx{w}, original)
	})
}

type forNginx struct{ http.ResponseWriter }

func (w forNginx) WriteHeader(status int) {
	if challenges := w.Header().Values("WWW-Authenticate"); len(challenges) > 1 {
		w.Header().Set("WWW-Authenticate", strings.Join(challenges, ", "))
	}
	if status == http.StatusBadRequest {
		status = http.StatusUnauthorized
	}
	w.ResponseWriter.WriteHeader(status)
}

// askedByEnvoy has the request as it is: Envoy asks with the client's method, and
// with its target as long as no path_prefix is set. Envoy goes on at 200 alone.
func askedByEnvoy(decide http.Handler, _ *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { decide.ServeHTTP(forEnvoy{w}, r) })
}

type forEnvoy struct{ http.ResponseWriter }

func (w forEnvoy) WriteHeader(status int) {
	if status == http.StatusNoContent {
		status = http.StatusOK
		// The API needs no credentials, and an empty field would not replace the
		// client's.
		w.Header().Set("X-Envoy-Auth-Headers-To-Remove", strings.Join(unwanted(w.Header()), ", "))
	}
	w.ResponseWriter.WriteHeader(status)
}

// unwanted names the fields that must not reach the API: the credentials, the
// certificate, and those of the identity that are empty.
func unwanted(answer http.Header) []string {
	names := []string{"authorization", "dpop", "x-forwarded-client-cert"}
	for _, name := range identityFields {
		if answer.Get(name) == "" {
			names = append(names, strings.ToLower(name))
		}
	}
	return names
}
