package main

import (
	"context"
	"log/slog"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/introspection"
	"github.com/certbound/certbound/jwks"
)

// logDecisions logs what the guard decides. An event holds no token; what it
// holds of one the issuer has signed, the handler quotes and clip shortens.
func logDecisions(log *slog.Logger) func(context.Context, binding.Event) {
	return func(ctx context.Context, event binding.Event) {
		fields := []slog.Attr{slog.Duration("duration", event.Duration)}
		if event.Issuer != "" {
			fields = append(fields, slog.String("iss", clip(event.Issuer)), slog.String("client_id", clip(event.ClientID)))
		}
		if event.Accepted() {
			log.LogAttrs(ctx, slog.LevelInfo, "request accepted", append(fields, slog.Bool("bound", event.Bound))...)
			return
		}
		level := slog.LevelWarn
		if event.Err.Status() >= 500 {
			level = slog.LevelError
		}
		fields = append(fields, slog.String("reason", string(event.Reason)), slog.Int("status", event.Err.Status()))
		if event.Reason == binding.ReasonThumbprintMismatch {
			fields = append(fields, slog.String("expected", event.Expected.String()), slog.String("presented", event.Presented.String()))
		}
		if event.Err.Cause != nil {
			fields = append(fields, slog.String("cause", clip(event.Err.Cause.Error())))
		}
		log.LogAttrs(ctx, level, "request refused", fields...)
	}
}

// logKeys logs what becomes of the issuer's keys.
func logKeys(log *slog.Logger) func(jwks.Event) {
	return func(event jwks.Event) {
		switch event.Kind {
		case jwks.KeysFetched:
			log.Info("keys fetched", "iss", event.Issuer, "keys", event.Keys, "added", clipAll(event.Added), "removed", clipAll(event.Removed))
			for _, ignored := range event.Ignored {
				log.Warn("key ignored", "iss", event.Issuer, "kid", clip(ignored.KeyID), "problem", ignored.Problem)
			}
		case jwks.KeysFailed:
			log.Error("keys not fetched", "iss", event.Issuer, "error", clip(event.Err.Error()), "usable", event.Usable)
		case jwks.TokensNotBound:
			log.Warn("the issuer does not say that it binds tokens to certificates", "iss", event.Issuer)
		}
	}
}

// logIntrospection logs what becomes of the calls about opaque tokens.
func logIntrospection(log *slog.Logger) func(introspection.Event) {
	return func(event introspection.Event) {
		fields := []any{"kind", event.Kind, "iss", event.Issuer}
		if event.Err != nil {
			fields = append(fields, "error", clip(event.Err.Error()))
		}
		switch event.Kind {
		case introspection.TokenActive, introspection.TokenInactive:
			log.Debug("introspection", fields...)
		case introspection.BreakerClosed, introspection.MetadataRead:
			log.Info("introspection", fields...)
		case introspection.TokensNotBound:
			log.Warn("introspection", fields...)
		default:
			log.Error("introspection", fields...)
		}
	}
}

func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

func clipAll(list []string) []string {
	clipped := make([]string, len(list))
	for i, s := range list {
		clipped[i] = clip(s)
	}
	return clipped
}
