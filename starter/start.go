package starter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/release"
)

// Names of the memo's fields.
const (
	MemoDigest    = "digest"    // of the request's spec
	MemoRequester = "requester" // who asked
	MemoRelease   = "release"   // the release's id
)

// StartOptions say what to start.
type StartOptions struct {
	Request   release.Request
	TaskQueue string // absent: release.TaskQueue
}

// Handle names a release that was started, or found.
type Handle struct {
	WorkflowID string `json:"workflowId"`
	RunID      string `json:"runId"`
	Attached   bool   `json:"attached"` // it existed before this call
	Ended      bool   `json:"ended"`    // and is over
}

// safetyNet is added to the spec's deadline: the workflow keeps its deadline
// itself, with clean-up; the server's time-out, which cleans up nothing, is only
// for a workflow that nobody can run any more.
const safetyNet = 365 * 24 * time.Hour

// Start starts the release, once: the same request again attaches to the release
// that it started, running or over. It fails with a *DiffersError when the id was
// used for another spec.
func Start(ctx context.Context, c client.Client, o StartOptions) (Handle, error) {
	r := o.Request
	id := release.ReleaseWorkflowID(r.Target(), r.ID)
	run, err := c.ExecuteWorkflow(ctx, startOptions(o), release.WorkflowRelease, release.ReleaseInput{Request: r})
	if err == nil {
		return Handle{WorkflowID: id, RunID: run.GetRunID()}, nil
	}
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return attach(ctx, c, id, r)
	}
	var invalid *serviceerror.InvalidArgument
	if errors.As(err, &invalid) && strings.Contains(strings.ToLower(err.Error()), "search attribute") {
		return Handle{}, &InputError{What: "start release " + r.ID, Err: err, Advice: "The namespace lacks Switchyard's search attributes; add them once with `switchyard setup`."}
	}
	return Handle{}, fmt.Errorf("start release %s of %s: %w", r.ID, r.Target(), err)
}

func startOptions(o StartOptions) client.StartWorkflowOptions {
	r := o.Request
	queue := o.TaskQueue
	if queue == "" {
		queue = release.TaskQueue
	}
	regions := make([]string, 0, len(r.Spec.Regions))
	for _, x := range r.Spec.Regions {
		regions = append(regions, x.Name)
	}
	slices.Sort(regions)
	return client.StartWorkflowOptions{
		ID: release.ReleaseWorkflowID(r.Target(), r.ID), TaskQueue: queue,
		WorkflowExecutionTimeout:                 r.Spec.Deadline.Std() + safetyNet,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            fmt.Sprintf("Release %s of %s to %s", r.Spec.Version, r.Spec.Application, r.Spec.Environment),
		StaticDetails:                            details(r, regions),
		Memo:                                     map[string]any{MemoDigest: r.Digest, MemoRequester: r.Requester, MemoRelease: r.ID},
		TypedSearchAttributes: temporal.NewSearchAttributes(
			Application.ValueSet(r.Spec.Application), Environment.ValueSet(r.Spec.Environment),
			Version.ValueSet(r.Spec.Version), Phase.ValueSet(string(release.PhaseRequested)), Region.ValueSet(regions)),
	}
}

// details is what the Temporal UI shows of the request, whatever becomes of it.
func details(r release.Request, regions []string) string {
	s := r.Spec
	image := "existing image `" + s.Image.Existing + "`"
	if s.Image.Retained != "" {
		image = "the kept image of version " + s.Image.Retained
	}
	if s.Image.Packer != nil {
		image = "baked by Packer from `" + s.Image.Packer.Template + "`"
	}
	rows := [][2]string{
		{"Release", "`" + r.ID + "`"}, {"Target", r.Target().String()}, {"Version", s.Version}, {"Commit", s.Commit},
		{"Asked for by", r.Requester}, {"Image", image}, {"Regions", strings.Join(regions, ", ")},
		{"Soak", s.Soak.Duration.String()}, {"Deadline", s.Deadline.String()}, {"Spec", "`" + r.Digest + "`"},
	}
	var b strings.Builder
	b.WriteString("| | |\n|---|---|\n")
	for _, row := range rows {
		if row[1] != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", row[0], strings.ReplaceAll(row[1], "|", `\|`))
		}
	}
	return b.String()
}

// attach finds the release that has the id and makes sure that it is the same one.
func attach(ctx context.Context, c client.Client, id string, r release.Request) (Handle, error) {
	d, err := c.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return Handle{}, fmt.Errorf("attach to release %s, which exists already: %w", id, err)
	}
	info := d.GetWorkflowExecutionInfo()
	h := Handle{WorkflowID: id, RunID: info.GetExecution().GetRunId(), Attached: true,
		Ended: !runs(info.GetStatus())}
	var digest string
	if p, ok := info.GetMemo().GetFields()[MemoDigest]; ok {
		if err := converter.GetDefaultDataConverter().FromPayload(p, &digest); err != nil {
			digest = "" // written through a codec; the state knows it too
		}
	}
	if digest == "" {
		s, err := QueryState(ctx, c, id)
		if err != nil {
			return h, fmt.Errorf("compare with release %s, which exists already: %w", id, err)
		}
		digest = s.Request.Digest
	}
	if digest != r.Digest {
		return h, &DiffersError{ID: r.ID, Target: r.Target(), Has: digest, Asked: r.Digest}
	}
	return h, nil
}

// DiffersError says that a release id was used for another spec.
type DiffersError struct {
	ID         string
	Target     release.Target
	Has, Asked string
}

func (e *DiffersError) Error() string {
	return fmt.Sprintf("start release %s of %s: a release with this id exists with another spec (it has %s, this is %s)\n"+
		"One id is one spec: leave --id out, or give a new one.", e.ID, e.Target, short(e.Has), short(e.Asked))
}

func short(digest string) string {
	if len(digest) > len("sha256:")+12 {
		return digest[:len("sha256:")+12]
	}
	return digest
}

// EndedError says that the release was run before and is over, so that nothing was started.
type EndedError struct {
	ID      string
	Target  release.Target
	Outcome string
}

func (e *EndedError) Error() string {
	return fmt.Sprintf("start release %s of %s: this very release was run before and is over (%s); nothing was started\n"+
		"To release the same spec once more, give it an id of its own: --id %s-2", e.ID, e.Target, e.Outcome, e.ID)
}
