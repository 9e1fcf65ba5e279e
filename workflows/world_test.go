package workflows_test

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/workflows"
)

// world plays what the activities act on, with memory: shares, fleets, holds. A
// test changes a hook to make a step fail or answer otherwise.
type world struct {
	t   require.TestingT
	env *testsuite.TestWorkflowEnvironment

	judging  sync.Mutex // guards judge alone: a test sets it with mu held and without
	mu       sync.Mutex
	calls    []string
	weights  map[string]release.Weights
	fleets   map[string]bool
	holds    map[string]bool
	detached map[string]bool // fleets outside of the route
	curve    []release.Load
	load     int // instances that the load needs, as it is measured; 0: as many as are asked for
	measured []activities.CapacityInput
	reports  []activities.ReportInput
	wrong    []string // what an activity was asked that it never should be
	looks    int

	planDigest string // of the plan that was made

	admit   func() release.Admission
	plan    func(release.Request) (release.Plan, error)
	fail    map[string]error                                           // activity name → error, for every call
	judge   func(look int, in activities.WatchInput) *activities.Watch // nil: all is well
	during  map[string]func()                                          // activity name → what happens while it runs
	after   map[string]func()                                          // activity name → what happens after its effect, before its answer
	trouble func(name, detail string, call int) error                  // like fail, by call, counted from 1
	late    func(name string, call int) error                          // like trouble, after the effect
	lose    map[string]int                                             // activity name → how many answers get lost for good, after the effect
	called  map[string]int                                             // activity name → calls so far
}

func newWorld(t require.TestingT) *world {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(slog.New(slog.DiscardHandler))
	w := &world{
		t: t, env: suite.NewTestWorkflowEnvironment(),
		weights: map[string]release.Weights{}, fleets: map[string]bool{}, holds: map[string]bool{}, detached: map[string]bool{},
		fail: map[string]error{}, during: map[string]func(){}, after: map[string]func(){}, called: map[string]int{}, lose: map[string]int{},
	}
	w.env.SetTestTimeout(30 * time.Second)
	w.env.SetStartTime(time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC))
	workflows.Register(w.env, false)
	w.register()
	return w
}

func (w *world) register() {
	reg := func(name string, f any) {
		fn := reflect.ValueOf(f)
		wrapped := reflect.MakeFunc(fn.Type(), func(args []reflect.Value) []reflect.Value {
			out := fn.Call(args)
			if hook := w.after[name]; hook != nil {
				hook()
			}
			if err := w.lost(name); err != nil && out[len(out)-1].IsNil() {
				out[len(out)-1] = reflect.ValueOf(&err).Elem()
			}
			return out
		})
		w.env.RegisterActivityWithOptions(wrapped.Interface(), activity.RegisterOptions{Name: name})
	}
	reg(activities.Admit, func(context.Context, activities.AdmitInput) (release.Admission, error) {
		if err := w.enter(activities.Admit, ""); err != nil {
			return release.Admission{}, err
		}
		if w.admit != nil {
			return w.admit(), nil
		}
		return release.Admission{Decision: release.Admitted}, nil
	})
	reg(activities.Report, func(_ context.Context, in activities.ReportInput) error {
		w.mu.Lock()
		// As the environment does: what comes after the end, such as a report of what is
		// live that a fast rollback overtook, changes nothing.
		if n := len(w.reports); n == 0 || w.reports[n-1].Outcome == "" {
			w.reports = append(w.reports, in)
		}
		w.mu.Unlock()
		return w.enter(activities.Report, in.Outcome)
	})
	reg(activities.MakePlan, func(_ context.Context, in activities.PlanInput) (release.Plan, error) {
		if err := w.enter(activities.MakePlan, ""); err != nil {
			return release.Plan{}, err
		}
		if w.plan != nil {
			return w.plan(in.Request)
		}
		plan, err := release.MakePlan(in.Request, w.observed(in.Request))
		w.planDigest = plan.Digest
		return plan, err
	})
	reg(activities.BakeImage, func(ctx context.Context, in activities.BakeInput) (release.Image, error) {
		if err := w.enter(activities.BakeImage, ""); err != nil {
			return release.Image{}, err
		}
		return release.Image{Ref: "sha256:baked", Version: in.Spec.Version}, ctx.Err()
	})
	reg(activities.ScanImage, func(context.Context, activities.ScanInput) error { return w.enter(activities.ScanImage, "") })
	reg(activities.SweepBake, func(context.Context, activities.SweepInput) error { return w.enter(activities.SweepBake, "") })
	reg(activities.RetireImages, func(context.Context, activities.RetireImagesInput) ([]string, error) {
		return nil, w.enter(activities.RetireImages, "")
	})
	w.registerFleets(reg)
	reg(activities.WatchFleet, w.watch)
	reg(activities.Notify, func(_ context.Context, in activities.NotifyInput) error { return w.enter(activities.Notify, in.Event) })
	reg(activities.HolderRuns, func(context.Context, activities.HolderInput) (bool, error) {
		return true, w.enter(activities.HolderRuns, "")
	})
}

func (w *world) registerFleets(reg func(string, any)) {
	reg(activities.Provision, func(_ context.Context, in activities.ProvisionInput) (release.Fleet, error) {
		if err := w.enter(activities.Provision, in.Place.Region); err != nil {
			return release.Fleet{}, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.fleets[in.Place.Region+"/"+in.Fleet] = true
		return fleetOf(in.Fleet, in.Instances), nil
	})
	reg(activities.VerifyFleet, func(_ context.Context, in activities.VerifyInput) (activities.Verified, error) {
		ok := release.Result{Check: "health", Verdict: release.Pass, Value: "200", Bound: "200"}
		return activities.Verified{Results: []release.Result{ok}, Rounds: 2}, w.enter(activities.VerifyFleet, in.Place.Region)
	})
	reg(activities.Capacity, func(_ context.Context, in activities.CapacityInput) (release.Parity, error) {
		w.mu.Lock()
		w.measured = append(w.measured, in)
		w.holds[in.Place.Region+"/"+in.Fleet] = true
		if in.Carrying != "" {
			w.holds[in.Place.Region+"/"+in.Carrying] = true
		}
		w.mu.Unlock()
		return release.Parity{Fleet: in.Fleet, Need: in.Least, InService: in.Least, Load: w.load, Carrying: w.load}, w.enter(activities.Capacity, in.Place.Region+" "+in.Fleet)
	})
	reg(activities.ShiftTraffic, func(_ context.Context, in activities.ShiftInput) (activities.Shift, error) {
		if err := w.enter(activities.ShiftTraffic, in.Place.Region); err != nil {
			return activities.Shift{}, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, x := range in.Want {
			if x.Percent > 0 && w.detached[in.Place.Region+"/"+x.Fleet] {
				w.wrong = append(w.wrong, fmt.Sprintf("%s got traffic outside of the route", x.Fleet))
			}
		}
		now := w.weights[in.Place.Region]
		if !now.Equal(in.Expected) && !now.Equal(in.Want) {
			return activities.Shift{}, temporal.NewNonRetryableApplicationError(fmt.Sprintf("shares are %s", now), activities.ErrOutOfBand, nil, now)
		}
		w.weights[in.Place.Region] = in.Want
		return activities.Shift{Weights: in.Want, At: w.env.Now()}, nil
	})
	reg(activities.Shrink, func(_ context.Context, in activities.ShrinkInput) error {
		return w.enter(activities.Shrink, fmt.Sprintf("%s %s %d", in.Place.Region, in.Fleet, in.To))
	})
	reg(activities.Detach, func(_ context.Context, in activities.RetireInput) error {
		if err := w.enter(activities.Detach, in.Place.Region+" "+in.Fleet); err != nil {
			return err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := w.weights[in.Place.Region].Of(in.Fleet); n != 0 {
			w.wrong = append(w.wrong, fmt.Sprintf("%s was taken out of the route with %d %% of the traffic", in.Fleet, n))
		}
		w.detached[in.Place.Region+"/"+in.Fleet] = true
		return nil
	})
	reg(activities.Attach, func(_ context.Context, in activities.AttachInput) error {
		w.mu.Lock()
		delete(w.detached, in.Place.Region+"/"+in.Fleet)
		w.mu.Unlock()
		return w.enter(activities.Attach, in.Place.Region+" "+in.Fleet)
	})
	reg(activities.Migrate, func(_ context.Context, in activities.MigrateInput) (activities.Migrated, error) {
		return activities.Migrated{Output: in.Half + " done"}, w.enter(activities.Migrate, in.Half)
	})
	reg(activities.MeasureLoad, func(context.Context, activities.MeasureInput) (activities.Measured, error) {
		return activities.Measured{Step: spec.Duration(15 * time.Minute), Curve: w.curve}, w.enter(activities.MeasureLoad, "")
	})
	reg(activities.Retire, func(_ context.Context, in activities.RetireInput) error {
		if err := w.enter(activities.Retire, in.Place.Region+" "+in.Fleet); err != nil {
			return err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := w.weights[in.Place.Region].Of(in.Fleet); n != 0 {
			w.wrong = append(w.wrong, fmt.Sprintf("%s was retired with %d %% of the traffic", in.Fleet, n))
		}
		delete(w.fleets, in.Place.Region+"/"+in.Fleet)
		delete(w.holds, in.Place.Region+"/"+in.Fleet)
		return nil
	})
	reg(activities.ReleaseHolds, func(_ context.Context, in activities.HoldsInput) error {
		w.mu.Lock()
		for _, f := range in.Fleets {
			delete(w.holds, in.Place.Region+"/"+f)
		}
		w.mu.Unlock()
		return w.enter(activities.ReleaseHolds, in.Place.Region)
	})
}

// judgeBy has every look judged by f from now on.
func (w *world) judgeBy(f func(look int, in activities.WatchInput) *activities.Watch) {
	w.judging.Lock()
	defer w.judging.Unlock()
	w.judge = f
}

// watch looks once per attempt, as the real activity does.
func (w *world) watch(_ context.Context, in activities.WatchInput) (activities.Watch, error) {
	if err := w.enter(activities.WatchFleet, in.Place.Region); err != nil {
		return activities.Watch{}, err
	}
	w.mu.Lock()
	w.looks++
	look := w.looks
	w.mu.Unlock()
	w.judging.Lock()
	judge := w.judge
	w.judging.Unlock()
	if judge != nil {
		switch end := judge(look, in); {
		case end != nil && end.Why == "":
			return activities.Watch{}, again(in)
		case end != nil:
			return *end, nil
		}
	}
	now := w.env.Now()
	if !in.Until.IsZero() && !now.Before(in.Until) {
		return activities.Watch{Why: activities.WatchDone, Reason: "good", Readiness: in.Known, Weights: in.Weights}, nil
	}
	return activities.Watch{}, again(in)
}

func again(in activities.WatchInput) error {
	return temporal.NewApplicationErrorWithOptions("all is well", activities.ErrLooksGood,
		temporal.ApplicationErrorOptions{NextRetryDelay: in.Soak.Interval.Std(), Category: temporal.ApplicationErrorCategoryBenign})
}

func (w *world) enter(name, detail string) error {
	w.mu.Lock()
	w.calls = append(w.calls, name+" "+detail)
	w.called[name]++
	call := w.called[name]
	hook, err := w.during[name], w.fail[name]
	w.mu.Unlock()
	if hook != nil {
		hook()
	}
	if err == nil && w.trouble != nil {
		err = w.trouble(name, detail, call)
	}
	return err
}

// lost is the error that comes instead of a good answer.
func (w *world) lost(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose[name]--
	switch {
	case w.lose[name] >= 0:
		return permanent("the answer was lost")
	case w.late != nil:
		return w.late(name, w.called[name])
	}
	return nil
}

func (w *world) count(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, c := range w.calls {
		if len(c) > len(name) && c[:len(name)+1] == name+" " {
			n++
		}
	}
	return n
}

func (w *world) observed(r release.Request) release.Observed {
	var o release.Observed
	for _, region := range r.Spec.Regions {
		seen := release.ObservedRegion{Name: region.Name, Entry: "http://127.0.0.1:1/"}
		if weights := w.weights[region.Name]; len(weights) > 0 {
			seen.Weights = weights
			for _, x := range weights {
				f := fleetOf(x.Fleet, 2)
				f.Release, f.Version = "r0", "1.0.0"
				seen.Fleets = append(seen.Fleets, f)
			}
		}
		o.Regions = append(o.Regions, seen)
	}
	return o
}

func fleetOf(name string, n int) release.Fleet {
	f := release.Fleet{Name: name, Desired: n}
	for i := range n {
		f.Instances = append(f.Instances, release.Instance{ID: fmt.Sprint(i), State: release.InstanceInService})
	}
	return f
}

// serving makes "old" the live fleet of the regions.
func (w *world) serving(regions ...string) *world {
	for _, r := range regions {
		w.weights[r] = release.Weights{{Fleet: "old", Percent: 100}}
		w.fleets[r+"/old"] = true
	}
	return w
}

// at does something when the release has been in a phase for a while. It notices the
// phase within a second, in long waits within ten.
func (w *world) at(phase release.Phase, after time.Duration, do func()) {
	looks := 0
	var poll func()
	poll = func() {
		s, begun := w.look()
		switch {
		case !begun:
			w.env.RegisterDelayedCallback(poll, time.Millisecond)
		case s.Phase == phase:
			w.env.RegisterDelayedCallback(do, after)
		case !s.Phase.Ended():
			looks++
			w.env.RegisterDelayedCallback(poll, min(time.Second+time.Duration(looks/100)*time.Second, 10*time.Second))
		}
	}
	w.env.RegisterDelayedCallback(poll, time.Millisecond)
}

func (w *world) state() release.State {
	s, begun := w.look()
	require.True(w.t, begun)
	return s
}

// look is the state, unless the workflow has not begun yet.
func (w *world) look() (s release.State, begun bool) {
	v, err := w.env.QueryWorkflow(release.QueryState)
	if err != nil {
		require.ErrorContains(w.t, err, "unknown queryType")
		return s, false
	}
	require.NoError(w.t, v.Get(&s))
	return s, true
}

type body = map[string]any

func (w *world) signal(kind release.OrderKind, b any) { w.env.SignalWorkflow(string(kind), b) }

// by is an order as a signal, without more to say.
func (w *world) by(kind release.OrderKind) func() {
	return func() { w.signal(kind, body{"by": "grace", "comment": "because"}) }
}

// answer is what came of an update.
type answer struct {
	accepted bool
	rejected error
	err      error
	value    any
}

func (w *world) update(kind release.OrderKind, args ...any) *answer {
	a := &answer{}
	w.env.UpdateWorkflow(string(kind), "", &testsuite.TestUpdateCallback{
		OnAccept:   func() { a.accepted = true },
		OnReject:   func(err error) { a.rejected = err },
		OnComplete: func(v any, err error) { a.value, a.err = v, err },
	}, args...)
	return a
}

func (w *world) approve() {
	w.signal(release.OrderApprove, body{"by": "grace", "gate": "switch", "plan": w.state().Plan.Digest})
}

// approved approves the gate a minute after the release has come to it.
func (w *world) approved() *world {
	w.at(release.PhaseGate, time.Minute, w.approve)
	return w
}

// execute runs the release to its end.
func (w *world) execute(in release.ReleaseInput) release.State {
	w.env.ExecuteWorkflow(release.WorkflowRelease, in)
	require.True(w.t, w.env.IsWorkflowCompleted(), "%v", w.env.GetWorkflowError())
	return w.state()
}

// run runs the release to its end and checks what holds for every end.
func (w *world) run(change ...func(*spec.Spec)) release.State {
	s := w.execute(release.ReleaseInput{Request: request(change...)})
	w.check(s)
	return s
}

// end runs the release and says how it ended.
func (w *world) end(change ...func(*spec.Spec)) string {
	s := w.run(change...)
	return s.Outcome()
}

// check is what holds for every end: nothing held, the target given back, one fleet
// with all the traffic wherever one served before, and no candidate without traffic.
func (w *world) check(s release.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	require.True(w.t, s.Phase.Ended(), "ended in %s: %v", s.Phase, w.env.GetWorkflowError())
	require.Empty(w.t, w.wrong)
	require.Empty(w.t, w.holds, "scale-in is held after the end")
	require.NotEmpty(w.t, w.reports)
	require.Equal(w.t, s.Outcome(), w.reports[len(w.reports)-1].Outcome, "the target was not given back")
	for region, weights := range w.weights {
		live := 0
		for _, x := range weights {
			if x.Percent > 0 {
				require.Equal(w.t, 100, x.Percent, "%s: %s", region, weights)
				require.True(w.t, w.fleets[region+"/"+x.Fleet], "%s: %s has the traffic and is not there", region, x.Fleet)
				live++
			}
		}
		require.Equal(w.t, 1, live, "%s: %s", region, weights)
	}
	if s.Request.Spec.Retention.Candidate == spec.Keep {
		return
	}
	for fleet := range w.fleets {
		region, name, _ := strings.Cut(fleet, "/")
		if name == candidate {
			require.Equal(w.t, 100, w.weights[region].Of(name), "%s is left over", fleet)
		}
	}
}

const candidate = "checkout-production-r1"

func phases(s release.State) []release.Phase {
	var out []release.Phase
	for _, e := range s.Entries {
		out = append(out, e.Phase)
	}
	return out
}

func permanent(text string) error {
	return temporal.NewNonRetryableApplicationError(text, "Broken", nil)
}

func request(change ...func(*spec.Spec)) release.Request {
	s := spec.Spec{
		APIVersion: spec.APIVersion, Application: "checkout", Environment: "production", Version: "2.0.0",
		Image:   spec.Image{Packer: &spec.Packer{Template: "/x/app.pkr.hcl"}},
		Regions: []spec.Region{{Name: "local-a"}},
		Fleet:   spec.Fleet{Instances: 2, Command: []string{"/bin/app"}},
	}
	for _, c := range change {
		c(&s)
	}
	return release.Request{ID: "r1", Requester: "ada", Spec: s.WithDefaults()}
}
