package promises

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// schedule is everything that one run of the model is determined by: what is released,
// how, over what, and what happens to it meanwhile.
type schedule struct {
	Strategy  string
	Steps     []int
	Hold      time.Duration
	Batch     spec.Percent
	Surge     spec.Percent
	Healthy   spec.Percent
	Keep      int
	Instances int
	Regions   []where

	Existing, Prove, Leaky bool
	Migrates               int // 1: expand, 2: contract too
	Gates                  []string
	OnExpiry               string
	Watch, Soak, Interval  time.Duration
	Breach                 time.Duration
	Back                   []int
	DeadMan                time.Duration
	Then                   string
	Deadline               time.Duration
	Window                 string
	Curve                  bool
	Held, Stopped          time.Duration
	Adopted, Retention     string
	Queued, Patient        bool
	Frozen                 []release.Freeze

	Events []event
	Faults []fault
}

// where is one region of a schedule.
type where struct {
	Wave           int
	Live           int // instances of the live fleet
	First, Adopted bool
	Verify         []string // answers of the verifications that do not pass at once
}

func pick[T any](t *rapid.T, label string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, label)
}

// some is true n times in a hundred.
func some(t *rapid.T, label string, n int) bool {
	return rapid.SampledFrom(hundred).Draw(t, label) < n
}

var hundred = func() (out []int) {
	for i := range 100 {
		out = append(out, 99-i) // rapid shrinks to the first one
	}
	return out
}()

func drawSchedule(t *rapid.T) schedule {
	s := schedule{
		Strategy:  pick(t, "strategy", spec.BlueGreen, spec.CanaryWay, spec.CanaryWay, spec.RollingBy, spec.RollingBy),
		Instances: pick(t, "instances", 1, 2, 3, 4, 6),
		Watch:     pick(t, "watch", 0, 2*time.Minute),
		Soak:      pick(t, "soak", 0, time.Hour, 2*time.Hour),
		Breach:    pick(t, "breach", 0, 15*time.Minute),
		Interval:  20 * time.Minute,
		DeadMan:   pick(t, "dead man", 12*time.Hour, 5*time.Hour),
		Then:      pick(t, "then", spec.DeadManKeep, spec.DeadManRollback),
		Deadline:  pick(t, "deadline", 60*time.Hour, 40*time.Hour),
		Adopted:   pick(t, "adopted fleets", spec.Keep, spec.Remove),
		Retention: pick(t, "candidate", spec.Remove, spec.Remove, spec.Keep),
		OnExpiry:  pick(t, "on expiry", spec.OnExpiryReject, spec.OnExpiryHold),
		Held:      pick(t, "held", 0, 0, time.Hour),
		Stopped:   pick(t, "stopped", 0, time.Hour, 2*time.Hour),
		Window:    pick(t, "window", "", "", "clock", "cron", "measured"),
		Curve:     some(t, "a curve", 80),
		Existing:  some(t, "an existing image", 30), Prove: some(t, "prove", 20), Leaky: some(t, "leaky", 2),
		Migrates: pick(t, "migrates", 0, 0, 0, 1, 2),
		Queued:   some(t, "queued", 10), Patient: some(t, "patient", 70),
	}
	switch s.Strategy {
	case spec.CanaryWay:
		s.Steps = pick(t, "steps", []int{10}, []int{5, 50}, []int{25, 50, 75}, []int{1, 99}, []int{34, 67})
		s.Hold = pick(t, "hold", 30*time.Minute, 5*time.Minute, 2*time.Hour)
	case spec.RollingBy:
		s.Batch, s.Surge, s.Healthy = pick[spec.Percent](t, "batch", 25, 50, 100), pick[spec.Percent](t, "surge", 25, 50, 100), pick[spec.Percent](t, "healthy", 100, 100, 50)
		s.Hold, s.Keep = pick(t, "warm-up", 0, 20*time.Minute), pick(t, "keep", 1, 1, 2)
	}
	for range pick(t, "regions", 1, 1, 1, 2, 2, 3) {
		w := where{Wave: pick(t, "wave", 1, 1, 2), Live: pick(t, "live", 1, 2, 4, 5), First: some(t, "first", 7), Adopted: some(t, "adopted", 15)}
		if some(t, "trouble with the proof", 12) {
			w.Verify = rapid.SliceOfN(rapid.SampledFrom([]string{"unknown", "unknown", "fail"}), 1, 4).Draw(t, "verify")
		}
		s.Regions = append(s.Regions, w)
	}
	s.Gates = pick(t, "gates", nil, nil, []string{spec.BeforeSwitch}, []string{spec.BeforeSwitch, spec.BeforeDecommission})
	s.Back = pick(t, "back", nil, nil, []int{50}, []int{60, 20})
	if some(t, "frozen", 6) {
		s.Frozen = []release.Freeze{freezeOf(begin, pick(t, "hours", 1, 6))}
	}
	drawTrouble(t, &s)
	return s
}

var (
	forward  = []release.Phase{release.PhaseProvision, release.PhaseVerify, release.PhaseGate, release.PhaseSwitch, release.PhaseWatch, release.PhaseSoak, release.PhaseWindow, release.PhaseStop}
	anywhere = append([]release.Phase{release.PhaseRequested, release.PhaseBake, release.PhaseExpand, release.PhaseDecommission, release.PhaseCleanUp, release.PhaseRollback}, slices.Concat(forward, forward, forward)...)
	during   = []string{
		activities.Provision, activities.VerifyFleet, activities.Capacity, activities.Capacity, activities.ShiftTraffic, activities.ShiftTraffic, activities.ShiftTraffic,
		activities.Shrink, activities.Detach, activities.Retire, activities.BakeImage, activities.Migrate, activities.ReleaseHolds, activities.Admit,
	}
	faulty = append([]string{
		activities.MakePlan, activities.ScanImage, activities.ProveImage, activities.Report, activities.SweepBake, activities.Attach, activities.MeasureLoad, activities.RetireImages,
	}, during...)
	orders = []string{
		"rollback", "rollback", "rollback", "pause", "pause", "resume", "abort", "reject", "extend-soak", "finish-soak", "approve",
		"override-freeze", "override-window", "override-readiness", "override-analysis", "override-analysis", "cancel", "nonsense",
	}
	happenings = []string{
		"grow", "grow", "shrink previous", "shrink previous", "shrink candidate", "delete previous", "delete candidate", "shares", "stranger",
		"shares as they were", "around", "no capacity", "image gone", "bad", "bad", "good", "dark", "dark", "dark", "bright", "flicker", "continue", "continue", "continue",
		"freeze", "thaw",
	}
)

// drawTrouble draws what happens meanwhile. Most schedules have people who approve and
// resume in time, or hardly any release would come far.
func drawTrouble(t *rapid.T, s *schedule) {
	if some(t, "somebody approves", 90) {
		s.Events = append(s.Events, event{When: moment{Phase: release.PhaseGate, Call: 1}, After: time.Minute, What: "approve"},
			event{When: moment{Phase: release.PhaseWindow, Call: 1}, After: 5 * time.Minute, What: "approve"})
	}
	if s.Queued {
		s.Events = append(s.Events, event{When: moment{Phase: release.PhaseRequested, Call: 1}, After: time.Hour, What: "free"})
	}
	if some(t, "clients go around the router", 5) {
		s.Events = append(s.Events, event{When: moment{Phase: release.PhaseStop, Call: 1}, After: time.Second, What: "around", N: 5})
	}
	if some(t, "a stranger gets a share as it goes back", 5) {
		s.Events = append(s.Events, event{When: moment{Phase: release.PhaseRollback, Call: 1}, After: time.Second, What: "stranger", N: 3})
	}
	pairs := map[string]string{"pause": "resume", "dark": "bright", "bad": "good", "shares": "shares as they were", "stranger": "shares as they were", "freeze": "thaw"}
	for range pick(t, "events", 0, 1, 1, 2, 2, 3, 4) {
		e := event{Region: pick(t, "region", 0, 0, 1, 2), N: pick(t, "how much", 1, 2, 3, 5), Update: some(t, "update", 50)}
		e.What = pick(t, "what", orders...)
		if some(t, "happening", 50) {
			e.What = pick(t, "what happens", happenings...)
		}
		if some(t, "during an activity", 40) {
			e.When = moment{Activity: pick(t, "activity", during...), Call: pick(t, "call", 1, 1, 2, 3), Answer: some(t, "after its effect", 50)}
		} else {
			e.When = moment{Phase: pick(t, "phase", anywhere...), Call: 1}
			e.After = pick(t, "after", time.Second, 5*time.Second, 3*time.Minute, 25*time.Minute, 50*time.Minute, 90*time.Minute, 3*time.Hour)
		}
		s.Events = append(s.Events, e)
		if back, has := pairs[e.What]; has && some(t, "and back", 65) {
			e.What, e.After = back, e.After+pick(t, "back after", 10*time.Second, 45*time.Minute, 3*time.Hour)
			s.Events = append(s.Events, e)
		}
	}
	for range pick(t, "faults", 0, 0, 0, 1, 1, 2) {
		s.Faults = append(s.Faults, fault{
			Activity: pick(t, "faulty", faulty...), Call: pick(t, "faulty call", 1, 1, 2, 3),
			Kind: pick(t, "fault", failsBefore, failsAfter, retriedAfter, retriedAfter, retried, neverWorks),
		})
	}
}

func d(x time.Duration) spec.Duration   { return spec.Duration(x) }
func pd(x time.Duration) *spec.Duration { y := d(x); return &y }

func (s schedule) request() release.Request {
	out := spec.Spec{
		APIVersion: spec.APIVersion, Application: "checkout", Environment: "production", Version: "2.0.0",
		Image: spec.Image{Existing: "sha256:existing", Prove: s.Prove},
		Fleet: spec.Fleet{Instances: s.Instances, Command: []string{"/bin/app"}, ReadyWithin: d(2 * time.Minute), Secrets: map[string]string{"TOKEN": "env:" + secretName}},
		Gates: []spec.Gate{}, Soak: spec.Soak{Duration: pd(s.Soak), Interval: d(s.Interval), Breach: pd(s.Breach)},
		Verification: spec.Verification{Within: d(time.Minute)},
		Retention:    spec.Retention{Candidate: s.Retention},
		DeadMan:      spec.DeadMan{After: d(s.DeadMan), Then: s.Then}, Deadline: d(s.Deadline),
		Decommission: spec.Decommission{Hold: d(s.Held), Stopped: d(s.Stopped), Adopted: s.Adopted},
		Admission:    spec.Admission{Wait: d(6 * time.Hour)},
		Traffic:      spec.Traffic{Strategy: s.Strategy, Watch: pd(s.Watch)},
	}
	if !s.Existing {
		out.Image = spec.Image{Prove: s.Prove, Packer: &spec.Packer{Template: "/x/app.pkr.hcl", Secrets: map[string]string{"token": "env:" + secretName}}}
	}
	if s.Patient {
		out.Admission.Policy = spec.PolicyQueue
	}
	s.move(&out)
	for i, w := range s.Regions {
		out.Regions = append(out.Regions, spec.Region{Name: fmt.Sprintf("local-%c", 'a'+i), Wave: w.Wave})
	}
	for i, before := range s.Gates {
		out.Gates = append(out.Gates, spec.Gate{Name: fmt.Sprintf("gate%d", i), Before: before, Expiry: d(4 * time.Hour), OnExpiry: s.OnExpiry})
	}
	for _, weight := range s.Back {
		out.Rollback.Steps = append(out.Rollback.Steps, spec.RollbackStep{Weight: weight, Hold: d(5 * time.Minute)})
	}
	if s.Migrates > 0 {
		out.Migrations = &spec.Migrations{Schema: 2, Expand: &spec.Migration{Command: &spec.MigrationCommand{Run: []string{"/bin/expand"}}}}
	}
	if s.Migrates > 1 {
		out.Migrations.Floor, out.Migrations.Contract = 2, &spec.Migration{Command: &spec.MigrationCommand{Run: []string{"/bin/contract"}}}
	}
	switch s.Window {
	case "clock":
		out.Decommission.Window = &spec.Window{From: "02:00", To: "05:00"}
	case "cron":
		out.Decommission.Window = &spec.Window{Cron: "0 */6 * * *", For: d(time.Hour)}
	case "measured":
		out.Decommission.Window = &spec.Window{Measured: &spec.Measured{}}
	}
	return release.Request{ID: "r1", Requester: "ada", Spec: out.WithDefaults(), Digest: "sha256:spec"}
}

// move fills in the way of moving traffic.
func (s schedule) move(out *spec.Spec) {
	switch s.Strategy {
	case spec.CanaryWay:
		out.Traffic.Canary = &spec.Canary{}
		for _, weight := range s.Steps {
			out.Traffic.Canary.Steps = append(out.Traffic.Canary.Steps, spec.CanaryStep{Weight: weight, Hold: d(s.Hold)})
		}
	case spec.RollingBy:
		out.Traffic.Rolling = &spec.Rolling{Batch: s.Batch, Surge: &s.Surge, MinHealthy: &s.Healthy, WarmUp: pd(s.Hold), Keep: min(s.Keep, s.Instances)}
	}
}
