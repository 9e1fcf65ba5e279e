package promises

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// promise is one of the promises of the design and what would break it. Each function
// says in words how it is broken, "" when it is kept. They look at the cloud itself: what
// the workflow believes counts only where a promise is about that.
type promise struct {
	number  int
	text    string
	asked   func(c *cloud, s *release.State, a asked) string       // the workflow asks for an act
	entered func(c *cloud, s *release.State) string                // the workflow enters a phase
	moved   func(c *cloud, r *region, want release.Weights) string // the release is about to move shares
	taken   func(c *cloud, r *region, f *fleet, how string) string // something is about to be taken from a fleet
	shrunk  func(c *cloud, r *region, f *fleet) string             // the release has made a fleet smaller
	looked  func(c *cloud, s *release.State, r *region) string     // a watch looks
	ended   func(c *cloud, s *release.State, r *region) string     // the release has ended, region by region
	over    func(c *cloud, s *release.State) string                // the release has ended
}

// asked is an act that the workflow asks for.
type asked struct {
	name string
	in   any
}

// promises are those of the design, and that every release ends (0). What the model of the
// activities finds by itself about the seventh is in acts_test.go, the sixth is tried on
// the environment in target_test.go.
var promises = []promise{
	{number: 0, text: "every release ends, as its way out says", over: endsAsItSays},
	{number: 1, text: "traffic never reaches a fleet that has not passed verification", moved: verifiedOnly},
	{number: 2, text: "capacity for the load, measured at the move; held while it matters and not after any end",
		asked: triesToGrow, moved: enoughFor, shrunk: enoughIsLeft, looked: bothAreHeld, ended: nothingIsHeld},
	{number: 3, text: "a rollback works until the previous fleet is deleted, which waits while it is known not to",
		asked: readyToTakeAway, taken: reversibleFirst, ended: backOnPrevious},
	{number: 4, text: "nothing is taken away that may receive traffic", asked: noShareOfOurs, taken: noRequests},
	{number: 5, text: "everything is in the ledger before it is made, and only what should survives",
		asked: writtenBefore, ended: onlyWhatShould, over: noLeftovers},
	{number: 6, text: "one holder per target", over: givenBack},
	{number: 7, text: "a step that ran is never run again with another effect"},
	{number: 8, text: "unknown is never good", asked: growsOnGoodOnly, entered: endsOnGoodOnly},
	{number: 9, text: "no secret in any history", over: noSecretInState},
	{number: 10, text: "changes out of band are noticed, and not overwritten", moved: nothingForeign},
}

// judge notes what a promise finds.
func (c *cloud) judge(p promise, broken string) {
	if broken != "" {
		c.breaks(p.number, "%s", broken)
	}
}

// The first promise.

func verifiedOnly(c *cloud, r *region, want release.Weights) string {
	for _, w := range want {
		f := r.fleets[w.Fleet]
		switch {
		case w.Percent == 0 || w.Percent <= r.weights.Of(w.Fleet) || w.Fleet == previous:
		case w.Fleet != c.candidate():
			return fmt.Sprintf("%s: %s gets a share and is no fleet of this release", r.name, w.Fleet)
		case f == nil || !f.verified:
			return fmt.Sprintf("%s: %s gets %d %% and has not passed verification", r.name, w.Fleet, w.Percent)
		}
	}
	return ""
}

// The second promise.

// enoughFor wants the fleet whose share grows to be big enough for it, by a measurement
// taken for this move. What somebody took away after the measurement is not the release's
// doing, and traffic goes back to what there is when growing was tried and did not help.
func enoughFor(c *cloud, r *region, want release.Weights) string {
	now := c.now()
	for _, w := range want {
		f := r.fleets[w.Fleet]
		if w.Percent <= r.weights.Of(w.Fleet) || f == nil {
			continue
		}
		m, back := r.last[w.Fleet], w.Fleet == previous
		if back && (r.tried.IsZero() || r.tried.Before(c.wayOut)) || !back && (!m.enough || m.shifts != r.shifts) {
			return fmt.Sprintf("%s: %s gets %d %% and was not measured for it", r.name, w.Fleet, w.Percent)
		}
		if back && m.at.Before(c.wayOut) {
			m.enough = false // it could not be measured
		}
		if back && !m.enough {
			c.told["not at today's load"] = 2
		}
		load, share, healthy := m.load, w.Percent, 100
		if c.rolling() && !back {
			load, share, healthy = r.base, w.Percent-1, c.minHealthy()
		}
		if back && r.weights.Of(c.candidate()) < 100 {
			load = min(load, r.known)
		}
		if need := (load*share*healthy + 9999) / 10000; f.inService(now) < need && !m.shrunk && (m.enough || !back) {
			return fmt.Sprintf("%s: %s gets %d %% with %d instances, the load needs %d", r.name, w.Fleet, w.Percent, f.inService(now), need)
		}
	}
	for _, name := range []string{c.candidate(), previous} {
		measured := c.wayOut.IsZero() || !r.last[previous].at.Before(c.wayOut)
		if f := r.fleets[name]; f != nil && f.held != c.request.ID && measured {
			return fmt.Sprintf("%s: shares move and scale-in of %s is not held", r.name, name)
		}
	}
	return ""
}

// triesToGrow remembers when the previous fleet was last asked to take the load.
func triesToGrow(c *cloud, _ *release.State, a asked) string {
	if in, ok := a.in.(activities.CapacityInput); ok && in.Fleet == previous {
		c.regions[in.Place.Region].tried = c.now()
	}
	return ""
}

func enoughIsLeft(c *cloud, r *region, f *fleet) string {
	now := c.now()
	share := r.weights.Of(f.name)
	if share == 0 || r.base == 0 {
		return ""
	}
	if r.last[c.candidate()].shrunk && !r.noticed {
		return "" // somebody has just made the candidate smaller, which no look has seen yet
	}
	all := 0
	for _, x := range r.sorted() {
		all += x.inService(now)
	}
	if need := (r.base*c.minHealthy() + 99) / 100; all < need {
		return fmt.Sprintf("%s: with %s made smaller %d instances are in service, the load needs %d", r.name, f.name, all, need)
	}
	if need := (r.base*(share-1)*c.minHealthy() + 9999) / 10000; f.inService(now) < need {
		return fmt.Sprintf("%s: %s has %d %% of the traffic and %d instances, it needs %d", r.name, f.name, share, f.inService(now), need)
	}
	return ""
}

func bothAreHeld(c *cloud, s *release.State, r *region) string {
	if s.Phase == release.PhaseDecommission || s.Leaving() {
		return ""
	}
	for _, name := range []string{c.candidate(), previous} {
		if f := r.fleets[name]; f != nil && !f.detached && f.held != c.request.ID && r.shifts > 0 {
			return fmt.Sprintf("%s: in %s scale-in of %s is not held", r.name, s.Phase, name)
		}
	}
	return ""
}

func nothingIsHeld(c *cloud, s *release.State, r *region) string {
	for _, f := range r.sorted() {
		if f.held == c.request.ID && !warned(s, "may still be held") {
			return fmt.Sprintf("%s: scale-in of %s is held after the end", r.name, f.name)
		}
	}
	return ""
}

// The third promise.

func readyToTakeAway(c *cloud, s *release.State, a asked) string {
	if a.name == activities.Retire && s.Kept {
		if in := a.in.(activities.RetireInput); in.Fleet == previous {
			return "the dead man ended it, and the previous fleet is deleted"
		}
	}
	if a.name != activities.Detach || stoppedBefore(s, a) || overridden(s, release.OverrideReadiness) {
		return ""
	}
	for _, r := range c.sorted() {
		if r.lost && release.TakesAway(previousOf(s, r.name), adoptedIn(s, r.name), s.Request.Spec.Decommission) {
			return fmt.Sprintf("the decommission begins although a rollback would not work in %s", r.name)
		}
	}
	return ""
}

// stoppedBefore says whether the decommission began before this act.
func stoppedBefore(s *release.State, a asked) bool {
	in, _ := a.in.(activities.RetireInput)
	return !s.StoppedAt.IsZero() || slices.ContainsFunc(s.Regions, func(r release.RegionState) bool { return r.Stopped && r.Name != in.Place.Region })
}

func reversibleFirst(c *cloud, r *region, f *fleet, how string) string {
	if how == activities.Retire && f.name == previous && !f.detached {
		return fmt.Sprintf("%s: %s is deleted without the steps before that can be undone", r.name, f.name)
	}
	return ""
}

func backOnPrevious(c *cloud, s *release.State, r *region) string {
	if s.WayOut == nil || !r.weights.Equal(r.ours) || s.Phase == release.PhaseRefused {
		return ""
	}
	prev := previousOf(s, r.name)
	if prev == "" || r.shifts == 0 {
		return ""
	}
	// Nothing can go back to a fleet that is not there, or of which no instance starts.
	excused := r.fleets[previous] == nil || r.fleets[previous].inService(c.now()) == 0 || c.planned(neverWorks)
	if r.weights.Of(previous) != 100 && !excused {
		return fmt.Sprintf("%s: the release ended %s, and the shares are %s", r.name, s.Phase, r.weights)
	}
	return ""
}

// planned says whether the schedule has a fault of a kind in it.
func (c *cloud) planned(kind string) bool {
	return slices.ContainsFunc(c.plan.Faults, func(f fault) bool { return f.Kind == kind })
}

// The fourth promise.

func noShareOfOurs(c *cloud, _ *release.State, a asked) string {
	var at, name string
	switch in := a.in.(type) {
	case activities.RetireInput:
		at, name = in.Place.Region, in.Fleet
	case activities.ShrinkInput:
		if in.To > 0 {
			return ""
		}
		at, name = in.Place.Region, in.Fleet
	default:
		return ""
	}
	if r := c.regions[at]; r.weights.Of(name) > 0 && r.weights.Equal(r.ours) {
		return fmt.Sprintf("%s: %s of %s is asked for, to which the release gave %s", at, a.name, name, r.weights)
	}
	return ""
}

func noRequests(c *cloud, r *region, f *fleet, how string) string {
	if r.requests(f.name, c.now()) {
		return fmt.Sprintf("%s: %s is taken away (%s) and may still get requests", r.name, f.name, how)
	}
	return ""
}

// The fifth promise.

func writtenBefore(c *cloud, s *release.State, a asked) string {
	type line struct{ kind, region, name string }
	var want []line
	switch in := a.in.(type) {
	case activities.BakeInput:
		want = append(want, line{release.KindImage, "", in.Spec.Application + " " + in.Spec.Version})
	case activities.ProveInput:
		want = append(want, line{release.KindFleet, in.Place.Region, in.Fleet})
	case activities.ProvisionInput:
		want = append(want, line{release.KindFleet, in.Place.Region, in.Fleet}, line{release.KindHold, in.Place.Region, in.Fleet})
	case activities.CapacityInput:
		want = append(want, line{release.KindHold, in.Place.Region, in.Fleet})
		if in.Carrying != "" {
			want = append(want, line{release.KindHold, in.Place.Region, in.Carrying})
		}
	}
	for _, l := range want {
		if !s.Ledger.Has(l.kind, l.region, l.name) {
			return fmt.Sprintf("%s is asked for, and the ledger has no line of the %s %s %s", a.name, l.kind, l.region, l.name)
		}
	}
	return ""
}

func onlyWhatShould(c *cloud, s *release.State, r *region) string {
	for _, f := range r.sorted() {
		serves := r.weights.Of(f.name) > 0
		kept := s.Phase == release.PhaseRolledBack && s.Request.Spec.Retention.Candidate == spec.Keep
		switch {
		case f.by != c.request.ID || serves || warned(s, f.name):
		case s.Phase == release.PhaseCompleted && f.name == c.candidate(): // somebody took its traffic
		case kept && f.name == c.candidate():
		case f.name == c.candidate() && regionOf(s, r.name).Back.Stage == release.BackStuck: // left for the person who takes over
		default:
			return fmt.Sprintf("%s: %s is left after a release that ended %s", r.name, f.name, s.Phase)
		}
	}
	if r.fleets[previous] != nil && s.Phase == release.PhaseCompleted {
		takes := release.TakesAway(previousOf(s, r.name), adoptedIn(s, r.name), s.Request.Spec.Decommission)
		if takes && !warned(s, previous) {
			return fmt.Sprintf("%s: %s is left after a release that ended %s, and nobody is told", r.name, previous, s.Phase)
		}
	}
	for _, l := range s.Ledger.Open(release.KindFleet) {
		if l.Region == r.name && r.fleets[l.Name] != nil && !warned(s, l.Name) {
			return fmt.Sprintf("%s: the ledger is open about %s after the end", r.name, l.Name)
		}
	}
	for _, l := range s.Ledger {
		if l.Kind == release.KindFleet && l.Region == r.name && l.Status == release.LedgerGone && r.fleets[l.Name] != nil {
			return fmt.Sprintf("%s: the ledger says that %s is gone, and it is there", r.name, l.Name)
		}
	}
	return ""
}

func noLeftovers(c *cloud, s *release.State) string {
	switch {
	case c.left && !warned(s, "left-overs of the bake"):
		return "what a bake left is there after the end"
	case c.baked && !slices.ContainsFunc(s.Ledger, func(l release.Resource) bool { return l.Kind == release.KindImage && l.Status == release.LedgerKept }) && !warned(s, "bake"):
		return "an image was baked that the ledger does not keep"
	}
	return ""
}

// The sixth promise: the rest of it is tried in target_test.go.

func givenBack(c *cloud, s *release.State) string {
	if h := c.target.Holder; h != nil && h.ID == c.request.ID && !warned(s, "the environment was not told") {
		return "the release has ended and holds its target still"
	}
	return ""
}

// The eighth promise.

// growsOnGoodOnly wants a look that was good with the share that is held before the next
// one, and before anything is taken away, and no doubt since.
func growsOnGoodOnly(c *cloud, s *release.State, a asked) string {
	switch in := a.in.(type) {
	case activities.ShiftInput:
		r, at := c.regions[in.Place.Region], regionOf(s, in.Place.Region)
		if in.Want.Of(c.candidate()) <= r.ours.Of(c.candidate()) || at.Step == 0 || s.Leaving() {
			return ""
		}
		since := at.Steps[at.Step-1].Shifted
		if (r.doubt || r.done.Before(since)) && !slices.ContainsFunc(s.Overrides, func(o release.Override) bool {
			return o.What == release.OverrideAnalysis && !o.At.Before(since)
		}) {
			return fmt.Sprintf("%s: the share grows to %d %% without a good look at the one before", r.name, in.Want.Of(c.candidate()))
		}
	case activities.RetireInput:
		if in.Fleet != previous || stoppedBefore(s, a) && a.name == activities.Detach {
			return ""
		}
		for _, r := range c.sorted() {
			if r.doubt {
				return fmt.Sprintf("%s of %s is asked for while nothing certain is seen in %s", a.name, in.Fleet, r.name)
			}
		}
	}
	return ""
}

func endsOnGoodOnly(c *cloud, s *release.State) string {
	wave, soaked := 0, s.Phase == release.PhaseWindow
	switch {
	case s.Phase == release.PhaseProvision && s.Wave > 1:
		wave = s.Wave - 1
	case s.Phase == release.PhaseSoak:
		wave = s.Wave
	}
	for i := range s.Regions {
		at := &s.Regions[i]
		r := c.regions[at.Name]
		watched := at.Wave == wave && *s.Request.Spec.Traffic.Watch > 0 && (r.done.Before(at.SwitchedAt) || r.doubt)
		soak := soaked && (r.doubt || r.done.Before(s.Soak.End))
		if watched || soak {
			return fmt.Sprintf("%s: %s begins without a good look at the candidate", at.Name, s.Phase)
		}
	}
	return ""
}

// The ninth promise.

func noSecretInState(c *cloud, s *release.State) string {
	data, err := json.Marshal(s)
	switch {
	case err != nil:
		return "the state can't be written: " + err.Error()
	case strings.Contains(string(data), secret):
		return "the value of a secret is in the state"
	case c.leaked.Load():
		return "the value of a secret is in the input or the answer of an activity"
	}
	return ""
}

// The tenth promise.

// nothingForeign lets a rollback take what people were told of before: they were asked to
// move it back or to send rollback. Nothing else of somebody else's is overwritten.
func nothingForeign(c *cloud, r *region, want release.Weights) string {
	if r.weights.Equal(r.ours) {
		return ""
	}
	for _, w := range r.weights {
		if w.Percent > 0 && w.Fleet != previous && w.Fleet != c.candidate() && !r.weights.Equal(r.told) {
			return fmt.Sprintf("%s: %s was given %d %% by somebody else, which is overwritten with %s", r.name, w.Fleet, w.Percent, want)
		}
	}
	if want.Of(c.candidate()) > r.weights.Of(c.candidate()) {
		return fmt.Sprintf("%s: somebody else set the shares to %s, and the release goes on to %s", r.name, r.weights, want)
	}
	if r.weights != nil { // nobody has traffic when somebody removed the fleet that had it
		c.told["shares"] = 10
	}
	return ""
}

// That a release ends.

func endsAsItSays(c *cloud, s *release.State) string {
	if !s.Phase.Ended() {
		return fmt.Sprintf("the release ended in %s: %v", s.Phase, c.ending.err)
	}
	if size := len(must(json.Marshal(s))); size > 1<<20 {
		return fmt.Sprintf("the state has %d bytes", size)
	}
	if (s.WayOut == nil) != (s.Phase == release.PhaseCompleted) {
		return fmt.Sprintf("the release ended %s with the way out %+v", s.Phase, s.WayOut)
	}
	if (s.Phase == release.PhaseRolledBack) != (s.WayOut != nil && c.entry[release.PhaseRollback] > 0 && s.Phase != release.PhaseFailed) {
		return fmt.Sprintf("the release ended %s after %v", s.Phase, c.entry)
	}
	for what, number := range c.told {
		if !warned(s, what) && (s.WayOut == nil || !strings.Contains(s.WayOut.Reason, what)) {
			c.breaks(number, "nobody was told: %s", what)
		}
	}
	for _, e := range s.Entries {
		if e.End.IsZero() {
			return fmt.Sprintf("%s has no end", e.Phase)
		}
	}
	return ""
}

func must(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}

func warned(s *release.State, what string) bool {
	has := func(line string) bool { return strings.Contains(line, what) }
	return slices.ContainsFunc(s.Warnings, has) || slices.ContainsFunc(s.Entries, func(e release.Entry) bool {
		return e.Phase == release.PhaseRollback && slices.ContainsFunc(e.Evidence, has)
	})
}

func overridden(s *release.State, what string) bool {
	return slices.ContainsFunc(s.Overrides, func(o release.Override) bool { return o.What == what })
}

func regionOf(s *release.State, name string) *release.RegionState {
	for i := range s.Regions {
		if s.Regions[i].Name == name {
			return &s.Regions[i]
		}
	}
	return &release.RegionState{}
}

// previousOf is the fleet that served in a region before, by the plan.
func previousOf(s *release.State, name string) string { return planOf(s, name).Previous }

func adoptedIn(s *release.State, name string) bool { return planOf(s, name).Adopted }

func planOf(s *release.State, name string) release.PlanRegion {
	for _, r := range s.Plan.Regions {
		if r.Name == name {
			return r
		}
	}
	return release.PlanRegion{}
}
