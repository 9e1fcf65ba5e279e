package wire

import (
	"fmt"
	"sync"
)

// Kind is what happens to a call.
type Kind int

// The kinds of trouble that AWS and the way to it make.
const (
	Throttle     Kind = iota + 1 // refused with the service's own throttling error, without effect
	FailBefore                   // 500 without effect
	FailAfter                    // the effect, then 500
	TimeoutAfter                 // the effect, then the connection closes without an answer
	Hook                         // the effect, then After, then the answer
)

func (k Kind) String() string {
	switch k {
	case Throttle:
		return "throttled"
	case FailBefore:
		return "failed before effect"
	case FailAfter:
		return "failed after effect"
	case TimeoutAfter:
		return "no answer after effect"
	case Hook:
		return "hook after effect"
	}
	return fmt.Sprintf("kind %d", int(k))
}

// Fault is trouble for the calls that match.
type Fault struct {
	// Match selects calls. When nil, Service and Action do, and By; empty ones match all.
	Match   func(Call) bool
	Service string
	Action  string
	By      string

	Nth   int    // from this matching call on, 1 (or 0) is the first one
	Times int    // for how many matching calls, 0 is one
	Kind  Kind   // what happens
	After func() // with every kind that has an effect: called after it and before the answer
}

func (f Fault) matches(c Call) bool {
	if f.Match != nil {
		return f.Match(c)
	}
	return (f.Service == "" || f.Service == c.Service) && (f.Action == "" || f.Action == c.Action) && (f.By == "" || f.By == c.By)
}

// Injected is a fault in force.
type Injected struct {
	fault Fault
	mu    sync.Mutex
	seen  int
	hits  int
}

// Hits is how many calls the fault was done to.
func (i *Injected) Hits() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.hits
}

// Hit says whether the fault was done to all the calls it was meant for.
func (i *Injected) Hit() bool { return i.Hits() >= max(i.fault.Times, 1) }

// take counts a call and says whether it is one of those meant.
func (i *Injected) take(c Call) bool {
	if !i.fault.matches(c) {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen++
	first := max(i.fault.Nth, 1)
	if i.seen < first || i.seen >= first+max(i.fault.Times, 1) {
		return false
	}
	i.hits++
	return true
}

// Staleness answers reads with old data.
type Staleness struct {
	match func(Call) bool
	mu    sync.Mutex
	left  int
	hits  int
}

// Hits is how many reads got old data.
func (s *Staleness) Hits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hits
}

func (s *Staleness) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 0 {
		return false
	}
	s.left--
	s.hits++
	return true
}
