package introspection

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/certbound/certbound/binding/events"
)

// LogEvents returns an observer (Config.Observe) that writes records to the
// logger: answers about tokens at level Debug; at Info, that metadata was read
// and that the server answers again; at Warn, that the metadata does not
// promise bound tokens, or could not be read while an endpoint is known; and
// other failures at Error. A nil logger means slog.Default().
//
// If calls fail in the same way, an observer writes the first in a minute and
// counts the rest. With the first event after that minute "more calls failed"
// says how many were suppressed and since when. Errors are cut at 600 bytes,
// and quoted where they are not printable.
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
	repeats events.Repeats
}

func (l *eventLog) observe(event Event) {
	ctx := context.Background()
	write, over := true, []events.Suppressed(nil)
	switch event.Kind {
	case CallFailed, CredentialsRefused: // there may be one for each token
		write, over = l.repeats.Admit(events.Key{Kind: string(event.Kind), Issuer: event.Issuer})
	default:
		over = l.repeats.Over()
	}
	for _, s := range over {
		l.logger.LogAttrs(ctx, slog.LevelError, "more calls failed",
			slog.Uint64("suppressed", s.Count), slog.Time("since", s.Since), slog.String("kind", s.Kind), slog.String("iss", s.Issuer))
	}
	level, message := event.headline()
	if write && l.logger.Enabled(ctx, level) {
		l.logger.LogAttrs(ctx, level, message, event.attrs()...)
	}
}

// LogValue returns the event as a group, for your own records. An error's text is
// cut and quoted as by [LogEvents].
func (e Event) LogValue() slog.Value { return slog.GroupValue(e.attrs()...) }

func (e Event) headline() (slog.Level, string) {
	switch e.Kind {
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
		if e.Outage > 0 {
			return slog.LevelInfo, "metadata read, after fetches had failed"
		}
		return slog.LevelInfo, "metadata read"
	case MetadataFailed:
		if e.Usable {
			return slog.LevelWarn, "metadata not read"
		}
		return slog.LevelError, "metadata not read, and no endpoint to ask"
	case TokensNotBound:
		return slog.LevelWarn, "the issuer does not say that it binds tokens to certificates"
	}
	return slog.LevelError, "introspection"
}

func (e Event) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("kind", string(e.Kind)), slog.String("iss", events.Text(e.Issuer))}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", events.Cause(fmt.Sprint(e.Err))))
	}
	if e.Duration > 0 {
		attrs = append(attrs, slog.Duration("duration", e.Duration))
	}
	if e.Outage > 0 {
		attrs = append(attrs, slog.Duration("outage", e.Outage))
	}
	if e.RetryAfter > 0 {
		attrs = append(attrs, slog.Duration("retry_after", e.RetryAfter))
	}
	if e.Lost > 0 {
		attrs = append(attrs, slog.Int("lost", e.Lost))
	}
	return attrs
}
