package binding

import (
	"context"
	"errors"
	"log/slog"

	"github.com/certbound/certbound/binding/events"
)

// LogEvents returns an observer (Config.Observe) that writes records to the
// logger: accepted requests, and refusals that only ask for a DPoP nonce, at
// level Debug; a client's everyday mistakes, and nonces that are more than old
// ([ReasonProofNonce]), at Info; what may be a stolen, forged or wrongly issued
// token, or a certificate header that nobody vouches for, at Warn; and the
// server's own trouble at Error. With Debug off, an accepted request costs next
// to nothing. A nil logger means slog.Default().
//
// If refusals have the same reason, issuer, client, cause and presented
// certificate or key, an observer writes the first in a minute and counts the
// rest. With the first decision after that minute, whatever it is, a record
// "more requests refused" says how many were suppressed and since when. There
// is nothing to close: a count after which no decision follows is never
// written. In a flood, 128 different refusals are told apart in a minute;
// beyond that, only their reasons are.
//
// The record of a refusal says which request it was: method, the route's pattern
// or else the path, and the peer's IP address (see [Event]). The requests that
// are counted with it may be others. A path may hold personal data: where that
// must not be in a log, put the guard on the routes, not in front of the router.
//
// A record holds no token and no certificate. Text that somebody else chose is
// cut at 200 bytes, and quoted where it is not printable. The text of a
// refusal's Cause is written too, up to 600 bytes of it, so the errors that
// Config.Authorize and your own verifier return must hold nothing secret.
func LogEvents(logger *slog.Logger) func(context.Context, Event) {
	return (&eventLog{logger: logger}).observe
}

// An eventLog is the observer of LogEvents.
type eventLog struct {
	logger  *slog.Logger // nil: slog.Default(), as it is at the time
	repeats events.Repeats
}

func (l *eventLog) to() *slog.Logger {
	if l.logger == nil {
		return slog.Default()
	}
	return l.logger
}

func (l *eventLog) observe(ctx context.Context, event Event) {
	logger := l.to()
	if event.Accepted() {
		l.tell(l.repeats.Over())
		if logger.Enabled(ctx, slog.LevelDebug) {
			logger.LogAttrs(ctx, slog.LevelDebug, "request accepted", event.attrs()...)
		}
		return
	}
	level := levelOf(event.Reason(), event.Err.Cause != nil)
	if !logger.Enabled(ctx, level) {
		l.tell(l.repeats.Over())
		return
	}
	write, over := l.repeats.Admit(event.key())
	l.tell(over)
	if write {
		logger.LogAttrs(ctx, level, "request refused", event.attrs()...)
	}
}

// levelOf returns the level of a refusal: that of its Reason, but for a nonce. One
// that has only grown old is everyday traffic, and has no Cause; what has one is
// for whoever runs the server.
func levelOf(reason Reason, caused bool) slog.Level {
	if reason == ReasonProofNonce && caused {
		return slog.LevelInfo
	}
	return reason.answer().level
}

// reportFault writes a fault of the server's own to the default log, if there
// is no observer to tell.
var reportFault = (&eventLog{}).observe

// tell writes what was suppressed. It uses no request's context, because the
// current request is not one of those.
func (l *eventLog) tell(over []events.Suppressed) {
	ctx := context.Background()
	for _, s := range over {
		attrs := []slog.Attr{slog.Uint64("suppressed", s.Count), slog.Time("since", s.Since), slog.String("reason", s.Kind)}
		attrs = appendNames(attrs, s.Issuer, s.Client)
		attrs = appendText(attrs, "presented", s.Presented)
		attrs = appendText(attrs, "cause", s.Cause)
		// In a flood the causes are not told apart: who does not read Debug had
		// those counted that have one.
		caused := s.Cause != "" || !l.to().Enabled(ctx, slog.LevelDebug)
		l.to().LogAttrs(ctx, levelOf(Reason(s.Kind), caused), "more requests refused", attrs...)
	}
}

// key says which refusals are alike: another client, certificate or cause is
// another refusal.
func (e Event) key() events.Key {
	key := events.Key{Kind: string(e.Reason()), Issuer: e.Issuer, Client: e.ClientID}
	switch e.Reason() {
	case ReasonThumbprintMismatch:
		key.Presented = e.Err.Presented.String()
	case ReasonProofKeyMismatch:
		key.Presented = e.Err.PresentedKey.String()
	}
	if e.Err.Cause != nil {
		key.Cause = e.Err.Cause.Error()
	}
	return key
}

// LogValue returns the event as a group, for your own records. Text that somebody
// else chose is cut and quoted as by [LogEvents].
func (e Event) LogValue() slog.Value { return slog.GroupValue(e.attrs()...) }

func (e Event) attrs() []slog.Attr {
	attrs := make([]slog.Attr, 0, 12)
	if !e.Accepted() {
		attrs = append(attrs, slog.String("reason", events.Text(string(e.Reason()))), slog.Int("status", e.Err.StatusCode()))
	}
	attrs = appendText(attrs, "method", events.Text(e.Method))
	if e.Route != "" {
		attrs = append(attrs, slog.String("route", events.Text(e.Route)))
	} else {
		attrs = appendText(attrs, "path", events.Text(e.Path))
	}
	attrs = appendText(attrs, "peer", events.Text(e.Peer))
	attrs = appendNames(attrs, events.Text(e.Issuer), events.Text(e.ClientID))
	if e.Accepted() {
		attrs = append(attrs, slog.String("binding", e.Binding))
	}
	if e.Reason() == ReasonProofKeyMismatch {
		attrs = append(attrs, slog.String("expected_key", e.Err.ExpectedKey.String()), slog.String("presented_key", e.Err.PresentedKey.String()))
	}
	if e.Reason() == ReasonThumbprintMismatch {
		attrs = append(attrs, slog.String("expected", e.Err.Expected.String()), slog.String("presented", e.Err.Presented.String()))
	}
	attrs = append(attrs, slog.Duration("duration", e.Duration))
	if e.Accepted() || e.Err.Cause == nil {
		return attrs
	}
	attrs = append(attrs, slog.String("cause", events.Cause(e.Err.Cause.Error())))
	var panicked *PanicError
	if errors.As(e.Err.Cause, &panicked) {
		attrs = append(attrs, slog.String("stack", string(panicked.Stack[:min(len(panicked.Stack), maxStack)])))
	}
	return attrs
}

// maxStack is how many bytes of a stack are written: the part about the panic.
const maxStack = 4 << 10

func appendNames(attrs []slog.Attr, issuer, client string) []slog.Attr {
	return appendText(appendText(attrs, "iss", issuer), "client_id", client)
}

func appendText(attrs []slog.Attr, name, text string) []slog.Attr {
	if text == "" {
		return attrs
	}
	return append(attrs, slog.String(name, text))
}
