package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/activities/acterr"
)

const (
	overdue     = 30 * time.Second // after its timeout, until which the server has to have ended a workflow
	cancelGrace = 10 * time.Second // in which its cancellation has to be asked for
)

// followMigration runs the user's workflow under the key as its id and waits for its
// end. A run that is there already is followed, one that is done is not run again, and
// one that failed before is. When the activity is cancelled so is the workflow.
func (m *Migrator) followMigration(ctx context.Context, in MigrateInput) (Migrated, error) {
	how := in.Migration.Temporal
	if m.Temporal == nil {
		return Migrated{}, acterr.Final(ErrInvalidRequest, "%s: this worker has no Temporal client to run workflow %s with", in.words(), how.Workflow)
	}
	asked := in.asked()
	asked.Input = how.Input
	run, err := m.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       in.Key,
		TaskQueue:                how.TaskQueue,
		WorkflowExecutionTimeout: in.timeout(),
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		StaticSummary:            fmt.Sprintf("%s schema %d of %s, for release %s", in.Half, in.Schema, in.Place.Target, in.Place.Release),
	}, how.Workflow, asked)
	if err != nil {
		return Migrated{}, fmt.Errorf("%s: start workflow %s: %w", in.words(), how.Workflow, err)
	}
	bounded, cancel := context.WithTimeout(ctx, in.timeout()+overdue)
	defer cancel()
	var result converter.RawValue
	err = run.Get(bounded, &result)
	var ended *temporal.WorkflowExecutionError
	switch {
	case ctx.Err() != nil:
		m.cancelMigration(ctx, run)
		return Migrated{}, ctx.Err()
	case err == nil:
		return Migrated{Output: resultText(result)}, nil
	case errors.As(err, &ended):
		return Migrated{}, in.failed(fmt.Sprintf("workflow %s (id %s) did not succeed: %s", how.Workflow, in.Key, in.why(ended)), "")
	}
	return Migrated{}, fmt.Errorf("%s: wait for workflow %s (id %s): %w", in.words(), how.Workflow, in.Key, err)
}

// cancelMigration asks the workflow to stop, when the activity was. An attempt that ends
// for another reason, such as a worker that stops, leaves it to the next one.
func (m *Migrator) cancelMigration(ctx context.Context, run client.WorkflowRun) {
	if !temporal.IsCanceledError(context.Cause(ctx)) {
		return
	}
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelGrace)
	defer cancel()
	_ = m.Temporal.CancelWorkflow(detached, run.GetID(), run.GetRunID()) // its own timeout ends it otherwise
}

// why is the reason of the workflow itself, without what the SDK puts around it.
func (in MigrateInput) why(ended *temporal.WorkflowExecutionError) string {
	var app *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	cause := errors.Unwrap(ended)
	switch {
	case errors.As(cause, &app):
		return app.Message()
	case errors.As(cause, &timeout):
		return fmt.Sprintf("it did not end within %s; is a worker on task queue %s?", in.timeout(), in.Migration.Temporal.TaskQueue)
	case cause != nil:
		return cause.Error()
	}
	return ended.Error()
}

// resultText is a result that is JSON, at most maxOutput bytes of it.
func resultText(result converter.RawValue) string {
	payload := result.Payload()
	if payload == nil || !strings.HasPrefix(string(payload.GetMetadata()[converter.MetadataEncoding]), "json/") {
		return ""
	}
	return clip(string(payload.GetData()), maxOutput-len("…"))
}
