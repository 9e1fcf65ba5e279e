package starter

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/release"
)

// Freeze freezes a target; one of the same name is replaced. The target's environment is
// started where it does not run yet. The error is a *RefusedError when it was not taken.
func Freeze(ctx context.Context, c client.Client, taskQueue string, t release.Target, f release.Freeze) (string, error) {
	return environmentOrder(ctx, c, taskQueue, t, release.UpdateFreeze, f)
}

// Unfreeze ends a freeze of a target.
func Unfreeze(ctx context.Context, c client.Client, taskQueue string, t release.Target, r release.ThawRequest) (string, error) {
	return environmentOrder(ctx, c, taskQueue, t, release.UpdateThaw, r)
}

func environmentOrder(ctx context.Context, c client.Client, taskQueue string, t release.Target, name string, body any) (string, error) {
	octx, cancel := context.WithTimeout(ctx, orderWithin)
	defer cancel()
	id := release.EnvironmentWorkflowID(t)
	if taskQueue == "" {
		taskQueue = release.TaskQueue
	}
	start := c.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: id, TaskQueue: taskQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "Environment " + t.String() + ": who holds it, what is live",
	}, release.WorkflowEnvironment, release.EnvironmentInput{State: release.Environment{Target: t}})
	h, err := c.UpdateWithStartWorkflow(octx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{
			WorkflowID: id, UpdateName: name, UpdateID: uuid.NewString(), Args: []any{body}, WaitForStage: client.WorkflowUpdateStageCompleted,
		},
	})
	var effect string
	if err == nil {
		err = h.Get(octx, &effect)
	}
	var app *temporal.ApplicationError
	var timeout *client.WorkflowUpdateServiceTimeoutOrCanceledError
	switch {
	case err == nil:
		return effect, nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.As(err, &app):
		return "", &RefusedError{What: name, WorkflowID: id, Reason: app.Message()}
	case errors.As(err, &timeout):
		return "", &NoWorkerError{What: "send " + name + " to", WorkflowID: id, Err: err}
	}
	return "", fmt.Errorf("send %s to %s: %w", name, id, err)
}
