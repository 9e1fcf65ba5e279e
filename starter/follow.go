package starter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/release"
)

// queryWithin bounds one query: a query needs a worker, and without one the server
// lets it wait.
const queryWithin = 10 * time.Second

// NoWorkerError says that no worker answered for a release.
type NoWorkerError struct {
	What       string // what was tried
	WorkflowID string
	Err        error
}

func (e *NoWorkerError) Error() string {
	return fmt.Sprintf("%s %s: no worker answered in time\nThe release is safe and waits; start a worker with `switchyard worker` or `switchyard dev`.", e.What, e.WorkflowID)
}

func (e *NoWorkerError) Unwrap() error { return e.Err }

// QueryState asks a release, running or over, for its state. It needs a worker;
// the error is a *NoWorkerError when none answered within 10 s, an *InputError when
// there is no such release.
func QueryState(ctx context.Context, c client.Client, workflowID string) (release.State, error) {
	var s release.State
	return s, query(ctx, c, workflowID, release.QueryState, &s)
}

// QueryEnvironment asks the actor of a target what it knows, on the terms of QueryState.
func QueryEnvironment(ctx context.Context, c client.Client, t release.Target) (release.Environment, error) {
	var e release.Environment
	return e, query(ctx, c, release.EnvironmentWorkflowID(t), release.QueryEnvironment, &e)
}

func query(ctx context.Context, c client.Client, workflowID, name string, into any) error {
	qctx, cancel := context.WithTimeout(ctx, queryWithin)
	defer cancel()
	v, err := c.QueryWorkflow(qctx, workflowID, "", name)
	if err == nil {
		err = v.Get(into)
	}
	return explain(ctx, err, "read", workflowID)
}

// explain turns the server's answer into an error that says what to do.
func explain(ctx context.Context, err error, what, workflowID string) error {
	var (
		missing  *serviceerror.NotFound
		deadline *serviceerror.DeadlineExceeded
		notReady *serviceerror.WorkflowNotReady
		failed   *serviceerror.QueryFailed
		noPoller *serviceerror.FailedPrecondition
	)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &missing):
		return &InputError{What: what + " " + workflowID, Err: errors.New("there is no such workflow"), Advice: "`switchyard list` shows the releases there are."}
	case errors.As(err, &deadline), errors.As(err, &notReady), errors.As(err, &noPoller), errors.Is(err, context.DeadlineExceeded):
		return &NoWorkerError{What: what, WorkflowID: workflowID, Err: err}
	case errors.As(err, &failed):
		return fmt.Errorf("%s %s: the worker could not answer: %w", what, workflowID, err)
	}
	return fmt.Errorf("%s %s: %w", what, workflowID, err)
}

// FollowOptions say how to follow a release.
type FollowOptions struct {
	WorkflowID string
	RunID      string              // absent: the present run
	Every      time.Duration       // time between two looks; 0: 1 s
	OnState    func(release.State) // every look; the last one is the end when a worker could tell it
	OnTrouble  func(error)         // a look failed; following goes on
}

// Follow looks at the release until it is over and returns its end. Outages of
// workers and of the server are told and waited out: only the end of ctx, or an
// answer that can't change (no such release), ends it early.
func Follow(ctx context.Context, c client.Client, o FollowOptions) (release.Summary, error) {
	if o.Every <= 0 {
		o.Every = time.Second
	}
	type end struct {
		s   release.Summary
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan end, 1)
	go func() {
		s, err := patientResult(ctx, c, o)
		done <- end{s, err}
	}()
	tick := time.NewTicker(o.Every)
	defer tick.Stop()
	for {
		look(ctx, c, o)
		select {
		case e := <-done:
			if e.err == nil {
				look(ctx, c, o)
			}
			return e.s, e.err
		case <-tick.C:
		}
	}
}

func look(ctx context.Context, c client.Client, o FollowOptions) {
	s, err := QueryState(ctx, c, o.WorkflowID)
	switch {
	case ctx.Err() != nil:
	case err != nil && o.OnTrouble != nil:
		o.OnTrouble(err)
	case err == nil && o.OnState != nil:
		o.OnState(s)
	}
}

// patientResult is Result that waits out an unreachable server.
func patientResult(ctx context.Context, c client.Client, o FollowOptions) (release.Summary, error) {
	for {
		s, err := Result(ctx, c, o.WorkflowID, o.RunID)
		var unavailable *serviceerror.Unavailable
		var deadline *serviceerror.DeadlineExceeded
		if !errors.As(err, &unavailable) && !errors.As(err, &deadline) {
			return s, err
		}
		if err := pause(ctx, o.Every); err != nil {
			return s, err
		}
	}
}

// Result waits for the end of the release and returns it. A release that the
// server closed without an answer of its own (cancelled, terminated, timed out) gets
// the outcome that fits, with the reason. The error says only that the end could
// not be read.
func Result(ctx context.Context, c client.Client, workflowID, runID string) (release.Summary, error) {
	var s release.Summary
	err := c.GetWorkflow(ctx, workflowID, runID).Get(ctx, &s)
	if err == nil {
		return s, nil
	}
	if ctx.Err() != nil {
		return s, ctx.Err()
	}
	var closed *temporal.WorkflowExecutionError
	if !errors.As(err, &closed) {
		return s, explain(ctx, err, "read the end of", workflowID)
	}
	return closedSummary(workflowID, err), nil
}

// closedSummary says how a workflow ended that returned an error.
func closedSummary(workflowID string, err error) release.Summary {
	var app *temporal.ApplicationError
	var s release.Summary
	if errors.As(err, &app) && app.HasDetails() && app.Details(&s) == nil && s.Outcome != "" {
		return s
	}
	var canceled *temporal.CanceledError
	if errors.As(err, &canceled) && canceled.HasDetails() && canceled.Details(&s) == nil && s.Outcome != "" {
		return s // cancelled, and then aborted or rolled back, as the release itself says
	}
	t, id := SplitWorkflowID(workflowID)
	s = release.Summary{ID: id, Target: t}
	var terminated *temporal.TerminatedError
	var timeout *temporal.TimeoutError
	switch {
	case app != nil:
		s.Outcome, s.Reason = string(release.PhaseFailed), app.Message()
	case errors.As(err, &canceled):
		s.Outcome, s.Reason = string(release.PhaseAborted), "the workflow was cancelled before it could say how it ended"
	case errors.As(err, &terminated):
		s.Outcome, s.Reason = string(release.PhaseFailed), "the workflow was terminated, which cleans up nothing: look at its fleets, weights and image"
	case errors.As(err, &timeout):
		s.Outcome, s.Reason = string(release.PhaseFailed), "the server timed the workflow out, which cleans up nothing: look at its fleets, weights and image"
	default:
		s.Outcome, s.Reason = string(release.PhaseFailed), err.Error()
	}
	return s
}
