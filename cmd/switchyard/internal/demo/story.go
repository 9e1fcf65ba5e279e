package demo

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/starter"
)

// chapter is one release of the story.
type chapter struct {
	ID       string
	Title    string
	Version  string
	Commit   string
	Faults   string // baked into the image: how this version goes bad
	Expected string
	Rollback bool // the operator rolls back during the soak
}

// story is what the demo tells. The fourth release goes back to the first
// version's inputs, so its image is found and not baked again.
func story() []chapter {
	return []chapter{
		{ID: "demo-1", Title: "first release", Version: "1.0.0", Commit: "1111111", Expected: "completed"},
		{ID: "demo-2", Title: "a good version replaces it", Version: "2.0.0", Commit: "2222222", Expected: "completed"},
		{ID: "demo-3", Title: "goes bad during its soak", Version: "3.0.0", Commit: "3333333", Expected: "rolled-back",
			Faults: `{"failAfter": "4s", "errorRate": 0.3}`},
		{ID: "demo-4", Title: "an operator rolls it back", Version: "1.0.0", Commit: "1111111", Expected: "rolled-back", Rollback: true},
	}
}

// operator is who gives the orders of the story; requester is who asks for the releases.
const (
	operator  = "grace"
	requester = "ada"
)

func (d *demo) writeSpec(c chapter) (string, error) {
	text, values := d.stage.spec(d, c)
	t, err := template.New("spec").Parse(text)
	if err != nil {
		return "", fmt.Errorf("read the demo's spec: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, values); err != nil {
		return "", fmt.Errorf("write the spec of %s: %w", c.ID, err)
	}
	path := filepath.Join(d.stack.Dir, c.ID+".yaml")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return "", fmt.Errorf("write the spec of %s: %w", c.ID, err)
	}
	return path, nil
}

// tell runs one release of the story to its end, giving the operator's orders.
func (d *demo) tell(ctx context.Context, c chapter) (ReleaseReport, error) {
	path, err := d.writeSpec(c)
	if err != nil {
		return ReleaseReport{}, err
	}
	loaded, err := starter.ReadSpec(path)
	if err != nil {
		return ReleaseReport{}, err
	}
	request, err := starter.NewRequest(loaded, c.ID, requester)
	if err != nil {
		return ReleaseReport{}, err
	}
	d.say("\n%s %s: %s (spec %s)", c.ID, c.Version, c.Title, path)
	handle, err := starter.Start(ctx, d.client, starter.StartOptions{Request: request, TaskQueue: d.stack.TaskQueue})
	if err != nil {
		return ReleaseReport{}, err
	}
	follower := &follower{demo: d, chapter: c, workflowID: handle.WorkflowID}
	_, err = starter.Follow(ctx, d.client, starter.FollowOptions{
		WorkflowID: handle.WorkflowID, RunID: handle.RunID, Every: 100 * time.Millisecond,
		OnState: func(s release.State) { follower.look(ctx, s) },
	})
	if err != nil {
		return ReleaseReport{}, fmt.Errorf("follow %s: %w", c.ID, err)
	}
	if follower.err != nil {
		return ReleaseReport{}, follower.err
	}
	return d.measure(ctx, c, handle)
}

// follower gives the orders that a chapter needs, once each, and says what happens.
type follower struct {
	demo       *demo
	chapter    chapter
	workflowID string
	phases     int
	approved   bool
	ordered    bool
	err        error
}

func (f *follower) look(ctx context.Context, s release.State) {
	for ; f.phases < len(s.Entries); f.phases++ {
		f.demo.say("  %-12s %s", s.Entries[f.phases].Phase, f.remark(s, s.Entries[f.phases].Phase))
	}
	f.demo.reached(s)
	switch {
	case s.Phase == release.PhaseGate && s.WaitingFor != "" && !f.approved:
		f.approved = true
		f.order(ctx, release.Order{Kind: release.OrderApprove, By: operator, Gate: "switch", Plan: s.Plan.Digest})
	case s.Phase == release.PhaseSoak && f.chapter.Rollback && !f.ordered && time.Since(s.Soak.Start) > 2*time.Second:
		f.ordered = true
		f.order(ctx, release.Order{Kind: release.OrderRollback, By: operator, Comment: "support reports wrong totals"})
	}
}

func (f *follower) remark(s release.State, p release.Phase) string {
	switch p {
	case release.PhaseBake:
		return s.Plan.Image.Action + " image"
	case release.PhaseSoak:
		return fmt.Sprintf("%s, shortened by the spec for the demo", s.Request.Spec.Soak.Duration)
	case release.PhaseRollback:
		return s.WayOut.Reason
	}
	return ""
}

func (f *follower) order(ctx context.Context, o release.Order) {
	answer, err := starter.Order(ctx, f.demo.client, f.workflowID, o)
	if err != nil {
		f.err = fmt.Errorf("%s %s: %w", o.Kind, f.chapter.ID, err)
		f.demo.say("  %v", f.err)
		return
	}
	f.demo.say("  %s says %s: %s", o.By, o.Kind, answer.Effect)
}

func (d *demo) measure(ctx context.Context, c chapter, h starter.Handle) (ReleaseReport, error) {
	s, err := starter.QueryState(ctx, d.client, h.WorkflowID)
	if err != nil {
		return ReleaseReport{}, err
	}
	d.states = append(d.states, s)
	r := ReleaseReport{ID: c.ID, Version: c.Version, Image: s.Plan.Image.Action, Outcome: s.Outcome(), Expected: c.Expected}
	if s.WayOut != nil {
		r.Reason = s.WayOut.Reason
	}
	for _, e := range s.Entries {
		switch e.Phase {
		case release.PhaseBake:
			r.BakeMS = e.End.Sub(e.Start).Milliseconds()
		case release.PhaseProvision:
			r.ProvisionMS += e.End.Sub(e.Start).Milliseconds()
		}
	}
	for _, region := range s.Regions {
		r.SwitchMS, r.RollbackMS = max(r.SwitchMS, region.SwitchMS), max(r.RollbackMS, region.BackMS)
	}
	r.HistoryEvents, err = historyLength(ctx, d.client, h)
	d.say("  %s", strings.TrimSuffix(r.Outcome+": "+r.Reason, ": "))
	return r, err
}

func historyLength(ctx context.Context, c client.Client, h starter.Handle) (int64, error) {
	d, err := c.DescribeWorkflowExecution(ctx, h.WorkflowID, h.RunID)
	if err != nil {
		return 0, fmt.Errorf("read the history's length of %s: %w", h.WorkflowID, err)
	}
	return d.GetWorkflowExecutionInfo().GetHistoryLength(), nil
}
