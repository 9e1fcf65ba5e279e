package activities_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stretchr/testify/suite"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/internal/fakeplatform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// serverSuite runs activities on a real Temporal server: what goes from attempt to
// attempt, cancellation and updates are the server's work, and the test environment
// does them in another way.
type serverSuite struct {
	suite.Suite
	server *testsuite.DevServer
}

func TestOnATemporalServer(t *testing.T) { suite.Run(t, new(serverSuite)) }

func (s *serverSuite) SetupSuite() {
	path, err := exec.LookPath("temporal")
	if err != nil {
		path, err = filepath.Abs(filepath.Join("..", "bin", "temporal"))
		s.Require().NoError(err)
	}
	s.Require().FileExists(path, "build the temporal binary first: make tools")
	s.server, err = testsuite.StartDevServer(s.T().Context(), testsuite.DevServerOptions{
		ExistingPath: path, LogLevel: "error", ClientOptions: &client.Options{Logger: silent{}}, Stdout: os.Stderr,
		// Timers of this server are late by up to a second otherwise.
		ExtraArgs: []string{"--dynamic-config-value", `history.timerProcessorMaxTimeShift="1ms"`},
	})
	s.Require().NoError(err)
}

func (s *serverSuite) TearDownSuite() { s.Require().NoError(s.server.Stop()) }

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

// work starts a worker with the bench's activities on a queue of its own.
func (s *serverSuite) work(b *bench, workflows map[string]any) (queue string) {
	queue = fmt.Sprintf("q-%d", time.Now().UnixNano())
	b.all.Environments = &activities.Environments{Client: s.server.Client(), TaskQueue: queue}
	w := worker.New(s.server.Client(), queue, worker.Options{})
	activities.Register(w, b.all, false)
	for name, run := range workflows {
		w.RegisterWorkflowWithOptions(run, workflow.RegisterOptions{Name: name})
	}
	s.Require().NoError(w.Start())
	s.T().Cleanup(w.Stop)
	return queue
}

// one runs a single activity as a workflow does.
func one[I, O any](name string, options workflow.ActivityOptions) func(workflow.Context, I) (O, error) {
	return func(ctx workflow.Context, in I) (O, error) {
		var out O
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), name, in).Get(ctx, &out)
		return out, err
	}
}

func (s *serverSuite) start(queue, name string, in any) client.WorkflowRun {
	run, err := s.server.Client().ExecuteWorkflow(s.T().Context(), client.StartWorkflowOptions{TaskQueue: queue}, name, in)
	s.Require().NoError(err)
	return run
}

func (s *serverSuite) TestWatchRemembersFromAttemptToAttemptAndTheHistoryStaysFlat() {
	b := newBench(s.T())
	var looks atomic.Int32
	serving(b, server(s.T(), func(w http.ResponseWriter, _ *http.Request) {
		if looks.Add(1) > 2 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	b.cloud.SetShares(region, target, allGreen)
	b.cloud.Count(region, target, green, 1, 0, 0)
	queue := s.work(b, map[string]any{"watch": one[activities.WatchInput, activities.Watch](activities.WatchFleet, workflow.ActivityOptions{
		StartToCloseTimeout: 10 * time.Second, ScheduleToCloseTimeout: time.Minute, HeartbeatTimeout: 10 * time.Second,
	})})
	breach := ms(600)
	run := s.start(queue, "watch", activities.WatchInput{
		Place: place, Fleet: green, Least: 1, HealthPath: "/", Weights: allGreen,
		Soak: spec.Soak{Interval: ms(100), Breach: &breach}, Baseline: release.Requests{Fleet: green, At: time.Now()},
	})
	var out activities.Watch
	s.Require().NoError(run.Get(s.T().Context(), &out))
	s.Equal(activities.WatchBreach, out.Why)
	s.GreaterOrEqual(out.Watched.Looks, 4, "every look was remembered by the next")
	s.Equal(out.Watched.Looks-2, out.Watched.Bad)
	info, err := s.server.Client().DescribeWorkflowExecution(s.T().Context(), run.GetID(), "")
	s.Require().NoError(err)
	s.LessOrEqual(info.WorkflowExecutionInfo.HistoryLength, int64(11))
}

func (s *serverSuite) TestCancelledBakeIsCleanedUpAndEndsCancelled() {
	b, f, in := bakeBench(s.T())
	f.entered = make(chan struct{})
	queue := s.work(b, map[string]any{"bake": one[activities.BakeInput, release.Image](activities.BakeImage, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, HeartbeatTimeout: time.Second, WaitForCancellation: true,
	})})
	run := s.start(queue, "bake", in)
	<-f.entered
	s.Require().NoError(s.server.Client().CancelWorkflow(s.T().Context(), run.GetID(), ""))
	err := run.Get(s.T().Context(), nil)
	s.True(temporal.IsCanceledError(err), "%v", err)
	s.False(b.cloud.HasImage("sha256:half"), "the workflow ends after the sweep")
}

func (s *serverSuite) TestFinalErrorsAreNotRetriedAndKeepTheirType() {
	b := newBench(s.T())
	b.cloud.SetShares(region, target, release.Weights{{Fleet: "hotfix", Percent: 100}})
	queue := s.work(b, map[string]any{"shift": one[activities.ShiftInput, activities.Shift](activities.ShiftTraffic, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute,
	})})
	err := s.start(queue, "shift", activities.ShiftInput{Place: place, Expected: allBlue, Want: allGreen}).Get(s.T().Context(), nil)
	requireKind(s.T(), err, activities.ErrOutOfBand, true)
	s.Equal(1, b.cloud.Calls("Router.SetWeights"))
}

func (s *serverSuite) TestTransientErrorsAreRetried() {
	b := newBench(s.T())
	b.cloud.SetShares(region, target, allBlue)
	b.cloud.Fail("Router.Weights", fakeplatform.Fault{Err: fakeplatform.Throttled, Times: 2})
	queue := s.work(b, map[string]any{"shift": one[activities.ShiftInput, activities.Shift](activities.ShiftTraffic, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Millisecond},
	})})
	var out activities.Shift
	s.Require().NoError(s.start(queue, "shift", activities.ShiftInput{Place: place, Expected: allBlue, Want: allGreen}).Get(s.T().Context(), &out))
	s.True(out.Weights.Equal(allGreen))
}

// environment answers like the environment actor, as far as these tests go.
func environment(ctx workflow.Context, in release.EnvironmentInput) error {
	state := in.State
	err := errors.Join(
		workflow.SetQueryHandler(ctx, release.QueryEnvironment, func() (release.Environment, error) { return state, nil }),
		workflow.SetUpdateHandler(ctx, release.UpdateAdmit, func(ctx workflow.Context, r release.AdmitRequest) (release.Admission, error) {
			return state.Admit(r.Holder, r.Policy, workflow.Now(ctx)), nil
		}),
		workflow.SetUpdateHandler(ctx, release.UpdateReport, func(ctx workflow.Context, r release.ReportRequest) error {
			state.Runs++ // counts the reports that came through
			state.Report(r, workflow.Now(ctx))
			return nil
		}))
	if err != nil {
		return err
	}
	return workflow.Await(ctx, func() bool { return false })
}

func (s *serverSuite) environmentState(t release.Target) release.Environment {
	var state release.Environment
	value, err := s.server.Client().QueryWorkflow(s.T().Context(), release.EnvironmentWorkflowID(t), "", release.QueryEnvironment)
	s.Require().NoError(err)
	s.Require().NoError(value.Get(&state))
	return state
}

func (s *serverSuite) TestAdmissionAndReportsReachTheEnvironmentOnce() {
	b := newBench(s.T())
	s.work(b, map[string]any{release.WorkflowEnvironment: environment})
	b.newAttempt()
	t := release.Target{Application: "checkout", Environment: "admission"}
	ask := activities.AdmitInput{Target: t, Policy: spec.PolicyReject, Holder: release.Holder{ID: "r1", Version: "1.0.0", WorkflowID: "w1"}}
	for range 2 {
		answer, err := run[release.Admission](b, activities.Admit, ask)
		s.Require().NoError(err)
		s.Equal(release.Admitted, answer.Decision)
	}
	ask.Holder.ID = "r2"
	answer, err := run[release.Admission](b, activities.Admit, ask)
	s.Require().NoError(err)
	s.Equal(release.Refused, answer.Decision)
	s.Contains(answer.Reason, "held by release r1")

	live := activities.ReportInput{Target: t, Release: "r1", Version: "1.0.0", Regions: []release.LivePair{{Region: region, Live: green}}}
	for range 2 { // the answer was lost, and another worker makes another attempt
		b.newAttempt()
		s.Require().NoError(act(b, activities.Report, live))
	}
	s.Equal(1, s.environmentState(t).Runs)
	back := live
	back.Regions = []release.LivePair{{Region: region, Live: blue}}
	s.Require().NoError(act(b, activities.Report, back))
	back.Outcome = "rolled-back"
	s.Require().NoError(act(b, activities.Report, back))
	state := s.environmentState(t)
	s.Nil(state.Holder)
	s.Equal(blue, state.Regions[0].Live)
	s.Equal(3, state.Runs)
}

func (s *serverSuite) TestReportStartsAnEnvironmentThatIsNotThere() {
	b := newBench(s.T())
	s.work(b, map[string]any{release.WorkflowEnvironment: environment})
	b.newAttempt()
	t := release.Target{Application: "checkout", Environment: "lost"}
	s.Require().NoError(act(b, activities.Report, activities.ReportInput{Target: t, Release: "r1", Outcome: "completed"}))
	s.Equal(t, s.environmentState(t).Target)
}

func (s *serverSuite) TestHolderRunsOnlyInItsOwnChain() {
	b := newBench(s.T())
	again := func(ctx workflow.Context, runs int) error {
		if runs == 0 {
			return workflow.NewContinueAsNewError(ctx, "again", runs+1)
		}
		return workflow.Await(ctx, func() bool { return false })
	}
	queue := s.work(b, map[string]any{"again": again})
	b.newAttempt()
	holder := s.start(queue, "again", 0)
	first := holder.GetRunID()
	s.Require().Eventually(func() bool {
		d, err := s.server.Client().DescribeWorkflowExecution(s.T().Context(), holder.GetID(), "")
		return err == nil && d.WorkflowExecutionInfo.Execution.RunId != first
	}, 10*time.Second, 10*time.Millisecond)
	runs := func(id, chain string) bool {
		out, err := run[bool](b, activities.HolderRuns, activities.HolderInput{WorkflowID: id, RunID: chain})
		s.Require().NoError(err)
		return out
	}
	s.True(runs(holder.GetID(), ""))
	s.True(runs(holder.GetID(), first), "the chain of the first run goes on")
	s.False(runs(holder.GetID(), "00000000-0000-0000-0000-000000000000"))
	s.False(runs("nobody", ""))
	s.Require().NoError(s.server.Client().TerminateWorkflow(s.T().Context(), holder.GetID(), "", "vanished"))
	s.False(runs(holder.GetID(), first))
}

// deaf is a server that can't be reached.
type deaf struct{ client.Client }

func (deaf) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return nil, errors.New("no route to the server")
}

// paused is a server on which an operator has paused every workflow.
type paused struct{ client.Client }

func (paused) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
		Status: enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED, FirstRunId: "first",
	}}, nil
}

func TestAHolderThatAnOperatorPausedKeepsItsTarget(t *testing.T) {
	b := newBench(t)
	b.all.Environments = &activities.Environments{Client: paused{}}
	b.newAttempt()
	runs, err := run[bool](b, activities.HolderRuns, activities.HolderInput{WorkflowID: "w", RunID: "first"})
	require.NoError(t, err)
	require.True(t, runs)
}

func TestAServerThatCannotBeReachedIsNoEvidenceThatTheHolderIsGone(t *testing.T) {
	b := newBench(t)
	b.all.Environments = &activities.Environments{Client: deaf{}}
	b.newAttempt()
	_, err := run[bool](b, activities.HolderRuns, activities.HolderInput{WorkflowID: "w"})
	require.ErrorContains(t, err, "no route to the server")
}
