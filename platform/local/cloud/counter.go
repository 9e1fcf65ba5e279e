package cloud

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"syscall"
	"time"
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
	Inode  uint64            `json:"inode"`
	Offset int64             `json:"offset"`
	Fleets map[string]*tally `json:"fleets"`
}

type tally struct {
	Total  uint64 `json:"total"`
	Errors uint64 `json:"errors"`
}

const (
	saveCounters = 2 * time.Second
	keepAddress  = 10 * time.Second
	readChunk    = 4 << 20
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

type logFile struct {
	path  string
	inode uint64
	at    time.Time
}

// files are the log and what it was rolled into, oldest first, from the one being read on.
func (n *counter) files() ([]logFile, error) {
	paths, err := filepath.Glob(filepath.Join(n.dir, "access*.log"))
	if err != nil {
		return nil, err
	}
	current := filepath.Join(n.dir, "access.log")
	var out []logFile
	for _, path := range paths {
		st, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // rolled away just now; found again next time
		}
		if err != nil {
			return nil, err
		}
		out = append(out, logFile{path, st.Sys().(*syscall.Stat_t).Ino, st.ModTime()})
	}
	sort.Slice(out, func(a, b int) bool {
		if ca, cb := out[a].path == current, out[b].path == current; ca != cb {
			return cb
		}
		return out[a].path < out[b].path // the names of rolled files carry the time
	})
	for k, f := range out {
		if f.inode == n.Inode {
			return out[k:], nil
		}
	}
	return out, nil
}

// read consumes whole lines to the end of the log. The caller holds n.mu.
func (n *counter) read(owners map[string]string) error {
	files, err := n.files()
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.inode != n.Inode {
			n.Inode, n.Offset = f.inode, 0
		}
		if err := n.readFile(f.path, owners); err != nil {
			return err
		}
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

func (n *counter) readFile(path string, owners map[string]string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	buf := make([]byte, 256<<10)
	for {
		got, err := file.ReadAt(buf, n.Offset)
		end := bytes.LastIndexByte(buf[:got], '\n') + 1
		for _, line := range bytes.Split(buf[:end], []byte{'\n'}) {
			n.line(line, owners)
		}
		n.Offset += int64(end)
		if end > 0 {
			n.dirty = true
		}
		if errors.Is(err, io.EOF) || err == nil && end == 0 && len(buf) >= readChunk {
			return nil
		}
		if err != nil {
			return err
		}
		if end == 0 { // a line longer than the buffer
			buf = make([]byte, len(buf)*2)
		}
	}
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
	if len(line) == 0 || json.Unmarshal(line, &l) != nil {
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
