package cloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"syscall"
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
	history *history
}

type counted struct {
	caddy.Tail
	Fleets map[string]*tally `json:"fleets"`
	Closed int64             `json:"closed"` // the last minute that is over and in the history
	// Open are the requests of the minutes after it, by target.
	Open map[string]map[int64]float64 `json:"open,omitempty"`
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
	h, err := openHistory(filepath.Join(dir, "load"))
	if err != nil {
		return nil, err
	}
	n := &counter{dir: dir, gone: map[string]time.Time{}, history: h, counted: counted{Fleets: map[string]*tally{}}}
	b, err := os.ReadFile(filepath.Join(dir, "counters.json"))
	if errors.Is(err, fs.ErrNotExist) {
		n.Closed = minuteOf(time.Now()) - 1 // nobody could ask before
		return n, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &n.counted)
	}
	if err != nil {
		return nil, fmt.Errorf("read the request counters in %s: %w (remove counters.json to begin at 0)", dir, err)
	}
	if n.Closed == 0 || n.lost() {
		// Up to now nobody knows: minutes are counted from the next one on.
		n.Closed, n.Open = minuteOf(time.Now()), nil
	}
	return n, nil
}

// lost says whether requests may have gone uncounted: the file read last is no longer
// among the access logs.
func (n *counter) lost() bool {
	if n.Inode == 0 {
		return false
	}
	paths, err := filepath.Glob(filepath.Join(n.dir, "access*.log"))
	for _, path := range paths {
		if st, err := os.Stat(path); err == nil && st.Sys().(*syscall.Stat_t).Ino == n.Inode {
			return false
		}
	}
	return err == nil
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
	routes := make(map[string]time.Time, len(p.r.Routes))
	for t, rt := range p.r.Routes {
		routes[t] = rt.MadeAt
	}
	p.c.mu.Unlock()
	p.counter.mu.Lock()
	err := p.counter.read(owners, routes, time.Now())
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

// read consumes whole lines to the end of the log. Routes are the targets and since
// when each has one. The caller holds n.mu.
func (n *counter) read(owners map[string]string, routes map[string]time.Time, now time.Time) error {
	some, err := n.Read(n.dir, func(line []byte) { n.line(line, owners) })
	n.dirty = n.dirty || some
	if err != nil {
		return err
	}
	over := n.closeMinutes(routes, now)
	if over || n.dirty && time.Since(n.saved) > saveCounters {
		return n.save()
	}
	return nil
}

// closeMinutes moves the minutes that are over, and read in full, into the history.
func (n *counter) closeMinutes(routes map[string]time.Time, now time.Time) bool {
	last := minuteOf(now.Add(-logDelay)) - 1
	if last <= n.Closed {
		return false
	}
	for m := max(n.Closed+1, last-keptDays*24*60); m <= last; m++ {
		for t, since := range routes {
			if _, known := n.history.get(t, m); !known && minuteOf(since) <= m {
				n.history.set(t, m, n.Open[t][m])
			}
		}
	}
	for _, minutes := range n.Open {
		maps.DeleteFunc(minutes, func(m int64, _ float64) bool { return m <= last })
	}
	n.Closed = last
	return true
}

// save writes the history first: what is counted anew after a crash between the two
// is what it has already.
func (n *counter) save() error {
	now := time.Now()
	if err := n.history.save(now); err != nil {
		return err
	}
	b, err := json.Marshal(n.counted)
	if err != nil {
		return err
	}
	n.saved, n.dirty = now, false
	return writeFile(filepath.Join(n.dir, "counters.json"), b)
}

// line counts one request. One that no instance answered is charged to the fleet
// with the largest share.
func (n *counter) line(line []byte, owners map[string]string) {
	var l struct {
		At      float64 `json:"ts"` // seconds since 1970
		Status  int     `json:"status"`
		Target  string  `json:"target"`
		Up      string  `json:"up"`
		Retried string  `json:"retried"`
		Live    string  `json:"live"`
	}
	if json.Unmarshal(line, &l) != nil {
		return
	}
	n.arrived(l.Target, int64(l.At)/60)
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

// arrived counts a request of a target by the minute in which it ended.
func (n *counter) arrived(target string, minute int64) {
	if target == "" {
		return
	}
	if minute <= n.Closed { // late, or from before anybody counted
		if v, known := n.history.get(target, minute); known {
			n.history.set(target, minute, v+1)
		}
		return
	}
	if n.Open == nil {
		n.Open = map[string]map[int64]float64{}
	}
	if n.Open[target] == nil {
		n.Open[target] = map[int64]float64{}
	}
	n.Open[target][minute]++
}
