package spec

import (
	"math"
	"reflect"
	"strings"
)

// roundsRule refuses consecutive rounds that do not fit into the time for them.
func roundsRule(c *checker, s Spec) {
	v := s.Verification
	need := Duration(v.Consecutive-1) * v.Interval
	if need >= v.Within && c.sound("verification.within", "verification.interval", "verification.consecutive") {
		c.report("verification", "within longer than interval times the rounds between the first and the last",
			"%d rounds at %s from each other take %s, which does not fit within %s", v.Consecutive, v.Interval, need, v.Within)
	}
}

// soakRule refuses a soak that could not notice what it is there for.
func soakRule(c *checker, s Spec) {
	d := *s.Soak.Duration
	if d == 0 || !c.sound("soak.duration") {
		return
	}
	if s.Soak.Interval > d && c.sound("soak.interval") {
		c.report("soak.interval", "at most "+d.String(), "the first look comes after %s%s, when the soak of %s is over",
			s.Soak.Interval, c.source("soak.interval", reflect.ValueOf(s.Soak.Interval)), d)
	}
	if *s.Soak.Breach >= d && c.sound("soak.breach") {
		c.report("soak.breach", "less than "+d.String(), "checks may fail for %s%s, so nothing could roll back in a soak of %s",
			s.Soak.Breach, c.source("soak.breach", reflect.ValueOf(s.Soak.Breach)), d)
	}
}

// deadlineRule refuses a deadline that is over before a release without any trouble
// and without waiting for people could be.
func deadlineRule(c *checker, s Spec) {
	if !c.sound("deadline", "image.packer.timeout", "regions", "fleet", "verification", "traffic", "soak.duration", "migrations", "decommission") {
		return
	}
	parts, need := s.parts()
	if s.Deadline > need {
		return
	}
	path := "deadline"
	if c.given != nil && !c.isGiven(path, reflect.ValueOf(s.Deadline)) {
		path = "soak.duration"
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = p.name + " " + p.takes.String()
	}
	c.report(path, "a deadline longer than "+need.String(), "the deadline of %s%s leaves no room: the release may take %s (%s)",
		s.Deadline, c.source("deadline", reflect.ValueOf(s.Deadline)), need, strings.Join(texts, ", "))
}

// Needs is the longest time the steps of the release may take by their own bounds,
// without waiting for approvals, windows and other releases. Waves follow each other.
func (s Spec) Needs() Duration {
	_, need := s.WithDefaults().parts()
	return need
}

// part is a part of the release and the longest time it may take.
type part struct {
	name  string
	takes Duration
}

// parts are the parts of a release with its defaults that take time, in their order, and
// the time all of them take.
func (s Spec) parts() (parts []part, all Duration) {
	add := func(name string, takes Duration) {
		if takes > 0 {
			parts, all = append(parts, part{name, takes}), all+takes
		}
	}
	waves, grown, held := s.waves()
	if s.Image.Packer != nil {
		add("bake", s.Image.Packer.Timeout)
	}
	for _, h := range s.Migrations.halves() {
		add(h.path, h.migration.Timeout)
	}
	add("provisioning", Duration(waves+grown)*s.Fleet.ReadyWithin)
	add("verification", Duration(waves)*s.Verification.Within)
	add("steps of "+s.Traffic.Strategy, held)
	add("watch", Duration(waves)**s.Traffic.Watch)
	add("soak", *s.Soak.Duration)
	add("decommission.hold", s.Decommission.Hold)
	add("decommission.quiet", s.Decommission.Quiet)
	add("drain", *s.Traffic.Drain)
	add("decommission.stopped", s.Decommission.Stopped)
	return parts, all
}

// waves are how many waves there are, how often candidates grow in them after they were
// made, and how long their shares are held in all. The regions of a wave go together, so
// the one with the most steps counts.
func (s Spec) waves() (waves, grown int, held Duration) {
	steps := map[int]int{}
	for _, r := range s.Regions {
		steps[r.Wave] = max(steps[r.Wave], s.Traffic.growths(r.Instances))
	}
	for _, n := range steps {
		grown += n
		held += s.Traffic.held(n)
	}
	return max(1, len(steps)), grown, held
}

// growths are how often a candidate of n instances grows after it was made.
func (t Traffic) growths(n int) int {
	switch {
	case t.Strategy == CanaryWay && t.Canary != nil:
		return len(t.Canary.Steps)
	case t.Strategy == RollingBy && t.Rolling != nil:
		return max(0, t.Rolling.batches(n)-1)
	}
	return 0
}

// held is how long the shares of a candidate that grows so often are held in all.
func (t Traffic) held(growths int) (held Duration) {
	switch {
	case t.Strategy == CanaryWay && t.Canary != nil:
		for _, step := range t.Canary.Steps {
			held += step.Hold
		}
	case t.Strategy == RollingBy && t.Rolling != nil:
		held = Duration(growths+1) * *t.Rolling.WarmUp
	}
	return held
}

// batches is how many batches it takes to replace n instances: each is as large as batch
// allows and as what surge adds and minHealthy lets go make room for. Before the first
// one nothing has gone yet, so only surge makes room for it.
func (r Rolling) batches(n int) int {
	share := func(p Percent) int { return max(1, int(math.Ceil(float64(n)*p.Fraction()-1e-9))) }
	surge := share(*r.Surge)
	size := max(1, min(share(r.Batch), surge+n-share(*r.MinHealthy)))
	rest := n - min(size, surge)
	return 1 + (rest+size-1)/size
}
