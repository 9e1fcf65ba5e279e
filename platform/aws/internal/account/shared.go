package account

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/switchyard/switchyard/platform"
)

// Urgent marks a read that does not wait for its turn: a read-back right after a change.
func Urgent(ctx context.Context) context.Context { return platform.Urgent(ctx) }

// shared turns the reads of many callers into few calls. A read joins the call that
// has not begun yet: it waits Gather, and then for a token of the API action, while
// others join. So nobody gets an answer that was read before the question, and the
// number of calls is bounded by the bucket, not by the number of callers.
type shared[V any] struct {
	fetch  func(ctx context.Context, keys []string) (map[string]V, error)
	most   int                                       // how much one call may ask for
	weigh  func(key string) (class string, size int) // keys of one class share a call; nil: all do, size 1
	gather time.Duration
	bucket *rate.Limiter
	within time.Duration // longest time of a call with all its attempts

	mu      sync.Mutex
	pending []*ask[V] // in the order of asking
	running bool
	hurry   chan struct{}   // an urgent read has joined, or the last one has left
	apart   map[string]bool // keys that spoiled a call; they go alone
}

// maxApart bounds the memory of a worker that runs for years.
const maxApart = 1000

// ask is one key that is being asked for, by one or many callers.
type ask[V any] struct {
	key     string
	class   string
	size    int
	waiting int
	urgent  bool

	done  chan struct{} // closed when the rest is set
	value V
	found bool
	err   error
}

func newShared[V any](o Options, bucket *rate.Limiter, most int, fetch func(context.Context, []string) (map[string]V, error)) *shared[V] {
	return &shared[V]{
		fetch: fetch, most: most, gather: o.Gather, bucket: bucket,
		within: time.Duration(o.Attempts) * (o.Timeout + o.Backoff),
		hurry:  make(chan struct{}, 1), apart: map[string]bool{},
	}
}

// get reads the keys. Keys that are not there are absent from the answer. When ctx ends
// only this caller leaves. The first error of any of its keys is the caller's.
func (s *shared[V]) get(ctx context.Context, keys ...string) (map[string]V, error) {
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	asks := s.join(ctx, keys)
	defer s.leave(asks)
	values := make(map[string]V, len(keys))
	for _, a := range asks {
		select {
		case <-a.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if a.err != nil {
			return nil, a.err
		}
		if a.found {
			values[a.key] = a.value
		}
	}
	return values, nil
}

func (s *shared[V]) join(ctx context.Context, keys []string) []*ask[V] {
	urgent := platform.IsUrgent(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	asks := make([]*ask[V], len(keys))
	for i, key := range keys {
		a := s.find(key)
		a.waiting++
		a.urgent = a.urgent || urgent
		asks[i] = a
	}
	if len(asks) > 0 && !s.running {
		s.running = true
		go s.run()
	}
	if urgent {
		s.wake()
	}
	return asks
}

func (s *shared[V]) wake() {
	select {
	case s.hurry <- struct{}{}:
	default:
	}
}

func (s *shared[V]) find(key string) *ask[V] {
	for _, a := range s.pending {
		if a.key == key {
			return a
		}
	}
	a := &ask[V]{key: key, size: 1, done: make(chan struct{})}
	if s.weigh != nil {
		a.class, a.size = s.weigh(key)
	}
	s.pending = append(s.pending, a)
	return a
}

// leave takes back what nobody waits for any more, unless it is under way.
func (s *shared[V]) leave(asks []*ask[V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range asks {
		a.waiting--
	}
	s.pending = slices.DeleteFunc(s.pending, func(a *ask[V]) bool { return a.waiting == 0 })
	if s.running && len(s.pending) == 0 {
		s.wake()
	}
}

// run begins calls as long as there is something to ask for.
func (s *shared[V]) run() {
	for more := true; more; {
		s.pause()
		var asks []*ask[V]
		if asks, more = s.take(); len(asks) > 0 {
			go s.call(asks)
		}
	}
}

// pause lets others join, and waits for a token. With an urgent read it takes a
// token if there is one and does not wait.
func (s *shared[V]) pause() {
	time.Sleep(s.gather)
	r := s.bucket.Reserve()
	timer := time.NewTimer(r.Delay())
	defer timer.Stop()
	for s.patient() {
		select {
		case <-timer.C:
			return
		case <-s.hurry:
		}
	}
	r.Cancel()
}

// patient says whether anybody waits, and nobody urgently.
func (s *shared[V]) patient() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending) > 0 && !slices.ContainsFunc(s.pending, func(a *ask[V]) bool { return a.urgent })
}

// take chooses what the next call asks for: the urgent and the longest waiting, and
// what fits with it. When that is all, the run ends.
func (s *shared[V]) take() (taken []*ask[V], more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 {
		s.running = false
		return nil, false
	}
	first := max(0, slices.IndexFunc(s.pending, func(a *ask[V]) bool { return a.urgent }))
	lead := s.pending[first]
	taken, size := []*ask[V]{lead}, lead.size
	rest := make([]*ask[V], 0, len(s.pending))
	for i, a := range s.pending {
		switch {
		case i == first:
		case a.class == lead.class && size+a.size <= s.most && !s.apart[a.key] && !s.apart[lead.key]:
			taken, size = append(taken, a), size+a.size
		default:
			rest = append(rest, a)
		}
	}
	s.pending, s.running = rest, len(rest) > 0
	return taken, s.running
}

// call asks for the keys and tells everybody who waits. It belongs to no caller, so it
// has a context of its own. A panic becomes the error of those who wait.
func (s *shared[V]) call(asks []*ask[V]) {
	defer func() {
		if r := recover(); r != nil {
			settle(asks, nil, platform.NewError("", "read from AWS", "", "", fmt.Errorf("panic: %v\n%s", r, debug.Stack())))
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), s.within)
	defer cancel()
	s.read(ctx, asks)
}

// read asks for the keys. When one of several spoils the call, as the id of something
// that is gone does, each half is asked for alone, and the key goes alone from then on.
func (s *shared[V]) read(ctx context.Context, asks []*ask[V]) {
	keys := make([]string, len(asks))
	for i, a := range asks {
		keys[i] = a.key
	}
	values, err := s.fetch(ctx, keys)
	spoiled := platform.IsNotFound(err) || platform.KindOf(err) == platform.KindInvalid
	if spoiled && len(asks) > 1 {
		s.read(ctx, asks[:len(asks)/2])
		s.read(ctx, asks[len(asks)/2:])
		return
	}
	s.mu.Lock()
	if spoiled {
		if len(s.apart) >= maxApart {
			clear(s.apart)
		}
		s.apart[keys[0]] = true
	} else if err == nil && len(keys) == 1 {
		delete(s.apart, keys[0])
	}
	s.mu.Unlock()
	switch {
	case platform.IsNotFound(err):
		settle(asks, nil, nil)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		// Not the caller's context has ended, so it must not look like that.
		settle(asks, nil, platform.NewError("", "read from AWS", "", "", fmt.Errorf("no answer within %s: %s", s.within, err.Error())))
	default:
		settle(asks, values, err)
	}
}

func settle[V any](asks []*ask[V], values map[string]V, err error) {
	for _, a := range asks {
		select {
		case <-a.done:
			continue
		default:
		}
		a.err = err
		if err == nil {
			a.value, a.found = values[a.key]
		}
		close(a.done)
	}
}
