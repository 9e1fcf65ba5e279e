package cloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

// state is everything the daemon must know after a restart. It is written before
// every act that it describes.
type state struct {
	Format  int                `json:"format"`
	Block   int                `json:"block"`          // second octet of the cloud's addresses, 127.<block>.x.y
	Port    int                `json:"port"`           // instances listen on it, entries from it upwards
	API     string             `json:"api"`            // address the API listened on last, tried again first
	Regions map[string]*region `json:"regions"`        // by name
	Fleets  map[string]*fleet  `json:"fleets"`         // by region/name
	Serial  int                `json:"instanceSerial"` // for instance ids, never reused
}

type region struct {
	Name     string            `json:"name"`
	Index    int               `json:"index"`    // third octet of the region's addresses
	NextHost int               `json:"nextHost"` // where the search for a free address begins
	Proxies  map[string]record `json:"proxies"`  // running Caddy processes by role
	Ports    []int             `json:"ports"`    // the entries' ports
	Routes   map[string]*route `json:"routes"`   // by target
	Owners   map[string]string `json:"owners"`   // address → fleet, to tell whose request it was
}

// record names a process for good.
type record struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
}

type route struct {
	Target  release.Target  `json:"target"`
	Port    int             `json:"port"`
	Weights release.Weights `json:"weights"`
	MadeAt  time.Time       `json:"madeAt,omitzero"` // there were no requests before
}

type fleet struct {
	Spec      platform.FleetSpec `json:"spec"`
	Desired   int                `json:"desired"`
	HeldBy    string             `json:"heldBy,omitempty"`
	Retiring  bool               `json:"retiring,omitempty"`
	Detached  bool               `json:"detached,omitempty"`
	CreatedAt time.Time          `json:"createdAt"`
	Instances []*instance        `json:"instances"`
	Failures  int                `json:"failures,omitempty"` // starts in a row that never came into service
	LastEnd   string             `json:"lastEnd,omitempty"`  // how the last instance that failed ended
}

type instance struct {
	release.Instance
	PID        int       `json:"pid,omitempty"`
	StartTicks uint64    `json:"startTicks,omitempty"` // with PID, names the process for good
	NotBefore  time.Time `json:"notBefore"`            // the process is started after it
	CreatedAt  time.Time `json:"createdAt"`
	StartedAt  time.Time `json:"startedAt"`
	Served     bool      `json:"served,omitempty"` // was in service once
}

func fleetKey(region, name string) string { return region + "/" + name }

func (f *fleet) key() string { return fleetKey(f.Spec.Region, f.Spec.Name) }

// unrouted says why the fleet is no part of the route; "" when it is one.
func (f *fleet) unrouted() string {
	switch {
	case f.Spec.Alone:
		return "stands alone"
	case f.Detached:
		return "is detached from the route"
	}
	return ""
}

// active are the instances that count towards Desired.
func (f *fleet) active() []*instance {
	var out []*instance
	for _, i := range f.Instances {
		if i.State != release.InstanceTerminating {
			out = append(out, i)
		}
	}
	return out
}

func (f *fleet) find(id string) *instance {
	for _, i := range f.Instances {
		if i.ID == id {
			return i
		}
	}
	return nil
}

func (f *fleet) drop(id string) {
	kept := f.Instances[:0]
	for _, i := range f.Instances {
		if i.ID != id {
			kept = append(kept, i)
		}
	}
	f.Instances = kept
}

func (f *fleet) public() release.Fleet {
	out := release.Fleet{
		Name: f.Spec.Name, Region: f.Spec.Region, Target: f.Spec.Target, Release: f.Spec.Release, Version: f.Spec.Version,
		Image: f.Spec.Image, Desired: f.Desired, ScaleInHeld: f.HeldBy, CreatedAt: f.CreatedAt,
	}
	for _, i := range f.Instances {
		out.Instances = append(out.Instances, i.Instance)
	}
	return out
}

func (i *instance) set(s release.InstanceState, reason string) {
	if i.State != s {
		i.Since = time.Now().UTC()
	}
	i.State, i.Reason = s, reason
}

func (s *state) fleetsOf(regionName string) []*fleet {
	var out []*fleet
	for _, f := range s.Fleets {
		if f.Spec.Region == regionName {
			out = append(out, f)
		}
	}
	sort.Slice(out, func(a, b int) bool {
		if out[a].CreatedAt.Equal(out[b].CreatedAt) {
			return out[a].Spec.Name < out[b].Spec.Name
		}
		return out[a].CreatedAt.Before(out[b].CreatedAt)
	})
	return out
}

const stateFile = "state.json"

func loadState(dir string) (*state, error) {
	s := &state{Format: 1, Regions: map[string]*region{}, Fleets: map[string]*fleet{}}
	path := filepath.Join(dir, stateFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(b, s)
	}
	if err != nil {
		return nil, fmt.Errorf("read the local cloud's state %s: %w (restore the file, or clean up and remove the directory)", path, err)
	}
	if s.Format != 1 {
		return nil, fmt.Errorf("read the local cloud's state %s: format %d is not known to this version", path, s.Format)
	}
	return s, nil
}

// save writes the state; the caller holds c.mu.
func (c *Cloud) save() error {
	b, err := json.Marshal(c.state)
	if err != nil {
		return fmt.Errorf("encode the local cloud's state: %w", err)
	}
	return writeFile(filepath.Join(c.cfg.Dir, stateFile), b)
}
