// Package events is what the packages of this module do alike with their events:
// a queue brings them to an observer, which is foreign code and may be slow, panic
// or never return; logs cut text that somebody else chose, and count records that
// would repeat themselves.
//
// It is public because packages in several folders need it. A program has no use
// for it, and it may change in any version.
package events

import (
	"context"
	"sync"
)

// A Queue gives an observer its events, one at a time and in their order, from a
// goroutine of its own. Events that it is too slow for are dropped and counted.
// An observer that panics, or ends its goroutine (runtime.Goexit), loses the
// event that it was given, and no other.
//
// Make one with [New] and Close it when done. It is safe for concurrent use. A
// nil Queue drops everything.
type Queue[E any] struct {
	observe func(event E, lost int)
	waiting chan item[E]

	mu   sync.Mutex
	lost int // since the last that found room

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

type item[E any] struct {
	event E
	lost  int
}

// New returns a queue in which up to size events wait. The observer is also told
// how many events before each were dropped.
func New[E any](size int, observe func(event E, lost int)) *Queue[E] {
	q := &Queue[E]{observe: observe, waiting: make(chan item[E], size)}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	q.running.Go(q.run)
	return q
}

// Put hands an event to the observer's goroutine. It never waits for the
// observer.
func (q *Queue[E]) Put(event E) {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case q.waiting <- item[E]{event, q.lost}:
		q.lost = 0
	default:
		q.lost++
	}
}

// Close drops what waits, waits for a call of the observer that is under way, and
// returns when the goroutine is gone. The observer must not call it.
func (q *Queue[E]) Close() {
	if q == nil {
		return
	}
	q.cancel()
	q.running.Wait()
}

func (q *Queue[E]) run() {
	returned := false
	defer func() {
		if !returned { // the observer has ended this goroutine
			q.running.Go(q.run)
		}
	}()
	for {
		select {
		case next := <-q.waiting:
			if q.ctx.Err() == nil { // select chooses either when both are ready
				q.give(next)
			}
		case <-q.ctx.Done():
			returned = true
			return
		}
	}
}

// give loses the event if the observer panics: nobody could recover.
func (q *Queue[E]) give(next item[E]) {
	defer func() { _ = recover() }()
	q.observe(next.event, next.lost)
}
