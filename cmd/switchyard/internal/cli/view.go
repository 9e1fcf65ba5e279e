package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/switchyard/switchyard/release"
)

// action is something a person may do now.
type action struct {
	Who     string `json:"who"`
	Why     string `json:"why"`
	Command string `json:"command"`
}

// actions lists who must act for the release to go on; none means it goes on by itself.
func actions(s release.State) []action {
	var out []action
	id := s.Request.ID
	if s.Paused != nil && (s.Phase.Live() && !s.Leaving() || s.Phase == release.PhaseRollback) {
		out = append(out, action{Who: "anyone", Why: "paused by " + s.Paused.By, Command: "switchyard resume " + id})
	}
	if !s.Phase.Live() || s.Leaving() {
		return out
	}
	if s.Needs != nil && s.Paused == nil && s.Phase != release.PhaseGate {
		out = append(out, action{Who: "anyone", Why: s.Needs.What, Command: "switchyard status " + id})
	}
	before := ""
	switch s.Phase {
	case release.PhaseGate:
		before = release.BeforeSwitch
	case release.PhaseWindow:
		before = release.BeforeDecommission
	}
	if g := s.OpenGate(before); g != nil && before != "" && g.Decided == "" {
		who := "anyone"
		if len(g.Approvers) > 0 {
			who = strings.Join(g.Approvers, " or ")
		}
		if g.FourEyes {
			who += " except " + s.Request.Requester
		}
		out = append(out, action{
			Who: who, Why: fmt.Sprintf("gate %q needs %d more approval(s), at most %s from %s on", g.Name, g.Missing(), g.Expiry, clock(g.Opened)),
			Command: fmt.Sprintf("switchyard approve %s --gate %s", id, g.Name),
		})
	}
	return out
}

// writeState is the whole of a release as text.
func writeState(w io.Writer, s release.State, now time.Time) {
	r := s.Request
	fmt.Fprintf(w, "release %s  %s  version %s\n\n", r.ID, r.Target(), r.Spec.Version)
	writeHead(w, s, now)
	writeRegions(w, s)
	writePhases(w, s, now)
	for _, g := range s.Gates {
		fmt.Fprintf(w, "\ngate %s (before %s): %s\n", g.Name, g.Before, gateText(g))
	}
	if n := len(s.Orders); n > 0 {
		fmt.Fprintln(w, "\norders")
		for _, o := range s.Orders[max(0, n-5):] {
			fmt.Fprintf(w, "  %s  %s by %s: %s\n", clock(o.At), o.Kind, o.By, o.Effect)
		}
	}
	for _, x := range s.Refusals[max(0, len(s.Refusals)-3):] {
		fmt.Fprintf(w, "\nrefused %s: %s\n", clock(x.At), x.Reason)
	}
	for _, x := range s.Warnings {
		fmt.Fprintf(w, "\nwarning: %s\n", x)
	}
}

func writeHead(w io.Writer, s release.State, now time.Time) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	entry := s.Entries[len(s.Entries)-1]
	if s.Phase.Ended() {
		row("outcome", "%s at %s, after %s", s.Phase, clock(s.EndedAt), length(s.EndedAt.Sub(s.RequestedAt)))
	} else {
		row("phase", "%s since %s", s.Phase, length(now.Sub(entry.Start)))
	}
	if s.WaitingFor != "" {
		row("waits for", "%s", s.WaitingFor)
	}
	if s.Needs != nil && s.Needs.What != s.WaitingFor {
		row("needs", "a person since %s: %s", clock(s.Needs.Since), s.Needs.What)
	}
	if was := s.Request.SoakWas; was > 0 {
		row("soak", "shortened to %s from %s", s.Request.Spec.Soak.Duration, was)
	}
	if f := release.FrozenBy(s.Freezes, now); f != nil {
		row("frozen", "%s", f)
	}
	for _, r := range s.Regions {
		if n := len(release.Steps(s.Request.Spec.Traffic, r.Capacity, r.Previous == "")); n > 1 && len(r.Steps) > 0 {
			row("step", "%s: %d of %d", r.Name, len(r.Steps), n)
		}
		if b := r.Back; b.Stage != "" && b.Stage != release.BackDone {
			row("way back", "%s", strings.TrimSpace(fmt.Sprintf("%s: %s %s", r.Name, b.Stage, b.Why)))
		}
	}
	switch must := actions(s); {
	case len(must) > 0:
		for _, x := range must {
			row("must act", "%s: %s", x.Who, x.Why)
			row("", "%s", x.Command)
		}
	case !s.Phase.Ended():
		row("must act", "nobody")
	}
	for _, m := range s.Migrations {
		outcome := m.Outcome
		if outcome == "" {
			outcome = "running since " + clock(m.Start)
		}
		row("database", "%s: %s", m.Name, outcome)
	}
	if s.Phase == release.PhaseSoak && !s.Soak.End.IsZero() {
		row("soak", "ends %s, in %s", clock(s.Soak.End), length(s.Soak.End.Sub(now)))
	}
	if s.Image.Ref != "" {
		row("image", "%s", s.Image.Ref)
	}
	if s.Plan.Digest != "" {
		row("plan", "%s", s.Plan.Digest)
	}
	row("asked by", "%s at %s", s.Request.Requester, clock(s.RequestedAt))
	_ = t.Flush()
	if s.WayOut != nil {
		by := ""
		if s.WayOut.By != "" {
			by = ", by " + s.WayOut.By
		}
		fmt.Fprintf(w, "\nleft the way forward (%s%s): %s\n", s.WayOut.Leave, by, indent(s.WayOut.Reason))
	}
}

// indent keeps a text of several lines apart from what follows it.
func indent(s string) string {
	return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}

func writeRegions(w io.Writer, s release.State) {
	if len(s.Regions) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "REGION\tWAVE\tFLEET\tROLE\tTRAFFIC\tIN SERVICE\tSTATE")
	for _, r := range s.Regions {
		fmt.Fprintf(t, "%s\t%d\t%s\tcandidate\t%s\t%s\t%s\n", r.Name, r.Wave, r.Candidate, share(r, r.Candidate), count(r.Counts.Candidate, r.Capacity, r.Counts.At), candidateText(r))
		if r.Previous != "" {
			fmt.Fprintf(t, "\t\t%s\tprevious\t%s\t%s\t%s\n", r.Previous, share(r, r.Previous), previousCount(r), previousText(r))
		}
	}
	_ = t.Flush()
}

// share is a fleet's share of the traffic as last read, "-" before it was.
func share(r release.RegionState, fleet string) string {
	if len(r.Weights) == 0 {
		return "-"
	}
	return fmt.Sprintf("%d %%", r.Weights.Of(fleet))
}

// previousCount is "-" until the previous fleet was counted, which the switch does first.
func previousCount(r release.RegionState) string {
	if r.Counts.Previous == 0 && !r.Switched {
		return "-"
	}
	return count(r.Counts.Previous, 0, r.Counts.At)
}

func count(n, of int, at time.Time) string {
	switch {
	case at.IsZero():
		return "-"
	case of > 0:
		return fmt.Sprintf("%d of %d", n, of)
	}
	return fmt.Sprint(n)
}

func candidateText(r release.RegionState) string {
	var parts []string
	if r.Verified {
		parts = append(parts, "verified")
	}
	if len(r.Checks) > 0 {
		bad := 0
		for _, c := range r.Checks {
			if c.Verdict != release.Pass {
				bad++
			}
		}
		parts = append(parts, fmt.Sprintf("%d of %d checks pass", len(r.Checks)-bad, len(r.Checks)))
	}
	if r.SwitchMS > 0 {
		parts = append(parts, fmt.Sprintf("switched in %d ms", r.SwitchMS))
	}
	if r.BackMS > 0 {
		parts = append(parts, fmt.Sprintf("taken back in %d ms", r.BackMS))
	}
	return strings.Join(parts, ", ")
}

func previousText(r release.RegionState) string {
	switch {
	case r.Readiness.At.IsZero():
		return ""
	case r.Readiness.Ready:
		return "rollback is ready"
	}
	return "rollback is NOT ready: " + r.Readiness.Why
}

func writePhases(w io.Writer, s release.State, now time.Time) {
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PHASE\tBEGAN\tTOOK\tOUTCOME\tEVIDENCE")
	for _, e := range s.Entries {
		took, outcome := length(now.Sub(e.Start))+" so far", e.Outcome
		if !e.End.IsZero() {
			took = length(e.End.Sub(e.Start))
		}
		evidence := ""
		if n := len(e.Evidence); n > 0 {
			evidence = oneLine(e.Evidence[n-1], 100)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", e.Phase, clock(e.Start), took, oneLine(outcome, 60), evidence)
	}
	_ = t.Flush()
}

func gateText(g release.GateState) string {
	var by []string
	for _, a := range g.Approvals {
		by = append(by, a.By)
	}
	text := fmt.Sprintf("%d of %d approvals", len(g.Approvals), g.Count)
	if len(by) > 0 {
		text += " (" + strings.Join(by, ", ") + ")"
	}
	if g.Decided != "" {
		text = g.Decided + " at " + clock(g.DecidedAt) + ", " + text
	}
	return text
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// length is a duration with the precision a person needs.
func length(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

func oneLine(s string, most int) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
