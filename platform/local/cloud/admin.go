package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/switchyard/switchyard/release"
)

func (c *Cloud) status() Status {
	c.mu.Lock()
	s := Status{Endpoint: c.self(c.state.API), Dir: c.cfg.Dir, Regions: []RegionStatus{}, Fleets: []release.Fleet{}}
	var names []string
	for name := range c.state.Regions {
		names = append(names, name)
	}
	sort.Strings(names)
	proxies := map[string]*proxy{}
	for _, name := range names {
		r := c.state.Regions[name]
		rs := RegionStatus{Name: name, Proxies: map[string]int{}, Admin: c.proxies[name].admin, Entries: map[string]string{}}
		for role, rec := range r.Proxies {
			rs.Proxies[role] = rec.PID
		}
		for t, rt := range r.Routes {
			rs.Entries[t] = "http://" + c.address(r, hostEntry, rt.Port)
		}
		s.Regions = append(s.Regions, rs)
		proxies[name] = c.proxies[name]
		for _, f := range c.state.fleetsOf(name) {
			s.Fleets = append(s.Fleets, f.public())
		}
	}
	for _, t := range c.faults {
		s.Faults = append(s.Faults, *t)
	}
	c.mu.Unlock()
	for n, rs := range s.Regions {
		// A proxy that is starting or being configured right now has no problem to tell.
		if p := proxies[rs.Name]; p.mu.TryLock() {
			s.Regions[n].Problem = p.problem
			p.mu.Unlock()
		}
	}
	return s
}

// orphans compares what is there with what is known.
func (c *Cloud) orphans(ctx context.Context) ([]Orphan, error) {
	c.mu.Lock()
	known, images := map[string]bool{}, map[string]bool{}
	addresses, proxies := map[string]bool{}, map[string]*proxy{}
	for name := range c.state.Regions {
		known[proxyID(entry, name)], known[proxyID(balancer, name)] = true, true
		proxies[name] = c.proxies[name]
	}
	for _, f := range c.state.Fleets {
		images[f.Spec.Image] = true
		for _, i := range f.Instances {
			known[i.ID], addresses[i.Address] = true, true
		}
	}
	c.mu.Unlock()
	out := []Orphan{}
	for _, m := range markedProcesses(c.id) {
		if !known[m.instance] {
			out = append(out, Orphan{Kind: "process", ID: fmt.Sprint(m.pid), Detail: m.instance + ": " + m.command})
		}
	}
	roots, err := c.orphanRoots(images)
	if err != nil {
		return nil, err
	}
	out = append(out, roots...)
	for name, p := range proxies {
		routes, err := p.orphanRoutes(ctx, addresses)
		if err != nil {
			return nil, fmt.Errorf("list orphans: routes of %s: %w", name, err)
		}
		out = append(out, routes...)
	}
	return out, nil
}

// orphanRoots are unpacked root file systems whose image is no longer in the store.
// That an image is stored and unpacked without a fleet is normal.
func (c *Cloud) orphanRoots(inUse map[string]bool) ([]Orphan, error) {
	entries, err := os.ReadDir(filepath.Join(c.cfg.Dir, "roots"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list orphans: %w", err)
	}
	var out []Orphan
	for _, e := range entries {
		ref := "sha256:" + e.Name()
		if inUse[ref] {
			continue
		}
		if _, err := c.images.Get(ref); err != nil {
			out = append(out, Orphan{Kind: "root", ID: e.Name(), Detail: filepath.Join(c.cfg.Dir, "roots", e.Name())})
		}
	}
	return out, nil
}

// orphanRoutes are upstreams of the proxy that no instance stands behind.
func (p *proxy) orphanRoutes(ctx context.Context, addresses map[string]bool) ([]Orphan, error) {
	data, err := p.call(ctx, http.MethodGet, "/config/apps/http/servers", nil)
	if err != nil {
		return nil, err
	}
	var servers any
	if err := json.Unmarshal(data, &servers); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var out []Orphan
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if d, ok := v["dial"].(string); ok && !addresses[d] && !p.counter.isExtra(d) && !seen[d] {
				seen[d] = true
				out = append(out, Orphan{Kind: "route", ID: d, Detail: "the proxy of " + p.r.Name + " sends requests there"})
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(servers)
	return out, nil
}

func (n *counter) isExtra(addr string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.extra[addr] != ""
}

// stopEverything ends every instance and every proxy. The fleets stay in the state
// and come back with the next daemon.
func (c *Cloud) stopEverything() error {
	c.cancel() // nothing is replaced from here on
	c.work.Wait()
	c.mu.Lock()
	type process struct {
		pid   int
		ticks uint64
	}
	var all []process
	for _, f := range c.state.Fleets {
		for _, i := range f.Instances {
			if i.PID != 0 {
				all = append(all, process{i.PID, i.StartTicks})
			}
		}
	}
	proxies := c.proxies
	c.mu.Unlock()
	// The proxies first: requests in flight end while the instances still answer.
	errs := make(chan error, len(all)+len(proxies))
	var wait sync.WaitGroup
	for _, p := range proxies {
		wait.Go(func() { errs <- p.stop() })
	}
	wait.Wait()
	for _, p := range all {
		wait.Go(func() { errs <- endProcess(p.pid, p.ticks, killGrace) })
	}
	wait.Wait()
	close(errs)
	var failed []error
	for err := range errs {
		failed = append(failed, err)
	}
	_, err := killMarked(c.id)
	return errors.Join(errors.Join(failed...), err)
}

// CleanUp kills what a cloud that was itself killed left running: every process that
// carries the marker of dir in its environment, and nothing else. It says what it
// killed. ErrLocked while a daemon runs there. State and images stay; the next
// daemon starts the fleets again.
func CleanUp(dir string) ([]string, error) {
	id, err := DirID(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return killMarked(id) // somebody removed the directory under them
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = lock.Close() }()
	killed, err := killMarked(id)
	if e := os.Remove(filepath.Join(dir, endpointFile)); e != nil && !errors.Is(e, os.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return killed, err
}

func killMarked(id string) ([]string, error) {
	var killed []string
	for range 50 { // a dying process may leave children that were not there before
		left := markedProcesses(id)
		if len(left) == 0 {
			return killed, nil
		}
		for _, m := range left {
			killed = append(killed, strings.TrimSpace(fmt.Sprintf("%d %s", m.pid, m.instance)))
			if alive(m.pid, m.ticks) {
				_ = syscall.Kill(m.pid, syscall.SIGKILL) // checked by the next round
			}
			waitGone(m.pid, m.ticks, 2*time.Second)
		}
	}
	return killed, fmt.Errorf("end the processes of local cloud %s: some do not die, the first ones were %v", id, killed[:min(5, len(killed))])
}
