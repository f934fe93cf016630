package events_test

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/events"
)

// A told event is what an observer was told.
type told struct{ event, lost int }

// An observer remembers what it is told.
type observer struct {
	mu   sync.Mutex
	told []told
}

func (o *observer) observe(event, lost int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = append(o.told, told{event, lost})
}

func (o *observer) all() []told {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]told{}, o.told...)
}

func TestEventsComeInTheirOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o observer
		q := events.New(100, o.observe)
		var want []told
		for n := range 100 {
			q.Put(n)
			want = append(want, told{n, 0})
		}
		synctest.Wait()
		require.Equal(t, want, o.all())
		q.Close()
	})
}

// Nobody waits for an observer that is busy; what it misses is counted, once.
func TestObserverThatIsSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o observer
		release := make(chan struct{})
		q := events.New(2, func(event, lost int) {
			<-release
			o.observe(event, lost)
		})
		q.Put(0) // is given
		synctest.Wait()
		start := time.Now()
		for n := range 10 {
			q.Put(n + 1) // two of them find room
		}
		require.Equal(t, start, time.Now(), "at once")
		close(release)
		synctest.Wait()
		q.Put(11)
		q.Put(12)
		synctest.Wait()
		require.Equal(t, []told{{0, 0}, {1, 0}, {2, 0}, {11, 8}, {12, 0}}, o.all())
		q.Close()
	})
}

func TestObserverThatDoesNotReturn(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(){
		"panics":              func() { panic("the observer's own fault") },
		"ends its goroutine":  runtime.Goexit,
		"panics with nothing": func() { var nothing any; panic(nothing) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var o observer
				q := events.New(10, func(event, lost int) {
					o.observe(event, lost)
					leave()
				})
				for n := range 3 {
					q.Put(n)
				}
				synctest.Wait()
				require.Equal(t, []told{{0, 0}, {1, 0}, {2, 0}}, o.all())
				q.Close()
			})
		})
	}
}

// Close waits for the observer, and what waits for the observer then is not told, also if it ends its goroutine.
func TestNothingIsToldAfterClose(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(){"returns": func() {}, "ends its goroutine": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 20 { // which of two channels is read is chance
				synctest.Test(t, func(t *testing.T) {
					var o observer
					release := make(chan struct{})
					q := events.New(10, func(event, lost int) {
						o.observe(event, lost)
						<-release
						leave()
					})
					q.Put(0)
					synctest.Wait()
					q.Put(1)
					closed := make(chan struct{})
					go func() { q.Close(); close(closed) }()
					synctest.Wait()
					select {
					case <-closed:
						t.Error("Close does not wait for the observer")
					default:
					}
					close(release)
					<-closed
					q.Put(2)
					q.Close()
					synctest.Wait()
					require.Equal(t, []told{{0, 0}}, o.all())
				})
			}
		})
	}
}

func TestNilQueue(t *testing.T) {
	t.Parallel()
	var q *events.Queue[int]
	q.Put(1)
	q.Close()
}
