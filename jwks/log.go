package jwks

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/certbound/certbound/binding/events"
)

// LogEvents returns an observer (Config.Observe) that writes a record for each
// event to the logger: at Debug a fetch that changed nothing, at Info one that
// brought or removed keys or ended an outage, at Warn a fetch that failed while
// there are usable keys, at Error one that failed while there are none. At Warn
// also that the metadata which names the key set could not be read, that unknown
// keys are not looked for, and that the issuer's metadata does not promise bound
// tokens. Of failures of an issuer for the same reason, one a minute is written,
// with the number of those that were not, and each that brought or removed keys.
// One observer may be that of several verifiers. A nil logger means
// slog.Default().
//
// Text that the issuer chose, such as a kid, is cut at 200 bytes and quoted
// where it is not printable. At most ten keys of a list are named.
func LogEvents(logger *slog.Logger) func(Event) {
	if logger == nil {
		logger = slog.Default()
	}
	var failures repeats
	return func(event Event) {
		level, message := event.headline()
		if !logger.Enabled(context.Background(), level) {
			return
		}
		attrs := event.attrs()
		if err := cmp.Or(event.Err, event.Unread); err != nil && !event.changed() {
			unwritten, write := failures.of(event.Issuer, message+fmt.Sprint(err))
			if !write {
				return
			}
			if unwritten > 0 {
				attrs = append(attrs, slog.Int("repeated", unwritten))
			}
		}
		logger.LogAttrs(context.Background(), level, message, attrs...)
	}
}

// repeats keeps the last text that was written of each issuer, to write it once a
// minute.
type repeats struct {
	mu   sync.Mutex
	last map[string]*repeat
}

type repeat struct {
	text      string
	written   time.Time
	unwritten int // since then
}

// maxRepeats is how many issuers are told apart. Beyond that some are written more
// often.
const maxRepeats = 1_000

// of reports whether to write the text, and how often that of the issuer was not
// written before.
func (r *repeats) of(issuer, text string) (unwritten int, write bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, known := r.last[issuer]
	switch {
	case !known:
		if r.last == nil || len(r.last) >= maxRepeats {
			r.last = make(map[string]*repeat)
		}
		last = new(repeat)
		r.last[issuer] = last
	case text == last.text && time.Since(last.written) < time.Minute:
		last.unwritten++
		return 0, false
	}
	unwritten = last.unwritten
	*last = repeat{text: text, written: time.Now()}
	return unwritten, true
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
	case e.Kind == KeyFetchLimited:
		return slog.LevelWarn, "unknown keys not looked for: the issuer was asked as often as is permitted"
	case e.Kind == KeysFailed && e.Usable:
		return slog.LevelWarn, "keys not fetched"
	case e.Kind == KeysFailed:
		return slog.LevelError, "keys not fetched, and none serve"
	case e.Unread != nil:
		return slog.LevelWarn, "keys fetched from where they were: the metadata was not read"
	case e.Outage > 0:
		return slog.LevelInfo, "keys fetched, after fetches had failed"
	case e.changed():
		return slog.LevelInfo, "keys fetched"
	}
	return slog.LevelDebug, "keys fetched, and none changed"
}

func (e Event) changed() bool { return len(e.Added)+len(e.Removed) > 0 }

func (e Event) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("iss", events.Text(e.Issuer))}
	switch e.Kind {
	case KeysFetched:
		attrs = append(attrs, slog.Int("keys", e.Keys))
		if e.Unread != nil {
			attrs = append(attrs, slog.String("error", events.Cause(fmt.Sprint(e.Unread))))
		}
		if e.Outage > 0 {
			attrs = append(attrs, slog.Duration("outage", e.Outage))
		}
		attrs = appendList(attrs, "added", e.Added, events.Text)
		attrs = appendList(attrs, "removed", e.Removed, events.Text)
	case KeysFailed:
		attrs = append(attrs, slog.String("error", events.Cause(fmt.Sprint(e.Err))), slog.Bool("usable", e.Usable))
		if !e.StaleSince.IsZero() {
			attrs = append(attrs, slog.Time("stale_since", e.StaleSince))
		}
		if !e.ServeUntil.IsZero() {
			attrs = append(attrs, slog.Time("serve_until", e.ServeUntil))
		}
	}
	attrs = appendList(attrs, "ignored", e.Ignored, func(k IgnoredKey) string {
		return events.Text(k.KeyID) + ": " + events.Text(fmt.Sprint(k.Problem))
	})
	switch e.Kind {
	case KeyFetchLimited:
		attrs = append(attrs, slog.Int("tokens", e.Tokens))
	case KeysFetched, KeysFailed:
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
