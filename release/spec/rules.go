package spec

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// rules are the findings that need more than one value: what contradicts and what
// must not repeat. They see the spec with its defaults.
var rules = []func(*checker, Spec){
	imageRule, parentRule, provenanceRule, sameNamesRule, regionsRule, commandRule, platformRule, awsRule, referencesRule, checksRule, roundsRule,
	gatesRule, soakRule, windowRule, deadlineRule, notificationsRule,
}

func imageRule(c *checker, s Spec) {
	const allowed = "exactly one of packer and existing"
	switch packer, existing := s.Image.Packer != nil, s.Image.Existing != ""; {
	case !c.sound("image.packer", "image.existing"):
	case packer && existing:
		c.report("image.existing", allowed, "packer and existing contradict each other; an image is either baked or exists")
	case !packer && !existing:
		c.report("image", allowed, "neither packer nor existing is given; there is nothing to release")
	}
}

func parentRule(c *checker, s Spec) {
	p := s.Image.Packer
	if p != nil && p.Parent != "" && p.ParentOf != nil && c.sound("image.packer.parent", "image.packer.parentOf") {
		c.report("image.packer.parentOf", "at most one of parent and parentOf", "parent and parentOf contradict each other; an image is built on one image")
	}
}

func provenanceRule(c *checker, s Spec) {
	p := s.Image.Provenance
	switch {
	case !c.sound("image.provenance"):
	case p.Verify && p.PublicKey == "":
		c.report("image.provenance.verify", "verify with publicKey", "the provenance cannot be verified without publicKey")
	case !p.Verify && p.PublicKey != "":
		c.report("image.provenance.publicKey", "publicKey with verify: true", "the key would not be used, because verify is not true")
	}
}

// sameNamesRule refuses a name that has both a plain value and a secret.
func sameNamesRule(c *checker, s Spec) {
	both := func(path string, plain, secret map[string]string, other string) {
		for _, name := range slices.Sorted(maps.Keys(secret)) {
			if _, ok := plain[name]; ok && c.sound(join(path, name)) {
				c.report(join(path, name), "the name in only one of the two", "%s has a value in %s too; it is not clear which one holds", name, other)
			}
		}
	}
	if s.Image.Packer != nil {
		both("image.packer.secrets", s.Image.Packer.Variables, s.Image.Packer.Secrets, "variables")
	}
	both("fleet.secrets", s.Fleet.Environment, s.Fleet.Secrets, "environment")
}

// unique refuses a name that an earlier entry of the list has.
func (c *checker) unique(list, noun string, n int, name func(int) string) {
	first := map[string]int{}
	for i := range n {
		path := fmt.Sprintf("%s[%d].name", list, i)
		if j, ok := first[name(i)]; ok && c.sound(path) {
			c.report(path, "a name that no other "+noun+" has", "%q is the name of %s[%d] too", name(i), list, j)
			continue
		}
		first[name(i)] = i
	}
}

func regionsRule(c *checker, s Spec) {
	c.unique("regions", "region", len(s.Regions), func(i int) string { return s.Regions[i].Name })
	active := slices.ContainsFunc(s.Regions, func(r Region) bool { return r.Role == RoleActive })
	if len(s.Regions) > 0 && !active && c.sound("regions") {
		c.report("regions", "at least one region with role active", "every region is on standby; no region would serve users")
	}
}

func commandRule(c *checker, s Spec) {
	if len(s.Fleet.Command) == 0 && s.Platform == PlatformLocal && c.sound("fleet.command", "platform") {
		c.report("fleet", "command with at least one entry", "the command is missing; the local platform starts the program itself")
	}
	if len(s.Fleet.Command) > 0 && !strings.HasPrefix(s.Fleet.Command[0], "/") && c.sound("fleet.command[0]") {
		c.report("fleet.command[0]", "an absolute path inside the image, such as /usr/local/bin/app",
			"%s is not an absolute path; no shell and no PATH looks for it", quote(s.Fleet.Command[0]))
	}
}

func checksRule(c *checker, s Spec) {
	checks := s.Verification.Checks
	c.unique("verification.checks", "check", len(checks), func(i int) string { return checks[i].Name })
	for i, check := range checks {
		path := fmt.Sprintf("verification.checks[%d]", i)
		const allowed = "exactly one of http, tcp and command"
		switch kinds := check.kinds(); {
		case len(kinds) == 1 || !c.sound(path+".http", path+".tcp", path+".command"):
		case len(kinds) == 0:
			c.report(path, allowed, "none of http, tcp and command is given; the check asks nothing")
		default:
			c.report(path, allowed, "%s contradict each other; a check asks one question", enumerate(kinds, "and"))
		}
		if h := check.HTTP; h != nil && h.Latency > h.Timeout && c.sound(path+".http.latency", path+".http.timeout") {
			c.report(path+".http.latency", "at most "+h.Timeout.String(), "the bound of %s is never reached, because the request is given up after its timeout of %s", h.Latency, h.Timeout)
		}
	}
}

// kinds names what the check asks.
func (c Check) kinds() []string {
	var kinds []string
	if c.HTTP != nil {
		kinds = append(kinds, "http")
	}
	if c.TCP != nil {
		kinds = append(kinds, "tcp")
	}
	if c.Command != nil {
		kinds = append(kinds, "command")
	}
	return kinds
}

// roundsRule refuses consecutive rounds that do not fit into the time for them.
func roundsRule(c *checker, s Spec) {
	v := s.Verification
	need := Duration(v.Consecutive-1) * v.Interval
	if need >= v.Within && c.sound("verification.within", "verification.interval", "verification.consecutive") {
		c.report("verification", "within longer than interval times the rounds between the first and the last",
			"%d rounds at %s from each other take %s, which does not fit within %s", v.Consecutive, v.Interval, need, v.Within)
	}
}

func gatesRule(c *checker, s Spec) {
	c.unique("gates", "gate", len(s.Gates), func(i int) string { return s.Gates[i].Name })
	for i, g := range s.Gates {
		path := fmt.Sprintf("gates[%d]", i)
		if n := len(g.Approvers); n > 0 && g.Count > n && c.sound(path+".count", path+".approvers") {
			c.report(path+".count", fmt.Sprintf("at most %d, the number of approvers", n), "%d approvals cannot come from %d approvers", g.Count, n)
		}
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

func windowRule(c *checker, s Spec) {
	if w := s.Decommission.Window; w != nil && w.From == w.To && c.sound("decommission.window.from", "decommission.window.to") {
		c.report("decommission.window.to", "another time than from", "the window closes at %s, when it opens; it is never open", w.To)
	}
}

// deadlineRule refuses a deadline that is over before a release without any trouble
// and without waiting for people could be.
func deadlineRule(c *checker, s Spec) {
	if !c.sound("deadline", "image.packer.timeout", "fleet.readyWithin", "verification.within", "traffic.watch", "traffic.drain", "soak.duration", "decommission.hold") {
		return
	}
	need := s.Needs()
	if s.Deadline > need {
		return
	}
	path := "deadline"
	if c.given != nil && !c.isGiven(path, reflect.ValueOf(s.Deadline)) {
		path = "soak.duration"
	}
	c.report(path, "a deadline longer than "+need.String(),
		"the deadline of %s%s leaves no room: bake, provisioning, verification, watch, drain, soak of %s and hold may take %s",
		s.Deadline, c.source("deadline", reflect.ValueOf(s.Deadline)), s.Soak.Duration, need)
}

// Needs is the longest time the steps of the release may take by their own bounds,
// without waiting for approvals, windows and other releases. Waves follow each other.
func (s Spec) Needs() Duration {
	s = s.WithDefaults()
	waves := map[int]bool{}
	for _, r := range s.Regions {
		waves[r.Wave] = true
	}
	need := Duration(max(1, len(waves))) * (s.Fleet.ReadyWithin + s.Verification.Within + *s.Traffic.Watch)
	if s.Image.Packer != nil {
		need += s.Image.Packer.Timeout
	}
	return need + *s.Soak.Duration + s.Decommission.Hold + *s.Traffic.Drain
}

func notificationsRule(c *checker, s Spec) {
	c.unique("notifications", "notification", len(s.Notifications), func(i int) string { return s.Notifications[i].Name })
}
