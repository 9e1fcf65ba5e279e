package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"github.com/switchyard/switchyard/release"
)

// Environments talks to the environment actors, the one holder of each target.
type Environments struct {
	Client    client.Client
	TaskQueue string // where environment actors run
}

// Admit asks the environment for the target, starting its actor where there is
// none. The same release again gets its present answer: the update's id is one per
// activity, since the server answers a known id with what it answered before.
func (e *Environments) Admit(ctx context.Context, in AdmitInput) (release.Admission, error) {
	var out release.Admission
	err := e.update(ctx, in.Target, client.UpdateWorkflowOptions{
		UpdateName: release.UpdateAdmit,
		UpdateID:   "admit-" + in.Holder.ID + "-" + asker(ctx),
		Args:       []any{release.AdmitRequest{Holder: in.Holder, Policy: in.Policy}},
	}, &out)
	if err != nil {
		return release.Admission{}, fmt.Errorf("admit release %s to %s: %w", in.Holder.ID, in.Target, err)
	}
	return out, nil
}

// Report tells the environment what is live and, with an outcome, gives the target
// back. It starts the actor where there is none, so that no report is lost.
func (e *Environments) Report(ctx context.Context, in ReportInput) error {
	body := release.ReportRequest{ID: in.Release, Version: in.Version, Outcome: in.Outcome, Regions: in.Regions, Schema: in.Schema}
	id, err := reportID(ctx, body)
	if err != nil {
		return err
	}
	err = e.update(ctx, in.Target, client.UpdateWorkflowOptions{
		UpdateName: release.UpdateReport,
		UpdateID:   id,
		Args:       []any{body},
	}, nil)
	if err != nil {
		return fmt.Errorf("report release %s to %s: %w", in.Release, in.Target, err)
	}
	return nil
}

// HolderRuns says whether the release still runs. A workflow that is certainly not
// there does not run; anything unclear is an error, never a no.
func (e *Environments) HolderRuns(ctx context.Context, in HolderInput) (bool, error) {
	// The newest run is asked for: a release that continued as new has other runs
	// than the one that was admitted.
	answer, err := e.Client.DescribeWorkflowExecution(ctx, in.WorkflowID, "")
	var notFound *serviceerror.NotFound
	switch {
	case errors.As(err, &notFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look whether %s still runs: %w", in.WorkflowID, err)
	}
	info := answer.GetWorkflowExecutionInfo()
	switch info.GetStatus() {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED: // one that an operator paused goes on later
	case enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED, enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		return false, fmt.Errorf("look whether %s still runs: it is between two runs; look again", in.WorkflowID)
	default:
		return false, nil
	}
	first := info.GetFirstRunId()
	if in.RunID == "" || first == "" {
		return true, nil // an old server does not tell the first run: running counts
	}
	return first == in.RunID || info.GetExecution().GetRunId() == in.RunID, nil
}

// update sends an update to the environment actor, started when it does not run,
// and waits for its answer.
func (e *Environments) update(ctx context.Context, t release.Target, u client.UpdateWorkflowOptions, out any) error {
	id := release.EnvironmentWorkflowID(t)
	start := e.Client.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID:                       id,
		TaskQueue:                e.TaskQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "Environment " + t.String() + ": who holds it, what is live",
	}, release.WorkflowEnvironment, release.EnvironmentInput{State: release.Environment{Target: t}})
	u.WorkflowID = id
	u.WaitForStage = client.WorkflowUpdateStageCompleted
	handle, err := e.Client.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions:          u,
	})
	if err != nil {
		return err
	}
	return handle.Get(ctx, out)
}

// reportID differs for every report and is the same for every attempt at one: two
// reports of the same content may have another one between them.
func reportID(ctx context.Context, body release.ReportRequest) (string, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return "", fmt.Errorf("id of the report of release %s: %w", body.ID, err)
	}
	sum := sha256.New()
	sum.Write(data)
	sum.Write([]byte("\x00" + asker(ctx)))
	what := body.Outcome
	if what == "" {
		what = "live"
	}
	return "report-" + body.ID + "-" + what + "-" + hex.EncodeToString(sum.Sum(nil))[:12], nil
}

// asker names the activity that asks, the same at every attempt.
func asker(ctx context.Context) string {
	if !activity.IsActivity(ctx) {
		return ""
	}
	info := activity.GetInfo(ctx)
	return info.WorkflowExecution.RunID + "/" + info.ActivityID
}
