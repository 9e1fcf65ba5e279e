package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/switchyard/switchyard/starter"
)

// targetFlags narrow down which release is meant.
type targetFlags struct{ application, environment string }

const whichRelease = `RELEASE is a release id, application/environment/id, or the workflow id. It can be left out when only
one release runs (of --application and --environment, if given).`

func (t *targetFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&t.application, "application", "a", "", "application of the release")
	cmd.Flags().StringVarP(&t.environment, "environment", "e", "", "environment of the release")
}

// find resolves the optional argument to a workflow id.
func (t targetFlags) find(ctx context.Context, c client.Client, args []string, running bool) (string, error) {
	ref := starter.Reference{Application: t.application, Environment: t.environment, Running: running}
	if len(args) > 0 {
		ref.Name = args[0]
	}
	return starter.Find(ctx, c, ref)
}

// completeWithin bounds the look for release ids while somebody presses Tab.
const completeWithin = 1500 * time.Millisecond

// completeReleases offers release ids: the running ones, or all for commands that
// look at ended ones too.
func (a *App) completeReleases(running bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completeWithin)
		defer cancel()
		o := a.connection()
		o.Within = completeWithin
		c, err := starter.Connect(ctx, o)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer c.Close()
		list, err := starter.List(ctx, c, starter.Filter{Running: running, Limit: 50})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return suggestions(list, prefix), cobra.ShellCompDirectiveNoFileComp
	}
}

// suggestions are ids, with the target before those that several targets use.
func suggestions(list []starter.Listed, prefix string) []string {
	used := map[string]int{}
	for _, l := range list {
		used[l.ID]++
	}
	var out []string
	for _, l := range list {
		name := l.ID
		if used[name] > 1 || strings.Contains(prefix, "/") {
			name = strings.TrimPrefix(l.WorkflowID, "release/")
		}
		if strings.HasPrefix(name, prefix) {
			out = append(out, name+"\t"+l.Application+"/"+l.Environment+" "+l.Version+" "+l.Phase)
		}
	}
	return out
}
