package release

import (
	"fmt"
	"slices"
	"time"

	"github.com/switchyard/switchyard/release/spec"
)

// Track is what is remembered of one check between two answers.
type Track struct {
	Check    string    `json:"check"`
	Passes   int       `json:"passes,omitempty"`   // good answers in a row
	Failures int       `json:"failures,omitempty"` // bad answers since the last good one
	Asked    time.Time `json:"asked,omitzero"`     // when the round of the last answer began
	Last     Result    `json:"last,omitzero"`
}

// Tracks are the tracks of all checks, in the order in which they were first asked.
type Tracks []Track

func (t Tracks) of(check string) Track {
	if i := t.index(check); i >= 0 {
		return t[i]
	}
	return Track{Check: check}
}

func (t Tracks) index(check string) int {
	return slices.IndexFunc(t, func(x Track) bool { return x.Check == check })
}

// Due says whether the check is to be asked in a round that begins now: it never was, or
// its interval has gone by since the beginning of the round that asked it last.
func (t Tracks) Due(c spec.Check, now time.Time) bool {
	last := t.of(c.Name).Asked
	return last.IsZero() || now.Sub(last) >= c.Interval.Std()
}

// Take takes in the answer to a check of the round that began now. An answer that tells
// nothing counts as bad where the check says so; else it ends the row of good answers and
// leaves that of bad ones as it is. The tracks it is called on stay as they are.
func (t Tracks) Take(c spec.Check, r Result, now time.Time) Tracks {
	track := t.of(c.Name)
	track.Asked, track.Last = now, r
	switch counted(c, r) {
	case Pass:
		track.Passes, track.Failures = track.Passes+1, 0
	case Fail:
		track.Passes, track.Failures = 0, track.Failures+1
	default:
		track.Passes = 0
	}
	out := slices.Clone(t)
	if i := out.index(c.Name); i >= 0 {
		out[i] = track
		return out
	}
	return append(out, track)
}

// counted is what an answer counts as.
func counted(c spec.Check, r Result) Verdict {
	switch {
	case r.Verdict == Pass:
		return Pass
	case r.Verdict == Fail, c.Inconclusive == spec.InconclusiveFail:
		return Fail
	}
	return Inconclusive
}

// Standing is where every check stands, in the order of the checks: pass after enough
// good answers in a row, fail after more bad ones in a row than are put up with, and
// inconclusive in between and after any answer that tells nothing: a check that was
// bad and can't be asked any more is not known to be bad still. It carries the last answer
// as evidence. Tracks of checks that are not asked for are left out.
func (t Tracks) Standing(checks []spec.Check) []Result {
	out := make([]Result, 0, len(checks))
	for _, c := range checks {
		out = append(out, t.of(c.Name).standing(c))
	}
	return out
}

func (t Track) standing(c spec.Check) Result {
	r := t.Last
	r.Check, r.Verdict = c.Name, Inconclusive
	switch counted(c, t.Last) {
	case Pass:
		if t.Passes >= max(1, c.Passes) {
			r.Verdict = Pass
		} else {
			r.Value += fmt.Sprintf(" (%d of %d good in a row)", t.Passes, c.Passes)
		}
	case Fail:
		if t.Failures > c.Failures {
			r.Verdict = Fail
		} else {
			r.Value += fmt.Sprintf(" (%d bad in a row, %d are put up with)", t.Failures, c.Failures)
		}
	}
	if t.Asked.IsZero() {
		r.Verdict, r.Value, r.Bound = Inconclusive, "not asked yet", "an answer"
	}
	return r
}
