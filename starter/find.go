package starter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/switchyard/switchyard/release"
)

// Listed is one release as visibility knows it; seconds old, so good for people
// and never for decisions.
type Listed struct {
	ID          string    `json:"id"`
	WorkflowID  string    `json:"workflowId"`
	RunID       string    `json:"runId"`
	Application string    `json:"application"`
	Environment string    `json:"environment"`
	Version     string    `json:"version"`
	Phase       string    `json:"phase"`
	Regions     []string  `json:"regions,omitempty"`
	Running     bool      `json:"running"`
	Status      string    `json:"status"` // the workflow's: Running, Completed, Canceled, …
	Requester   string    `json:"requester,omitempty"`
	StartedAt   time.Time `json:"startedAt"`
	EndedAt     time.Time `json:"endedAt,omitzero"`
}

// Filter selects releases; empty fields select all.
type Filter struct {
	Application, Environment, Version, Phase, Region string
	Running                                          bool // only those that are not over
	Limit                                            int  // 0: 100
}

func (f Filter) query() string {
	parts := []string{"WorkflowType = " + quote(release.WorkflowRelease)}
	for _, p := range [][2]string{
		{release.AttributeApplication, f.Application}, {release.AttributeEnvironment, f.Environment},
		{release.AttributeVersion, f.Version}, {release.AttributePhase, f.Phase}, {release.AttributeRegion, f.Region},
	} {
		if p[1] != "" {
			parts = append(parts, p[0]+" = "+quote(p[1]))
		}
	}
	if f.Running {
		parts = append(parts, "ExecutionStatus = 'Running'")
	} else { // earlier runs of a continued release are parts of the one that is listed
		parts = append(parts, "ExecutionStatus != 'ContinuedAsNew'")
	}
	return strings.Join(parts, " AND ")
}

func quote(s string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), "'", `\'`) + "'"
}

// List lists the releases that match, newest first.
func List(ctx context.Context, c client.Client, f Filter) ([]Listed, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	var out []Listed
	var token []byte
	for {
		resp, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: f.query(), PageSize: int32(min(limit, 1000)), NextPageToken: token})
		if err != nil {
			if strings.Contains(err.Error(), "search attribute") {
				return nil, &InputError{What: "list releases", Err: err, Advice: "The namespace lacks Switchyard's search attributes; add them once with `switchyard setup`."}
			}
			return nil, fmt.Errorf("list releases (%s): %w", f.query(), err)
		}
		for _, e := range resp.GetExecutions() {
			if out = append(out, listed(e)); len(out) == limit {
				return out, nil
			}
		}
		if token = resp.GetNextPageToken(); len(token) == 0 {
			return out, nil
		}
	}
}

func listed(e *workflowpb.WorkflowExecutionInfo) Listed {
	t, id := SplitWorkflowID(e.GetExecution().GetWorkflowId())
	l := Listed{
		ID: id, WorkflowID: e.GetExecution().GetWorkflowId(), RunID: e.GetExecution().GetRunId(),
		Application: t.Application, Environment: t.Environment,
		Running: runs(e.GetStatus()), Status: e.GetStatus().String(),
		StartedAt: e.GetStartTime().AsTime(),
	}
	if e.GetCloseTime() != nil {
		l.EndedAt = e.GetCloseTime().AsTime()
	}
	attributes := e.GetSearchAttributes().GetIndexedFields()
	decode(attributes[release.AttributeVersion], &l.Version)
	decode(attributes[release.AttributePhase], &l.Phase)
	decode(attributes[release.AttributeRegion], &l.Regions)
	decode(e.GetMemo().GetFields()[MemoRequester], &l.Requester)
	return l
}

// runs says whether a workflow of the status is not over. One that an operator
// paused in Temporal is not.
func runs(s enumspb.WorkflowExecutionStatus) bool {
	return s == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING || s == enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED
}

// decode leaves into as it is when the payload is absent or written through a codec.
func decode(p *commonpb.Payload, into any) {
	if p != nil {
		_ = converter.GetDefaultDataConverter().FromPayload(p, into)
	}
}

// SplitWorkflowID is the inverse of release.ReleaseWorkflowID; both values are zero
// when the id is not a release's.
func SplitWorkflowID(workflowID string) (release.Target, string) {
	parts := strings.SplitN(workflowID, "/", 4)
	if len(parts) != 4 || parts[0] != "release" {
		return release.Target{}, ""
	}
	return release.Target{Application: parts[1], Environment: parts[2]}, parts[3]
}

// Reference says which release is meant: by workflow id, by release id, or, with
// nothing said, the only one that runs.
type Reference struct {
	Name        string // "release/app/env/id", "app/env/id", "id" or ""
	Application string
	Environment string
	Running     bool // only a release that runs will do
}

// settleWithin is how long Find asks again for a release that visibility does not
// know: it learns of a start, or an end, a moment late.
const settleWithin = 3 * time.Second

// Find resolves the reference to a workflow id. The error is an *InputError that
// names the candidates when none or several fit.
func Find(ctx context.Context, c client.Client, r Reference) (string, error) {
	name := strings.Trim(r.Name, "/")
	switch {
	case strings.HasPrefix(name, "release/") && strings.Count(name, "/") == 3:
		return name, nil
	case strings.Count(name, "/") == 2:
		return "release/" + name, nil
	case strings.Contains(name, "/"):
		return "", &InputError{What: "find release " + r.Name, Err: errors.New("that is not a release"), Advice: "Write its id, app/environment/id, or its workflow id release/app/environment/id."}
	case name != "" && r.Application != "" && r.Environment != "":
		return release.ReleaseWorkflowID(release.Target{Application: r.Application, Environment: r.Environment}, name), nil
	}
	until := time.Now().Add(settleWithin)
	for {
		fit, err := matching(ctx, c, r, name)
		if err != nil {
			return "", err
		}
		if len(fit) == 1 {
			return fit[0].WorkflowID, nil
		}
		if len(fit) > 1 || !time.Now().Before(until) {
			return "", ambiguous(r, fit)
		}
		if err := pause(ctx, 300*time.Millisecond); err != nil {
			return "", err
		}
	}
}

func matching(ctx context.Context, c client.Client, r Reference, name string) ([]Listed, error) {
	all, err := List(ctx, c, Filter{Application: r.Application, Environment: r.Environment, Running: name == "" || r.Running, Limit: 1000})
	if err != nil || name == "" {
		return all, err
	}
	var fit []Listed
	for _, l := range all {
		if l.ID == name {
			fit = append(fit, l)
		}
	}
	return fit, nil
}

func ambiguous(r Reference, fit []Listed) error {
	what := "find release"
	if r.Name != "" {
		what += " " + r.Name
	}
	if len(fit) == 0 {
		why := "no release runs"
		if r.Name != "" {
			why = "there is none with this id"
			if r.Running {
				why = "none with this id runs"
			}
		}
		return &InputError{What: what, Err: errors.New(why), Advice: "`switchyard list` shows the releases there are."}
	}
	names := make([]string, 0, len(fit))
	for _, l := range fit {
		names = append(names, "  "+strings.TrimPrefix(l.WorkflowID, "release/"))
	}
	return &InputError{What: what, Err: fmt.Errorf("%d releases fit", len(fit)), Advice: "Say which:\n" + strings.Join(names, "\n")}
}
