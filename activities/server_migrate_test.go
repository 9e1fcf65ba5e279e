package activities_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// migrates is a worker with a migration workflow of the user's own, asked under a key of its own.
func (s *serverSuite) migrates(theirs any) (*bench, activities.MigrateInput) {
	b := newBench(s.T())
	queue := s.work(b, map[string]any{"expand": theirs})
	b.all.Migrator.Temporal = s.server.Client()
	b.newAttempt()
	in := migrateInput(spec.Migration{Temporal: &spec.MigrationTemporal{Workflow: "expand", TaskQueue: queue, Input: map[string]string{"mode": "online"}}})
	in.Key = fmt.Sprintf("migration/%s", queue)
	return b, in
}

func (s *serverSuite) TestMigrationWorkflowIsToldWhatIsAskedAndRunOnce() {
	var runs atomic.Int32
	b, in := s.migrates(func(_ workflow.Context, asked release.Asked) (map[string]any, error) {
		runs.Add(1)
		return map[string]any{"key": asked.Key, "schema": asked.Schema, "stage": asked.Stage, "mode": asked.Input["mode"]}, nil
	})
	for range 2 { // the second time as after a lost answer
		out, err := run[activities.Migrated](b, activities.Migrate, in)
		s.Require().NoError(err)
		s.JSONEq(fmt.Sprintf(`{"key":%q,"schema":7,"stage":"expand","mode":"online"}`, in.Key), out.Output)
	}
	s.EqualValues(1, runs.Load())
}

func (s *serverSuite) TestMigrationWorkflowThatFailedIsFinalAndRunAgainWhenAskedAgain() {
	var runs atomic.Int32
	b, in := s.migrates(func(workflow.Context, release.Asked) error {
		if runs.Add(1) == 1 {
			return errors.New("lock timeout on orders")
		}
		return nil
	})
	_, err := run[activities.Migrated](b, activities.Migrate, in)
	app := requireKind(s.T(), err, activities.ErrMigration, true)
	s.Contains(app.Error(), "lock timeout on orders")
	out, err := run[activities.Migrated](b, activities.Migrate, in)
	s.Require().NoError(err)
	s.Empty(out.Output, "it answers nothing")
	s.EqualValues(2, runs.Load())
}

func (s *serverSuite) TestMigrationWorkflowThatNobodyServesEndsWithItsTimeout() {
	b, in := s.migrates(func(workflow.Context) error { return nil })
	in.Migration.Temporal.TaskQueue, in.Migration.Timeout = "nobody-serves-this", ms(1000)
	_, err := run[activities.Migrated](b, activities.Migrate, in)
	app := requireKind(s.T(), err, activities.ErrMigration, true)
	s.Contains(app.Error(), "is a worker on task queue nobody-serves-this?")
}

func (s *serverSuite) TestMigrationWorkflowOfAnEarlierAttemptIsFollowed() {
	var runs atomic.Int32
	b, in := s.migrates(func(ctx workflow.Context, _ release.Asked) (string, error) {
		runs.Add(1)
		workflow.GetSignalChannel(ctx, "go").Receive(ctx, nil)
		return "done", nil
	})
	_, err := s.server.Client().ExecuteWorkflow(s.T().Context(), client.StartWorkflowOptions{ID: in.Key, TaskQueue: in.Migration.Temporal.TaskQueue}, "expand", release.Asked{})
	s.Require().NoError(err)
	ended := make(chan string, 1)
	go func() {
		out, err := run[activities.Migrated](b, activities.Migrate, in)
		ended <- fmt.Sprint(out.Output, err)
	}()
	s.Require().NoError(s.server.Client().SignalWorkflow(s.T().Context(), in.Key, "", "go", nil))
	s.Equal(`"done"<nil>`, <-ended)
	s.EqualValues(1, runs.Load())
}

func (s *serverSuite) TestMigrationWorkflowIsCancelledWithTheActivity() {
	b := newBench(s.T())
	b.all.Migrator.Temporal = s.server.Client()
	var cancelled atomic.Bool
	queue := s.work(b, map[string]any{
		"expand": func(ctx workflow.Context, _ release.Asked) error {
			err := workflow.Await(ctx, func() bool { return false })
			cancelled.Store(true)
			return err
		},
		"migrate": one[activities.MigrateInput, activities.Migrated](activities.Migrate, workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute, HeartbeatTimeout: time.Second, WaitForCancellation: true,
		}),
	})
	in := migrateInput(spec.Migration{Temporal: &spec.MigrationTemporal{Workflow: "expand", TaskQueue: queue}})
	in.Key = "migration/" + queue
	run := s.start(queue, "migrate", in)
	running := func() bool {
		d, err := s.server.Client().DescribeWorkflowExecution(s.T().Context(), in.Key, "")
		return err == nil && d.WorkflowExecutionInfo.Status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	}
	s.Require().Eventually(running, 10*time.Second, 10*time.Millisecond)
	s.Require().NoError(s.server.Client().CancelWorkflow(s.T().Context(), run.GetID(), ""))
	s.True(temporal.IsCanceledError(run.Get(s.T().Context(), nil)))
	s.Eventually(cancelled.Load, 10*time.Second, 10*time.Millisecond)
}

func (s *serverSuite) TestMigrationCommandIsStoppedWhenTheActivityIsCancelled() {
	b := newBench(s.T())
	queue := s.work(b, map[string]any{"migrate": one[activities.MigrateInput, activities.Migrated](activities.Migrate, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, HeartbeatTimeout: time.Second, WaitForCancellation: true,
	})})
	dir := s.T().TempDir()
	run := s.start(queue, "migrate", migrateInput(shell("trap 'touch "+dir+"/ended; exit 1' TERM; touch "+dir+"/begun; sleep 60 & wait")))
	s.Require().Eventually(func() bool { return exists(dir + "/begun") }, 10*time.Second, 10*time.Millisecond)
	s.Require().NoError(s.server.Client().CancelWorkflow(s.T().Context(), run.GetID(), ""))
	s.True(temporal.IsCanceledError(run.Get(s.T().Context(), nil)))
	s.True(exists(dir+"/ended"), "it was told to stop before it was killed")
}

func (s *serverSuite) TestReportsTellOfTheDatabase() {
	b := newBench(s.T())
	s.work(b, map[string]any{release.WorkflowEnvironment: environment})
	b.newAttempt()
	t := release.Target{Application: "checkout", Environment: "schema"}
	_, err := run[release.Admission](b, activities.Admit, activities.AdmitInput{Target: t, Policy: spec.PolicyReject, Holder: release.Holder{ID: "r1", WorkflowID: "w1"}})
	s.Require().NoError(err)
	known := release.Schema{Version: 7, Floor: 5, Builds: []release.Build{{Version: "2.0.0", Needs: 7}}}
	s.Require().NoError(act(b, activities.Report, activities.ReportInput{Target: t, Release: "r1", Version: "2.0.0", Schema: known}))
	s.Equal(known, s.environmentState(t).Schema)
}
