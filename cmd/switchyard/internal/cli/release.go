package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/starter"
)

type releaseFlags struct {
	id, by  string
	wait    bool
	timeout time.Duration
	wishes  wishFlags
}

// wishFlags are what a person asks for beyond the spec.
type wishFlags struct {
	starter.Wishes
	soak string
}

func (f *wishFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.To, "to", "", "go back to this version through its kept image: nothing is baked, every check is asked")
	cmd.Flags().StringVar(&f.soak, "soak", "", "a shorter soak than the spec's, such as 1h; the release is marked as such")
	cmd.Flags().StringVar(&f.OverrideFreeze, "override-freeze", "", "why the release may begin and go on although the target is frozen")
}

// request reads the spec and makes the request of it.
func (f wishFlags) request(path, id, by string) (release.Request, error) {
	l, err := starter.ReadSpec(path)
	if err != nil {
		return release.Request{}, err
	}
	if f.soak != "" {
		if f.Soak, err = spec.ParseDuration(f.soak); err != nil {
			return release.Request{}, &starter.InputError{What: "read --soak", Err: err}
		}
	}
	return f.Request(l, id, by)
}

type releaseDocument struct {
	ID     string         `json:"id"`
	Target release.Target `json:"target"`
	starter.Handle
	Summary *release.Summary `json:"summary,omitempty"` // with --wait, or when it was over already
}

func (a *App) releaseCmd() *cobra.Command {
	var f releaseFlags
	cmd := &cobra.Command{
		Use: "release SPEC", Short: "Start a release, or attach to the one the same spec started",
		Long: `Start a release. The same spec again attaches to the release it started, so that a CI job can be
repeated. The release id is r-<version>-<digits of the spec's digest> unless --id names one; a release
that is over is not run again under the same id.

With --wait the command follows the release and ends with its outcome as exit code.`,
		Example: `  switchyard release release.yaml --wait --timeout 2h
  switchyard release release.yaml --to 1.4.1 --soak 1h --wait`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: specFiles,
		RunE: func(cmd *cobra.Command, args []string) error { return a.release(cmd.Context(), args[0], f) },
	}
	cmd.Flags().StringVar(&f.id, "id", "", "release id, unique for the target; also the idempotency key of CI")
	cmd.Flags().StringVar(&f.by, "by", "", "who asks for the release (SWITCHYARD_BY, else your user name)")
	f.wishes.register(cmd)
	cmd.Flags().BoolVar(&f.wait, "wait", false, "follow the release and end with its outcome")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "with --wait: longest time to wait; the release goes on after it (0: no bound)")
	return cmd
}

func (a *App) release(ctx context.Context, path string, f releaseFlags) error {
	req, err := f.wishes.request(path, f.id, person(f.by))
	if err != nil {
		return err
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	h, err := starter.Start(ctx, c, starter.StartOptions{Request: req, TaskQueue: a.taskQueue})
	if err != nil {
		return err
	}
	doc := releaseDocument{ID: req.ID, Target: req.Target(), Handle: h}
	if h.Ended {
		return a.releaseEnded(ctx, c, doc, f.id != "")
	}
	verb := "started"
	if h.Attached {
		verb = "runs already; attached to it"
	}
	a.note("release %s of %s (version %s) %s\n  workflow %s", req.ID, req.Target(), req.Spec.Version, verb, h.WorkflowID)
	if !f.wait {
		a.print(doc, func(w io.Writer) { fmt.Fprintln(w, req.ID) })
		return nil
	}
	return a.waitFor(ctx, c, doc, f.timeout)
}

// releaseEnded answers a request for a release that is over. An id that the caller
// chose is an idempotency key, and the answer is the outcome; a derived id more
// likely means that somebody wants to release the same spec once more.
func (a *App) releaseEnded(ctx context.Context, c client.Client, doc releaseDocument, chosen bool) error {
	s, err := starter.Result(ctx, c, doc.WorkflowID, doc.RunID)
	if err != nil {
		return err
	}
	if !chosen {
		return &starter.EndedError{ID: doc.ID, Target: doc.Target, Outcome: s.Outcome}
	}
	a.note("release %s of %s was run before and is over; nothing was started", doc.ID, doc.Target)
	doc.Summary = &s
	a.print(doc, func(w io.Writer) { printSummary(w, s) })
	return exit(starter.OutcomeCode(s.Outcome))
}

func (a *App) waitFor(ctx context.Context, c client.Client, doc releaseDocument, timeout time.Duration) error {
	wctx, cancel := withTimeout(ctx, timeout)
	defer cancel()
	p := &progress{note: a.note}
	s, err := starter.Follow(wctx, c, starter.FollowOptions{WorkflowID: doc.WorkflowID, RunID: doc.RunID, OnState: p.state, OnTrouble: p.trouble})
	if err != nil {
		return timedOut(ctx, err, doc.WorkflowID, timeout, string(p.last.Phase))
	}
	doc.Summary = &s
	a.print(doc, func(w io.Writer) { printSummary(w, s) })
	return exit(starter.OutcomeCode(s.Outcome))
}

func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

// timedOut tells the end of our own patience from the end of the caller's.
func timedOut(ctx context.Context, err error, workflowID string, after time.Duration, phase string) error {
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return &starter.TimeoutError{WorkflowID: workflowID, After: after, Phase: phase}
	}
	return err
}

func printSummary(w io.Writer, s release.Summary) {
	fmt.Fprintf(w, "release %s of %s: %s\n", s.ID, s.Target, s.Outcome)
	if s.Reason != "" {
		fmt.Fprintf(w, "  because: %s\n", indent(s.Reason))
	}
	for _, x := range s.Warnings {
		fmt.Fprintf(w, "  warning: %s\n", indent(x))
	}
}
