// Package fakeplatform is a platform in memory for tests of activities. It keeps
// state as a real one does, and any call can be made to fail before its effect or
// after it, once or several times.
package fakeplatform

import (
	"fmt"
	"sync"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

// Cloud is the whole platform. Its fields may be set before it is used.
type Cloud struct {
	Findings   []platform.Finding // what a preflight finds
	ReadyAfter int                // reads of a fleet until its new instances are in service
	Address    string             // of every new instance; "": addresses at which nobody listens
	ImageRoot  string             // answer of Images.Root
	Now        func() time.Time   // clock of the counters

	Readiness []platform.Finding          // what stands against giving a fleet traffic again
	Traits    platform.Traits             // of every route
	Alarms    map[string]platform.Alarm   // by name
	Metrics   map[string]platform.Reading // by name

	mu       sync.Mutex
	fleets   map[string]*fleet // by region/name
	weights  map[string]release.Weights
	requests map[string]map[string]release.Requests // by region/target, then fleet
	loads    map[string][]release.Load              // by region/target
	images   map[string]*image
	removed  map[string]bool // images that fleets run and that are gone
	faults   map[string][]*Fault
	calls    map[string]int
	next     int
}

type fleet struct {
	release.Fleet
	spec     platform.FleetSpec
	reads    int
	stuck    string // reason for which instances never get in service
	left     int    // reads that still see the fleet after it was retired
	going    bool
	detached bool // taken out of the route
}

type image struct {
	release.Image
	pending string // bake tag of an image that is not accepted
}

// RemoveImage takes an image away, whoever runs it.
func (c *Cloud) RemoveImage(ref string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.images, ref)
	c.removed[ref] = true
}

// New is an empty cloud in which fleets are ready at once.
func New() *Cloud {
	return &Cloud{
		Now:    func() time.Time { return time.Now().UTC() },
		fleets: map[string]*fleet{}, weights: map[string]release.Weights{}, requests: map[string]map[string]release.Requests{},
		loads: map[string][]release.Load{}, removed: map[string]bool{}, images: map[string]*image{}, faults: map[string][]*Fault{}, calls: map[string]int{},
	}
}

// Platform is the cloud behind the ports.
func (c *Cloud) Platform(name string) platform.Platform {
	return platform.Platform{Name: name, Images: images{c}, Fleets: fleets{c}, Router: router{c}, Meters: meters{c}}
}

// Fault is one way of failing.
type Fault struct {
	Err   error
	Times int  // how often; 0 means once, negative means always
	After bool // the effect happens, its answer is lost
}

// Lost is an answer that never came.
var Lost = platform.NewError(platform.KindAmbiguous, "call", "", "", fmt.Errorf("the connection broke"))

// Throttled is a refusal for now.
var Throttled = platform.NewError(platform.KindThrottled, "call", "", "", fmt.Errorf("too many calls"))

// Fail makes a call, named "Fleets.Provision" and the like, fail.
func (c *Cloud) Fail(call string, f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	c.faults[call] = append(c.faults[call], &f)
}

// Calls says how often a call was made.
func (c *Cloud) Calls(call string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[call]
}

// do runs the effect of a call, unless a fault keeps it from happening.
func (c *Cloud) do(call string, effect func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[call]++
	for _, f := range c.faults[call] {
		if f.Times == 0 {
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		if f.After {
			if err := effect(); err != nil {
				return err
			}
		}
		return f.Err
	}
	return effect()
}

func key(region, name string) string { return region + "/" + name }

// Place puts a fleet there as it is, as if it had been made earlier.
func (c *Cloud) Place(f release.Fleet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fleets[key(f.Region, f.Name)] = &fleet{Fleet: f}
}

// Fleet reads a fleet without counting as a call.
func (c *Cloud) Fleet(region, name string) (release.Fleet, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, ok := c.fleets[key(region, name)]
	if !ok || f.going {
		return release.Fleet{}, false
	}
	return f.copy(), true
}

// Change changes a fleet behind everybody's back.
func (c *Cloud) Change(region, name string, change func(*release.Fleet)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.fleets[key(region, name)]; ok {
		change(&f.Fleet)
	}
}

// Stick keeps the fleet's instances from getting in service, for the reason.
func (c *Cloud) Stick(region, name, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, ok := c.fleets[key(region, name)]
	if !ok {
		f = &fleet{}
		c.fleets[key(region, name)] = f
	}
	f.stuck = reason
}

// Linger keeps a retired fleet visible for so many reads.
func (c *Cloud) Linger(region, name string, reads int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fleets[key(region, name)].left = reads
}

// SetShares sets the shares behind everybody's back.
func (c *Cloud) SetShares(region string, t release.Target, w release.Weights) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.weights[key(region, t.String())] = w
}

// Count adds to a fleet's counters; inFlight is set.
func (c *Cloud) Count(region string, t release.Target, fleet string, total, bad uint64, inFlight int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.requests[key(region, t.String())]
	if all == nil {
		all = map[string]release.Requests{}
		c.requests[key(region, t.String())] = all
	}
	r := all[fleet]
	r.Fleet, r.Total, r.Errors, r.InFlight = fleet, r.Total+total, r.Errors+bad, inFlight
	all[fleet] = r
}

// Store puts an image there; pending is the tag of the bake that has not finished it.
func (c *Cloud) Store(i release.Image, pending string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.images[i.Ref] = &image{Image: i, pending: pending}
}

// HasImage says whether the image is there, finished or not.
func (c *Cloud) HasImage(ref string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.images[ref]
	return ok
}
