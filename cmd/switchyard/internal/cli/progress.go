package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/switchyard/switchyard/release"
)

// progress tells what changed between two looks at a release, a line each.
type progress struct {
	note  func(format string, args ...any)
	last  release.State
	seen  bool
	quiet bool // trouble was told and has not ended
}

func (p *progress) trouble(err error) {
	if p.quiet {
		return
	}
	p.quiet = true
	p.note("%s  no answer at the moment, still waiting: %s", time.Now().Format(time.TimeOnly), strings.ReplaceAll(err.Error(), "\n", " "))
}

func (p *progress) state(s release.State) {
	if p.quiet {
		p.quiet = false
		p.note("%s  answers again", time.Now().Format(time.TimeOnly))
	}
	for _, line := range changes(p.last, s, p.seen) {
		p.note("%s  %s", time.Now().Format(time.TimeOnly), line)
	}
	p.last, p.seen = s, true
}

// changes lists what is new in now. Without before (seen false) only the present is
// told, not how it came about.
func changes(before, now release.State, seen bool) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	from := len(now.Entries) - 1
	if seen {
		from = max(0, len(before.Entries)-1)
	}
	for i := max(0, from); i < len(now.Entries); i++ {
		e := now.Entries[i]
		old := release.Entry{}
		if seen && i < len(before.Entries) {
			old = before.Entries[i]
		} else {
			add("%s", e.Phase)
		}
		for _, line := range e.Evidence[min(len(old.Evidence), len(e.Evidence)):] {
			add("  %s", oneLine(line, 200))
		}
		if old.End.IsZero() && !e.End.IsZero() && e.Outcome != "" && e.Outcome != "done" {
			add("%s left: %s", e.Phase, oneLine(e.Outcome, 160))
		}
	}
	for _, o := range tail(now.Orders, len(before.Orders)) {
		add("%s by %s: %s", o.Kind, o.By, o.Effect)
	}
	if n := len(now.Refusals); n > 0 && (len(before.Refusals) == 0 || before.Refusals[len(before.Refusals)-1] != now.Refusals[n-1]) {
		add("refused: %s", now.Refusals[n-1].Reason)
	}
	for _, x := range tail(now.Warnings, len(before.Warnings)) {
		add("warning: %s", x)
	}
	if now.WayOut != nil && before.WayOut == nil {
		add("leaving (%s): %s", now.WayOut.Leave, indent(now.WayOut.Reason))
	}
	if now.WaitingFor != before.WaitingFor && now.WaitingFor != "" {
		add("  waiting for %s", now.WaitingFor)
	}
	return out
}

func tail[T any](list []T, from int) []T {
	return list[min(from, len(list)):]
}
