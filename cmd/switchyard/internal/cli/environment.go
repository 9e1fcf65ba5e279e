package cli

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/starter"
)

func (a *App) environmentCmd() *cobra.Command {
	return &cobra.Command{
		Use: "environment APPLICATION/ENVIRONMENT", Aliases: []string{"env"},
		Short: "Show a target: what is live, who holds it, freezes, the database and past releases",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := targetOf(args[0])
			if err != nil {
				return err
			}
			return a.environment(cmd.Context(), t)
		},
	}
}

func (a *App) environment(ctx context.Context, t release.Target) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	e, err := starter.QueryEnvironment(ctx, c, t)
	if err != nil {
		return err
	}
	a.print(e, func(w io.Writer) { writeEnvironment(w, e, time.Now()) })
	return nil
}

func writeEnvironment(w io.Writer, e release.Environment, now time.Time) {
	fmt.Fprintf(w, "%s\n\n", e.Target)
	if h := e.Holder; h != nil {
		fmt.Fprintf(w, "held by release %s (version %s) since %s\n", h.ID, h.Version, clock(h.Since))
	} else {
		fmt.Fprintln(w, "free: no release holds it")
	}
	for i, q := range e.Queue {
		fmt.Fprintf(w, "%d. waits: release %s (version %s) since %s\n", i+1, q.ID, q.Version, clock(q.Since))
	}
	for _, f := range e.Freezes {
		when := "frozen"
		switch {
		case now.Before(f.From):
			when = "to be frozen from " + clock(f.From)
		case !now.Before(f.Until):
			continue
		}
		fmt.Fprintf(w, "%s: %s\n", when, f)
	}
	if e.Schema.Version > 0 || e.Schema.Floor > 0 {
		fmt.Fprintf(w, "database: schema %d; builds that need one below %d do not run\n", e.Schema.Version, e.Schema.Floor)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "REGION\tLIVE\tVERSION\tPREVIOUS\tVERSION")
	for _, r := range e.Regions {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", r.Region, r.Live, r.LiveVersion, r.Previous, r.PreviousVersion)
	}
	fmt.Fprintln(t, "\nRELEASE\tVERSION\tOUTCOME\tENDED\t")
	for i := len(e.History) - 1; i >= 0; i-- {
		h := e.History[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t\n", h.ID, h.Version, h.Outcome, clock(h.At))
	}
	_ = t.Flush()
}
