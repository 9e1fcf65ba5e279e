//go:build judging

package judging

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	goyaml "github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/load"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/starter"
)

// patience bounds every wait for something that has to come.
const patience = 4 * time.Minute

// story is a target of its own with what a test does to it.
type story struct {
	*stack
	place
	t      *testing.T
	target release.Target
}

// tell runs a story on a platform, beside others.
func tell(t *testing.T, platform, name string, what func(s *story)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		told.Add(1)
		t.Cleanup(func() {
			if !t.Failed() {
				passed.Add(1)
			}
		})
		st := use(t)
		target := release.Target{Application: "checkout", Environment: name}
		what(&story{stack: st, t: t, target: target, place: st.at(t, platform, target)})
	})
}

// yaml is a part of a spec.
type yaml = map[string]any

// basis is what all specs have in common: small, short and good.
const basis = `
apiVersion: switchyard/v1
application: checkout
image: {packer: {template: TEMPLATE}}
fleet: {instances: 2, command: [/bin/checkout], readyWithin: 1m}
verification:
  interval: 200ms
  within: 30s
  checks:
    - {name: health, http: {path: /healthz}}
    - {name: total, http: {path: "/checkout?item=tea:2", via: router, json: {totalCents: "900"}}}
traffic: {drain: 1s, watch: 1s}
gates: []
soak: {duration: 2s, interval: 400ms, breach: 800ms, maxErrorRate: 2%, minRequests: 5, readiness: 1s}
decommission: {quiet: 1s}
deadline: 6h
`

// spec is the basis with what the place and the story say differently.
func (s *story) spec(id, version, differs string) release.Request {
	s.t.Helper()
	all := s.parse(basis)
	all["environment"], all["version"] = s.target.Environment, version
	template := filepath.Join(repoRoot(), "examples", "checkout", "packer", "app")
	merge(all, yaml{"image": yaml{"packer": yaml{"template": template}}})
	merge(all, s.settings)
	merge(all, s.parse(differs))
	data, err := goyaml.Marshal(all)
	require.NoError(s.t, err)
	path := filepath.Join(s.dir, s.target.Environment+"-"+id+".yaml")
	require.NoError(s.t, os.WriteFile(path, data, 0o600))
	loaded, err := starter.ReadSpec(path)
	require.NoError(s.t, err, "%s", data)
	r, err := starter.NewRequest(loaded, id, "ada")
	require.NoError(s.t, err)
	return r
}

func (s *story) parse(text string) yaml {
	s.t.Helper()
	out := yaml{}
	require.NoError(s.t, goyaml.Unmarshal([]byte(text), &out), "%s", text)
	return out
}

// merge puts what over into: maps are merged, all else is replaced, nil removes.
func merge(into, over yaml) {
	for k, v := range over {
		below, is := v.(yaml)
		was, had := into[k].(yaml)
		switch {
		case v == nil:
			delete(into, k)
		case is && had:
			merge(was, below)
		default:
			into[k] = v
		}
	}
}

// start starts a release of a version that differs from the basis.
func (s *story) start(id, version, differs string) starter.Handle {
	s.t.Helper()
	h, err := starter.Start(s.t.Context(), s.client, starter.StartOptions{Request: s.spec(id, version, differs), TaskQueue: s.dev.TaskQueue})
	require.NoError(s.t, err)
	return h
}

// live is a first release that serves already; it returns where users reach it.
func (s *story) live(differs string) (entry string) {
	s.t.Helper()
	if differs == "" {
		differs = "{soak: {duration: 0s}, traffic: {watch: 0s}}"
	}
	return s.completed(s.start("v1", "1.0.0", differs)).Regions[0].Entry
}

func (s *story) state(h starter.Handle) release.State {
	s.t.Helper()
	var st release.State
	require.Eventually(s.t, func() bool {
		var err error
		st, err = starter.QueryState(s.t.Context(), s.client, h.WorkflowID)
		return err == nil
	}, patience, 100*time.Millisecond, "no worker answers for %s", h.WorkflowID)
	return st
}

// until waits until the release is as asked for, and returns it so. The end of the
// release ends the wait, too.
func (s *story) until(h starter.Handle, what string, is func(release.State) bool) release.State {
	s.t.Helper()
	return s.within(patience, h, what, is)
}

func (s *story) within(limit time.Duration, h starter.Handle, what string, is func(release.State) bool) release.State {
	s.t.Helper()
	var st release.State
	ok := func() bool {
		st = s.state(h)
		return is(st) || st.Phase.Ended()
	}
	for begin := time.Now(); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Since(begin) > limit {
			require.FailNow(s.t, "not in time: "+what, "%s", s.excerpt(st))
		}
	}
	require.True(s.t, is(st), "%s: the release is over: %s", what, s.excerpt(st))
	return st
}

// await waits until the release has come to a phase.
func (s *story) await(h starter.Handle, phase release.Phase) release.State {
	s.t.Helper()
	return s.until(h, "phase "+string(phase), func(st release.State) bool { return st.Phase == phase })
}

// ended waits for a release's end, whatever it is.
func (s *story) ended(h starter.Handle) release.State {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	_ = s.client.GetWorkflow(ctx, h.WorkflowID, h.RunID).Get(ctx, nil) // failed and cancelled are ends, too
	st := s.state(h)
	require.NoError(s.t, ctx.Err(), "%s does not end: %s", h.WorkflowID, s.excerpt(st))
	return st
}

func (s *story) completed(h starter.Handle) release.State {
	s.t.Helper()
	st := s.ended(h)
	require.Equal(s.t, "completed", st.Outcome(), "%s", s.excerpt(st))
	return st
}

func (s *story) order(h starter.Handle, o release.Order) {
	s.t.Helper()
	if o.By == "" {
		o.By = "grace"
	}
	_, err := starter.Order(s.t.Context(), s.client, h.WorkflowID, o)
	require.NoError(s.t, err)
}

// excerpt is what a person would look at first.
func (s *story) excerpt(st release.State) string {
	out := fmt.Sprintf("phase %s, waiting for %q, blocked %q, way out %+v\nwarnings %q\n", st.Phase, st.WaitingFor, st.Blocked, st.WayOut, st.Warnings)
	for _, e := range st.Entries {
		out += fmt.Sprintf("  %s %s → %s: %s %q\n", e.Phase, e.Start.Format("05.000"), e.End.Format("05.000"), e.Outcome, e.Evidence)
	}
	for _, r := range st.Regions {
		out += fmt.Sprintf("  region %s: step %d %+v share %d weights %s doubt %q checks %v compared %v readiness %+v back %+v\n",
			r.Name, r.Step, r.Steps, r.Share, r.Weights, r.Doubt, r.Checks, r.Compared, r.Readiness, r.Back)
	}
	return out
}

// load puts users on the target.
func (s *story) load(entry string, rate float64) *load.Load {
	return s.loadOf(entry+"/checkout?item=tea:2", rate)
}

func (s *story) loadOf(url string, rate float64) *load.Load {
	l := load.Start(load.Options{URL: url, Rate: rate, Longest: 5 * time.Minute, By: "X-Checkout-Fleet"})
	s.t.Cleanup(func() { l.Stop() })
	require.Eventually(s.t, func() bool { return l.Counts().Requests > 10 }, patience, 10*time.Millisecond)
	return l
}

func (s *story) fleet(id string) string { return release.FleetName(s.target, id) }

func (s *story) describe(id string) release.Fleet {
	s.t.Helper()
	var f release.Fleet
	require.Eventually(s.t, func() (ok bool) {
		var err error
		f, err = s.ports.Fleets.Describe(s.t.Context(), s.region, s.fleet(id))
		return err == nil
	}, patience, 100*time.Millisecond, "fleet %s", id)
	return f
}

// instances are the ids of a fleet's instances in service, once there are so many.
func (s *story) instances(id string, n int) (ids []string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		ids = nil
		for _, i := range s.describe(id).Instances {
			if i.State == release.InstanceInService {
				ids = append(ids, i.ID)
			}
		}
		return len(ids) == n
	}, patience, 100*time.Millisecond, "%s does not have %d instances", id, n)
	return ids
}

// settled checks what holds after every end: one fleet serves all the traffic at full
// size, no hold, no other fleet, the target is free.
func (s *story) settled(id string, n int) {
	s.t.Helper()
	ctx := s.t.Context()
	s.instances(id, n)
	fleets, err := s.ports.Fleets.List(ctx, s.region, s.target)
	require.NoError(s.t, err)
	require.Len(s.t, fleets, 1, "more than the live fleet is left")
	require.Equal(s.t, s.fleet(id), fleets[0].Name)
	require.Empty(s.t, fleets[0].ScaleInHeld)
	weights, err := s.ports.Router.Weights(ctx, s.region, s.target)
	require.NoError(s.t, err)
	require.Equal(s.t, 100, weights.Of(s.fleet(id)))
	env, err := starter.QueryEnvironment(ctx, s.client, s.target)
	require.NoError(s.t, err)
	require.Nil(s.t, env.Holder)
}

// noneFailed ends the load and demands that no request failed.
func (s *story) noneFailed(l *load.Load) load.Counts {
	s.t.Helper()
	counts := l.Stop()
	require.Zero(s.t, counts.Failed, "%v", l.Failures())
	require.NotZero(s.t, counts.Requests)
	return counts
}

func (s *story) text(y yaml) string {
	s.t.Helper()
	data, err := goyaml.Marshal(y)
	require.NoError(s.t, err)
	return string(data)
}
