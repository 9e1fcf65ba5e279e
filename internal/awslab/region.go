package awslab

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/switchyard/switchyard/internal/caddy"
	"github.com/switchyard/switchyard/internal/child"
)

// The lab's own pace. Health checks follow the target group's thresholds, at this
// interval instead of the group's.
const (
	tick         = 100 * time.Millisecond
	resync       = 5 * time.Second // everything is read anew, changed or not
	checkEvery   = 250 * time.Millisecond
	checkWithin  = 2 * time.Second
	comesUp      = 5 * time.Second // an instance that does not listen by then is in service all the same
	replaceAfter = 2 * time.Second // between unhealthy and replaced, at first
	replaceMost  = 30 * time.Second
	drainTime    = 10 * time.Second
	followEnd    = 500 * time.Millisecond // how long a step waits for processes it has told to end
)

// region is the data plane of one region. One goroutine steps it; others only note what
// they saw.
type region struct {
	lab  *Lab
	name string
	net  network
	base Base
	aws  clients
	dir  string
	log  *slog.Logger
	kick chan struct{}

	// Of the goroutine that steps the region.
	seen     observed
	readAt   time.Time
	applied  int
	balancer *child.Process
	entry    *child.Process
	startAt  time.Time // the next start of a proxy that ended
	admin    *caddy.Admin
	loaded   []byte
	counter  counter
	backOff  map[string]*backOff // by group
	problem  string

	mu        sync.Mutex
	changes   int
	actions   []string
	routes    []route
	instances map[string]*instance
	unhealthy map[string]bool // groups whose health checks fail on request
}

// route is the load balancer of one target.
type route struct {
	listener, balancer string
	groups             [2]string
	port               int
}

func newRegion(ctx context.Context, l *Lab, name string) (*region, error) {
	n, err := takeNetwork(ctx)
	if err != nil {
		return nil, err
	}
	r := &region{
		lab: l, name: name, net: n, aws: newClients(l.Moto.URL, name), dir: filepath.Join(l.o.Dir, "regions", name),
		log: l.log.With("region", name), kick: make(chan struct{}, 1), admin: caddy.NewAdmin("http://" + n.address(hostAdmin, adminPort)),
		instances: map[string]*instance{}, unhealthy: map[string]bool{}, backOff: map[string]*backOff{},
		counter: counter{counts: map[counted]tally{}},
	}
	// What a lab before this one logged is of another account.
	if err := os.RemoveAll(r.dir); err != nil {
		return r, err
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return r, err
	}
	if r.base, err = makeBase(ctx, r.aws, name, n); err != nil {
		return r, err
	}
	return r, r.keepProxies(ctx)
}

func (r *region) add(rt route) {
	r.mu.Lock()
	r.routes = append(r.routes, rt)
	r.mu.Unlock()
	r.wake()
}

func (r *region) allRoutes() []route {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.routes)
}

func (r *region) wake() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// watch waits for changes in moto and has the region stepped at once.
func (r *region) watch(ctx context.Context) {
	for ctx.Err() == nil {
		r.mu.Lock()
		since := r.changes
		r.mu.Unlock()
		var answer struct {
			Changes int      `json:"changes"`
			Actions []string `json:"actions"`
		}
		err := r.lab.ask(ctx, fmt.Sprintf("/lab/changes?region=%s&since=%d", r.name, since), nil, &answer)
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(tick): // moto is gone or busy; the step tells
			}
			continue
		}
		if answer.Changes != since {
			r.mu.Lock()
			r.changes, r.actions = answer.Changes, append(r.actions, answer.Actions...)
			r.mu.Unlock()
			r.wake()
		}
	}
}

func (r *region) run(ctx context.Context) {
	pace := time.NewTicker(tick)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.kick:
		case <-pace.C:
		}
		err := r.step(ctx)
		if ctx.Err() != nil {
			return
		}
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		if problem != r.problem && err != nil {
			r.log.Error("the lab can't follow", "error", err)
		}
		r.problem = problem
	}
}

// step makes the processes and the proxy what the API says, and tells the API how they do.
func (r *region) step(ctx context.Context) error {
	if err := r.keepProxies(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	changes, actions, more := r.changes, r.actions, len(r.seen.rules) < len(r.routes)
	r.actions = nil
	r.mu.Unlock()
	if changes != r.applied || more || time.Since(r.readAt) > resync {
		now, err := r.observe(ctx, r.seen, actions, time.Since(r.readAt) > resync || more)
		if err != nil {
			r.readAt = time.Time{}
			return err
		}
		r.seen, r.readAt = now, time.Now()
	}
	ending := r.follow(ctx)
	err := r.tell(ctx)
	// The proxy lets go of an instance before its process is asked to end.
	if pushed := r.push(ctx); pushed != nil {
		return pushed
	}
	r.end(ending)
	if err != nil {
		return err
	}
	if changes != r.applied || r.applied == 0 {
		if err := r.lab.ask(ctx, "/lab/applied", map[string]any{"region": r.name, "changes": changes}, nil); err != nil {
			return err
		}
		r.applied = changes
	}
	return r.count(ctx)
}

// stop ends the proxies, then the instances.
func (r *region) stop() {
	for _, p := range []*child.Process{r.entry, r.balancer} {
		if p != nil {
			p.End(2 * time.Second)
		}
	}
	r.mu.Lock()
	var all []*child.Process
	for _, i := range r.instances {
		i.cancel()
		if i.process != nil {
			all = append(all, i.process)
		}
	}
	r.mu.Unlock()
	var wait sync.WaitGroup
	for _, p := range all {
		wait.Go(func() { p.End(2 * time.Second) })
	}
	wait.Wait()
	if r.net.lock != nil {
		_ = r.net.lock.Close() // nothing was written to it
	}
}
