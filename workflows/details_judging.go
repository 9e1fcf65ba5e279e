package workflows

import (
	"fmt"
	"time"

	"github.com/switchyard/switchyard/release"
)

// writeSteps shows the steps of a switch that has more than one.
func writeSteps(b *page, s *release.State) {
	shown := false
	for i := range s.Regions {
		r := &s.Regions[i]
		steps := release.Steps(s.Request.Spec.Traffic, r.Capacity, r.Previous == "")
		if len(steps) < 2 {
			continue
		}
		if !shown {
			b.WriteString("### Steps\n\n| region | traffic | candidate | live after it | held at the least | moved | judged |\n|---|---|---|---|---|---|---|\n")
			shown = true
		}
		for n, step := range steps {
			moved, held := "", ""
			if n < len(r.Steps) && !r.Steps[n].Shifted.IsZero() {
				moved = stamp(r.Steps[n].Shifted)
			}
			if step.Hold > 0 {
				held = step.Hold.Round(time.Second).String()
			}
			b.printf("| %s | %d %% | %d | %d | %s | %s | %s |\n", r.Name, step.Weight, step.Capacity, step.Live, held, moved, judged(s, r, n))
		}
	}
	if !shown {
		return
	}
	b.WriteString("\n")
	if s.Phase == release.PhaseSwitch {
		b.WriteString("What the last look saw stands under *Pending Activities*, with the activity that watches.\n\n")
	}
}

// judged is what became of a region's step, in a word or two.
func judged(s *release.State, r *release.RegionState, n int) string {
	switch {
	case n >= len(r.Steps) || r.Steps[n].Shifted.IsZero():
		return ""
	case !r.Steps[n].Done.IsZero():
		return r.Steps[n].Verdict
	case s.WayOut != nil:
		return "not passed"
	case r.Doubt != "":
		return "in doubt"
	}
	return "under way"
}

// back is where the way back of a region is, in words.
func back(b release.Back) string {
	switch b.Stage {
	case release.BackCapacity:
		return "the previous fleet is brought to today's load"
	case release.BackShift:
		return "the traffic goes back"
	case release.BackHeld:
		return "held between two shares"
	case release.BackDone:
		return "all of the traffic is back on the previous fleet"
	case release.BackWaiting:
		return fmt.Sprintf("%d tries failed, the next one begins %s: %s", b.Tries, stamp(b.Next), b.Why)
	}
	return "stuck, and left to a person: " + b.Why
}

// writeDatabase shows what was done to the database, and what may run on it.
func writeDatabase(b *page, s *release.State) {
	if len(s.Migrations) == 0 && s.Schema.Floor == 0 {
		return
	}
	b.printf("### Database\n\nSchema %d, builds below %d do not run\n\n", s.Schema.Version, s.Schema.Floor)
	for _, m := range s.Migrations {
		outcome := m.Outcome
		if m.End.IsZero() {
			outcome = "running"
		}
		b.printf("- %s since %s: %s\n", m.Name, stamp(m.Start), cell(outcome))
		if m.Output != "" {
			b.printf("  - %s\n", cell(tail(m.Output)))
		}
	}
	b.WriteString("\n")
}

// tail is as much of a long output's end as a page has room for.
func tail(text string) string {
	const most = 500
	if len(text) <= most {
		return text
	}
	return "… " + text[len(text)-most:]
}

func writeFreezes(b *page, freezes []release.Freeze) {
	for _, f := range freezes {
		b.printf("**Freeze** from %s: %s\n\n", stamp(f.From), cell(f.String()))
	}
}

// evidence is a result as a line, with the place where a person can look at it.
func evidence(r release.Result) string {
	if r.Link == "" {
		return r.String()
	}
	return fmt.Sprintf("%s ([look](%s))", r, r.Link)
}

// anyone is somebody who may give an order, to see whether it fits.
func anyone(who []string) string {
	if len(who) > 0 {
		return who[0]
	}
	return "you"
}

// holds says whether this holds the release now, so that an override of it is worth offering.
func holds(s *release.State, what string, now time.Time) bool {
	switch what {
	case release.OverrideFreeze:
		return release.FrozenBy(s.Freezes, now) != nil
	case release.OverrideAnalysis:
		for _, r := range s.Regions {
			if r.Doubt != "" {
				return true
			}
		}
		return false
	}
	return s.Phase == release.PhaseWindow
}
