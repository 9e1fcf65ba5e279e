//go:build faults

package aws_test

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/release"
)

// troubles are what happens to each mutating call.
var troubles = []struct {
	name  string
	fault func(w *world) wire.Fault
}{
	{"throttled three times", func(*world) wire.Fault { return wire.Fault{Kind: wire.Throttle, Times: 3} }},
	{"500 before effect", func(*world) wire.Fault { return wire.Fault{Kind: wire.FailBefore} }},
	{"500 after effect", func(*world) wire.Fault { return wire.Fault{Kind: wire.FailAfter} }},
	{"no answer after effect", func(*world) wire.Fault { return wire.Fault{Kind: wire.TimeoutAfter} }},
	{"worker killed after effect", func(w *world) wire.Fault { return wire.Fault{Kind: wire.Hook, After: w.worker.kill} }},
}

// hanging are calls whose answer never comes, so that the client's own time-out ends
// them. The others lose the connection, which takes the same way through the client.
var hanging = []call{
	{wire.ByWorker, "autoscaling", "CreateAutoScalingGroup", 1},
	{wire.ByWorker, "elasticloadbalancing", "ModifyListener", 1},
	{wire.ByWorker, "autoscaling", "DeleteAutoScalingGroup", 1},
}

// trial is one release with one trouble.
type trial struct {
	kind    kind
	call    call
	trouble string
	put     func(*world) func() int // makes the trouble; the answer counts how often it was made
	stale   bool
}

func (tr trial) String() string {
	return strings.ReplaceAll(fmt.Sprintf("%s/%s/%s", tr.kind, tr.call, tr.trouble), " ", "_")
}

// TestFaults releases once for every mutating call of a release and every trouble, and
// once for every reading action that is answered with old data. Each release has to end
// in the state of the one that nothing disturbed.
func TestFaults(t *testing.T) {
	trials := plan(t)
	var mu sync.Mutex
	var tried, survived int
	var nothingOlder []string
	began := time.Now()
	t.Run("faults", func(t *testing.T) {
		queue := make(chan trial)
		var wg sync.WaitGroup
		for range atOnce {
			wg.Go(func() {
				for tr := range queue {
					t.Run(tr.String(), func(t *testing.T) {
						hit := try(t, tr)
						mu.Lock()
						defer mu.Unlock()
						if !hit && tr.stale {
							nothingOlder = append(nothingOlder, tr.call.String())
							return
						}
						tried++
						if !t.Failed() {
							survived++
						}
					})
				}
			})
		}
		for _, tr := range trials {
			queue <- tr
		}
		close(queue)
		wg.Wait()
	})
	sort.Strings(nothingOlder)
	for _, c := range nothingOlder {
		fmt.Printf("nothing older to answer with: %s\n", c)
	}
	fmt.Printf("%d releases in %s\n", len(trials), time.Since(began).Round(time.Second))
	fmt.Printf("faults: %d tried, %d survived\n", tried, survived)
}

// atOnce is how many releases go on at the same time. They wait more than they work.
const atOnce = 12

// plan lists the trials from three recordings. Calls of the bake are troubled in releases
// that bake, those of the way back in releases that go back from the stop, all others in
// releases of an image that exists.
func plan(t *testing.T) []trial {
	bake, rest, back := record(t, baking), record(t, existing), record(t, returning)
	var slow, kills, others []trial
	add := func(k kind, r *recording, mine func(call) bool) {
		n := 0
		for _, c := range r.mutating() {
			if !mine(c) {
				continue
			}
			n++
			for _, x := range troubles {
				tr := trial{kind: k, call: c, trouble: x.name, put: func(w *world) func() int {
					f := x.fault(w)
					f.By, f.Service, f.Action, f.Nth = c.By, c.Service, c.Action, c.Nth
					injected := w.proxy.Inject(f)
					return func() int { return injected.Hits() / max(f.Times, 1) }
				}}
				switch {
				case c.Action == "CreateKeyPair": // Packer's plugin tries it again for two minutes
					slow = append(slow, tr)
				case strings.HasPrefix(x.name, "worker killed"):
					kills = append(kills, tr)
				default:
					others = append(others, tr)
				}
			}
		}
		fmt.Printf("release of kind %q: %d calls, %d of them troubled\n", k, len(r.calls), n)
	}
	before := ofBake(bake)
	add(baking, bake, func(c call) bool { return before[c] })
	add(existing, rest, func(call) bool { return true })
	add(returning, back, func(call) bool { return true })
	for _, c := range hanging {
		others = append(others, trial{kind: existing, call: c, trouble: "hangs after effect", put: hang(c)})
	}
	known := map[call]bool{}
	for _, c := range rest.reads() {
		known[c] = true
		others = append(others, staleTrial(existing, c))
	}
	for _, c := range bake.reads() {
		if !known[c] {
			others = append(others, staleTrial(baking, c))
		}
	}
	for _, c := range back.reads() {
		others = append(others, staleTrial(returning, c))
	}
	return slices.Concat(slow, kills, others)
}

// ofBake are the calls that only a release that bakes makes: those up to the first
// launch template.
func ofBake(r *recording) map[call]bool {
	out := map[call]bool{}
	for _, c := range r.mutating() {
		if c.Action == "CreateLaunchTemplate" {
			break
		}
		out[c] = true
	}
	return out
}

// hang keeps the answer back until the client has given up.
func hang(c call) func(*world) func() int {
	return func(w *world) func() int {
		injected := w.proxy.Inject(wire.Fault{By: c.By, Service: c.Service, Action: c.Action, Nth: c.Nth, Kind: wire.Hook,
			After: func() { time.Sleep(patience + time.Second) }})
		return injected.Hits
	}
}

func staleTrial(k kind, c call) trial {
	return trial{kind: k, call: c, trouble: "stale once", stale: true, put: func(w *world) func() int {
		stale := w.proxy.Stale(func(got wire.Call) bool {
			return got.By == c.By && got.Service == c.Service && got.Action == c.Action
		}, 1)
		return stale.Hits
	}}
}

// try runs a release with its trouble and says whether the trouble happened.
func try(t *testing.T, tr trial) (hit bool) {
	w := newWorld(t)
	c := w.chapter(tr.kind)
	var hits func() int
	st := w.run(tr.kind, c, func() { hits = tr.put(w) })
	assert.Equal(t, tr.kind.outcome(), st.Outcome(), "%+v", st.WayOut)
	assert.Empty(t, st.Warnings)
	assert.Empty(t, st.Ledger.Open(release.KindFleet))
	assert.Empty(t, st.Ledger.Open(release.KindHold))
	if diff := differences(record(t, tr.kind).after, w.snapshot()); diff != "" {
		t.Errorf("the end differs from that of the undisturbed release:\n%s", diff)
	}
	if !tr.stale {
		require.Equal(t, 1, hits(), "the trouble was not made")
	}
	if strings.HasPrefix(tr.trouble, "worker killed") {
		require.GreaterOrEqual(t, w.worker.count(), 2)
	}
	if t.Failed() {
		w.tellCalls()
	}
	return hits() > 0
}

// tellCalls logs what was called around the trouble.
func (w *world) tellCalls() {
	for i, c := range w.proxy.Calls() {
		if c.Mutating || c.Fault != "" || c.Status >= 400 {
			w.t.Logf("%3d %s %-6s %s %d %s", i, c.Time.Format("05.000"), c.By, c.IAM(), c.Status, c.Fault)
		}
	}
}
