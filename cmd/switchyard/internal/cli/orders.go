package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/starter"
)

type orderFlags struct {
	targetFlags
	order release.Order
	more  string
}

type orderDocument struct {
	Order      release.OrderKind `json:"order"`
	ID         string            `json:"id"`
	WorkflowID string            `json:"workflowId"`
	By         string            `json:"by"`
	Plan       string            `json:"plan,omitempty"`
	Effect     string            `json:"effect"`
	Phase      release.Phase     `json:"phase"`
}

func (a *App) orderCmds() []*cobra.Command {
	about := map[release.OrderKind]string{
		release.OrderApprove:    "Approve a gate of a release, for the plan it has",
		release.OrderReject:     "Refuse a release: its candidate is removed, or rolled back if it serves",
		release.OrderRollback:   "Move traffic back to the previous fleet",
		release.OrderPause:      "Hold a release before its next phase; watching goes on",
		release.OrderResume:     "Let a paused release go on",
		release.OrderAbort:      "End a release before traffic moves, and remove its candidate",
		release.OrderExtendSoak: "Make the soak longer",
		release.OrderFinishSoak: "End the soak now",
		release.OrderOverride:   "Let a release pass what holds it: a freeze, the window, a lost readiness, an analysis without a verdict",
	}
	var out []*cobra.Command
	for _, help := range release.OrderKinds() {
		out = append(out, a.orderCmd(help.Kind, about[help.Kind]))
	}
	return out
}

func (a *App) orderCmd(kind release.OrderKind, short string) *cobra.Command {
	f := &orderFlags{order: release.Order{Kind: kind}}
	cmd := &cobra.Command{
		Use: string(kind) + " [RELEASE]", Short: short, Long: short + ".\n\n" + whichRelease,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeReleases(true),
		RunE: func(cmd *cobra.Command, args []string) error { return a.order(cmd.Context(), f, args) },
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.order.By, "by", "", "who gives the order (SWITCHYARD_BY, else your user name)")
	flags.StringVarP(&f.order.Comment, "comment", "m", "", "why, for the record")
	flags.StringVar(&f.order.ID, "order-id", "", "id of the order; the same id again has no second effect")
	switch kind {
	case release.OrderApprove:
		flags.StringVar(&f.order.Plan, "plan", "", "digest of the plan you looked at, 12 digits or more; absent: the plan it has now, which is shown")
		flags.StringVar(&f.order.Gate, "gate", "", "gate to approve; absent: the only open one")
	case release.OrderReject:
		flags.StringVar(&f.order.Gate, "gate", "", "gate that is refused; absent: the only open one")
	case release.OrderOverride:
		flags.StringVar(&f.order.Gate, "gate", "", "what is overridden: "+strings.Join(release.Overridable(), ", ")+" (required)")
	case release.OrderExtendSoak:
		flags.StringVar(&f.more, "for", "", "how much longer, such as 2h or 1d (required)")
	}
	return cmd
}

func (a *App) order(ctx context.Context, f *orderFlags, args []string) error {
	o := f.order
	o.By = person(o.By)
	if o.Kind == release.OrderExtendSoak {
		if f.more == "" {
			return &starter.InputError{What: "extend the soak", Err: errors.New("--for is missing: how much longer?"), Advice: "For example --for 2h."}
		}
		d, err := spec.ParseDuration(f.more)
		if err != nil {
			return &starter.InputError{What: "read --for", Err: err}
		}
		o.For = d
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	id, err := f.find(ctx, c, args, true)
	if err != nil {
		return err
	}
	if o.Kind == release.OrderApprove && o.Plan == "" {
		s, err := starter.QueryState(ctx, c, id)
		if err != nil {
			return err
		}
		o.Plan = s.Plan.Digest
		a.notePlan(s)
	}
	answer, err := starter.Order(ctx, c, id, o)
	if err != nil {
		return err
	}
	_, rid := starter.SplitWorkflowID(id)
	doc := orderDocument{Order: o.Kind, ID: rid, WorkflowID: id, By: o.By, Plan: o.Plan, Effect: answer.Effect, Phase: answer.Phase}
	a.print(doc, func(w io.Writer) {
		fmt.Fprintf(w, "%s of %s by %s: %s (phase %s)\n", o.Kind, rid, o.By, answer.Effect, answer.Phase)
	})
	return nil
}

// notePlan shows what an approval without --plan is given to.
func (a *App) notePlan(s release.State) {
	if s.Plan.Digest == "" {
		return
	}
	a.note("plan %s of release %s\n  %s", s.Plan.Digest, s.Request.ID, strings.Join(s.Plan.Steps, "\n  "))
}
