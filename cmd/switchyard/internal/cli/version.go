package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

type versionDocument struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Temporal string `json:"temporalSdk,omitempty"`
}

func (a *App) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			doc := versionDocument{Version: a.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						doc.Revision = s.Value
					}
				}
				for _, m := range info.Deps {
					if m.Path == "go.temporal.io/sdk" {
						doc.Temporal = m.Version
					}
				}
			}
			a.print(doc, func(w io.Writer) {
				fmt.Fprintf(w, "switchyard %s (%s, %s, Temporal SDK %s)\n", doc.Version, doc.Go, doc.Platform, doc.Temporal)
			})
			return nil
		},
	}
}

type completionDocument struct {
	Shell  string `json:"shell"`
	Script string `json:"script"`
}

func (a *App) completionCmd() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use: "completion SHELL", Short: "Print the completion script of bash, zsh, fish or powershell",
		Example: "  source <(switchyard completion bash)",
		Args:    cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs), ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			var script writerString
			var err error
			switch root := cmd.Root(); args[0] {
			case "bash":
				err = root.GenBashCompletionV2(&script, true)
			case "zsh":
				err = root.GenZshCompletion(&script)
			case "fish":
				err = root.GenFishCompletion(&script, true)
			default:
				err = root.GenPowerShellCompletionWithDesc(&script)
			}
			if err != nil {
				return fmt.Errorf("make the completion script for %s: %w", args[0], err)
			}
			a.print(completionDocument{args[0], string(script)}, func(w io.Writer) { fmt.Fprint(w, string(script)) })
			return nil
		},
	}
}

// writerString collects what is written to it.
type writerString string

func (s *writerString) Write(p []byte) (int, error) {
	*s += writerString(p)
	return len(p), nil
}
