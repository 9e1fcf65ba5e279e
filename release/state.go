package release

import (
	"errors"
	"slices"
	"time"

	"github.com/switchyard/switchyard/release/spec"
)

// Request is what starts a release. It is the workflow's input and is additive only.
type Request struct {
	ID        string    `json:"id"`        // unique per target; also the idempotency key of CI
	Requester string    `json:"requester"` // who asked; four-eyes gates do not count this name
	Spec      spec.Spec `json:"spec"`
	Digest    string    `json:"digest"` // "sha256:…" of the spec as sent; two requests with one id must agree on it

	SoakWas        spec.Duration `json:"soakWas,omitempty"`        // the soak that the spec asks for, when a shorter one was asked for
	OverrideFreeze string        `json:"overrideFreeze,omitempty"` // why the release may begin in a freeze
}

// Target of the request.
func (r Request) Target() Target {
	return Target{Application: r.Spec.Application, Environment: r.Spec.Environment}
}

// Check refuses a request that did not come through the spec's decoder: one that
// was typed by hand into the Temporal UI lacks the defaults that all else relies on.
func (r Request) Check() error {
	s := r.Spec
	if r.ID == "" || len(s.Regions) == 0 || s.Gates == nil || s.Soak.Duration == nil || s.Traffic.Drain == nil || s.Traffic.Watch == nil || s.Deadline <= 0 {
		return errors.New("start a release: the request is not complete; start releases with `switchyard release SPEC`, which checks the spec and fills in its defaults")
	}
	return r.CheckOverride()
}

// State is everything a release knows about itself. It is the answer to the state
// query and, with nothing added, what a continued run starts from.
type State struct {
	Request     Request       `json:"request"`
	Phase       Phase         `json:"phase"`
	Entries     []Entry       `json:"entries"`
	RequestedAt time.Time     `json:"requestedAt"`
	EndedAt     time.Time     `json:"endedAt,omitzero"`
	Plan        Plan          `json:"plan"`
	Image       Image         `json:"image,omitzero"`
	Wave        int           `json:"wave"` // the wave being worked on, counted from 1
	Regions     []RegionState `json:"regions,omitempty"`
	Gates       []GateState   `json:"gates,omitempty"`
	Soak        SoakState     `json:"soak,omitzero"`
	Paused      *Pause        `json:"paused,omitempty"`
	WayOut      *WayOut       `json:"wayOut,omitempty"`
	Ledger      Ledger        `json:"ledger,omitempty"`
	Freezes     []Freeze      `json:"freezes,omitempty"`    // of the target, as the environment last told
	Overrides   []Override    `json:"overrides,omitempty"`  // what a person let the release pass
	Schema      Schema        `json:"schema,omitzero"`      // of the database, with what this release changed
	Migrations  []Half        `json:"migrations,omitempty"` // what was done to the database
	Measured    *MeasuredTime `json:"measured,omitempty"`   // the window that was found in the request curve
	Blocked     string        `json:"blocked,omitempty"`    // what a step needs a person for
	Overdue     string        `json:"overdue,omitempty"`    // what still waited when the deadline had passed
	Needs       *PersonNeeded `json:"needs,omitempty"`      // since when the release waits for a person; see DeadMan
	Attended    time.Time     `json:"attended,omitzero"`    // when the last order was taken
	StoppedAt   time.Time     `json:"stoppedAt,omitzero"`   // when all previous fleets that go were stopped
	Kept        bool          `json:"kept,omitempty"`       // the dead man ended it: the previous fleets stay for a person
	Orders      []Taken       `json:"orders,omitempty"`     // orders that were taken, oldest first
	Refusals    []Refusal     `json:"refusals,omitempty"`   // the last orders that were refused
	Warnings    []string      `json:"warnings,omitempty"`   // what is left for a person; never undoes a good release
	WaitingFor  string        `json:"waitingFor,omitempty"`
	Runs        int           `json:"runs"` // how often the workflow was continued as new
}

// NewState is the state of a release that was just asked for.
func NewState(r Request, now time.Time) State {
	s := State{Request: r, Phase: PhaseRequested, RequestedAt: now, Wave: 1}
	s.Entries = []Entry{{Phase: PhaseRequested, Start: now}}
	for _, g := range r.Spec.Gates {
		s.Gates = append(s.Gates, newGate(g))
	}
	return s
}

// Entry is one phase the release went through.
type Entry struct {
	Phase    Phase     `json:"phase"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end,omitzero"`
	Outcome  string    `json:"outcome,omitempty"` // "done", or why the phase was left
	Evidence []string  `json:"evidence,omitempty"`
}

// RegionState is what the release knows about one region.
type RegionState struct {
	Name       string    `json:"name"`
	Role       string    `json:"role"`
	Wave       int       `json:"wave"`
	Entry      string    `json:"entry,omitempty"` // where users reach the target
	Image      string    `json:"image,omitempty"` // ref of the released image in this region
	Candidate  string    `json:"candidate"`
	Previous   string    `json:"previous,omitempty"`  // empty in a first release
	Adopted    bool      `json:"adopted,omitempty"`   // Previous was not made by Switchyard
	Capacity   int       `json:"capacity"`            // instances the candidate has to have
	Instances  []string  `json:"instances,omitempty"` // of the candidate when it was ready, until it has the traffic
	Weights    Weights   `json:"weights,omitempty"`   // as last read back
	Baseline   Requests  `json:"baseline,omitzero"`   // the candidate's counters at the switch
	Verified   bool      `json:"verified,omitempty"`
	Switched   bool      `json:"switched,omitempty"` // set before the first shift is tried: traffic may have moved
	SwitchMS   int64     `json:"switchMs,omitempty"` // from the order that let it go to 100 % read back
	BackMS     int64     `json:"backMs,omitempty"`   // from the order, or the breach, to 100 % on the previous fleet read back
	Checks     []Result  `json:"checks,omitempty"`   // the last round of checks
	Counts     Counts    `json:"counts,omitzero"`
	Readiness  Readiness `json:"readiness,omitzero"`
	SwitchedAt time.Time `json:"switchedAt,omitzero"` // when the candidate's share was read back
	Noticed    []string  `json:"noticed,omitempty"`   // what is not as the release left it, as last told

	Need      int           `json:"need,omitempty"`      // instances that the load needed when it was last measured
	Carried   int           `json:"carried,omitempty"`   // the most instances of the previous fleet that were measured while it carried the load
	Share     int           `json:"share,omitempty"`     // the candidate's percent of the traffic, as the release last set it
	Moving    bool          `json:"moving,omitempty"`    // a shift to Share was begun and not read back
	Step      int           `json:"step,omitempty"`      // steps of the switch that are done
	Steps     []StepState   `json:"steps,omitempty"`     // what became of each step
	Compared  []Result      `json:"compared,omitempty"`  // the last comparisons with the live fleet
	Doubt     string        `json:"doubt,omitempty"`     // what can't be told about the candidate, as last told
	Doubted   time.Time     `json:"doubted,omitzero"`    // since when
	SlowStart spec.Duration `json:"slowStart,omitempty"` // how long the route takes to give new instances their part
	Sticky    spec.Duration `json:"sticky,omitempty"`    // how long clients stay with the fleet they got
	Stopped   bool          `json:"stopped,omitempty"`   // the previous fleet is being taken out of the route and stopped, or is
	Left      bool          `json:"left,omitempty"`      // the previous fleet could not be taken away and stays for a person
	Restarts  bool          `json:"restarts,omitempty"`  // on the way back: instances of the previous fleet have to be started again
	Back      Back          `json:"back,omitzero"`       // the way back
}

// Half is one half of a migration that was done, or tried.
type Half struct {
	Name    string    `json:"name"` // expand or contract
	Key     string    `json:"key"`  // idempotency key
	Start   time.Time `json:"start"`
	End     time.Time `json:"end,omitzero"`
	Outcome string    `json:"outcome,omitempty"` // "done", or why it failed
	Output  string    `json:"output,omitempty"`  // its end
}

// The halves of a migration.
const (
	HalfExpand   = "expand"
	HalfContract = "contract"
)

// MeasuredTime is a window that was found in the request curve.
type MeasuredTime struct {
	Window   spec.Window `json:"window"`
	Evidence string      `json:"evidence"`
	At       time.Time   `json:"at"`
}

// PersonNeeded is what the release needs a person for, and since when.
type PersonNeeded struct {
	What  string    `json:"what"`
	Since time.Time `json:"since"`
}

// Counts is the size of both fleets as last read.
type Counts struct {
	Candidate int       `json:"candidate"`
	Previous  int       `json:"previous"`
	At        time.Time `json:"at,omitzero"`
}

// SoakState is what the soak knows.
type SoakState struct {
	Start    time.Time     `json:"start,omitzero"`
	End      time.Time     `json:"end,omitzero"`
	Extended spec.Duration `json:"extended,omitempty"`
	Finished string        `json:"finished,omitempty"` // who ended it early
}

// Pause holds the release before its next phase.
type Pause struct {
	By      string    `json:"by"`
	Comment string    `json:"comment,omitempty"`
	At      time.Time `json:"at"`
}

// Leave says which way out of the forward path was chosen.
type Leave string

// The ways out. Which phases they lead through depends on where traffic is.
const (
	LeaveAbort    Leave = "abort"
	LeaveReject   Leave = "reject"
	LeaveRollback Leave = "rollback"
	LeaveFail     Leave = "fail"
	LeaveCancel   Leave = "cancel" // cancelled from the Temporal UI or CLI
	LeaveDeadline Leave = "deadline"
	LeaveRefuse   Leave = "refuse" // the target could not be had
)

// WayOut is the decision to leave the forward path. The first one stands.
type WayOut struct {
	Leave  Leave     `json:"leave"`
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// LeaveBy records the way out if none was chosen yet, and says whether it did.
func (s *State) LeaveBy(l Leave, by, reason string, now time.Time) bool {
	if s.WayOut != nil || !s.Phase.Live() {
		return false
	}
	s.WayOut = &WayOut{Leave: l, By: by, Reason: reason, At: now}
	return true
}

// Leaving says whether the forward path has to be left now.
func (s *State) Leaving() bool { return s.WayOut != nil }

// TrafficMayHaveMoved says whether any region's shift was started by this release.
func (s *State) TrafficMayHaveMoved() bool {
	for _, r := range s.Regions {
		if r.Switched {
			return true
		}
	}
	return false
}

// LeavePhase is the phase that carries the way out: a rollback when traffic may
// have moved anywhere, else a clean-up; the end itself when nothing was held yet.
func (s *State) LeavePhase() Phase {
	switch {
	case s.TrafficMayHaveMoved():
		return PhaseRollback
	case s.Phase == PhaseRequested:
		return s.endOfCleanUp()
	default:
		return PhaseCleanUp
	}
}

func (s *State) endOfCleanUp() Phase {
	if s.WayOut == nil {
		return PhaseFailed
	}
	switch s.WayOut.Leave {
	case LeaveAbort, LeaveCancel, LeaveDeadline, LeaveRollback:
		return PhaseAborted
	case LeaveReject:
		return PhaseRejected
	case LeaveRefuse:
		return PhaseRefused
	}
	return PhaseFailed
}

// EndPhase is the end that a finished clean-up, rollback or decommission leads to.
// clean says whether the way there worked.
func (s *State) EndPhase(clean bool) Phase {
	switch s.Phase {
	case PhaseCleanUp:
		return s.endOfCleanUp()
	case PhaseRollback:
		if !clean {
			return PhaseFailed
		}
		return PhaseRolledBack
	default:
		return PhaseCompleted
	}
}

// Warn keeps a matter for a person. The same text again adds nothing; of very many the
// newest are kept.
func (s *State) Warn(text string) {
	if slices.Contains(s.Warnings, text) {
		return
	}
	s.Warnings = append(s.Warnings, text)
	if n := len(s.Warnings); n > maxWarnings {
		s.Warnings = s.Warnings[n-maxWarnings:]
	}
}

const maxWarnings = 200

// Evidence adds a line to the entry of the present phase; at most maxEvidence are kept.
func (s *State) Evidence(line string) {
	e := &s.Entries[len(s.Entries)-1]
	if len(e.Evidence) < maxEvidence {
		e.Evidence = append(e.Evidence, line)
	}
}

const maxEvidence = 40

// Outcome is the end in one word, "" while the release is not over.
func (s *State) Outcome() string {
	if s.Phase.Ended() {
		return string(s.Phase)
	}
	return ""
}

// RegionsOf lists the regions of a wave, as indexes into Regions.
func (s *State) RegionsOf(wave int) []int {
	var out []int
	for i, r := range s.Regions {
		if r.Wave == wave {
			out = append(out, i)
		}
	}
	return out
}

// LastWave is the highest wave number of the plan.
func (s *State) LastWave() int {
	last := 1
	for _, r := range s.Regions {
		last = max(last, r.Wave)
	}
	return last
}

// Summary is the end of a release as a program reads it: the workflow's result.
type Summary struct {
	ID       string   `json:"id"`
	Target   Target   `json:"target"`
	Version  string   `json:"version"`
	Outcome  string   `json:"outcome"`
	Reason   string   `json:"reason,omitempty"`
	Image    string   `json:"image,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// Summarise makes the Summary.
func (s *State) Summarise() Summary {
	out := Summary{
		ID: s.Request.ID, Target: s.Request.Target(), Version: s.Request.Spec.Version,
		Outcome: s.Outcome(), Image: s.Image.Ref, Warnings: s.Warnings,
	}
	if s.WayOut != nil {
		out.Reason = s.WayOut.Reason
	}
	return out
}
