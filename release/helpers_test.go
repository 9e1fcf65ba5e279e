package release_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// t0 is when every story of these tests begins: a Monday, 10:00 UTC.
var t0 = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

func switchGate() spec.Gate {
	return spec.Gate{Name: "switch", Before: spec.BeforeSwitch, Count: 1, FourEyes: ptr(true), Expiry: spec.Duration(time.Hour), OnExpiry: spec.OnExpiryReject}
}

func lastGate() spec.Gate {
	g := switchGate()
	g.Name, g.Before = "retire", spec.BeforeDecommission
	return g
}

func aSpec(gates ...spec.Gate) spec.Spec {
	return spec.Spec{
		APIVersion: spec.APIVersion, Application: "checkout", Environment: "production", Version: "2.0.0", Platform: "local",
		Image:        spec.Image{Packer: &spec.Packer{Template: "image.pkr.hcl", Timeout: spec.Duration(30 * time.Minute)}},
		Regions:      []spec.Region{{Name: "local-a", Role: spec.RoleActive, Wave: 1}},
		Fleet:        spec.Fleet{Instances: 2, Command: []string{"/app/checkout"}, HealthPath: "/healthz"},
		Verification: spec.Verification{Consecutive: 2},
		Gates:        gates,
		Soak:         spec.Soak{Duration: ptr(spec.Duration(24 * time.Hour)), Interval: spec.Duration(time.Minute)},
		Decommission: spec.Decommission{Quiet: spec.Duration(10 * time.Second), Adopted: spec.Keep},
		Retention:    spec.Retention{Images: 5, Candidate: spec.Remove},
	}
}

func aRequest(gates ...spec.Gate) release.Request {
	return release.Request{ID: "r42", Requester: "ada", Spec: aSpec(gates...), Digest: "sha256:spec"}
}

// serving is a region whose traffic all goes to one fleet of n instances, made by a release.
func serving(region, fleet string, n int) release.ObservedRegion {
	f := release.Fleet{Name: fleet, Region: region, Release: "r41", Version: "1.0.0", Desired: n}
	for range n {
		f.Instances = append(f.Instances, release.Instance{State: release.InstanceInService})
	}
	return release.ObservedRegion{
		Name: region, Entry: "http://127.0.0.1:8080", Fleets: []release.Fleet{f},
		Weights: release.Weights{{Fleet: fleet, Percent: 100}},
	}
}

func observed(regions ...release.ObservedRegion) release.Observed {
	return release.Observed{InputDigest: "sha256:inputs", Regions: regions}
}

func aPlan(t require.TestingT, r release.Request) release.Plan {
	var seen release.Observed
	for _, region := range r.Spec.Regions {
		seen.Regions = append(seen.Regions, serving(region.Name, "checkout-production-r41", 2))
	}
	p, err := release.MakePlan(r, seen)
	require.NoError(t, err)
	return p
}

// way leads through the forward path, and into the ways back, to each phase.
func way(p release.Phase) []release.Phase {
	forward := []release.Phase{
		release.PhaseAdmitted, release.PhaseBake, release.PhaseExpand, release.PhaseProvision, release.PhaseVerify, release.PhaseGate,
		release.PhaseSwitch, release.PhaseWatch, release.PhaseSoak, release.PhaseWindow, release.PhaseStop, release.PhaseDecommission,
		release.PhaseContract, release.PhaseCompleted,
	}
	switch p {
	case release.PhaseRequested:
		return nil
	case release.PhaseRefused:
		return []release.Phase{p}
	case release.PhaseCleanUp:
		return []release.Phase{release.PhaseAdmitted, p}
	case release.PhaseRejected, release.PhaseAborted, release.PhaseFailed:
		return []release.Phase{release.PhaseAdmitted, release.PhaseCleanUp, p}
	case release.PhaseRollback:
		return append(append([]release.Phase{}, forward[:9]...), p)
	case release.PhaseRolledBack:
		return append(append([]release.Phase{}, forward[:9]...), release.PhaseRollback, p)
	}
	for i, f := range forward {
		if f == p {
			return forward[:i+1]
		}
	}
	panic("no way to " + p)
}

// stateIn is a release in the given phase, gone there by legal moves only. Its
// traffic has moved from the phase switch on.
func stateIn(t require.TestingT, p release.Phase, gates ...spec.Gate) *release.State {
	s := release.NewState(aRequest(gates...), t0)
	for _, step := range way(p) {
		move(t, &s, step, t0)
	}
	require.Equal(t, p, s.Phase)
	return &s
}

// move enters a phase and does to the state what its work does.
func move(t require.TestingT, s *release.State, to release.Phase, now time.Time) {
	if s.Phase == release.PhaseAdmitted && to == release.PhaseBake {
		s.Adopt(aPlan(t, s.Request))
	}
	if s.Phase == release.PhaseWatch && to == release.PhaseProvision {
		s.Wave++
	}
	require.NoError(t, s.Enter(to, now))
	switch to {
	case release.PhaseSwitch:
		for _, i := range s.RegionsOf(s.Wave) {
			s.Regions[i].Switched = true
		}
	case release.PhaseSoak:
		s.Soak = release.SoakState{Start: now, End: now.Add(24 * time.Hour)}
	}
}

func approval(s *release.State, by, gate string) release.Order {
	return release.Order{Kind: release.OrderApprove, By: by, Gate: gate, Plan: s.Plan.Digest}
}

func asJSON(t require.TestingT, v any) string {
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}

// reopened is the state as a continued run gets it.
func reopened(t require.TestingT, s *release.State) *release.State {
	var out release.State
	require.NoError(t, json.Unmarshal([]byte(asJSON(t, s)), &out))
	return &out
}

func take(t *testing.T, s *release.State, o release.Order) string {
	t.Helper()
	effect, err := s.TakeOrder(o, t0)
	require.NoError(t, err)
	return effect
}

func refused(t *testing.T, s *release.State, o release.Order) string {
	t.Helper()
	before := asJSON(t, s)
	_, err := s.TakeOrder(o, t0)
	require.Error(t, err)
	require.Equal(t, before, asJSON(t, s), "a refused order changes nothing")
	return err.Error()
}
