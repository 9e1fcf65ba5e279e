package aws_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/release"
)

// kind is a release of the suite. All take over the adopted fleet, move the traffic and
// stop the old fleet. They differ in where the image is from; all but one then remove the
// old fleet and an old image.
type kind string

const (
	baking    kind = "bake"      // Packer makes it
	existing  kind = "existing"  // the spec names it; takes half of the time
	ordinary  kind = "ordinary"  // Packer makes it, and the live fleet has what most have
	returning kind = "returning" // as existing, and once the old fleet is stopped it goes back
)

// outcome is how a release of the kind ends.
func (k kind) outcome() string {
	if k == returning {
		return "rolled-back"
	}
	return "completed"
}

// recording is a release that nothing disturbed.
type recording struct {
	once  sync.Once
	world *world
	state release.State
	calls []wire.Call
	from  int    // the first call of what the kind is about
	was   string // snapshot before the release
	after string // snapshot
}

var undisturbed = map[kind]*recording{baking: {}, existing: {}, ordinary: {}, returning: {}}

// record runs the undisturbed release of a kind, once for all tests.
func record(t *testing.T, k kind) *recording {
	t.Helper()
	r := undisturbed[k]
	r.once.Do(func() {
		w := newWorld(t)
		c := w.chapter(k)
		r.was = w.snapshot()
		r.state = w.run(k, c, func() { r.from = len(w.proxy.Calls()) })
		require.Equal(t, k.outcome(), r.state.Outcome(), "%+v", r.state.WayOut)
		require.Empty(t, r.state.Warnings)
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
	switch k {
	case existing:
		return chapter{Existing: w.image("2.0.0")}
	case returning:
		return chapter{Existing: w.image("2.0.0"), Stopped: "30m"}
	}
	return chapter{}
}

// run releases until the end. What the kind is about begins after the call of begin: the
// way back of one that goes back, else all of it.
func (w *world) run(k kind, c chapter, begin func()) release.State {
	w.t.Helper()
	if k != returning {
		begin()
		return w.ended(w.start(c))
	}
	h := w.start(c)
	w.until(h, "stops the old fleet", func(st release.State) bool { return !st.StoppedAt.IsZero() })
	begin()
	w.order(h, release.Order{Kind: release.OrderRollback})
	return w.ended(h)
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

// mutating are the calls that change something, in their order, as counted from the
// first of what the kind is about.
func (r *recording) mutating() []call {
	count := map[call]int{}
	var out []call
	for _, c := range r.calls[r.from:] {
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
	for _, c := range r.calls[r.from:] {
		k := call{By: c.By, Service: c.Service, Action: c.Action, Nth: 1}
		if !c.Mutating && !c.DryRun && c.Service != "sts" && !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}
