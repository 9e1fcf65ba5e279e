package release

import (
	"fmt"
	"time"
)

// Verdict is what a round of checks says.
type Verdict string

// The verdicts. Inconclusive is never taken for good.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
)

// Result is the answer to one check.
type Result struct {
	Check   string    `json:"check"`
	Verdict Verdict   `json:"verdict"`
	Value   string    `json:"value"`          // what was seen
	Bound   string    `json:"bound"`          // what it had to be
	Link    string    `json:"link,omitempty"` // where a person can look at it
	At      time.Time `json:"at"`
}

// String is the result as one line of evidence.
func (r Result) String() string {
	return fmt.Sprintf("%s %s: %s (want %s)", r.Check, r.Verdict, r.Value, r.Bound)
}

// Worst is the verdict over all results: any failure fails, else any doubt is
// doubt. No results are inconclusive.
func Worst(results []Result) Verdict {
	if len(results) == 0 {
		return Inconclusive
	}
	v := Pass
	for _, r := range results {
		switch {
		case r.Verdict == Fail:
			return Fail
		case r.Verdict != Pass:
			v = Inconclusive
		}
	}
	return v
}

// Tally counts rounds in a row in which every check passed.
type Tally struct {
	Passes int `json:"passes"`
	Rounds int `json:"rounds"`
}

// Count adds a round. Anything but a pass starts the row anew.
func (t Tally) Count(v Verdict) Tally {
	t.Rounds++
	if v == Pass {
		t.Passes++
	} else {
		t.Passes = 0
	}
	return t
}

// ErrorRate judges the requests a fleet answered between two readings; maxRate is
// a share from 0 to 1. Below least requests the rate proves nothing: without too
// many failures it passes and the other checks speak, else it is in doubt. Counters
// that ran backwards, were not read, or were read at the same moment are no evidence.
func ErrorRate(before, after Requests, maxRate float64, least int) Result {
	r := Result{Check: "error-rate", At: after.At, Bound: fmt.Sprintf("≤ %.4g %%", maxRate*100)}
	if after.Total < before.Total || after.Errors < before.Errors || before.At.IsZero() || !after.At.After(before.At) {
		r.Verdict, r.Value = Inconclusive, "the router's counters were reset or not read anew"
		return r
	}
	bad := after.Errors - before.Errors
	total := max(after.Total-before.Total, bad) // a failed request was one, even when the totals lag
	few := total == 0 || total < uint64(max(0, least))
	rate := float64(bad) / float64(max(1, total))
	r.Value = fmt.Sprintf("%d of %d requests failed (%.2f %%)", bad, total, rate*100)
	if few {
		r.Value = fmt.Sprintf("%d of %d requests failed, too few to judge", bad, total)
	}
	switch {
	case rate <= maxRate:
		r.Verdict = Pass
	case few:
		r.Verdict = Inconclusive
	default:
		r.Verdict = Fail
	}
	return r
}

// Watched is what a watch remembers between two looks.
type Watched struct {
	BadSince time.Time `json:"badSince,omitzero"` // since when looks have failed without a good one between
	Unknown  time.Time `json:"unknown,omitzero"`  // since when looks have been inconclusive
	Last     Requests  `json:"last,omitzero"`
	Looks    int       `json:"looks"`
	Bad      int       `json:"bad"`                // looks that failed, in all
	Missing  int       `json:"missing,omitempty"`  // looks in a row with fewer instances in service than desired
	Tracks   Tracks    `json:"tracks,omitempty"`   // what is remembered of each check
	Moved    time.Time `json:"moved,omitzero"`     // when the share was moved that the samples are of
	Samples  []Samples `json:"samples,omitempty"`  // of the comparisons, since the share was moved
	Sampled  []Sampled `json:"sampled,omitempty"`  // up to where they reach
	Proven   time.Time `json:"proven,omitzero"`    // when it was last proven in full whether a rollback would work
	Unproven string    `json:"unproven,omitempty"` // what that proof found to stand against it
}

// Sampled is up to where the samples of one comparison reach.
type Sampled struct {
	Name      string    `json:"name"`
	Until     time.Time `json:"until,omitzero"`
	Candidate Requests  `json:"candidate,omitzero"` // the counters that the next share of errors counts from
	Live      Requests  `json:"live,omitzero"`
}

// Look takes one more look into the watch. It says whether failure has lasted for
// at least breach (0 means at once).
func (w Watched) Look(v Verdict, breach time.Duration, now time.Time) (Watched, bool) {
	w.Looks++
	switch v {
	case Pass:
		w.BadSince, w.Unknown = time.Time{}, time.Time{}
		return w, false
	case Inconclusive:
		if w.Unknown.IsZero() {
			w.Unknown = now
		}
		return w, false
	}
	w.Bad++
	w.Unknown = time.Time{} // a failure is known
	if w.BadSince.IsZero() {
		w.BadSince = now
	}
	return w, now.Sub(w.BadSince) >= breach
}

// Readiness says whether a rollback would work now.
type Readiness struct {
	Ready bool      `json:"ready"`
	Why   string    `json:"why,omitempty"` // what is missing
	At    time.Time `json:"at,omitzero"`
}

// JudgeReadiness proves that the previous fleet could take the load back: it has at
// least as many instances in service as the fleet that carries the load needs.
// previous nil means it could not be read, or is not there (why says which).
func JudgeReadiness(previous *Fleet, need int, why string, now time.Time) Readiness {
	switch {
	case previous == nil:
		return Readiness{Why: why, At: now}
	case previous.InService() == 0:
		return Readiness{Why: fmt.Sprintf("no instance of %s is in service", previous.Name), At: now}
	case previous.InService() < need:
		return Readiness{Why: fmt.Sprintf("%s has %d instances in service, today's load needs %d; a rollback would grow it first", previous.Name, previous.InService(), need), At: now}
	}
	return Readiness{Ready: true, At: now}
}

// Unless takes in what else stands against a rollback, in words; "" is nothing.
func (r Readiness) Unless(why string) Readiness {
	switch {
	case why == "":
		return r
	case r.Why != "":
		why = r.Why + "; " + why
	}
	return Readiness{Why: why, At: r.At}
}

// Parity is the capacity of a fleet measured against what the load needs.
type Parity struct {
	Carrying  int      `json:"carrying,omitempty"` // instances in service of the fleet that carries the load
	Fleet     string   `json:"fleet"`
	Need      int      `json:"need"`           // instances for the share that the fleet is to take
	Load      int      `json:"load,omitempty"` // instances for all of the load, as far as the carrying fleet tells; no fewer than for the share
	Desired   int      `json:"desired"`
	InService int      `json:"inService"`
	Notices   []string `json:"notices,omitempty"` // what somebody else changed, in words
}

// Enough says whether the fleet can take the traffic.
func (p Parity) Enough() bool { return p.InService > 0 && p.InService >= p.Need }

// JudgeParity measures fleet against the percent of the load that it is to take, of the
// fleet that carries the load now (nil when none does), and the least the spec asks for,
// rounded up. A share of 0, or above 100, is all of the load.
func JudgeParity(fleet Fleet, carrying *Fleet, least, share int) Parity {
	if share <= 0 || share > 100 {
		share = 100
	}
	load := 0
	if carrying != nil {
		load = carrying.InService()
	}
	need := max(least, (load*share+99)/100)
	return Parity{Fleet: fleet.Name, Need: need, Load: max(load, need), Desired: fleet.Desired, InService: fleet.InService()}
}

// GrownLoad is the load that a fleet with a share shows which has more instances than it
// was given for that share: somebody, as a scaling policy, found that it needs them. 0 when it
// has no more, or carries all or nothing.
func GrownLoad(inService, made, share int) int {
	if made <= 0 || inService <= made || share <= 0 || share >= 100 {
		return 0
	}
	return (inService*100 + share - 1) / share
}

// ShrunkBy says in words that somebody made a fleet smaller than the release left it.
// made 0 means that the release does not know its size.
func ShrunkBy(f Fleet, made int) []string {
	if f.Desired >= made {
		return nil
	}
	return []string{fmt.Sprintf("the desired capacity of %s is %d, the release left it at %d: somebody changed it", f.Name, f.Desired, made)}
}

// Drained says whether the counters prove that a fleet gets no traffic any more:
// nothing in flight, and not one request between two readings at least quiet apart.
// One reading given twice proves nothing.
func Drained(before, after Requests, quiet time.Duration) bool {
	return after.InFlight == 0 && after.Total == before.Total &&
		!before.At.IsZero() && after.At.After(before.At) && after.At.Sub(before.At) >= quiet
}
