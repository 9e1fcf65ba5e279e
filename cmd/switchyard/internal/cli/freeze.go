package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/starter"
)

type freezeFlags struct {
	freeze            release.Freeze
	from, until, last string
}

type freezeDocument struct {
	Target release.Target `json:"target"`
	Freeze string         `json:"freeze"`
	Effect string         `json:"effect"`
}

func (a *App) freezeCmds() []*cobra.Command {
	var f freezeFlags
	freeze := &cobra.Command{
		Use: "freeze APPLICATION/ENVIRONMENT", Short: "Keep a target as it is for a time",
		Long: `Keep a target as it is for a time: no release begins, a running one moves no traffic forward and takes no
fleet away. Going back is never frozen. A release can override a freeze with a reason: a new one with
` + "`switchyard release --override-freeze`, a running one with `switchyard override --gate freeze`" + `.`,
		Example: `  switchyard freeze checkout/production --name black-friday --from 2026-11-27T00:00:00Z --until 2026-11-30T06:00:00Z -m "sales"
  switchyard freeze checkout/production --for 2h -m "incident 4711"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.freeze(cmd.Context(), args[0], f) },
	}
	flags := freeze.Flags()
	flags.StringVar(&f.freeze.Name, "name", "", "name of the freeze; one of the same name is replaced (absent: freeze- and the time)")
	flags.StringVar(&f.from, "from", "", "when it begins, as 2026-11-27T00:00:00Z; absent: now")
	flags.StringVar(&f.until, "until", "", "when it ends, as 2026-11-30T06:00:00Z; this or --for is required")
	flags.StringVar(&f.last, "for", "", "how long it lasts, such as 2h or 3d")
	flags.StringVarP(&f.freeze.Reason, "reason", "m", "", "why (required)")
	flags.StringVar(&f.freeze.By, "by", "", "who gives the order (SWITCHYARD_BY, else your user name)")

	var by string
	thaw := &cobra.Command{
		Use: "unfreeze APPLICATION/ENVIRONMENT [NAME]", Short: "End a freeze of a target",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := release.ThawRequest{By: person(by)}
			if len(args) > 1 {
				r.Name = args[1]
			}
			return a.unfreeze(cmd.Context(), args[0], r)
		},
	}
	thaw.Flags().StringVar(&by, "by", "", "who gives the order (SWITCHYARD_BY, else your user name)")
	return []*cobra.Command{freeze, thaw}
}

func (a *App) freeze(ctx context.Context, name string, f freezeFlags) error {
	target, err := targetOf(name)
	if err != nil {
		return err
	}
	if f.freeze, err = f.times(time.Now().UTC()); err != nil {
		return err
	}
	f.freeze.By = person(f.freeze.By)
	if f.freeze.Name == "" { // one of its own, so that it replaces nobody else's
		f.freeze.Name = time.Now().UTC().Format("freeze-20060102-150405")
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	effect, err := starter.Freeze(ctx, c, a.taskQueue, target, f.freeze)
	return a.frozen(freezeDocument{Target: target, Freeze: f.freeze.Name, Effect: effect}, err)
}

func (a *App) unfreeze(ctx context.Context, name string, r release.ThawRequest) error {
	target, err := targetOf(name)
	if err != nil {
		return err
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if r.Name == "" {
		if r.Name, err = onlyFreeze(ctx, c, target); err != nil {
			return err
		}
	}
	effect, err := starter.Unfreeze(ctx, c, a.taskQueue, target, r)
	return a.frozen(freezeDocument{Target: target, Freeze: r.Name, Effect: effect}, err)
}

func (a *App) frozen(doc freezeDocument, err error) error {
	if err != nil {
		return err
	}
	a.print(doc, func(w io.Writer) { fmt.Fprintln(w, doc.Effect) })
	return nil
}

// onlyFreeze is the name of the target's freeze when there is one and no other.
func onlyFreeze(ctx context.Context, c client.Client, t release.Target) (string, error) {
	e, err := starter.QueryEnvironment(ctx, c, t)
	if err != nil {
		return "", err
	}
	if len(e.Freezes) == 1 {
		return e.Freezes[0].Name, nil
	}
	var names []string
	for _, f := range e.Freezes {
		names = append(names, f.Name)
	}
	return "", &starter.InputError{What: "unfreeze " + t.String(), Err: fmt.Errorf("it has %d freezes (%s)", len(names), strings.Join(names, ", ")), Advice: "Name the one that is to end."}
}

// times reads when the freeze begins and ends.
func (f freezeFlags) times(now time.Time) (release.Freeze, error) {
	out := f.freeze
	out.From = now
	if f.from != "" {
		at, err := time.Parse(time.RFC3339, f.from)
		if err != nil {
			return out, &starter.InputError{What: "read --from", Err: err, Advice: "Write it like 2026-11-27T00:00:00Z."}
		}
		out.From = at
	}
	switch {
	case (f.until == "") == (f.last == ""):
		return out, &starter.InputError{What: "freeze", Err: errors.New("one of --until and --for is needed")}
	case f.until != "":
		at, err := time.Parse(time.RFC3339, f.until)
		if err != nil {
			return out, &starter.InputError{What: "read --until", Err: err, Advice: "Write it like 2026-11-30T06:00:00Z."}
		}
		out.Until = at
	default:
		d, err := spec.ParseDuration(f.last)
		if err != nil {
			return out, &starter.InputError{What: "read --for", Err: err}
		}
		out.Until = out.From.Add(d.Std())
	}
	return out, nil
}

func targetOf(name string) (release.Target, error) {
	application, environment, ok := strings.Cut(name, "/")
	if !ok || application == "" || environment == "" || strings.Contains(environment, "/") {
		return release.Target{}, &starter.InputError{What: fmt.Sprintf("find target %q", name), Err: errors.New("it is not APPLICATION/ENVIRONMENT")}
	}
	return release.Target{Application: application, Environment: environment}, nil
}
