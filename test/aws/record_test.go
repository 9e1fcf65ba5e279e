package aws_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/release"
)

// kind is a release of the suite. All take over the adopted fleet, move the traffic
// and remove the old fleet and an old image; they differ in where the image is from.
type kind string

const (
	baking   kind = "bake"     // Packer makes it
	existing kind = "existing" // the spec names it; takes half of the time
	ordinary kind = "ordinary" // Packer makes it, and the live fleet has what most have
)

// recording is a release that nothing disturbed.
type recording struct {
	once  sync.Once
	world *world
	state release.State
	calls []wire.Call
	after string // snapshot
}

var undisturbed = map[kind]*recording{baking: {}, existing: {}, ordinary: {}}

// record runs the undisturbed release of a kind, once for all tests.
func record(t *testing.T, k kind) *recording {
	t.Helper()
	r := undisturbed[k]
	r.once.Do(func() {
		w := newWorld(t)
		r.state = w.completed(w.chapter(k))
		r.calls, r.after, r.world = w.proxy.Calls(), w.snapshot(), w
	})
	require.NotEmpty(t, r.after, "the undisturbed release failed")
	return r
}

// chapter is the release of a kind, with the images it begins with.
func (w *world) chapter(k kind) chapter {
	w.t.Helper()
	w.image("1.0.0")
	if k != ordinary {
		w.everything()
	}
	if k == existing {
		return chapter{Existing: w.image("2.0.0")}
	}
	return chapter{}
}

// call is one call of a release as another release makes it again: who, what, and
// which of several such calls.
type call struct {
	By, Service, Action string
	Nth                 int
}

func (c call) String() string {
	return fmt.Sprintf("%s %s:%s #%d", c.By, c.Service, c.Action, c.Nth)
}

// mutating are the calls that change something, in their order.
func (r *recording) mutating() []call {
	count := map[call]int{}
	var out []call
	for _, c := range r.calls {
		if !c.Mutating {
			continue
		}
		k := call{By: c.By, Service: c.Service, Action: c.Action}
		count[k]++
		k.Nth = count[k]
		out = append(out, k)
	}
	return out
}

// reads are the actions that only read, each once.
func (r *recording) reads() []call {
	seen := map[call]bool{}
	var out []call
	for _, c := range r.calls {
		k := call{By: c.By, Service: c.Service, Action: c.Action, Nth: 1}
		if !c.Mutating && !c.DryRun && c.Service != "sts" && !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}
