package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/workflows"
)

// actor is an environment under test. Steps are done a minute apart; after the last
// one the server suggests to continue as new, which is the only way it ends.
type actor struct {
	t     *testing.T
	env   *testsuite.TestWorkflowEnvironment
	steps time.Duration
	told  []string // releases the target was handed to
	gone  string   // release whose workflow can't be signalled
	runs  func(workflowID string) (bool, error)
	asked atomic.Int32
}

func newActor(t *testing.T) *actor {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(slog.New(slog.DiscardHandler))
	a := &actor{t: t, env: suite.NewTestWorkflowEnvironment(), runs: func(string) (bool, error) { return true, nil }}
	a.env.SetTestTimeout(30 * time.Second)
	a.env.SetStartTime(time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC))
	workflows.Register(a.env, false)
	a.env.RegisterActivityWithOptions(func(_ context.Context, in activities.HolderInput) (bool, error) {
		a.asked.Add(1)
		return a.runs(in.WorkflowID)
	}, activity.RegisterOptions{Name: activities.HolderRuns})
	a.env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, "", release.SignalAdmitted, mock.Anything).Return(
		func(_, workflowID, _, _ string, _ any) error {
			if workflowID == "release/"+a.gone {
				return errors.New("not found")
			}
			a.told = append(a.told, workflowID)
			return nil
		})
	return a
}

func (a *actor) then(do func()) { a.after(time.Minute, do) }

func (a *actor) after(d time.Duration, do func()) {
	a.steps += d
	a.env.RegisterDelayedCallback(do, a.steps)
}

func (a *actor) state() (e release.Environment) {
	v, err := a.env.QueryWorkflow(release.QueryEnvironment)
	require.NoError(a.t, err)
	require.NoError(a.t, v.Get(&e))
	return e
}

// ask asks for the target; the answer is there a little later.
func (a *actor) ask(id, policy string) *release.Admission {
	var got release.Admission
	a.then(func() {
		h := release.Holder{ID: id, Version: "2.0.0", WorkflowID: "release/" + id, RunID: "run-" + id}
		a.env.UpdateWorkflow(release.UpdateAdmit, "", &testsuite.TestUpdateCallback{
			OnReject: func(err error) { require.NoError(a.t, err) },
			OnComplete: func(v any, err error) {
				require.NoError(a.t, err)
				got = v.(release.Admission)
			},
		}, release.AdmitRequest{Holder: h, Policy: policy})
	})
	return &got
}

func (a *actor) report(id, outcome string, regions ...release.LivePair) {
	a.then(func() {
		a.env.UpdateWorkflow(release.UpdateReport, "", &testsuite.TestUpdateCallback{
			OnReject: func(err error) { require.NoError(a.t, err) },
		}, release.ReportRequest{ID: id, Version: "2.0.0", Outcome: outcome, Regions: regions})
	})
}

// run runs to the next continuation and says what the next run gets.
func (a *actor) run(start release.Environment) release.Environment {
	a.then(func() { a.env.SetContinueAsNewSuggested(true) })
	a.report("nobody", "")
	start.Target = release.Target{Application: "checkout", Environment: "production"}
	a.env.ExecuteWorkflow(release.WorkflowEnvironment, release.EnvironmentInput{State: start})
	require.True(a.t, a.env.IsWorkflowCompleted())
	return continued[release.EnvironmentInput](a.t, a.env.GetWorkflowError()).State
}

func TestTargetIsHeldByOneReleaseAndGivenBack(t *testing.T) {
	a := newActor(t)
	first := a.ask("r1", spec.PolicyReject)
	again := a.ask("r1", spec.PolicyReject)
	second := a.ask("r2", spec.PolicyReject)
	pair := release.LivePair{Region: "local-a", Live: "new", LiveVersion: "2.0.0", Previous: "old", PreviousVersion: "1.0.0"}
	a.report("r1", "", pair)
	a.then(func() {
		require.Equal(t, "r1", a.state().Holder.ID)
		require.Equal(t, []release.LivePair{pair}, a.state().Regions)
	})
	a.report("r1", "completed", release.LivePair{Region: "local-a", Live: "new", LiveVersion: "2.0.0"})
	a.report("r1", "completed") // the answer was lost and it reports again
	third := a.ask("r3", spec.PolicyReject)
	end := a.run(release.Environment{})

	require.Equal(t, release.Admitted, first.Decision)
	require.Equal(t, release.Admitted, again.Decision)
	require.Equal(t, release.Refused, second.Decision)
	require.Contains(t, second.Reason, "checkout/production is held by release r1")
	require.Equal(t, release.Admitted, third.Decision)
	require.Equal(t, "r3", end.Holder.ID)
	require.Len(t, end.History, 1)
	require.Equal(t, []release.LivePair{{Region: "local-a", Live: "new", LiveVersion: "2.0.0"}}, end.Regions)
}

func TestQueueIsServedInOrderBySignal(t *testing.T) {
	a := newActor(t)
	a.ask("r1", spec.PolicyQueue)
	second, third := a.ask("r2", spec.PolicyQueue), a.ask("r3", spec.PolicyQueue)
	again := a.ask("r2", spec.PolicyQueue)
	a.report("r1", "completed")
	afterwards := a.ask("r2", spec.PolicyQueue)
	a.report("r2", "aborted")
	end := a.run(release.Environment{})
	require.Equal(t, 1, second.Ahead)
	require.Equal(t, 2, third.Ahead)
	require.Equal(t, 1, again.Ahead, "it was queued twice")
	require.Equal(t, release.Admitted, afterwards.Decision)
	require.Equal(t, []string{"release/r2", "release/r3"}, a.told)
	require.Equal(t, "r3", end.Holder.ID)
	require.Empty(t, end.Queue)
}

func TestReleaseThatLeavesTheQueueIsNotHandedTheTarget(t *testing.T) {
	a := newActor(t)
	a.ask("r1", spec.PolicyQueue)
	a.ask("r2", spec.PolicyQueue)
	a.report("r2", "aborted")
	a.report("r1", "completed")
	end := a.run(release.Environment{})
	require.Empty(t, a.told)
	require.Nil(t, end.Holder)
}

func TestWaitingReleaseThatIsGoneIsPassedOver(t *testing.T) {
	a := newActor(t)
	a.gone = "r2"
	a.ask("r1", spec.PolicyQueue)
	a.ask("r2", spec.PolicyQueue)
	a.ask("r3", spec.PolicyQueue)
	a.report("r1", "completed")
	end := a.run(release.Environment{})
	require.Equal(t, []string{"release/r3"}, a.told)
	require.Equal(t, "r3", end.Holder.ID)
	require.Equal(t, "vanished", end.History[1].Outcome)
}

func TestVanishedHolderLosesTheTarget(t *testing.T) {
	t.Run("to a queue", func(t *testing.T) {
		a := newActor(t)
		a.ask("r1", spec.PolicyQueue)
		a.ask("r2", spec.PolicyQueue)
		a.then(func() { a.runs = func(id string) (bool, error) { return id != "release/r1", nil } })
		a.after(5*time.Minute, func() {})
		end := a.run(release.Environment{})
		require.Equal(t, "r2", end.Holder.ID)
		require.Equal(t, []string{"release/r2"}, a.told)
	})
	t.Run("to the next request", func(t *testing.T) {
		a := newActor(t)
		a.runs = func(string) (bool, error) { return false, nil }
		a.ask("r1", spec.PolicyReject)
		second := a.ask("r2", spec.PolicyReject)
		a.run(release.Environment{})
		require.Equal(t, release.Admitted, second.Decision)
	})
}

func TestHolderThatCannotBeReadKeepsTheTarget(t *testing.T) {
	a := newActor(t)
	a.runs = func(string) (bool, error) {
		return false, temporal.NewNonRetryableApplicationError("throttled", "Throttled", nil)
	}
	a.ask("r1", spec.PolicyReject)
	second := a.ask("r2", spec.PolicyQueue)
	a.after(10*time.Minute, func() {})
	end := a.run(release.Environment{})
	require.Equal(t, release.Queued, second.Decision)
	require.Equal(t, "r1", end.Holder.ID)
	require.Greater(t, int(a.asked.Load()), 5, "it has to go on asking")
}

func TestContinuedEnvironmentKeepsEverything(t *testing.T) {
	first := newActor(t)
	first.ask("r0", spec.PolicyQueue)
	first.report("r0", "completed", release.LivePair{Region: "local-a", Live: "old", LiveVersion: "1.0.0"})
	first.ask("r1", spec.PolicyQueue)
	for i := 2; i < 5; i++ {
		first.ask(fmt.Sprintf("r%d", i), spec.PolicyQueue)
	}
	carried := first.run(release.Environment{})
	require.Equal(t, 1, carried.Runs)

	second := newActor(t)
	second.then(func() { require.Equal(t, carried, second.state()) })
	second.report("r1", "completed")
	end := second.run(carried)
	require.Equal(t, "r2", end.Holder.ID)
	require.Len(t, end.Queue, 2)
	require.Len(t, end.History, 2)
	require.Equal(t, "old", end.Regions[0].Live)
}

func TestCancelledEnvironmentGoesOnHoldingItsTarget(t *testing.T) {
	a := newActor(t)
	a.ask("r1", spec.PolicyReject)
	a.then(a.env.CancelWorkflow)
	second := a.ask("r2", spec.PolicyQueue)
	a.report("r1", "completed")
	end := a.run(release.Environment{})
	require.Equal(t, release.Queued, second.Decision)
	require.Equal(t, "r2", end.Holder.ID)
}
