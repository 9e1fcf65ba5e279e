package release

import "time"

// Target is what a release acts on: one application in one environment.
// At most one release or failover holds a target at any time.
type Target struct {
	Application string `json:"application"`
	Environment string `json:"environment"`
}

// String is the target as people write it: "checkout/production".
func (t Target) String() string { return t.Application + "/" + t.Environment }

// InstanceState is where one instance is in its life.
type InstanceState string

// The life of an instance. Only InService instances count as capacity.
const (
	InstancePending     InstanceState = "pending"     // started, not yet answering its health check
	InstanceInService   InstanceState = "in-service"  // answering its health check
	InstanceUnhealthy   InstanceState = "unhealthy"   // was or should be in service, and is not answering
	InstanceTerminating InstanceState = "terminating" // on its way out
)

// Instance is one server of a fleet.
type Instance struct {
	ID      string        `json:"id"`
	Address string        `json:"address"` // host:port that serves the application
	State   InstanceState `json:"state"`
	Since   time.Time     `json:"since"`            // when State began
	Reason  string        `json:"reason,omitempty"` // why the state is not in-service, in words for a person
}

// Fleet is a set of identical instances of one image in one region, made by one
// release. Only its size and its share of traffic ever change.
type Fleet struct {
	Name        string     `json:"name"`
	Region      string     `json:"region"`
	Target      Target     `json:"target"`
	Release     string     `json:"release,omitempty"` // id of the release that made it; empty when Switchyard did not make it
	Version     string     `json:"version,omitempty"`
	Image       string     `json:"image"` // image reference the instances run: "sha256:…" locally, "ami-…" on AWS
	Desired     int        `json:"desired"`
	ScaleInHeld string     `json:"scaleInHeld,omitempty"` // who holds scale-in; empty when nobody does
	Instances   []Instance `json:"instances,omitempty"`
	CreatedAt   time.Time  `json:"createdAt"`
	Notices     []string   `json:"notices,omitempty"` // what happened to it that the release did not ask for, in words
}

// Managed says whether a release of Switchyard made the fleet.
func (f Fleet) Managed() bool { return f.Release != "" }

// InService counts the instances that answer their health check.
func (f Fleet) InService() int {
	n := 0
	for _, i := range f.Instances {
		if i.State == InstanceInService {
			n++
		}
	}
	return n
}

// Weight is the share of a region's traffic that one fleet gets, in percent (0 to 100).
type Weight struct {
	Fleet   string `json:"fleet"`
	Percent int    `json:"percent"`
}

// Weights are the shares of one target in one region. They add up to 100, or to 0
// before the first fleet serves. A fleet that is not listed has no share.
type Weights []Weight

// Of is the share of the named fleet, 0 when it is not listed.
func (w Weights) Of(fleet string) int {
	for _, x := range w {
		if x.Fleet == fleet {
			return x.Percent
		}
	}
	return 0
}

// Equal compares shares; a fleet at 0 % equals a fleet that is not listed, and order does not count.
func (w Weights) Equal(other Weights) bool {
	for _, x := range w {
		if other.Of(x.Fleet) != x.Percent {
			return false
		}
	}
	for _, x := range other {
		if w.Of(x.Fleet) != x.Percent {
			return false
		}
	}
	return true
}

// Requests is what the router has counted for one fleet since the fleet was made.
// Counters only grow; InFlight is the number of requests being served at At.
type Requests struct {
	Fleet    string    `json:"fleet"`
	Total    uint64    `json:"total"`
	Errors   uint64    `json:"errors"` // answers with status 5xx, and requests the fleet never answered
	InFlight int       `json:"inFlight"`
	At       time.Time `json:"at"`
}

// Image is an immutable artifact with its provenance.
type Image struct {
	Ref         string            `json:"ref"` // "sha256:…" locally, "ami-…" on AWS
	Application string            `json:"application"`
	Version     string            `json:"version"`
	Commit      string            `json:"commit,omitempty"`
	InputDigest string            `json:"inputDigest,omitempty"` // "sha256:…" over everything the bake read
	Base        string            `json:"base,omitempty"`        // ref of the parent image
	CreatedAt   time.Time         `json:"createdAt"`
	Regions     map[string]string `json:"regions,omitempty"` // region → ref there, where refs differ by region
}
