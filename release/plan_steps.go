package release

import (
	"fmt"
	"slices"
	"strings"

	"github.com/switchyard/switchyard/release/spec"
)

// stepList is what a plan tells, in the order in which it happens.
type stepList []string

func (l *stepList) add(format string, args ...any) { *l = append(*l, fmt.Sprintf(format, args...)) }

func planSteps(r Request, p Plan) []string {
	var l stepList
	s := r.Spec
	if r.OverrideFreeze != "" {
		l.add("begin although the target may be frozen, as asked for by %s: %s", r.Requester, r.OverrideFreeze)
	}
	l.image(s, p)
	l.migration(s.Migrations, HalfExpand)
	l.fleets(s, p)
	l.gates(s, spec.BeforeSwitch)
	l.traffic(s, p)
	l.soak(r)
	if slices.ContainsFunc(p.Regions, func(r PlanRegion) bool { return r.Previous != "" }) {
		l.back(s.Rollback)
	}
	l.decommission(s, p)
	l.migration(s.Migrations, HalfContract)
	l.add("keep the newest %d images", s.Retention.Images)
	if d := s.DeadMan; d.After > 0 {
		then := "with the previous fleet left for a person"
		if d.Then == spec.DeadManRollback {
			then = "rolled back"
		}
		l.add("a wait for a person that no order comes for in %s ends the release: aborted before traffic moves, rolled back while it is split, %s after that", d.After, then)
	}
	return l
}

func (l *stepList) image(s spec.Spec, p Plan) {
	switch p.Image.Action {
	case ImageBake:
		l.add("bake %s %s with Packer template %s, at most %s", s.Application, s.Version, s.Image.Packer.Template, s.Image.Packer.Timeout)
	case ImageReuse:
		l.add("reuse image %s, baked from the same inputs", p.Image.Ref)
	case ImageRetained:
		l.add("use image %s of version %s, which is still kept; nothing is baked", p.Image.Ref, s.Image.Retained)
	default:
		l.add("use image %s", p.Image.Ref)
	}
	if p.Image.Parent != "" && p.Image.Action == ImageBake {
		l.add("build it on image %s of %s", p.Image.Parent, s.Image.Packer.ParentOf.Application)
	}
	l.add("scan the image for secrets")
	if s.Image.Prove {
		l.add("boot one instance from the image, alone, and ask it the checks")
	}
}

func (l *stepList) migration(m *spec.Migrations, half string) {
	if m == nil {
		return
	}
	if half == HalfExpand && m.Expand != nil {
		l.add("expand the database to schema %d: %s, at most %s", m.Schema, migrationText(*m.Expand), m.Expand.Timeout)
	}
	if half == HalfContract && m.Contract != nil {
		l.add("contract the database: %s, at most %s; builds that need an older schema than %d do not run any more", migrationText(*m.Contract), m.Contract.Timeout, m.Floor)
	}
}

func migrationText(m spec.Migration) string {
	switch {
	case m.Command != nil:
		return "run " + strings.Join(m.Command.Run, " ")
	case m.HTTP != nil:
		return "call " + m.HTTP.URL
	case m.Temporal != nil:
		return fmt.Sprintf("run workflow %s on task queue %s", m.Temporal.Workflow, m.Temporal.TaskQueue)
	}
	return "nothing is said"
}

func (l *stepList) fleets(s spec.Spec, p Plan) {
	for i, r := range p.Regions {
		if i > 0 && p.Regions[i-1].Wave != r.Wave {
			l.add("wave %d begins when wave %d serves", r.Wave, r.Wave-1)
		}
		first := firstCapacity(Steps(s.Traffic, r.Capacity, r.Previous == ""))
		if first < r.Capacity {
			l.add("%s: provision %d of %d instances as fleet %s, verify %d rounds in a row", r.Name, first, r.Capacity, r.Candidate, s.Verification.Consecutive)
		} else {
			l.add("%s: provision %d instances as fleet %s, verify %d rounds in a row", r.Name, r.Capacity, r.Candidate, s.Verification.Consecutive)
		}
	}
}

// firstCapacity is what the first step that gives the candidate a share needs.
func firstCapacity(steps []Step) int {
	for _, s := range steps {
		if s.Weight > 0 {
			return s.Capacity
		}
	}
	return 0
}

func (l *stepList) gates(s spec.Spec, before string) {
	for _, g := range s.Gates {
		if g.Before == before {
			l.add("gate %q: wait for %s, at most %s", g.Name, approvals(max(1, g.Count)), g.Expiry)
		}
	}
}

func approvals(n int) string {
	if n == 1 {
		return "1 approval"
	}
	return fmt.Sprintf("%d approvals, each by another person", n)
}

func (l *stepList) traffic(s spec.Spec, p Plan) {
	stepped := false
	for _, r := range p.Regions {
		if r.Previous == "" {
			l.add("%s: first release, give %s all traffic", r.Name, r.Candidate)
			continue
		}
		fleets := fmt.Sprintf("from %s (%s) to %s (%s)", r.Previous, orUnknown(r.From), r.Candidate, p.Version)
		steps := Steps(s.Traffic, r.Capacity, false)
		switch {
		case len(steps) == 1:
			l.add("%s: move all traffic %s", r.Name, fleets)
			continue
		case s.Traffic.Strategy == spec.RollingBy:
			l.add("%s: roll %s %s", r.Name, fleets, rollingText(*s.Traffic.Rolling, steps, r.Capacity))
		default:
			l.add("%s: move traffic %s in steps: %s", r.Name, fleets, canaryText(steps))
		}
		stepped = true
	}
	if stepped {
		l.analysis(s)
	}
}

func canaryText(steps []Step) string {
	var out []string
	for _, s := range steps[:len(steps)-1] {
		out = append(out, fmt.Sprintf("%d %% on %s for %s", s.Weight, instances(s.Capacity), spec.Duration(s.Hold)))
	}
	return strings.Join(out, ", ") + ", then all of it on " + instances(steps[len(steps)-1].Capacity)
}

func rollingText(r spec.Rolling, steps []Step, need int) string {
	batches := 0
	for _, s := range steps {
		if s.Weight > 0 {
			batches++
		}
	}
	text := fmt.Sprintf("in %d batches, each watched for %s; %d to %d instances in service", batches, spec.Duration(warmUp(r)), part(need, given(r.MinHealthy)), need+part(need, given(r.Surge)))
	return fmt.Sprintf("%s; the previous fleet keeps %s", text, instances(min(need, r.Keep)))
}

func instances(n int) string {
	if n == 1 {
		return "1 instance"
	}
	return fmt.Sprintf("%d instances", n)
}

func (l *stepList) analysis(s spec.Spec) {
	a := s.Traffic.Analysis
	if a == nil {
		l.add("a step is taken only when the checks of verification and the error rate are good; without a verdict it waits for a person")
		return
	}
	checks, compared := a.Checks, "the error rate"
	if len(checks) == 0 {
		checks = s.Verification.Checks
	}
	if n := len(a.Compare); n == 1 {
		compared = "1 comparison with the live fleet"
	} else if n > 1 {
		compared = fmt.Sprintf("%d comparisons with the live fleet", n)
	}
	l.add("a step is taken only when %d checks and %s are good, looked at every %s; without a verdict it waits for a person", len(checks), compared, a.Interval)
}

func (l *stepList) soak(r Request) {
	s := r.Spec.Soak
	short := ""
	if r.SoakWas > 0 && s.Duration != nil && r.SoakWas > *s.Duration {
		short = fmt.Sprintf(", shortened from %s as asked for by %s", r.SoakWas, r.Requester)
	}
	l.add("soak %s%s, every fleet that has served stays up, looked at every %s", s.Duration, short, s.Interval)
	if s.Readiness > 0 {
		l.add("prove every %s that a rollback would work; without that proof nothing is taken away", s.Readiness)
	}
}

func (l *stepList) back(b spec.Rollback) {
	if b.Within <= 0 {
		return
	}
	how := "all of the traffic in one step"
	if len(b.Steps) > 0 {
		var steps []string
		for _, s := range b.Steps {
			steps = append(steps, fmt.Sprintf("%d %% for %s", s.Weight, s.Hold))
		}
		how = "the candidate goes down to " + strings.Join(steps, ", ") + ", then to nothing"
	}
	l.add("a rollback first grows the previous fleet to the load, for at most %s; then %s", b.Within, how)
}

func (l *stepList) decommission(s spec.Spec, p Plan) {
	d := s.Decommission
	if slices.ContainsFunc(p.Regions, func(r PlanRegion) bool { return TakesAway(r.Previous, r.Adopted, d) }) {
		if d.Hold > 0 {
			l.add("hold the previous fleet for another %s", d.Hold)
		}
		l.gates(s, spec.BeforeDecommission)
		if d.Window != nil {
			l.add("wait for %s", windowText(*d.Window))
		}
	}
	for _, r := range p.Regions {
		switch {
		case r.Previous == "":
		case !TakesAway(r.Previous, r.Adopted, d):
			l.add("%s: leave %s as it is, without traffic: Switchyard did not make it", r.Name, r.Previous)
		default:
			l.add("%s: see %s without a request for %s, take it out of the route, stop its instances%s", r.Name, r.Previous, d.Quiet, stoppedFor(d.Stopped))
			l.add("%s: delete %s (the point of no return)", r.Name, r.Previous)
		}
	}
}

func stoppedFor(d spec.Duration) string {
	if d <= 0 {
		return ""
	}
	return fmt.Sprintf(" and keep them for %s", d)
}

// windowText is the window as its spec gives it.
func windowText(w spec.Window) string {
	switch {
	case w.Measured != nil:
		m := *w.Measured
		text := fmt.Sprintf("the lowest %s of the request curve of the last %d days", m.Length, m.Days)
		if m.After != "" {
			text += " after " + m.After
		}
		if m.Until != "" {
			text += " until " + m.Until
		}
		return fmt.Sprintf("%s %s, with at most %s of the mean traffic", text, w.TimeZone, m.AtMost)
	case w.Cron != "":
		return fmt.Sprintf("a window of %s that opens at cron time %q %s", w.For, w.Cron, w.TimeZone)
	}
	text := fmt.Sprintf("the window %s–%s %s", w.From, w.To, w.TimeZone)
	if len(w.Days) > 0 {
		text += " on " + strings.Join(w.Days, ", ")
	}
	return text
}

func orUnknown(v string) string {
	if v == "" {
		return "version unknown"
	}
	return v
}
