package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/internal/wiring"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/starter"
)

func (a *App) planCmd() *cobra.Command {
	var id string
	var wishes wishFlags
	cmd := &cobra.Command{
		Use: "plan SPEC", Short: "Show what a release would do now, without doing it",
		Long: `Observe the target and show what a release would do. Nothing is changed and Temporal is not needed.
A release makes its plan again from what it observes itself; the digest is the same as long as the
target, the spec and the release id are.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: specFiles,
		RunE: func(cmd *cobra.Command, args []string) error { return a.plan(cmd.Context(), args[0], id, wishes) },
	}
	cmd.Flags().StringVar(&id, "id", "", "release id, as the command release takes it")
	wishes.register(cmd)
	return cmd
}

func (a *App) plan(ctx context.Context, path, id string, wishes wishFlags) error {
	req, err := wishes.request(path, id, person(""))
	if err != nil {
		return err
	}
	platforms, err := wiring.Platforms(a.cloudDir(), aws.New(aws.Options{}))
	if err != nil {
		return &starter.InputError{What: "reach the local cloud", Err: err}
	}
	planner := activities.Planner{Platforms: platforms, Bakery: &wiring.Bakery{LocalCloud: a.cloudDir()}}
	plan, err := planner.MakePlan(ctx, activities.PlanInput{Request: req})
	if err != nil {
		return planError(req, err)
	}
	a.print(plan, func(w io.Writer) { writePlan(w, plan) })
	return nil
}

// planError is the refusal of a target that can't be released as it is, or of a
// platform that does not answer; both read well as they are.
func planError(r release.Request, err error) error {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return &starter.RefusedError{What: "plan", WorkflowID: r.Target().String(), Reason: app.Message()}
	}
	var pe *platform.Error
	if errors.As(err, &pe) {
		return fmt.Errorf("plan release %s of %s: %w", r.ID, r.Target(), err)
	}
	return err
}

func writePlan(w io.Writer, p release.Plan) {
	fmt.Fprintf(w, "release %s of %s, version %s\nplan %s\n\n", p.Release, p.Target, p.Version, p.Digest)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "REGION\tWAVE\tROLE\tSERVES NOW\tCANDIDATE\tINSTANCES\tENTRY")
	for _, r := range p.Regions {
		now := "nothing"
		if r.Previous != "" {
			now = r.Previous
			if r.From != "" {
				now += " (" + r.From + ")"
			}
			if r.Adopted {
				now += ", not made by Switchyard"
			}
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%d\t%s\n", r.Name, r.Wave, r.Role, now, r.Candidate, r.Capacity, r.Entry)
	}
	_ = t.Flush()
	fmt.Fprintln(w)
	for i, s := range p.Steps {
		fmt.Fprintf(w, "%3d. %s\n", i+1, s)
	}
}
