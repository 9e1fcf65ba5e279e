package starter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/release"
)

// orderWithin bounds the wait for an order's answer.
const orderWithin = 30 * time.Second

// RefusedError says that a release did not take an order, or was not admitted.
type RefusedError struct {
	What       string // "approve", "rollback", "release"
	WorkflowID string
	Reason     string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s refused by %s: %s", e.What, e.WorkflowID, e.Reason)
}

// Order sends an order to a running release and waits, at most 30 s, for what it
// did. An order without an id gets a new one; with the same id again it has no
// second effect, also after the answer was lost. The error is a *RefusedError when
// the release did not take it.
func Order(ctx context.Context, c client.Client, workflowID string, o release.Order) (release.OrderAnswer, error) {
	var answer release.OrderAnswer
	if o.ID == "" {
		o.ID = uuid.NewString()
	}
	octx, cancel := context.WithTimeout(ctx, orderWithin)
	defer cancel()
	h, err := c.UpdateWorkflow(octx, client.UpdateWorkflowOptions{
		WorkflowID: workflowID, UpdateName: string(o.Kind), UpdateID: o.ID,
		Args: []any{o}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = h.Get(octx, &answer)
	}
	return answer, orderError(ctx, err, workflowID, o)
}

func orderError(ctx context.Context, err error, workflowID string, o release.Order) error {
	var (
		app     *temporal.ApplicationError
		timeout *client.WorkflowUpdateServiceTimeoutOrCanceledError
		missing *serviceerror.NotFound
	)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &app):
		return &RefusedError{What: string(o.Kind), WorkflowID: workflowID, Reason: strings.TrimPrefix(app.Message(), string(o.Kind)+": ")}
	case errors.As(err, &missing):
		return overOrMissing(err, workflowID, o)
	case errors.As(err, &timeout):
		return &NoWorkerError{What: "send " + string(o.Kind) + " to", WorkflowID: workflowID, Err: err}
	}
	return explain(ctx, err, "send "+string(o.Kind)+" to", workflowID)
}

// overOrMissing tells a release that is over from one that never was: the server
// answers both with "not found" and differs in the text only.
func overOrMissing(err error, workflowID string, o release.Order) error {
	if err.Error() == "workflow execution already completed" {
		return &RefusedError{What: string(o.Kind), WorkflowID: workflowID, Reason: "the release is over"}
	}
	return &InputError{What: fmt.Sprintf("send %s to %s", o.Kind, workflowID), Err: errors.New("there is no such release"),
		Advice: "`switchyard list` shows the releases there are."}
}
