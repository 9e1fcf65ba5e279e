package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/switchyard/switchyard/cmd/switchyard/internal/demo"
	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/starter"
)

func (a *App) demoCmd() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use: "demo", Short: "Tell the whole story on this machine, under load, and measure it", Args: cobra.NoArgs,
		Long: `Start a stack of its own and release checkout four times under constant load: a first release, a good
one that replaces it, one that goes bad in its soak and rolls back by itself, and one that an operator
rolls back. Ends with a table, or with -o json one document; progress goes to standard error then. The
exit code is 0 only if every release ended as told, no user's request failed and nothing is left over.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Platform, "platform", spec.PlatformLocal, "where the fleets run: local, or aws for the AWS lab, which plays an account on this machine")
	flags.BoolVar(&o.Keep, "keep", false, "leave the stack up until Ctrl-C, to look at the releases in Temporal's UI")
	flags.StringVar(&o.Examples, "examples", "", "folder of the example application (absent: examples/checkout beside bin/, or here)")
	flags.IntVar(&o.Stack.UIPort, "ui-port", 0, "port of Temporal's UI (absent: 8233 when free, else any)")
	return cmd
}

func (a *App) demo(ctx context.Context, o demo.Options) error {
	// One place for every demo, so that the next one ends what a killed one left.
	dir := filepath.Join(a.dir, "demo")
	if o.Platform != spec.PlatformLocal && o.Platform != spec.PlatformAWS {
		return &starter.InputError{What: "read --platform", Err: fmt.Errorf("%q is neither local nor aws", o.Platform)}
	}
	o.Stack.Dir, o.Stack.Fresh, o.Stack.Log = dir, true, slog.New(slog.DiscardHandler)
	var err error
	if o.Examples, err = findExamples(o.Examples); err != nil {
		return err
	}
	o.Out = a.Err
	if a.output != "json" {
		o.Out = a.Out
	}
	told := false
	tell := func(r demo.Report) {
		told = true
		a.print(r, func(w io.Writer) {
			fmt.Fprintln(w)
			r.Table(w)
		})
	}
	o.Kept = tell
	report, err := demo.Run(ctx, o)
	if err != nil {
		return fmt.Errorf("%w (what the stack logged is in %s)", err, dir)
	}
	if !told {
		tell(report)
	}
	if !report.Good() {
		a.note("not as told; what the stack logged is in %s", dir)
		return exit(starter.ExitFailed)
	}
	return nil
}

// findExamples looks beside the folder of the program, where `make build` puts it,
// and in the working directory.
func findExamples(given string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	if exe, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(filepath.Dir(exe)), "examples", "checkout")
		if _, err := os.Stat(beside); err == nil {
			return beside, nil
		}
	}
	return filepath.Abs(filepath.Join("examples", "checkout"))
}
