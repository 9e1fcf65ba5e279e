package fleets

import (
	"maps"
	"sync"
	"time"

	"github.com/switchyard/switchyard/release"
)

// Memory spares calls and says since when things are as they are. It is shared by all
// Fleets of a worker and may be lost at any time: nothing is decided by it that
// reading again would decide otherwise.
type Memory struct {
	mu        sync.Mutex
	made      map[key]time.Time
	instances map[key]map[string]seen
	explained map[key]explained
	images    map[string]image
}

type key struct{ region, name string }

type seen struct {
	state   release.InstanceState
	since   time.Time
	healthy bool   // its target was healthy once
	as      string // what it was registered as then
}

type explained struct {
	at   time.Time
	text string
}

type image struct {
	at  time.Time
	ref string
}

// NewMemory makes an empty memory.
func NewMemory() *Memory {
	return &Memory{made: map[key]time.Time{}, instances: map[key]map[string]seen{}, explained: map[key]explained{}, images: map[string]image{}}
}

// settles is how long a new group may take until every read shows it.
const settles = 2 * time.Minute

func (m *Memory) make(region, name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.made, func(_ key, at time.Time) bool { return time.Since(at) > settles })
	m.made[key{region, name}] = time.Now()
}

func (m *Memory) madeLately(region, name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.made[key{region, name}]
	return ok && time.Since(at) < settles
}

// forget drops all that is known of a fleet that is gone.
func (m *Memory) forget(region, name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := key{region, name}
	delete(m.made, k)
	delete(m.instances, k)
	delete(m.explained, k)
}

// forgetInstances drops what was seen of a fleet's instances.
func (m *Memory) forgetInstances(region, name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.instances, key{region, name})
}

// of is what was seen of a fleet's instances.
func (m *Memory) of(region, name string) map[string]seen {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.instances[key{region, name}])
}

func (m *Memory) keep(region, name string, now map[string]seen) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.instances[key{region, name}] = now
}

// explain answers from memory, and asks when the last answer is older than every.
func (m *Memory) explain(region, name string, every time.Duration, ask func() (string, error)) (string, error) {
	k := key{region, name}
	m.mu.Lock()
	last, ok := m.explained[k]
	m.mu.Unlock()
	if ok && time.Since(last.at) < every {
		return last.text, nil
	}
	text, err := ask()
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.explained[k] = explained{at: time.Now(), text: text}
	return text, nil
}

// image answers from memory, and asks when it does not know or what is asked about may have moved on.
func (m *Memory) image(what string, moves bool, ask func() (string, error)) (string, error) {
	m.mu.Lock()
	last, ok := m.images[what]
	m.mu.Unlock()
	if ok && (!moves || time.Since(last.at) < 5*time.Minute) {
		return last.ref, nil
	}
	ref, err := ask()
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.images[what] = image{at: time.Now(), ref: ref}
	return ref, nil
}
