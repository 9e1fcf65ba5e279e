package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/starter"
)

type validDocument struct {
	Valid   bool           `json:"valid"`
	Path    string         `json:"path"`
	Target  release.Target `json:"target"`
	Version string         `json:"version"`
	Digest  string         `json:"digest"`
	Release string         `json:"release"` // the id a release of it gets
}

func (a *App) validateCmd() *cobra.Command {
	return &cobra.Command{
		Use: "validate SPEC", Short: "Check a spec and report everything that is wrong with it",
		Example: "  switchyard validate release.yaml",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: specFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := starter.ReadSpec(args[0])
			if err != nil {
				return err
			}
			doc := validDocument{Valid: true, Path: l.Path, Digest: l.Digest, Version: l.Spec.Version, Release: starter.DerivedID(l),
				Target: release.Target{Application: l.Spec.Application, Environment: l.Spec.Environment}}
			a.print(doc, func(w io.Writer) {
				fmt.Fprintf(w, "%s is valid: %s of %s, release id %s\n", l.Path, doc.Version, doc.Target, doc.Release)
			})
			return nil
		},
	}
}

func specFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}
