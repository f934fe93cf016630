package binding

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/certbound/certbound/binding/internal/eventlog"
)

// LogEvents returns an observer (Config.Observe) that writes records to the
// logger: what a guard accepts at level Debug, a client's everyday mistakes at
// Info, what may be a stolen, forged or wrongly issued token, or a certificate
// header that nobody vouches for, at Warn, and our own trouble at Error. With
// Debug off, an accepted request costs next to nothing. A nil logger is
// slog.Default().
//
// Of refusals that are alike in reason, issuer and client, an observer writes the
// first in a minute and counts the rest. With the first decision after that
// minute, whatever it is, "more requests refused" says how many were suppressed
// and since when. So there is nothing to close; a count that no decision follows
// is not told. In a flood of clients, 128 are told apart in a minute, and beyond
// that reasons alone.
//
// A record holds no token and no certificate. Text that somebody else chose is cut
// at 200 bytes, and quoted where it is not printable. The text of a refusal's Cause
// is written: what Config.Authorize and your own verifier return is yours to keep
// clean.
func LogEvents(logger *slog.Logger) func(context.Context, Event) {
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

func (l *eventLog) observe(ctx context.Context, event Event) {
	if event.Accepted() {
		l.tell(l.repeats.Over())
		if l.logger.Enabled(ctx, slog.LevelDebug) {
			l.logger.LogAttrs(ctx, slog.LevelDebug, "request accepted", event.attrs()...)
		}
		return
	}
	level := event.Reason.level()
	if !l.logger.Enabled(ctx, level) {
		l.tell(l.repeats.Over())
		return
	}
	write, over := l.repeats.Admit(eventlog.Key{Kind: string(event.Reason), Issuer: event.Issuer, Client: event.ClientID})
	l.tell(over)
	if write {
		l.logger.LogAttrs(ctx, level, "request refused", event.attrs()...)
	}
}

// tell writes what was suppressed, in no request's context: it was others.
func (l *eventLog) tell(over []eventlog.Suppressed) {
	for _, s := range over {
		attrs := []slog.Attr{slog.Uint64("suppressed", s.Count), slog.Time("since", s.Since), slog.String("reason", s.Kind)}
		attrs = appendNames(attrs, s.Issuer, s.Client)
		l.logger.LogAttrs(context.Background(), Reason(s.Kind).level(), "more requests refused", attrs...)
	}
}

// LogValue returns the event as a group, for your own records. Text that somebody
// else chose is cut and quoted as by [LogEvents].
func (e Event) LogValue() slog.Value { return slog.GroupValue(e.attrs()...) }

func (e Event) attrs() []slog.Attr {
	attrs := make([]slog.Attr, 0, 8)
	if !e.Accepted() {
		attrs = append(attrs, slog.String("reason", eventlog.Text(string(e.Reason))), slog.Int("status", e.Err.Status()))
	}
	attrs = appendNames(attrs, eventlog.Text(e.Issuer), eventlog.Text(e.ClientID))
	if e.Accepted() {
		attrs = append(attrs, slog.Bool("bound", e.Bound))
	}
	if e.Reason == ReasonThumbprintMismatch {
		attrs = append(attrs, slog.String("expected", e.Expected.String()), slog.String("presented", e.Presented.String()))
	}
	attrs = append(attrs, slog.Duration("duration", e.Duration))
	if e.Accepted() || e.Err.Cause == nil {
		return attrs
	}
	attrs = append(attrs, slog.String("cause", eventlog.Text(e.Err.Cause.Error())))
	var panicked *PanicError
	if errors.As(e.Err.Cause, &panicked) {
		attrs = append(attrs, slog.String("stack", string(panicked.Stack[:min(len(panicked.Stack), maxStack)])))
	}
	return attrs
}

// maxStack is how many bytes of a stack are written: those about the panic.
const maxStack = 4 << 10

func appendNames(attrs []slog.Attr, issuer, client string) []slog.Attr {
	if issuer != "" {
		attrs = append(attrs, slog.String("iss", issuer))
	}
	if client != "" {
		attrs = append(attrs, slog.String("client_id", client))
	}
	return attrs
}

// level says how much a refusal matters to who runs the resource server.
func (r Reason) level() slog.Level {
	switch r {
	case ReasonThumbprintMismatch, ReasonCertificateMissing, ReasonTokenBound, // a token that is not the sender's, or was sent where it should not be
		ReasonTokenSignature, ReasonTokenRevoked,
		ReasonTokenUnbound, ReasonConfirmationMalformed, ReasonConfirmationUnsupported, ReasonConfirmationDPoP, // misissued
		ReasonThumbprintMalformed, ReasonThumbprintHex, ReasonThumbprintPadded, ReasonThumbprintStandardAlphabet, ReasonThumbprintSHA1,
		ReasonCertificateUnreadable, // a client that speaks for itself as the proxy does, or a proxy that is not set up
		ReasonForwardedUntrusted, ReasonForwardedAmbiguous, ReasonForwardedMalformed, ReasonForwardedTooLong, ReasonForwardedUnverified:
		return slog.LevelWarn
	case ReasonCanceled:
		return slog.LevelInfo
	}
	if r.answer().status >= http.StatusInternalServerError {
		return slog.LevelError
	}
	return slog.LevelInfo
}
