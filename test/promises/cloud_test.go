package promises

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/testsuite"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// boots is how long an instance of the model takes to come into service.
const boots = 40 * time.Second

// cloud is the world that the activities act on, with memory. It outlives the runs of
// the workflow: what continues as new finds everything as it was left.
type cloud struct {
	mu      sync.Mutex
	now     func() time.Time // model time
	plan    schedule
	request release.Request
	regions map[string]*region
	images  map[string]bool // refs that are there
	left    bool            // a bake has left something that no image is
	baked   bool
	target  release.Environment
	schema  map[string]string // what was done to the database: key → half
	curve   []release.Load

	calls   map[string]*call     // by activity id of the present run
	count   map[string]int       // calls so far, by activity and place
	faults  []*fault             // that have not happened yet
	told    map[string]int       // what people have to hear of, as the workflow was told → the promise that says so
	wayOut  time.Time            // when the release chose to leave
	state   func() release.State // of the run that is going on
	entry   map[release.Phase]int
	ending  ending
	armed   map[*event]time.Time // events that are to happen, by time
	seen    release.State        // as the workflow had it when it last asked for something
	entered time.Time            // when the present phase was entered
	leaked  atomic.Bool          // the secret was seen
	env     *testsuite.TestWorkflowEnvironment
	broken  map[int]string // promise → how it was first broken
	trail   []string       // acts, for the report of a broken promise
}

// ending is how a run came to its end.
type ending struct {
	over  bool // the run has ended, or was continued as new: nobody acts for it any more
	at    time.Time
	err   error
	state release.State
}

// region is one region of the model.
type region struct {
	name    string
	wave    int
	load    int // instances that today's load needs
	fleets  map[string]*fleet
	weights release.Weights
	alone   map[string]time.Time // since when a fleet has no share
	rogue   map[string]time.Time // until when clients go around the router to a fleet
	stuck   bool                 // no instance comes up any more
	bad     time.Time            // since when the candidate fails its checks
	dark    time.Time            // since when nothing certain is seen
	done    time.Time            // when a watch last ended well, as the workflow was told
	doubt   bool                 // the workflow was told that nothing certain is seen, and not yet that it is again
	last    map[string]measure   // the last measurement of each fleet
	ours    release.Weights      // as the release set them last
	told    release.Weights      // shares of somebody else that the workflow was told of
	tried   time.Time            // when the previous fleet was last asked to take the load
	shifts  int                  // that the release made
	known   int                  // load as it could be measured last: a fleet that was scaled in by hand is no measure of it
	noticed bool                 // the workflow was told that something is not as it left it
	scaled  bool                 // somebody scaled the previous fleet in
	base    int                  // load when the candidate was first measured
	verify  []string             // answers of the next verifications; then it passes
	flicker bool                 // something was changed by hand that is only told of
	lost    bool                 // the workflow was last told that a rollback would not work
}

// measure is what Capacity saw of a fleet.
type measure struct {
	at     time.Time
	asked  bool
	enough bool
	load   int // of the region, at that moment
	shifts int // moves that the release had made by then
	shrunk bool
}

// fleet is a fleet of the model.
type fleet struct {
	name     string
	by       string // release that made it; "" is nobody's
	version  string
	image    string
	desired  int
	ready    int
	readyAt  time.Time
	held     string
	detached bool
	verified bool
	spec     string // what it was made of
}

// inService is how many instances serve now.
func (f *fleet) inService(now time.Time) int {
	if f.ready < f.desired && !f.readyAt.IsZero() && !now.Before(f.readyAt) {
		f.ready = f.desired
	}
	return min(f.ready, f.desired)
}

// resize asks for so many instances. A stuck region never brings new ones up.
func (r *region) resize(f *fleet, to int, now time.Time) {
	f.ready = f.inService(now)
	f.desired = to
	f.readyAt = time.Time{}
	if !r.stuck {
		f.readyAt = now.Add(boots)
	}
}

func (f *fleet) describe(r *region, now time.Time) release.Fleet {
	out := release.Fleet{Name: f.name, Region: r.name, Release: f.by, Version: f.version, Image: f.image, Desired: f.desired, ScaleInHeld: f.held}
	in := f.inService(now)
	for i := range max(in, f.desired) {
		state := release.InstanceInService
		if i >= in {
			state = release.InstancePending
		}
		out.Instances = append(out.Instances, release.Instance{ID: fmt.Sprintf("%s-%d", f.name, i), State: state})
	}
	return out
}

func newCloud(s schedule) *cloud {
	c := &cloud{
		plan: s, regions: map[string]*region{}, images: map[string]bool{}, schema: map[string]string{}, calls: map[string]*call{},
		count: map[string]int{}, told: map[string]int{}, entry: map[release.Phase]int{}, armed: map[*event]time.Time{}, broken: map[int]string{},
	}
	c.now = func() time.Time { return begin }
	c.request = s.request()
	c.target.Target = c.request.Target()
	c.target.Schema = release.Schema{Builds: []release.Build{{Version: "1.0.0", Needs: 1}}, Version: 1}
	for i := range s.Faults {
		f := s.Faults[i]
		c.faults = append(c.faults, &f)
	}
	for i, w := range s.Regions {
		r := &region{
			name: c.request.Spec.Regions[i].Name, wave: w.Wave, fleets: map[string]*fleet{}, alone: map[string]time.Time{}, rogue: map[string]time.Time{},
			last: map[string]measure{}, verify: slices.Clone(w.Verify), load: max(1, s.Instances),
		}
		c.regions[r.name] = r
		if w.First {
			continue
		}
		by := "r0"
		if w.Adopted {
			by = ""
		}
		r.load = w.Live
		r.fleets[previous] = &fleet{name: previous, by: by, version: "1.0.0", image: "sha256:old", desired: w.Live, ready: w.Live, spec: "old"}
		r.weights = release.Weights{{Fleet: previous, Percent: 100}}
		r.ours = r.weights
	}
	c.images["sha256:old"] = true
	if s.Existing {
		c.images["sha256:existing"] = true
	}
	if s.Curve {
		start := begin.AddDate(0, 0, -8)
		for n := range 8 * 24 * 4 {
			at := start.Add(time.Duration(n) * 15 * time.Minute)
			requests := 1000.0
			if h := at.Hour(); h >= 2 && h < 6 {
				requests = 50
			}
			c.curve = append(c.curve, release.Load{At: at, Requests: requests})
		}
	}
	if s.Queued {
		c.target.Holder = &release.Holder{ID: "r0", Version: "1.1.0", WorkflowID: "release/r0", RunID: "run", Since: begin}
	}
	for _, f := range s.Frozen {
		_ = c.target.Freeze(f, begin)
	}
	return c
}

const previous = "checkout-production-r0"

var begin = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

func (c *cloud) candidate() string { return release.FleetName(c.request.Target(), c.request.ID) }

// breaks notes that a promise was broken, the first time it is.
func (c *cloud) breaks(number int, format string, args ...any) {
	if _, before := c.broken[number]; !before {
		c.broken[number] = fmt.Sprintf(format, args...)
		c.note("PROMISE %d IS BROKEN: %s", number, c.broken[number])
	}
}

func (c *cloud) note(format string, args ...any) {
	c.trail = append(c.trail, c.now().Format("01-02 15:04:05.0 ")+fmt.Sprintf(format, args...))
}

// set moves shares and remembers who did and since when each fleet has none.
func (c *cloud) set(r *region, w release.Weights, who string) {
	now := c.now()
	for name := range r.fleets {
		switch {
		case w.Of(name) > 0:
			delete(r.alone, name)
		case r.weights.Of(name) > 0:
			r.alone[name] = now
		}
	}
	r.weights = w
	if who == byRelease {
		r.ours = w
		r.shifts++
	}
}

const (
	byRelease  = "release"
	bySomebody = "somebody"
)

// remove deletes a fleet; its share goes to nobody.
func (c *cloud) remove(r *region, name, who string) {
	delete(r.fleets, name)
	if r.weights.Of(name) > 0 {
		c.set(r, nil, who)
	}
}

// requests says whether requests still reach a fleet.
func (r *region) requests(name string, now time.Time) bool {
	return r.weights.Of(name) > 0 || now.Before(r.rogue[name])
}

// sorted lists fleets by name, so that nothing depends on a map's order.
func (r *region) sorted() []*fleet {
	var out []*fleet
	for _, name := range slices.Sorted(maps.Keys(r.fleets)) {
		out = append(out, r.fleets[name])
	}
	return out
}

func (c *cloud) sorted() []*region {
	var out []*region
	for _, name := range slices.Sorted(maps.Keys(c.regions)) {
		out = append(out, c.regions[name])
	}
	return out
}

// shares is what the strategy makes of promise 2: the least part of the capacity that
// may be there, in percent.
func (c *cloud) minHealthy() int {
	if r := c.request.Spec.Traffic.Rolling; r != nil && r.MinHealthy != nil {
		return int(*r.MinHealthy)
	}
	return 100
}

func (c *cloud) rolling() bool { return c.request.Spec.Traffic.Strategy == spec.RollingBy }
