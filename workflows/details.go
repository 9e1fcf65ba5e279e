package workflows

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/switchyard/switchyard/release"
)

// maxDetails is below the server's limit of 20 000 bytes for current details.
const maxDetails = 19000

// page is Markdown being written.
type page struct{ strings.Builder }

func (p *page) printf(format string, args ...any) { p.WriteString(fmt.Sprintf(format, args...)) }

// releaseDetails is the state as Markdown, for somebody who opens the release in
// the Temporal UI and wants to know what is going on and what to send.
func releaseDetails(s *release.State, now time.Time) string {
	var b page
	b.printf("## %s %s: %s\n\n", s.Request.Target(), s.Request.Spec.Version, s.Phase)
	writeWaiting(&b, s, now)
	writeWarnings(&b, s)
	writeRegions(&b, s)
	writeSteps(&b, s)
	writeGates(&b, s)
	writeDatabase(&b, s)
	writePhases(&b, s)
	writeOrders(&b, s)
	return cut(b.String())
}

func cut(text string) string {
	if len(text) <= maxDetails {
		return text
	}
	return strings.ToValidUTF8(text[:maxDetails], "") + "\n\n… cut; the state query has all of it"
}

func writeWaiting(b *page, s *release.State, now time.Time) {
	switch {
	case s.Phase.Ended() && s.WayOut != nil:
		b.printf("**Over:** %s. %s\n\n", s.Phase, cell(s.WayOut.Reason))
	case s.Phase.Ended():
		b.printf("**Over:** %s.\n\n", s.Phase)
	case s.Leaving():
		b.printf("**Leaving (%s):** %s\n\n", s.WayOut.Leave, cell(s.WayOut.Reason))
	}
	if s.WaitingFor != "" {
		b.printf("**Waiting for:** %s\n\n", cell(s.WaitingFor))
	}
	if s.Needs != nil && s.Needs.What != s.WaitingFor {
		b.printf("**A person is needed** since %s: %s\n\n", stamp(s.Needs.Since), cell(s.Needs.What))
	}
	if s.Request.SoakWas > 0 {
		b.printf("**Shortened soak:** %s instead of %s, as asked for by %s\n\n", s.Request.Spec.Soak.Duration, s.Request.SoakWas, cell(s.Request.Requester))
	}
	for _, r := range s.Regions {
		if r.Back.Stage != "" {
			b.printf("**Way back of %s:** %s\n\n", r.Name, cell(back(r.Back)))
		}
	}
	writeFreezes(b, s.Freezes)
	if len(ordersFor(s, now)) == 0 {
		return
	}
	b.WriteString("**What you can send** (*More Actions → Send a Signal*):\n\n")
	for _, o := range ordersFor(s, now) {
		b.printf("- `%s` to %s:\n\n```json\n%s\n```\n\n", o.signal, o.does, o.body)
	}
}

type offer struct{ signal, does, body string }

// ordersFor lists the orders that fit the present phase, the awaited one first.
func ordersFor(s *release.State, now time.Time) []offer {
	var out []offer
	if s.Paused != nil {
		out = append(out, offer{"resume", "let it go on", `{"by": "YOUR NAME"}`})
	}
	if s.Phase == release.PhaseRollback && s.Paused == nil {
		out = append(out, offer{"pause", "hold the way back before its next step", `{"by": "YOUR NAME", "comment": "WHY"}`})
	}
	if s.Leaving() || !s.Phase.Live() {
		return out
	}
	for _, g := range s.Gates {
		if g.Decided == "" && s.Plan.Digest != "" && !g.Opened.IsZero() {
			out = append(out,
				offer{"approve", "let it pass gate " + g.Name, fmt.Sprintf(`{"by": "YOUR NAME", "gate": %q, "plan": %q}`, g.Name, shortPlan(s.Plan.Digest))},
				offer{"reject", "end it here", fmt.Sprintf(`{"by": "YOUR NAME", "gate": %q, "comment": "WHY"}`, g.Name)})
		}
	}
	if s.Phase == release.PhaseSoak {
		out = append(out,
			offer{"finish-soak", "end the soak now", `{"by": "YOUR NAME", "comment": "WHY"}`},
			offer{"extend-soak", "soak longer", `{"by": "YOUR NAME", "for": "2h"}`})
	}
	for _, what := range release.Overridable() { // what nothing holds is not offered
		if holds(s, what, now) && s.CheckOrder(release.Order{Kind: release.OrderOverride, By: anyone(s.Request.Spec.Rights.Override), Gate: what, Comment: "why"}, now) == nil {
			out = append(out, offer{"override", "let it pass the " + what, fmt.Sprintf(`{"by": "YOUR NAME", "gate": %q, "comment": "WHY"}`, what)})
		}
	}
	for _, o := range []offer{
		{"rollback", "move traffic back to the previous fleet", `{"by": "YOUR NAME", "comment": "WHY"}`},
		{"abort", "end it and remove the candidate", `{"by": "YOUR NAME", "comment": "WHY"}`},
	} {
		if s.CheckOrder(release.Order{Kind: release.OrderKind(o.signal), By: "you"}, now) == nil {
			out = append(out, o)
		}
	}
	return out
}

// shortPlan is as much of the plan's digest as an approval has to name, and a bit
// more; the whole digest is too wide for the UI.
func shortPlan(digest string) string {
	hex := strings.TrimPrefix(digest, "sha256:")
	return hex[:min(16, len(hex))]
}

func writeRegions(b *page, s *release.State) {
	if len(s.Regions) == 0 {
		return
	}
	b.WriteString("### Regions\n\n| region | wave | candidate | previous | traffic | instances in service | rollback |\n|---|---|---|---|---|---|---|\n")
	for _, r := range s.Regions {
		previous := r.Previous
		if previous == "" {
			previous = "none"
		}
		if r.Adopted {
			previous += " (adopted)"
		}
		b.printf("| %s | %d | %s | %s | %s | %s | %s |\n", r.Name, r.Wave, r.Candidate, previous, traffic(r), counts(r), readinessWord(r))
	}
	b.WriteString("\n")
	for _, r := range s.Regions {
		if r.Entry != "" {
			b.printf("Users reach %s at %s\n\n", r.Name, r.Entry)
		}
	}
}

// counts is the size of the candidate and, once the watch has read it, of the previous fleet.
func counts(r release.RegionState) string {
	if r.Previous == "" || r.Readiness.At.IsZero() {
		return strconv.Itoa(r.Counts.Candidate)
	}
	return fmt.Sprintf("%d, previous %d", r.Counts.Candidate, r.Counts.Previous)
}

// traffic is the shares as last read; before the switch those the plan was made for. The
// region's own fleets are named by what they are: their names are long, and stand beside it.
func traffic(r release.RegionState) string {
	if len(r.Weights) == 0 && r.Previous != "" {
		return "previous 100 % (when planned)"
	}
	shares := slices.Clone(r.Weights)
	for i, w := range shares {
		switch w.Fleet {
		case r.Candidate:
			shares[i].Fleet = "candidate"
		case r.Previous:
			shares[i].Fleet = "previous"
		}
	}
	return shares.String()
}

func readinessWord(r release.RegionState) string {
	switch {
	case r.Previous == "":
		return "nothing to go back to"
	case r.Readiness.At.IsZero():
		return "not looked at yet"
	case r.Readiness.Ready:
		return "ready"
	default:
		return "NOT ready: " + r.Readiness.Why
	}
}

func writeGates(b *page, s *release.State) {
	if len(s.Gates) == 0 {
		return
	}
	b.printf("### Gates\n\nPlan `%s`\n\n| gate | before | approvals | who may | state |\n|---|---|---|---|---|\n", s.Plan.Digest)
	for _, g := range s.Gates {
		who := strings.Join(g.Approvers, ", ")
		if who == "" {
			who = "anyone"
		}
		if g.FourEyes {
			who += fmt.Sprintf(", not %s", s.Request.Requester)
		}
		state := g.Decided
		switch {
		case state != "":
		case g.Opened.IsZero():
			state = "not reached"
		default:
			state = "waiting since " + stamp(g.Opened)
		}
		var by []string
		for _, a := range g.Approvals {
			by = append(by, a.By)
		}
		b.printf("| %s | %s | %d of %d %s | %s | %s |\n", g.Name, g.Before, len(g.Approvals), g.Count, cell(strings.Join(by, ", ")), cell(who), state)
	}
	b.WriteString("\n")
}

func writePhases(b *page, s *release.State) {
	b.WriteString("### Phases\n\n| phase | began | took | outcome | evidence |\n|---|---|---|---|---|\n")
	for _, e := range s.Entries {
		took := "…"
		if !e.End.IsZero() {
			took = e.End.Sub(e.Start).Round(time.Millisecond).String()
		}
		b.printf("| %s | %s | %s | %s | %s |\n", e.Phase, stamp(e.Start), took, cell(e.Outcome), cell(shortDigests(strings.Join(e.Evidence, "; "))))
	}
	b.WriteString("\n")
	for _, r := range s.Regions {
		for _, c := range r.Checks {
			b.printf("- %s: %s\n", r.Name, cell(evidence(c)))
		}
		for _, c := range r.Compared {
			b.printf("- %s, compared: %s\n", r.Name, cell(evidence(c)))
		}
	}
	b.WriteString("\n")
}

// writeWarnings comes early: what is cut of a long page is its end.
func writeWarnings(b *page, s *release.State) {
	if len(s.Warnings) > 0 {
		b.WriteString("### Left for a person\n\n")
		for _, w := range s.Warnings {
			b.printf("- %s\n", cell(w))
		}
		b.WriteString("\n")
	}
}

func writeOrders(b *page, s *release.State) {
	if len(s.Orders)+len(s.Refusals) > 0 {
		b.WriteString("### Orders\n\n")
		for _, o := range s.Orders {
			b.printf("- %s `%s` by %s: %s %s\n", stamp(o.At), o.Kind, cell(o.By), o.Effect, cell(o.Comment))
		}
		for _, f := range s.Refusals {
			b.printf("- %s `%s` REFUSED: %s\n", stamp(f.At), f.Kind, cell(f.Reason))
		}
		b.WriteString("\n")
	}
}

// environmentDetails is the state of a target as Markdown.
func environmentDetails(e *release.Environment) string {
	var b page
	b.printf("## %s\n\n", e.Target)
	if e.Holder == nil {
		b.WriteString("Free: no release holds it.\n\n")
	} else {
		b.printf("Held by release **%s** (version %s) since %s, workflow `%s`\n\n", e.Holder.ID, e.Holder.Version, stamp(e.Holder.Since), e.Holder.WorkflowID)
	}
	for i, q := range e.Queue {
		b.printf("%d. waits: %s (version %s) since %s\n", i+1, q.ID, q.Version, stamp(q.Since))
	}
	b.WriteString("\n| region | live | previous |\n|---|---|---|\n")
	for _, r := range e.Regions {
		b.printf("| %s | %s %s | %s %s |\n", r.Region, r.Live, r.LiveVersion, r.Previous, r.PreviousVersion)
	}
	b.WriteString("\n| release | version | outcome | ended |\n|---|---|---|---|\n")
	for _, h := range e.History {
		b.printf("| %s | %s | %s | %s |\n", h.ID, h.Version, h.Outcome, stamp(h.At))
	}
	return cut(b.String())
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// digests are whole digests, of which a table has room for the beginning only.
var digests = regexp.MustCompile(`(sha256:[0-9a-f]{16})[0-9a-f]{48}`)

func shortDigests(text string) string { return digests.ReplaceAllString(text, "$1…") }

// cell keeps text from breaking out of a table row or a list.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "\r", "").Replace(text)
}
