package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func deadMan(after time.Duration, then string) func(*spec.Spec) {
	return func(s *spec.Spec) { s.DeadMan = spec.DeadMan{After: spec.Duration(after), Then: then} }
}

// freezes is what the environment tells the release about its target.
func (w *world) freezes(f ...release.Freeze) { w.env.SignalWorkflow(release.SignalFreezes, f) }

func (w *world) freezeFor(d time.Duration) release.Freeze {
	now := w.env.Now()
	return release.Freeze{Name: "sales", From: now, Until: now.Add(d), Reason: "sales", By: "grace"}
}

func TestChecksThatTellNothingNeitherProveTheFleetNorFailIt(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	blind := true
	w.trouble = func(name, _ string, _ int) error {
		if name == activities.VerifyFleet && blind {
			return temporal.NewNonRetryableApplicationError("latency inconclusive: Prometheus does not answer", activities.ErrNotJudged, nil)
		}
		return nil
	}
	w.during[activities.VerifyFleet] = func() {
		if w.count(activities.VerifyFleet) > 3 {
			blind = false
		}
	}
	s := w.run(soakOf(time.Hour))
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
	require.Len(t, s.Warnings, 1, "people are called once")
	require.Contains(t, s.Warnings[0], "can't be judged")
}

func TestNobodyLooksAfterIt(t *testing.T) {
	cases := []struct {
		name   string
		phase  release.Phase
		then   string
		change []func(*spec.Spec)
		end    string
	}{
		{"before the switch it is aborted", release.PhaseGate, spec.DeadManKeep, nil, "aborted"},
		{"in the soak it keeps what it has", release.PhaseSoak, spec.DeadManKeep, nil, "completed"},
		{"in the soak it goes back if the spec says so", release.PhaseSoak, spec.DeadManRollback, nil, "rolled-back"},
		{"waiting for the window", release.PhaseWindow, spec.DeadManKeep, []func(*spec.Spec){waits}, "completed"},
		{"with the previous fleet stopped", release.PhaseStop, spec.DeadManKeep, []func(*spec.Spec){stoppedFor(4 * time.Hour)}, "completed"},
		{"with the traffic split it goes back", release.PhaseSwitch, spec.DeadManKeep, []func(*spec.Spec){canary(10, 50)}, "rolled-back"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t).serving("local-a")
			if c.phase != release.PhaseGate {
				w.approved()
			}
			w.at(c.phase, time.Minute, w.by(release.OrderPause))
			s := w.run(append(c.change, soakOf(time.Hour), deadMan(5*time.Hour, c.then), gate(func(g *spec.Gate) { g.Expiry = spec.Duration(48 * time.Hour) }))...)
			require.Equal(t, c.end, s.Outcome(), "%+v", s.WayOut)
			require.Contains(t, s.Warnings[0], "no order came for 5h")
			require.Less(t, s.EndedAt.Sub(s.RequestedAt), 10*time.Hour)
			if c.end == "completed" {
				require.True(t, w.fleets["local-a/old"], "the previous fleet is left for a person")
				require.True(t, s.Kept)
			}
		})
	}
}

func stoppedFor(d time.Duration) func(*spec.Spec) {
	return func(s *spec.Spec) { s.Decommission.Stopped = spec.Duration(d) }
}

func TestAnOrderKeepsTheDeadManAway(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseSoak, time.Minute, w.by(release.OrderPause))
	for i := range 5 {
		w.at(release.PhaseSoak, time.Duration(i+1)*4*time.Hour, func() {
			w.by(release.OrderResume)()
			w.by(release.OrderPause)()
		})
	}
	w.at(release.PhaseSoak, 23*time.Hour, w.by(release.OrderResume))
	s := w.run(soakOf(time.Hour), deadMan(5*time.Hour, spec.DeadManRollback))
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
	require.False(t, s.Kept)
}

func TestAFreezeHoldsTheSwitchTheStepsAndTheStop(t *testing.T) {
	for _, phase := range []release.Phase{release.PhaseGate, release.PhaseSwitch, release.PhaseSoak} {
		for _, way := range []string{"ends", "is lifted", "overridden"} {
			t.Run(string(phase)+" "+way, func(t *testing.T) {
				w := newWorld(t).serving("local-a")
				began := time.Time{}
				w.at(phase, time.Minute, func() {
					began = w.env.Now()
					w.freezes(w.freezeFor(30 * time.Hour))
					if phase == release.PhaseGate {
						w.env.RegisterDelayedCallback(w.approve, time.Minute)
					}
					w.env.RegisterDelayedCallback(func() {
						switch way {
						case "is lifted":
							w.freezes()
						case "overridden":
							w.signal(release.OrderOverride, body{"by": "grace", "gate": "freeze", "comment": "a hotfix"})
						}
					}, 20*time.Hour)
				})
				if phase != release.PhaseGate {
					w.approved()
				}
				s := w.run(canary(10), soakOf(time.Hour))
				require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
				held := 20 * time.Hour
				if way == "ends" {
					held = 30 * time.Hour
				}
				require.GreaterOrEqual(t, s.EndedAt.Sub(began), held)
				next := map[release.Phase]time.Time{ // what came after the freeze
					release.PhaseGate: s.Regions[0].Steps[0].Shifted, release.PhaseSwitch: s.Regions[0].Steps[1].Shifted,
				}[phase]
				if phase != release.PhaseSoak {
					require.GreaterOrEqual(t, next.Sub(began), held)
				}
			})
		}
	}
}

func TestAFreezeNeverHoldsTheWayBack(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseSoak, time.Minute, func() {
		w.freezes(w.freezeFor(90 * time.Hour))
		w.by(release.OrderRollback)()
	})
	s := w.run()
	require.Equal(t, "rolled-back", s.Outcome())
	require.Less(t, s.EndedAt.Sub(s.WayOut.At), time.Minute)
}

func TestLostReadinessBlocksTheDecommissionUntilAPersonDecides(t *testing.T) {
	for _, way := range []string{"mended", "overridden", "nobody comes"} {
		t.Run(way, func(t *testing.T) {
			w := newWorld(t).serving("local-a").approved()
			lost := release.Readiness{Why: "image of old is gone", At: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
			mended := false
			w.judgeBy(func(_ int, in activities.WatchInput) *activities.Watch {
				switch {
				case in.Known.At.IsZero():
					return &activities.Watch{Why: activities.WatchReadiness, Readiness: lost, Weights: in.Weights}
				case mended && !in.Known.Ready:
					return &activities.Watch{Why: activities.WatchReadiness, Readiness: release.Readiness{Ready: true, At: w.env.Now()}, Weights: in.Weights}
				}
				return nil
			})
			w.at(release.PhaseWindow, 10*time.Hour, func() {
				require.Equal(t, release.PhaseWindow, w.state().Phase)
				require.Zero(t, w.count(activities.Detach))
				switch way {
				case "mended":
					w.mu.Lock()
					mended = true
					w.mu.Unlock()
				case "overridden":
					w.signal(release.OrderOverride, body{"by": "grace", "gate": "readiness", "comment": "we go on without"})
				}
			})
			s := w.run(soakOf(time.Hour), deadMan(24*time.Hour, spec.DeadManKeep))
			require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
			require.Equal(t, way == "nobody comes", w.fleets["local-a/old"])
		})
	}
}

func TestRollbackFromTheStopPutsThePreviousFleetBack(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseStop, time.Hour, w.by(release.OrderRollback))
	s := w.run(soakOf(time.Hour), stoppedFor(6*time.Hour))
	require.Equal(t, "rolled-back", s.Outcome(), "%+v", s.WayOut)
	require.Equal(t, 1, w.count(activities.Attach))
	require.Equal(t, 100, w.weights["local-a"].Of("old"))
}

func TestAPreviousFleetThatStillGetsRequestsIsNeitherStoppedNorDeleted(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.fail[activities.Detach] = temporal.NewNonRetryableApplicationError("it still gets requests", activities.ErrStillTraffic, nil)
	s := w.run(soakOf(time.Hour))
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
	require.True(t, w.fleets["local-a/old"])
	require.Zero(t, w.count(activities.Retire))
	require.Contains(t, s.Warnings[0], "it still gets requests")
}

func TestTheWayBackTakesItsStepsAndCanBePaused(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	seen := w.records()
	w.at(release.PhaseSoak, time.Minute, w.by(release.OrderRollback))
	w.at(release.PhaseRollback, 30*time.Second, w.by(release.OrderPause))
	w.at(release.PhaseRollback, 2*time.Hour, w.by(release.OrderResume))
	s := w.run(func(s *spec.Spec) {
		s.Rollback.Steps = []spec.RollbackStep{{Weight: 50, Hold: spec.Duration(time.Minute)}, {Weight: 10, Hold: spec.Duration(time.Minute)}}
	})
	require.Equal(t, "rolled-back", s.Outcome())
	require.Equal(t, []int{100, 50, 10, 0}, seen.weights)
	require.GreaterOrEqual(t, seen.at[2].Sub(seen.at[1]), 119*time.Minute)
	require.Equal(t, release.BackDone, s.Regions[0].Back.Stage)
}

func TestAPauseOfTheWayBackThatNobodyEndsEndsByItself(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseSoak, time.Minute, w.by(release.OrderRollback))
	w.at(release.PhaseRollback, 30*time.Second, w.by(release.OrderPause))
	s := w.run(deadMan(5*time.Hour, spec.DeadManKeep), func(s *spec.Spec) {
		s.Rollback.Steps = []spec.RollbackStep{{Weight: 50, Hold: spec.Duration(time.Minute)}}
	})
	require.Equal(t, "rolled-back", s.Outcome())
	require.InDelta(t, 5, s.EndedAt.Sub(s.WayOut.At).Hours(), 0.1)
}

func TestMigrationsExpandFirstAndContractLast(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	s := w.run(soakOf(time.Hour), migrates)
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
	require.Less(t, indexOfCall(w.calls, activities.Migrate+" expand"), indexOfCall(w.calls, activities.Provision+" local-a"))
	require.Greater(t, indexOfCall(w.calls, activities.Migrate+" contract"), indexOfCall(w.calls, activities.Retire+" local-a old"))
	require.Equal(t, []string{"expand done", "contract done"}, []string{s.Migrations[0].Output, s.Migrations[1].Output})
	require.NotEqual(t, s.Migrations[0].Key, s.Migrations[1].Key)
	floors := map[int]bool{}
	for _, r := range w.reports[:len(w.reports)-1] {
		floors[r.Schema.Floor] = true
	}
	require.True(t, floors[2], "the floor is told before the contract")
}

func TestAfterARollbackNothingIsContracted(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseSoak, time.Minute, w.by(release.OrderRollback))
	s := w.run(migrates)
	require.Equal(t, "rolled-back", s.Outcome())
	require.Equal(t, 1, w.count(activities.Migrate))
	require.Zero(t, w.reports[len(w.reports)-1].Schema.Floor)
}

func TestAContractThatFailsNeverUndoesAGoodRelease(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.trouble = func(name, half string, _ int) error {
		if name == activities.Migrate && half == release.HalfContract {
			return temporal.NewNonRetryableApplicationError("exit code 1", activities.ErrMigration, nil)
		}
		return nil
	}
	s := w.run(soakOf(time.Hour), migrates)
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
	require.Contains(t, s.Warnings[0], "exit code 1")
	require.Equal(t, 2, w.reports[len(w.reports)-1].Schema.Floor)
}

func TestMeasuredWindow(t *testing.T) {
	measured := func(s *spec.Spec) {
		s.Decommission.Window = &spec.Window{TimeZone: "UTC", Measured: &spec.Measured{Days: 7, Length: spec.Duration(2 * time.Hour), AtMost: 80}}
	}
	t.Run("found in the curve", func(t *testing.T) {
		w := newWorld(t).serving("local-a").approved()
		start := time.Date(2026, 2, 20, 0, 0, 0, 0, time.UTC)
		for i := range 11 * 96 {
			at := start.Add(time.Duration(i) * 15 * time.Minute)
			load := 1000.0
			if at.Hour() == 3 || at.Hour() == 4 {
				load = 50
			}
			w.curve = append(w.curve, release.Load{At: at, Requests: load})
		}
		s := w.run(soakOf(time.Hour), measured)
		require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
		require.Equal(t, "03:00", s.Measured.Window.From)
		require.Equal(t, 3, s.Entries[len(s.Entries)-3].Start.Hour(), "the stop begins when the window opens")
	})
	t.Run("not found a person decides", func(t *testing.T) {
		w := newWorld(t).serving("local-a").approved()
		w.at(release.PhaseWindow, 5*time.Hour, func() {
			require.NotNil(t, w.state().Needs)
			w.signal(release.OrderOverride, body{"by": "grace", "gate": "window", "comment": "there is no traffic yet"})
		})
		s := w.run(soakOf(time.Hour), measured)
		require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
		require.Contains(t, s.Warnings[0], "a window for the decommission")
	})
}

func TestAnOverrideOfTheWindowDoesNotLiftTheHold(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	began := time.Time{}
	w.at(release.PhaseWindow, time.Minute, func() {
		began = w.env.Now()
		w.signal(release.OrderOverride, body{"by": "grace", "gate": "window", "comment": "tonight there is nobody"})
	})
	s := w.run(soakOf(time.Hour), waits, func(s *spec.Spec) { s.Decommission.Hold = spec.Duration(3 * time.Hour) })
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
	require.InDelta(t, 3, s.EndedAt.Sub(began).Hours(), 0.1)
}

func indexOfCall(calls []string, call string) int {
	for i, c := range calls {
		if c == call {
			return i
		}
	}
	return -1
}
