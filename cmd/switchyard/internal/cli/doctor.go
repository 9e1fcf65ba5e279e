package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/internal/wiring"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/starter"
)

// doctorDocument is what was found in every region of a spec.
type doctorDocument struct {
	Target   release.Target `json:"target"`
	Platform string         `json:"platform"`
	Ready    bool           `json:"ready"` // everything could be examined and nothing blocks a release
	Regions  []diagnosis    `json:"regions"`
}

// diagnosis is what was found in one region. Error is why examining it failed; it
// proves neither that something is wrong nor that all is well.
type diagnosis struct {
	Region   string             `json:"region"`
	Findings []platform.Finding `json:"findings"`
	Error    string             `json:"error,omitempty"`
}

func (a *App) doctorCmd() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use: "doctor --spec SPEC", Short: "Examine whether a release of a spec could run at all", Args: cobra.NoArgs,
		Example: "  switchyard doctor --spec release.yaml",
		Long: `Examine what a release of the spec needs in each of its regions, with the credentials of this
machine: credentials, permissions, the route, quotas. Nothing is changed and Temporal is not needed.

  ✓ as it should be   ! in doubt, or worth knowing   ✗ a release would fail

Exit code 0 when nothing blocks a release, 7 when something does, 1 when a region could not be examined.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return &starter.InputError{What: "examine a spec", Err: errors.New("--spec is missing: which one?"), Advice: "For example --spec release.yaml."}
			}
			platforms, err := wiring.Platforms(a.cloudDir(), aws.New(aws.Options{}))
			if err != nil {
				return &starter.InputError{What: "reach the local cloud", Err: err}
			}
			return a.doctor(cmd.Context(), platforms, path)
		},
	}
	cmd.Flags().StringVar(&path, "spec", "", "release spec, or - for standard input")
	_ = cmd.RegisterFlagCompletionFunc("spec", specFiles)
	return cmd
}

func (a *App) doctor(ctx context.Context, platforms activities.Set, path string) error {
	l, err := starter.ReadSpec(path)
	if err != nil {
		return err
	}
	p, err := platforms.Open(l.Spec.Platform, l.Spec.Settings())
	if err != nil {
		return &starter.InputError{What: "examine " + path, Err: err}
	}
	doc := doctorDocument{Target: release.Target{Application: l.Spec.Application, Environment: l.Spec.Environment}, Platform: p.Name}
	for _, r := range l.Spec.Regions {
		doc.Regions = append(doc.Regions, diagnose(ctx, p, r.Name, doc.Target))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	code := doc.exitCode()
	doc.Ready = code == starter.ExitCompleted
	a.print(doc, func(w io.Writer) { writeDoctor(w, doc) })
	return exit(code)
}

// diagnose examines one region. A platform without a doctor has nothing to examine
// but that it answers.
func diagnose(ctx context.Context, p platform.Platform, region string, target release.Target) diagnosis {
	d := diagnosis{Region: region, Findings: []platform.Finding{}}
	if p.Doctor == nil {
		if _, err := p.Fleets.List(ctx, region, target); err != nil {
			d.Findings = append(d.Findings, silent(p.Name, err))
			return d
		}
		d.Findings = append(d.Findings, platform.Finding{Subject: "platform " + p.Name + " answers; there is nothing else to examine"})
		return d
	}
	found, err := p.Doctor.Examine(ctx, region, target)
	d.Findings = append(d.Findings, found...)
	if err != nil {
		d.Error = err.Error()
	}
	return d
}

// silent is the finding of a platform that does not answer.
func silent(name string, err error) platform.Finding {
	f := platform.Finding{Subject: "platform " + name, Problem: err.Error(), Blocking: true}
	var pe *platform.Error
	if errors.As(err, &pe) && pe.Err != nil {
		f.Problem, f.Advice = pe.Err.Error(), pe.Advice
	}
	return f
}

// exitCode is that of the whole examination: what could not be examined counts more
// than what blocks, because the picture is not whole.
func (d doctorDocument) exitCode() starter.ExitCode {
	code := starter.ExitCompleted
	for _, r := range d.Regions {
		if r.Error != "" {
			return starter.ExitError
		}
		if r.count(true) > 0 {
			code = starter.ExitRefused
		}
	}
	return code
}

// count is the number of findings that block a release, or of those that only are in doubt.
func (d diagnosis) count(blocking bool) int {
	n := 0
	for _, f := range d.Findings {
		if f.Problem != "" && f.Blocking == blocking {
			n++
		}
	}
	return n
}

func writeDoctor(w io.Writer, d doctorDocument) {
	blocking, doubts, unknown := 0, 0, 0
	for _, r := range d.Regions {
		fmt.Fprintf(w, "%s\n", r.Region)
		for _, f := range r.Findings {
			writeFinding(w, f)
		}
		if r.Error != "" {
			unknown++
			fmt.Fprintf(w, "  ! could not be examined: %s\n", indent(r.Error))
		}
		blocking += r.count(true)
		doubts += r.count(false)
	}
	fmt.Fprintln(w)
	switch {
	case blocking > 0:
		fmt.Fprintf(w, "a release of %s would fail: %d finding(s) block it, %d more to look at\n", d.Target, blocking, doubts)
	case unknown > 0:
		fmt.Fprintf(w, "nobody knows whether a release of %s would run: %d region(s) could not be examined\n", d.Target, unknown)
	case doubts > 0:
		fmt.Fprintf(w, "nothing blocks a release of %s; %d finding(s) to look at\n", d.Target, doubts)
	default:
		fmt.Fprintf(w, "nothing blocks a release of %s\n", d.Target)
	}
}

func writeFinding(w io.Writer, f platform.Finding) {
	switch {
	case f.Problem == "":
		fmt.Fprintf(w, "  ✓ %s\n", f.Subject)
		return
	case f.Blocking:
		fmt.Fprintf(w, "  ✗ %s: %s\n", f.Subject, indent(f.Problem))
	default:
		fmt.Fprintf(w, "  ! %s: %s\n", f.Subject, indent(f.Problem))
	}
	if f.Advice != "" {
		fmt.Fprintf(w, "    %s\n", indent(f.Advice))
	}
}
