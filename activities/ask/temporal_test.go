package ask_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/suite"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/activities/ask"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// temporalSuite asks a user's own workers on a real Temporal server.
type temporalSuite struct {
	suite.Suite
	server *testsuite.DevServer
	asker  *ask.Asker
	round  atomic.Int32
}

func TestOnATemporalServer(t *testing.T) { suite.Run(t, new(temporalSuite)) }

const ownQueue = "switchyard-test"

func (s *temporalSuite) SetupSuite() {
	path, err := exec.LookPath("temporal")
	if err != nil {
		path, err = filepath.Abs(filepath.Join("..", "..", "bin", "temporal"))
		s.Require().NoError(err)
	}
	s.Require().FileExists(path, "build the temporal binary first: make tools")
	s.server, err = testsuite.StartDevServer(s.T().Context(), testsuite.DevServerOptions{
		ExistingPath: path, LogLevel: "error", ClientOptions: &client.Options{Logger: silent{}}, Stdout: os.Stderr,
		ExtraArgs: []string{"--dynamic-config-value", `history.timerProcessorMaxTimeShift="1ms"`},
	})
	s.Require().NoError(err)
	s.asker = &ask.Asker{Temporal: s.server.Client(), TaskQueue: ownQueue}
	// Switchyard's own worker: it runs an activity once, in the time it is given.
	own := worker.New(s.server.Client(), ownQueue, worker.Options{})
	own.RegisterWorkflowWithOptions(func(ctx workflow.Context, in release.RunActivityInput) (converter.RawValue, error) {
		var out converter.RawValue
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			TaskQueue: in.TaskQueue, ScheduleToCloseTimeout: in.Timeout, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
		})
		err := workflow.ExecuteActivity(ctx, in.Activity, in.Asked).Get(ctx, &out)
		return out, err
	}, workflow.RegisterOptions{Name: release.WorkflowRunActivity})
	s.Require().NoError(own.Start())
	s.T().Cleanup(own.Stop)
}

func (s *temporalSuite) TearDownSuite() { s.Require().NoError(s.server.Stop()) }

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

// users starts a worker as a user has one, on a queue of its own.
func (s *temporalSuite) users(register func(worker.Worker)) (queue string) {
	queue = fmt.Sprintf("users-%d", time.Now().UnixNano())
	w := worker.New(s.server.Client(), queue, worker.Options{})
	register(w)
	s.Require().NoError(w.Start())
	s.T().Cleanup(w.Stop)
	return queue
}

func (s *temporalSuite) ask(who ask.Subject, check spec.TemporalCheck) release.Result {
	if check.Timeout == 0 {
		check.Timeout = spec.Duration(time.Minute)
	}
	return one(s.T(), s.asker, who, spec.Check{Temporal: &check})
}

// next is a subject in a round of its own.
func (s *temporalSuite) next() ask.Subject {
	who := subject("10.0.0.1:80")
	who.Round = int(s.round.Add(1))
	return who
}

func (s *temporalSuite) TestWorkflowsAndActivitiesAreToldTheSameAndAnswerTheSame() {
	var told atomic.Pointer[release.Asked]
	// What an SDK of another language sends: JSON, whatever its types are called.
	answer := func(asked release.Asked) (any, error) {
		told.Store(&asked)
		switch asked.Input["answer"] {
		case "nothing":
			return nil, nil
		case "error":
			return nil, errors.New("42 carts are lost")
		case "text":
			return "fine", nil
		}
		return map[string]any{"verdict": asked.Input["answer"], "value": "7 ms", "bound": "≤ 9 ms", "link": "https://grafana.example/d/1"}, nil
	}
	queue := s.users(func(w worker.Worker) {
		w.RegisterWorkflowWithOptions(func(_ workflow.Context, asked release.Asked) (any, error) { return answer(asked) }, workflow.RegisterOptions{Name: "Judge"})
		w.RegisterActivityWithOptions(func(_ context.Context, asked release.Asked) (any, error) { return answer(asked) }, activityNamed("judge"))
	})
	for _, kind := range []spec.TemporalCheck{{Workflow: "Judge"}, {Activity: "judge"}} {
		for given, want := range map[string]release.Verdict{
			"pass": release.Pass, "fail": release.Fail, "inconclusive": release.Inconclusive, "nothing": release.Pass,
			"error": release.Fail, "text": release.Inconclusive, "good": release.Inconclusive,
		} {
			check := kind
			check.TaskQueue, check.Input = queue, map[string]string{"answer": given, "about": "$fleet and $live"}
			r := s.ask(s.next(), check)
			s.Equal(want, r.Verdict, "%s %s: %s", kind.Workflow+kind.Activity, given, r)
			switch given {
			case "pass":
				s.Equal("7 ms", r.Value)
				s.Equal("≤ 9 ms", r.Bound)
				s.Equal("https://grafana.example/d/1", r.Link)
			case "error":
				s.Contains(r.Value, "42 carts are lost")
			}
		}
		s.Equal(release.Asked{
			Application: "shop", Environment: "prod", Version: "1.2.0", Release: "r7", Region: "local-a",
			Fleet: "shop-prod-r7", Live: "shop-prod-r6", Stage: "verification", Check: "smoke", Entry: "http://shop.local",
			Addresses: []string{"10.0.0.1:80"}, Input: map[string]string{"answer": told.Load().Input["answer"], "about": "shop-prod-r7 and shop-prod-r6"},
		}, *told.Load())
	}
}

func (s *temporalSuite) TestNobodyOnTheQueueTellsNothing() {
	for _, check := range []spec.TemporalCheck{{Workflow: "Judge"}, {Activity: "judge"}} {
		check.TaskQueue, check.Timeout = "nobody", spec.Duration(time.Second)
		r := s.ask(s.next(), check)
		s.Equal(release.Inconclusive, r.Verdict, "%s", r)
		s.Contains(r.Value, "did not answer within 1s")
	}
	asker := &ask.Asker{Temporal: s.server.Client(), TaskQueue: "nobody-either"}
	r := one(s.T(), asker, s.next(), spec.Check{Temporal: &spec.TemporalCheck{Activity: "judge", TaskQueue: "nobody", Timeout: spec.Duration(time.Second)}})
	s.Equal(release.Inconclusive, r.Verdict)
}

func (s *temporalSuite) TestRetryOfARoundFindsTheSameRunAndTheNextRoundAsksAnew() {
	var runs atomic.Int32
	queue := s.users(func(w worker.Worker) {
		w.RegisterWorkflowWithOptions(func(workflow.Context, release.Asked) (release.Answer, error) {
			if runs.Add(1) > 1 {
				return release.Answer{}, errors.New("not as before")
			}
			return release.Answer{Verdict: release.Pass}, nil
		}, workflow.RegisterOptions{Name: "Judge"})
	})
	check := spec.TemporalCheck{Workflow: "Judge", TaskQueue: queue}
	who := s.next()
	s.Equal(release.Pass, s.ask(who, check).Verdict)
	s.Equal(release.Pass, s.ask(who, check).Verdict)
	s.EqualValues(1, runs.Load())
	info, err := s.server.Client().DescribeWorkflowExecution(s.T().Context(),
		fmt.Sprintf("check/shop/prod/r7/local-a/shop-prod-r7/verification/smoke/%d", who.Round), "")
	s.Require().NoError(err)
	s.Equal(time.Minute, info.ExecutionConfig.WorkflowExecutionTimeout.AsDuration())
	other := who
	other.Fleet = "shop-prod-r7-proof"
	s.Equal(release.Fail, s.ask(other, check).Verdict, "another fleet is another question")
	s.Equal(release.Fail, s.ask(s.next(), check).Verdict)
}

func (s *temporalSuite) TestRunThatIsEndedByAPersonTellsNothing() {
	entered := make(chan struct{}, 2)
	queue := s.users(func(w worker.Worker) {
		w.RegisterWorkflowWithOptions(func(ctx workflow.Context, _ release.Asked) error {
			entered <- struct{}{}
			return workflow.Sleep(ctx, time.Hour)
		}, workflow.RegisterOptions{Name: "Long"})
	})
	for _, end := range []func(id string) error{
		func(id string) error { return s.server.Client().TerminateWorkflow(s.T().Context(), id, "", "enough") },
		func(id string) error { return s.server.Client().CancelWorkflow(s.T().Context(), id, "") },
	} {
		who := s.next()
		done := make(chan release.Result, 1)
		go func() {
			done <- s.asker.Ask(s.T().Context(), who, []spec.Check{{Name: "smoke", Temporal: &spec.TemporalCheck{Workflow: "Long", TaskQueue: queue, Timeout: spec.Duration(time.Minute)}}})[0]
		}()
		<-entered
		s.Require().NoError(end(fmt.Sprintf("check/shop/prod/r7/local-a/shop-prod-r7/verification/smoke/%d", who.Round)))
		r := <-done
		s.Equal(release.Inconclusive, r.Verdict, "%s", r)
	}
}

func (s *temporalSuite) TestUnknownActivityTellsNothingAndAnActivityWithoutTimeNeither() {
	queue := s.users(func(w worker.Worker) {
		w.RegisterActivityWithOptions(func(ctx context.Context, _ release.Asked) error {
			<-ctx.Done()
			return ctx.Err()
		}, activityNamed("slow"))
	})
	r := s.ask(s.next(), spec.TemporalCheck{Activity: "missing", TaskQueue: queue})
	s.Equal(release.Inconclusive, r.Verdict, "%s", r)
	s.True(strings.Contains(r.Value, "not known"), r.Value)
	r = s.ask(s.next(), spec.TemporalCheck{Activity: "slow", TaskQueue: queue, Timeout: spec.Duration(time.Second)})
	s.Equal(release.Inconclusive, r.Verdict, "%s", r)
}
