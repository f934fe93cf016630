package jwks

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"unicode"
)

// LogEvents returns an observer (Config.Observe) that writes a record for each
// event to the logger: at Debug a fetch that changed nothing, at Info one that
// brought or removed keys, at Warn a fetch that failed while keys serve, at Error
// one that leaves none. A fetch fails a few times in a minute at most. A nil
// logger is slog.Default().
//
// Text that the issuer chose, such as a kid, is cut at 200 bytes and quoted where
// it is not printable, and ten keys of a list are named.
func LogEvents(logger *slog.Logger) func(Event) {
	if logger == nil {
		logger = slog.Default()
	}
	return func(event Event) {
		level, message := event.headline()
		if logger.Enabled(context.Background(), level) {
			logger.LogAttrs(context.Background(), level, message, event.attrs()...)
		}
	}
}

// LogValue returns the event as a group, for your own records. Text that the
// issuer chose is cut and quoted as by [LogEvents].
func (e Event) LogValue() slog.Value {
	return slog.GroupValue(append([]slog.Attr{slog.String("kind", string(e.Kind))}, e.attrs()...)...)
}

func (e Event) headline() (slog.Level, string) {
	switch {
	case e.Kind == TokensNotBound:
		return slog.LevelWarn, "the issuer does not say that it binds tokens to certificates"
	case e.Kind == KeysFailed && e.Usable:
		return slog.LevelWarn, "keys not fetched"
	case e.Kind == KeysFailed:
		return slog.LevelError, "keys not fetched, and none serve"
	case len(e.Added)+len(e.Removed) > 0:
		return slog.LevelInfo, "keys fetched"
	}
	return slog.LevelDebug, "keys fetched, and none changed"
}

func (e Event) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("iss", logText(e.Issuer))}
	switch e.Kind {
	case KeysFetched:
		attrs = append(attrs, slog.Int("keys", e.Keys))
		attrs = appendList(attrs, "added", e.Added, logText)
		attrs = appendList(attrs, "removed", e.Removed, logText)
		attrs = appendList(attrs, "ignored", e.Ignored, func(k IgnoredKey) string {
			return logText(k.KeyID) + ": " + logText(fmt.Sprint(k.Problem))
		})
	case KeysFailed:
		attrs = append(attrs, slog.String("error", logText(fmt.Sprint(e.Err))), slog.Bool("usable", e.Usable))
		if !e.StaleSince.IsZero() {
			attrs = append(attrs, slog.Time("stale_since", e.StaleSince))
		}
	}
	if e.Kind != TokensNotBound {
		attrs = append(attrs, slog.Duration("duration", e.Duration))
	}
	if e.Lost > 0 {
		attrs = append(attrs, slog.Int("lost", e.Lost))
	}
	return attrs
}

// maxListed is how many keys of a list a record names.
const maxListed = 10

func appendList[T any](attrs []slog.Attr, name string, list []T, text func(T) string) []slog.Attr {
	if len(list) == 0 {
		return attrs
	}
	var texts []string
	for _, item := range list[:min(len(list), maxListed)] {
		texts = append(texts, text(item))
	}
	if more := len(list) - maxListed; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return append(attrs, slog.Any(name, texts))
}

// logText returns s as it may stand in a log, whatever its handler does: cut, and
// quoted if it is too long or holds what is not printable. It repeats Text of
// binding/internal/eventlog, which only packages below binding may import; both
// logs write a text alike.
func logText(s string) string {
	const most = 200
	if len(s) > most {
		return fmt.Sprintf("%q...", s[:most])
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return fmt.Sprintf("%q", s)
	}
	return s
}
