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

type statusDocument struct {
	WorkflowID string        `json:"workflowId"`
	Outcome    string        `json:"outcome,omitempty"`
	MustAct    []action      `json:"mustAct"`
	State      release.State `json:"state"`
}

func newStatus(id string, s release.State) statusDocument {
	must := actions(s)
	if must == nil {
		must = []action{}
	}
	return statusDocument{WorkflowID: id, Outcome: s.Outcome(), MustAct: must, State: s}
}

func (a *App) statusCmd() *cobra.Command {
	var t targetFlags
	cmd := &cobra.Command{
		Use: "status [RELEASE]", Short: "Show one release: phases, regions, weights, gates and what it waits for",
		Long: "Show one release. Without RELEASE, list the releases that run.\n\n" + whichRelease,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeReleases(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.list(cmd.Context(), starter.Filter{Application: t.application, Environment: t.environment, Running: true})
			}
			return a.status(cmd.Context(), t, args)
		},
	}
	t.register(cmd)
	return cmd
}

func (a *App) status(ctx context.Context, t targetFlags, args []string) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	id, err := t.find(ctx, c, args, false)
	if err != nil {
		return err
	}
	s, err := starter.QueryState(ctx, c, id)
	if err != nil {
		return err
	}
	a.print(newStatus(id, s), func(w io.Writer) { writeState(w, s, time.Now()) })
	return nil
}

type listDocument struct {
	Releases []starter.Listed `json:"releases"`
}

func (a *App) listCmd() *cobra.Command {
	var f starter.Filter
	cmd := &cobra.Command{
		Use: "list", Short: "List releases, newest first", Args: cobra.NoArgs, Aliases: []string{"ls"},
		Example: "  switchyard list --environment production --running",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.list(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.Application, "application", "a", "", "only of this application")
	flags.StringVarP(&f.Environment, "environment", "e", "", "only to this environment")
	flags.StringVar(&f.Version, "release-version", "", "only of this version")
	flags.StringVar(&f.Phase, "phase", "", "only in this phase")
	flags.StringVar(&f.Region, "region", "", "only those that cover this region")
	flags.BoolVar(&f.Running, "running", false, "only those that are not over")
	flags.IntVar(&f.Limit, "limit", 50, "at most so many")
	var phases []string
	for _, p := range release.Phases() {
		phases = append(phases, string(p))
	}
	_ = cmd.RegisterFlagCompletionFunc("phase", cobra.FixedCompletions(phases, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *App) list(ctx context.Context, f starter.Filter) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	list, err := starter.List(ctx, c, f)
	if err != nil {
		return err
	}
	if list == nil {
		list = []starter.Listed{}
	}
	a.print(listDocument{list}, func(w io.Writer) { writeList(w, list, f.Running) })
	return nil
}

func writeList(w io.Writer, list []starter.Listed, running bool) {
	if len(list) == 0 {
		if running {
			fmt.Fprintln(w, "no release runs")
		} else {
			fmt.Fprintln(w, "no releases")
		}
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RELEASE\tTARGET\tVERSION\tPHASE\tSTARTED\tTOOK")
	for _, l := range list {
		took, phase := length(time.Since(l.StartedAt))+" so far", l.Phase
		if !l.EndedAt.IsZero() {
			took = length(l.EndedAt.Sub(l.StartedAt))
			if !release.Phase(phase).Ended() { // the server closed it, not the release
				phase += " (" + l.Status + ")"
			}
		}
		fmt.Fprintf(t, "%s\t%s/%s\t%s\t%s\t%s\t%s\n", l.ID, l.Application, l.Environment, l.Version, phase, clock(l.StartedAt), took)
	}
	_ = t.Flush()
}
