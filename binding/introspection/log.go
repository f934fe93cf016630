package introspection

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/certbound/certbound/binding/internal/eventlog"
)

// LogEvents returns an observer (Config.Observe) that writes records to the
// logger: answers about tokens at level Debug, that the server answers again at
// Info, that it does not bind tokens at Warn, and what fails at Error. A nil
// logger is slog.Default().
//
// Of calls that fail alike an observer writes the first in a minute and counts
// the rest. With the first event after that minute "more calls failed" says how
// many were suppressed and since when. Errors are cut at 200 bytes, and quoted
// where they are not printable.
func LogEvents(logger *slog.Logger) func(Event) {
	if logger == nil {
		logger = slog.Default()
	}
	l := &eventLog{logger: logger}
	return l.observe
}

// An eventLog is the observer of LogEvents.
type eventLog struct {
	logger  *slog.Logger
	repeats eventlog.Repeats
}

func (l *eventLog) observe(event Event) {
	ctx := context.Background()
	write, over := true, []eventlog.Suppressed(nil)
	switch event.Kind {
	case CallFailed, CredentialsRefused: // there may be one for each token
		write, over = l.repeats.Admit(eventlog.Key{Kind: string(event.Kind), Issuer: event.Issuer})
	default:
		over = l.repeats.Over()
	}
	for _, s := range over {
		l.logger.LogAttrs(ctx, slog.LevelError, "more calls failed",
			slog.Uint64("suppressed", s.Count), slog.Time("since", s.Since), slog.String("kind", s.Kind), slog.String("iss", s.Issuer))
	}
	level, message := event.Kind.headline()
	if write && l.logger.Enabled(ctx, level) {
		l.logger.LogAttrs(ctx, level, message, event.attrs()...)
	}
}

// LogValue returns the event as a group, for your own records. An error's text is
// cut and quoted as by [LogEvents].
func (e Event) LogValue() slog.Value { return slog.GroupValue(e.attrs()...) }

func (k EventKind) headline() (slog.Level, string) {
	switch k {
	case TokenActive, TokenInactive:
		return slog.LevelDebug, "token introspected"
	case CallFailed:
		return slog.LevelError, "introspection failed"
	case CredentialsRefused:
		return slog.LevelError, "the authorization server refuses our credentials"
	case BreakerOpened:
		return slog.LevelError, "the authorization server is away"
	case BreakerClosed:
		return slog.LevelInfo, "the authorization server is back"
	case MetadataRead:
		return slog.LevelInfo, "metadata read"
	case MetadataFailed:
		return slog.LevelError, "metadata not read"
	case TokensNotBound:
		return slog.LevelWarn, "the issuer does not say that it binds tokens to certificates"
	}
	return slog.LevelError, "introspection"
}

func (e Event) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("kind", string(e.Kind)), slog.String("iss", eventlog.Text(e.Issuer))}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", eventlog.Text(fmt.Sprint(e.Err))))
	}
	if e.Duration > 0 {
		attrs = append(attrs, slog.Duration("duration", e.Duration))
	}
	if e.RetryAfter > 0 {
		attrs = append(attrs, slog.Duration("retry_after", e.RetryAfter))
	}
	return attrs
}
