package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/switchyard/switchyard/starter"
)

type setupFlags struct{ deployment, build string }

type setupDocument struct {
	Namespace  string   `json:"namespace"`
	Added      []string `json:"added"` // search attributes that were missing
	Deployment string   `json:"deployment,omitempty"`
	Current    string   `json:"current,omitempty"` // build id that new releases run on
}

func (a *App) setupCmd() *cobra.Command {
	var f setupFlags
	cmd := &cobra.Command{
		Use: "setup", Short: "Prepare a Temporal namespace: search attributes, and which worker version is current",
		Long: `Prepare a Temporal namespace. Adds the search attributes Switchyard uses; running it again changes nothing.

With --set-current the given build of the worker deployment becomes the one that new releases run on.
A versioned worker gets no work before that; releases that run stay on the version that started them.`,
		Example: "  switchyard setup\n  switchyard setup --set-current 1.4.2",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.setup(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.build, "set-current", "", "build id of the worker version to make current")
	cmd.Flags().StringVar(&f.deployment, "deployment", defaultDeployment, "name of the worker deployment")
	return cmd
}

func (a *App) setup(ctx context.Context, f setupFlags) error {
	opts, err := starter.ClientOptions(a.connection())
	if err != nil {
		return err
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	added, err := starter.RegisterSearchAttributes(ctx, c, opts.Namespace)
	if err != nil {
		return err
	}
	doc := setupDocument{Namespace: opts.Namespace, Added: append([]string{}, added...)}
	if f.build != "" {
		if err := starter.SetCurrentVersion(ctx, c, f.deployment, f.build); err != nil {
			return err
		}
		doc.Deployment, doc.Current = f.deployment, f.build
	}
	a.print(doc, func(w io.Writer) {
		if len(added) == 0 {
			fmt.Fprintf(w, "namespace %s has all search attributes\n", doc.Namespace)
		} else {
			fmt.Fprintf(w, "namespace %s: added search attributes %s\n", doc.Namespace, strings.Join(added, ", "))
		}
		if doc.Current != "" {
			fmt.Fprintf(w, "deployment %s: new releases run on build %s\n", doc.Deployment, doc.Current)
		}
	})
	return nil
}
