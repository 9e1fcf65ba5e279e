// Package platform holds the ports through which Switchyard acts on the world:
// Images, Fleets and Router. A platform (platform/local, platform/aws) implements
// them; platformtest is the suite every implementation passes. Each method is
// idempotent: called again after an answer that was lost, it ends in the same
// state and makes nothing twice. Errors are *Error values with a Kind; an error
// that is none of the known kinds is retryable and proves nothing.
package platform

import (
	"context"
	"time"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// Platform is one place where fleets run.
type Platform struct {
	Name   string
	Images Images
	Fleets Fleets
	Router Router
	Doctor Doctor // nil: there is nothing to examine
	Meters Meters // nil: the platform has no alarms and metrics of its own
}

// Opener opens a platform with the settings of a release's spec. It makes no call and
// may be asked for every activity: what is worth sharing, such as clients and their
// credentials, is shared behind it. KindInvalid when the settings can't work.
type Opener func(spec.Settings) (Platform, error)

// Fixed is the opener of a platform that needs no settings.
func Fixed(p Platform) Opener {
	return func(spec.Settings) (Platform, error) { return p, nil }
}

// Images finds and keeps images. Baking is Packer's work, not a platform's.
type Images interface {
	// Find lists the images that match, newest first. An empty list is not an error.
	Find(ctx context.Context, q ImageQuery) ([]release.Image, error)
	// Get reads one image in one region. KindNotFound when it is not there.
	Get(ctx context.Context, region, ref string) (release.Image, error)
	// Copy makes the image available in the region, to whom the settings say, waits until
	// it is, and returns its ref there. Copies to several regions may run at once.
	Copy(ctx context.Context, region, ref string) (string, error)
	// Root makes the image's file system readable for a scan and returns its
	// directory; "" when the platform cannot show it. The caller only reads.
	Root(ctx context.Context, ref string) (string, error)
	// Retire removes the image from the region. Removing what is gone succeeds.
	// KindConflict when a fleet still runs it.
	Retire(ctx context.Context, region, ref string) error
	// Sweep removes what an interrupted bake left behind, found by the bake's tag
	// (release id), and says what it removed.
	Sweep(ctx context.Context, bakeTag string) ([]string, error)
}

// ImageQuery selects images; empty fields select all.
type ImageQuery struct {
	Application string
	Version     string
	InputDigest string
}

// Fleets makes, reads, resizes and removes fleets.
type Fleets interface {
	// Preflight says what stands against making this fleet, and what is in doubt: quotas,
	// instance types that are not offered, a route that has no place. It changes nothing and
	// is asked before anything is baked, so the spec may have no image yet.
	Preflight(ctx context.Context, s FleetSpec) ([]Finding, error)
	// Provision asks for a fleet and returns at once, before its instances are in
	// service; Describe tells how they do. The same name again with the same spec
	// returns the fleet as it is; with another spec it is a KindConflict.
	Provision(ctx context.Context, s FleetSpec) (release.Fleet, error)
	// Describe reads one fleet with its instances. KindNotFound when it is not there.
	Describe(ctx context.Context, region, name string) (release.Fleet, error)
	// List reads all fleets of a target in a region, oldest first.
	List(ctx context.Context, region string, target release.Target) ([]release.Fleet, error)
	// Resize sets the number of instances, only if the present one is expected
	// (KindConflict otherwise, or when scale-in is held and desired is smaller).
	Resize(ctx context.Context, region, name string, expected, desired int) error
	// HoldScaleIn keeps anything from making the fleet smaller until released.
	// Held already by the same holder succeeds; by another one is a KindConflict.
	HoldScaleIn(ctx context.Context, region, name, holder string) error
	// ReleaseScaleIn ends the hold of this holder. No hold, or no such fleet, succeeds.
	ReleaseScaleIn(ctx context.Context, region, name, holder string) error
	// Attach puts the fleet into the route, without a share. Attached already succeeds.
	// KindConflict when the route has no place for it.
	Attach(ctx context.Context, region, name string) error
	// Detach takes the fleet out of the route: it gets no request, not even a probe, and
	// keeps its instances. KindConflict while the router gives it a share. Detached
	// already, or gone, succeeds.
	Detach(ctx context.Context, region, name string) error
	// Readiness says what stands against bringing the fleet to so many instances and
	// giving it traffic again: its image, its launch template, quota, its place in the
	// route. It changes nothing. KindNotFound when the fleet is not there.
	Readiness(ctx context.Context, region, name string, instances int) ([]Finding, error)
	// Retire removes the fleet with all its instances. KindConflict while the
	// router still gives it a share. Retiring what is gone succeeds.
	Retire(ctx context.Context, region, name string) error
}

// FleetSpec is what a fleet is made of. Name is deterministic per release and region.
type FleetSpec struct {
	Name        string            `json:"name"`
	Region      string            `json:"region"`
	Target      release.Target    `json:"target"`
	Release     string            `json:"release"`
	Version     string            `json:"version"`
	Image       string            `json:"image"` // ref in Region
	Instances   int               `json:"instances"`
	Command     []string          `json:"command,omitempty"`     // absolute path inside the image, then arguments
	Environment map[string]string `json:"environment,omitempty"` // plain values, given to the process at start
	Secrets     map[string]string `json:"secrets,omitempty"`     // name → reference (never the value), resolved where the process starts
	HealthPath  string            `json:"healthPath"`
	Like        string            `json:"like,omitempty"`   // live fleet whose operational settings are carried over, as far as the platform has any
	HeldBy      string            `json:"heldBy,omitempty"` // who holds scale-in from the first moment; "" nobody
	Alone       bool              `json:"alone,omitempty"`  // never part of a route, not even without a share: an instance that is only looked at
}

// Finding is one thing that was examined.
type Finding struct {
	Subject  string `json:"subject"`            // what was examined: "vCPU quota in eu-west-1"
	Problem  string `json:"problem,omitempty"`  // what is wrong; "" when it is as it should be
	Advice   string `json:"advice,omitempty"`   // what to do about it
	Blocking bool   `json:"blocking,omitempty"` // a release would fail
}

// String is what is wrong and what to do, as one line.
func (f Finding) String() string {
	s := f.Subject
	if f.Problem != "" {
		s += ": " + f.Problem
	}
	if f.Advice != "" {
		s += " (" + f.Advice + ")"
	}
	return s
}

// Doctor examines whether a release with these settings could run at all:
// credentials, permissions, routes, quotas. It changes nothing. An error means that
// examining failed, not that something is wrong.
type Doctor interface {
	Examine(ctx context.Context, region string, target release.Target) ([]Finding, error)
}

// Router splits the traffic of a target between its fleets in one region.
type Router interface {
	// Entry is the base URL users reach the target at in this region.
	Entry(ctx context.Context, region string, target release.Target) (string, error)
	// Probe is how to reach one fleet through the router whatever its weight:
	// the entry with headers that select the fleet (a test route).
	Probe(ctx context.Context, region string, target release.Target, fleet string) (Probe, error)
	// Weights reads the shares now in force. A target without a route has none.
	Weights(ctx context.Context, region string, target release.Target) (release.Weights, error)
	// SetWeights moves the shares from expected to want and returns after they are
	// in force. KindConflict, naming both, when the shares in force are neither;
	// success without effect when they are want already.
	SetWeights(ctx context.Context, region string, target release.Target, expected, want release.Weights) error
	// Requests reads the counters of every fleet of the target.
	Requests(ctx context.Context, region string, target release.Target) ([]release.Requests, error)
	// Load reads the requests that the target got between two times, in steps that begin
	// at whole multiples of step since 1970, oldest first. A step that is not known in
	// full is left out: absence is no zero. Step is at least a minute.
	Load(ctx context.Context, region string, target release.Target, since, until time.Time, step time.Duration) ([]release.Load, error)
	// Traits are the settings of the route that a release has to respect.
	Traits(ctx context.Context, region string, target release.Target) (Traits, error)
}

// Traits are settings of a route that delay the effect of shares.
type Traits struct {
	Sticky    time.Duration `json:"sticky,omitempty"`    // how long a client stays with the fleet it got; 0: it does not stay
	SlowStart time.Duration `json:"slowStart,omitempty"` // how long a new instance gets less than its part; 0: not at all
}

// Meters reads alarms and metrics that the platform keeps. It changes nothing.
type Meters interface {
	// Alarm reads the state of an alarm. KindNotFound when there is none of that name.
	Alarm(ctx context.Context, region, name string) (Alarm, error)
	// Metric reads the newest value that is complete. KindNotFound when there is none
	// in the last ten periods.
	Metric(ctx context.Context, region string, m spec.CloudWatchMetric) (Reading, error)
}

// Alarm is the state of an alarm. Raised and Quiet are both false when the alarm can't tell.
type Alarm struct {
	Raised bool   `json:"raised"`
	Quiet  bool   `json:"quiet"`
	Reason string `json:"reason,omitempty"`
	Link   string `json:"link,omitempty"` // where a person can look at it
}

// Reading is one value of a metric.
type Reading struct {
	Value float64   `json:"value"`
	At    time.Time `json:"at"` // when its period ended
	Link  string    `json:"link,omitempty"`
}

// Probe reaches one fleet through the router.
type Probe struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
}
