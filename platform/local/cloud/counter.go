package cloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/switchyard/switchyard/internal/caddy"
)

// counter counts requests per fleet from the proxy's access log, which unlike the
// proxy's own metrics survives changes of its configuration. What was counted is
// saved together with how far the log was read, so that a restart counts nothing
// twice and misses nothing that the log still holds.
type counter struct {
	dir string

	mu    sync.Mutex
	extra map[string]string    // address → fleet, besides the instances
	gone  map[string]time.Time // addresses given up, kept until their last lines are read
	saved time.Time
	dirty bool
	counted
}

type counted struct {
	caddy.Tail
	Fleets map[string]*tally `json:"fleets"`
}

type tally struct {
	Total  uint64 `json:"total"`
	Errors uint64 `json:"errors"`
}

const (
	saveCounters = 2 * time.Second
	keepAddress  = 10 * time.Second
)

func newCounter(dir string) (*counter, error) {
	n := &counter{dir: dir, gone: map[string]time.Time{}, counted: counted{Fleets: map[string]*tally{}}}
	b, err := os.ReadFile(filepath.Join(dir, "counters.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &n.counted)
	}
	if err != nil {
		return nil, fmt.Errorf("read the request counters in %s: %w (remove counters.json to begin at 0)", dir, err)
	}
	return n, nil
}

func (n *counter) setExtra(owners map[string]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.extra = owners
}

// count reads what the proxy has logged since last time.
func (p *proxy) count() {
	p.c.mu.Lock()
	owners := make(map[string]string, len(p.r.Owners))
	for a, f := range p.r.Owners {
		owners[a] = f
	}
	p.c.mu.Unlock()
	p.counter.mu.Lock()
	err := p.counter.read(owners)
	p.counter.mu.Unlock()
	if err != nil {
		p.c.log.Error("requests are not counted", "region", p.r.Name, "error", err)
	}
	p.dropOldAddresses()
}

func (p *proxy) retireAddress(addr string) {
	p.counter.mu.Lock()
	defer p.counter.mu.Unlock()
	p.counter.gone[addr] = time.Now()
}

func (p *proxy) dropOldAddresses() {
	p.counter.mu.Lock()
	var old []string
	for addr, since := range p.counter.gone {
		if time.Since(since) > keepAddress {
			old = append(old, addr)
			delete(p.counter.gone, addr)
		}
	}
	p.counter.mu.Unlock()
	if len(old) == 0 {
		return
	}
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	for _, addr := range old {
		delete(p.r.Owners, addr)
	}
}

// forgetFleet drops the counters of a fleet that is gone; one made later under the
// same name begins at 0. The caller holds c.mu.
func (p *proxy) forgetFleet(name string) {
	for addr, f := range p.r.Owners {
		if f == name {
			delete(p.r.Owners, addr)
		}
	}
	p.counter.mu.Lock()
	defer p.counter.mu.Unlock()
	delete(p.counter.Fleets, name)
	p.counter.dirty = true
}

func (n *counter) of(fleet string) tally {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t := n.Fleets[fleet]; t != nil {
		return *t
	}
	return tally{}
}

// read consumes whole lines to the end of the log. The caller holds n.mu.
func (n *counter) read(owners map[string]string) error {
	some, err := n.Read(n.dir, func(line []byte) { n.line(line, owners) })
	n.dirty = n.dirty || some
	if err != nil {
		return err
	}
	if n.dirty && time.Since(n.saved) > saveCounters {
		return n.save()
	}
	return nil
}

func (n *counter) save() error {
	b, err := json.Marshal(n.counted)
	if err != nil {
		return err
	}
	n.saved, n.dirty = time.Now(), false
	return writeFile(filepath.Join(n.dir, "counters.json"), b)
}

// line counts one request. One that no instance answered is charged to the fleet
// with the largest share.
func (n *counter) line(line []byte, owners map[string]string) {
	var l struct {
		Status  int    `json:"status"`
		Up      string `json:"up"`
		Retried string `json:"retried"`
		Live    string `json:"live"`
	}
	if json.Unmarshal(line, &l) != nil {
		return
	}
	addr := l.Up
	if l.Retried != "" {
		addr = l.Retried
	}
	fleet := owners[addr]
	if fleet == "" {
		fleet = n.extra[addr]
	}
	if fleet == "" && addr == "" {
		fleet = l.Live
	}
	if fleet == "" {
		return
	}
	t := n.Fleets[fleet]
	if t == nil {
		t = &tally{}
		n.Fleets[fleet] = t
	}
	t.Total++
	if l.Status >= 500 {
		t.Errors++
	}
}
