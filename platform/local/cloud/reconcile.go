package cloud

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/switchyard/switchyard/release"
)

// How an instance is judged.
const (
	tickEvery      = 250 * time.Millisecond
	healthTimeout  = 2 * time.Second
	passesNeeded   = 2                // answers in a row before it is in service
	failsAllowed   = 3                // failures in a row before it is unhealthy
	replaceAfter   = 15 * time.Second // unhealthy this long: replaced
	startTimeLimit = 2 * time.Minute  // pending this long after its start: replaced
	drainLimit     = 30 * time.Second
	killGrace      = 10 * time.Second
)

// instanceRun is what the daemon knows of an instance while it runs; guarded by c.mu.
type instanceRun struct {
	probing, starting, stopping bool
	passes, fails               int
	ended                       string // how its process ended, when this daemon was its parent
}

func (c *Cloud) run(i *instance) *instanceRun {
	r := c.runtime[i.ID]
	if r == nil {
		r = &instanceRun{}
		c.runtime[i.ID] = r
	}
	return r
}

func (c *Cloud) reconcileLoop(r *region, p *proxy) {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		c.reconcile(r, p)
		select {
		case <-tick.C:
		case <-p.kick:
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *Cloud) reconcile(r *region, p *proxy) {
	up := p.ensure(c.ctx)
	c.mu.Lock()
	changed := false
	for _, f := range c.state.fleetsOf(r.Name) {
		changed = c.reconcileFleet(r, p, f) || changed
	}
	if changed {
		if err := c.save(); err != nil {
			c.log.Error("the state is not saved", "error", err)
		}
	}
	c.mu.Unlock()
	if up == nil {
		up = p.push(c.ctx)
	}
	p.tell(up)
	p.count()
}

// reconcileFleet moves one fleet a step towards what is desired and says whether the
// state changed. The caller holds c.mu.
func (c *Cloud) reconcileFleet(r *region, p *proxy, f *fleet) bool {
	changed := false
	for _, i := range append([]*instance(nil), f.Instances...) {
		changed = c.judge(f, i) || changed
	}
	changed = c.replaceSick(f) || changed
	reason := "starting"
	if f.LastEnd != "" {
		reason = "starting in place of " + f.LastEnd
	}
	changed = c.fill(r, f, reason) || changed
	changed = c.shrink(f) || changed
	for _, i := range f.Instances {
		run := c.run(i)
		switch {
		case i.State == release.InstanceTerminating:
			if !run.stopping {
				run.stopping = true
				c.background(func() { c.stopInstance(p, f, i) })
			}
		case i.PID == 0:
			// Its process is to be started, now or after a pause.
			if !run.starting && time.Now().After(i.NotBefore) {
				run.starting = true
				c.background(func() { c.startInstance(f, i) })
			}
		case !run.probing:
			run.probing = true
			c.background(func() { c.probe(f, i) })
		}
	}
	if f.Retiring && len(f.Instances) == 0 {
		delete(c.state.Fleets, f.key())
		p.forgetFleet(f.Spec.Name)
		c.pruneLogs(r.Name)
		changed = true
	}
	return changed
}

func (c *Cloud) background(f func()) {
	c.work.Add(1)
	go func() {
		defer c.work.Done()
		f()
	}()
}

// judge notices that an instance's process is dead. The caller holds c.mu.
func (c *Cloud) judge(f *fleet, i *instance) bool {
	if i.PID == 0 || alive(i.PID, i.StartTicks) || c.run(i).stopping {
		return false
	}
	if i.State == release.InstanceTerminating {
		return false // stopInstance takes it from here
	}
	how := c.run(i).ended
	if how == "" {
		how = "its process is gone"
	}
	f.LastEnd = fmt.Sprintf("%s (%s after %s; output in %s)", i.ID, how, time.Since(i.StartedAt).Round(time.Millisecond), c.logPath(f, i))
	if i.Served {
		f.Failures = 1
	} else {
		f.Failures++
	}
	c.log.Warn("instance died", "fleet", f.key(), "instance", i.ID, "how", how, "failures", f.Failures)
	c.forgetInstance(f, i)
	return true
}

// forgetInstance drops the record of an instance whose process is gone. The caller holds c.mu.
func (c *Cloud) forgetInstance(f *fleet, i *instance) {
	f.drop(i.ID)
	delete(c.runtime, i.ID)
	c.proxies[f.Spec.Region].retireAddress(i.Address)
}

// replaceSick ends one instance that has been unhealthy, or starting, for too long;
// one at a time, so that a fleet whose health check is wrong keeps answering.
func (c *Cloud) replaceSick(f *fleet) bool {
	var sick *instance
	for _, i := range f.Instances {
		switch {
		case i.State == release.InstanceTerminating:
			return false
		case i.State == release.InstanceUnhealthy && time.Since(i.Since) > replaceAfter:
			sick = i
		case i.State == release.InstancePending && !i.StartedAt.IsZero() && time.Since(i.StartedAt) > startTimeLimit:
			sick = i
		case i.State == release.InstancePending:
			return false
		}
	}
	if sick == nil {
		return false
	}
	f.LastEnd = fmt.Sprintf("%s (replaced: %s)", sick.ID, sick.Reason)
	sick.set(release.InstanceTerminating, "replaced: "+sick.Reason)
	f.Failures++
	return true
}

// shrink chooses what goes when there are more than desired: first those out of
// service, then the newest.
func (c *Cloud) shrink(f *fleet) bool {
	active := f.active()
	extra := len(active) - f.Desired
	if extra <= 0 {
		return false
	}
	sort.SliceStable(active, func(a, b int) bool {
		sa, sb := active[a].State == release.InstanceInService, active[b].State == release.InstanceInService
		if sa != sb {
			return sb
		}
		return active[a].CreatedAt.After(active[b].CreatedAt)
	})
	for _, i := range active[:extra] {
		reason := "scale-in"
		if f.Retiring {
			reason = "the fleet is retired"
		}
		i.set(release.InstanceTerminating, reason)
	}
	return true
}

// stopInstance takes the instance out of the proxy, waits for the requests it is
// still serving, ends its process and forgets it.
func (c *Cloud) stopInstance(p *proxy, f *fleet, i *instance) {
	// A process being started right now must be recorded first.
	c.unpackMu.Lock()
	c.mu.Lock()
	pid, ticks := i.PID, i.StartTicks
	c.mu.Unlock()
	c.unpackMu.Unlock()
	if pid != 0 && !c.drain(p, i.Address) {
		return // the daemon ends; the next one begins again
	}
	if pid != 0 {
		if err := endProcess(pid, ticks, killGrace); err != nil {
			c.log.Error("instance does not end; trying again", "instance", i.ID, "error", err)
			c.mu.Lock() // forgotten only when it is gone: the next look begins again
			c.run(i).stopping = false
			c.mu.Unlock()
			return
		}
	}
	p.count()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgetInstance(f, i)
	if err := c.save(); err != nil {
		c.log.Error("the state is not saved", "error", err)
	}
	p.wake()
}

// drain returns when the proxy no longer knows the address and nothing is in flight
// to it, or the limit has passed; false when the daemon ends before.
func (c *Cloud) drain(p *proxy, address string) bool {
	deadline := time.Now().Add(drainLimit)
	quiet := 0
	// Twice quiet: a request that chose the instance just before the proxy changed
	// is counted only once it is on its way.
	for quiet < 2 && time.Now().Before(deadline) {
		if err := p.push(c.ctx); err == nil {
			if n, err := p.inFlight(c.ctx); err == nil && n[address] == 0 {
				quiet++
			} else {
				quiet = 0
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-c.ctx.Done():
			return false
		}
	}
	return true
}

const (
	maxLog   = 64 << 20 // bytes of one instance's output
	keepLogs = 50       // fleets of a region whose output is kept
)

// trimLog bounds the output of an instance; it is appended to, so cutting is safe.
func trimLog(path string) {
	if st, err := os.Stat(path); err == nil && st.Size() > maxLog {
		_ = os.Truncate(path, 0)
	}
}

// pruneLogs keeps the output of the fleets written to last; what a fleet that is gone
// has said is often what one wants to read. Trouble here is no reason to stop.
func (c *Cloud) pruneLogs(regionName string) {
	dirs, _ := filepath.Glob(filepath.Join(c.cfg.Dir, "logs", regionName, "*"))
	written := map[string]time.Time{}
	for _, d := range dirs {
		if st, err := os.Stat(d); err == nil {
			written[d] = st.ModTime()
		}
	}
	sort.Slice(dirs, func(a, b int) bool { return written[dirs[a]].After(written[dirs[b]]) })
	for _, d := range dirs[min(len(dirs), keepLogs):] {
		if c.state.Fleets[fleetKey(regionName, filepath.Base(d))] == nil {
			_ = os.RemoveAll(d)
		}
	}
}
