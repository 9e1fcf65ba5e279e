package release_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// waiting is a release that has waited for a person since t0, with every candidate of
// its regions at the given share.
func waiting(t require.TestingT, p release.Phase, share int, then string) *release.State {
	s := stateIn(t, p)
	s.Request.Spec.DeadMan = spec.DeadMan{After: spec.Duration(72 * time.Hour), Then: then}
	s.Needs = &release.PersonNeeded{What: "resume: paused by bob", Since: t0}
	for i := range s.Regions {
		r := &s.Regions[i]
		r.Weights = release.Weights{{Fleet: r.Candidate, Percent: share}, {Fleet: r.Previous, Percent: 100 - share}}
	}
	return s
}

func TestHowAReleaseEndsThatNobodyLooksAfter(t *testing.T) {
	const why = "no order came for 72h while the release waited for a person: resume: paused by bob"
	firstRelease := func(s *release.State) { s.Regions[0].Previous = "" }
	for _, c := range []struct {
		name   string
		phase  release.Phase
		share  int
		then   string
		change func(*release.State)
		want   release.DeadManAct
	}{
		{"before traffic moves", release.PhaseGate, 0, spec.DeadManKeep, nil, release.DeadManAct{Leave: release.LeaveDeadline, Reason: why}},
		{"before anything is made", release.PhaseBake, 0, spec.DeadManRollback, nil, release.DeadManAct{Leave: release.LeaveDeadline, Reason: why}},
		{"split traffic", release.PhaseSwitch, 10, spec.DeadManKeep, nil,
			release.DeadManAct{Leave: release.LeaveDeadline, Reason: why + "; not every candidate has all of the traffic, so it goes back"}},
		{"split by somebody else in the soak", release.PhaseSoak, 60, spec.DeadManKeep, nil,
			release.DeadManAct{Leave: release.LeaveDeadline, Reason: why + "; not every candidate has all of the traffic, so it goes back"}},
		{"serves, keep", release.PhaseWindow, 100, spec.DeadManKeep, nil,
			release.DeadManAct{Keep: true, Reason: why + "; the candidate keeps the traffic and the previous fleet stays, as deadMan.then says"}},
		{"serves, no word on it", release.PhaseSoak, 100, "", nil,
			release.DeadManAct{Keep: true, Reason: why + "; the candidate keeps the traffic and the previous fleet stays, as deadMan.then says"}},
		{"serves, roll back", release.PhaseSoak, 100, spec.DeadManRollback, nil,
			release.DeadManAct{Leave: release.LeaveDeadline, Reason: why + "; it goes back, as deadMan.then says"}},
		{"previous fleet stopped, roll back", release.PhaseStop, 100, spec.DeadManRollback, nil,
			release.DeadManAct{Leave: release.LeaveDeadline, Reason: why + "; it goes back, as deadMan.then says"}},
		{"a first release that serves", release.PhaseSoak, 100, spec.DeadManRollback, firstRelease,
			release.DeadManAct{Keep: true, Reason: why + "; there is no previous fleet to go back to, so the candidate keeps the traffic"}},
		{"past the point of no return", release.PhaseContract, 100, spec.DeadManRollback, nil,
			release.DeadManAct{Keep: true, Reason: why + "; it is past the point of no return, so it ends as it is"}},
	} {
		s := waiting(t, c.phase, c.share, c.then)
		if c.change != nil {
			c.change(s)
		}
		before := asJSON(t, s)
		due := t0.Add(72 * time.Hour)
		act, again := s.DeadMan(due.Add(-1))
		assert.Nil(t, act, c.name)
		assert.Equal(t, due, again, c.name)
		act, again = s.DeadMan(due)
		require.NotNil(t, act, c.name)
		assert.Equal(t, c.want, *act, c.name)
		assert.True(t, again.After(due), c.name)
		assert.Equal(t, before, asJSON(t, s), "it decides and changes nothing")
	}
}

func TestWhatTheDeadManLeavesAlone(t *testing.T) {
	long := t0.Add(365 * 24 * time.Hour)
	for name, change := range map[string]func(*release.State){
		"it needs nobody":         func(s *release.State) { s.Needs = nil },
		"it is on its way out":    func(s *release.State) { s.LeaveBy(release.LeaveRollback, "bob", "errors", t0) },
		"it has no dead man":      func(s *release.State) { s.Request.Spec.DeadMan = spec.DeadMan{} },
		"somebody was just there": func(s *release.State) { s.Attended = long.Add(-time.Hour) },
	} {
		s := waiting(t, release.PhaseSoak, 100, spec.DeadManRollback)
		change(s)
		act, again := s.DeadMan(long)
		require.Nil(t, act, name)
		require.True(t, again.After(long), "%s: asking again at once would never end", name)
	}
	for _, p := range []release.Phase{release.PhaseRollback, release.PhaseCleanUp, release.PhaseCompleted} {
		act, _ := waiting(t, p, 100, spec.DeadManRollback).DeadMan(long)
		require.Nil(t, act, "%s is not given up", p)
	}
}

// Whenever orders came: as long as the last one is not older than the time, nothing
// happens, and from then on the release ends. The end it comes to is one the machine has.
func TestAnUnattendedReleaseEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(release.Phases()).Draw(t, "phase")
		s := waiting(t, p, rapid.SampledFrom([]int{0, 10, 100}).Draw(t, "share"), rapid.SampledFrom([]string{spec.DeadManKeep, spec.DeadManRollback}).Draw(t, "then"))
		after := 72 * time.Hour
		s.Attended = t0.Add(time.Duration(rapid.Int64Range(-int64(after), 3*int64(after)).Draw(t, "attended")))
		now := t0.Add(time.Duration(rapid.Int64Range(0, 6*int64(after)).Draw(t, "now")))
		last := t0
		if s.Attended.After(last) {
			last = s.Attended
		}
		act, again := s.DeadMan(now)
		require.True(t, again.After(now))
		ends := p.Live() || p == release.PhaseDecommission || p == release.PhaseContract
		require.Equal(t, ends && now.Sub(last) >= after, act != nil)
		if act == nil {
			return
		}
		require.NotEmpty(t, act.Reason)
		require.NotEqual(t, act.Keep, act.Leave != "", "one or the other")
		if act.Leave != "" {
			require.True(t, s.LeaveBy(act.Leave, "", act.Reason, now))
			require.NoError(t, s.Enter(s.LeavePhase(), now))
		} else if p.Live() {
			require.True(t, s.AllServe(), "a release with split traffic is never left as it is")
		}
	})
}
