package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// rules are the findings that need more than one value: what contradicts and what
// must not repeat. They see the spec with its defaults.
var rules = []func(*checker, Spec){
	imageRule, parentRule, provenanceRule, sameNamesRule, regionsRule, commandRule, platformRule, awsRule, referencesRule,
	checksRule, roundsRule, strategyRule, canaryRule, rollingRule, analysisRule, gatesRule, soakRule, rollbackRule,
	migrationsRule, windowRule, deadlineRule, notificationsRule,
}

// oneOf refuses a part in which more or less than one of the fields is given. none says
// what comes of giving none of them, many why there can't be two.
func (c *checker) oneOf(path, none, many string, fields ...choice) {
	names, below := make([]string, len(fields)), make([]string, len(fields))
	var given []string
	for i, f := range fields {
		names[i], below[i] = f.name, join(path, f.name)
		if f.given {
			given = append(given, f.name)
		}
	}
	if len(given) == 1 || c.bad.at[path] || !c.sound(below...) {
		return
	}
	allowed := "exactly one of " + enumerate(names, "and")
	switch {
	case len(given) > 0:
		c.report(path, allowed, "%s contradict each other; %s", enumerate(given, "and"), many)
	case len(names) == 2:
		c.report(path, allowed, "neither %s nor %s is given; %s", names[0], names[1], none)
	default:
		c.report(path, allowed, "none of %s is given; %s", enumerate(names, "and"), none)
	}
}

// choice is one of several fields of which exactly one is given.
type choice struct {
	name  string
	given bool
}

func imageRule(c *checker, s Spec) {
	c.oneOf("image", "there is nothing to release", "an image is baked, exists, or is one that was kept",
		choice{"packer", s.Image.Packer != nil}, choice{"existing", s.Image.Existing != ""}, choice{"retained", s.Image.Retained != ""})
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
	for _, h := range s.Migrations.halves() {
		if run := h.migration.Command; run != nil {
			both(h.path+".command.secrets", run.Environment, run.Secrets, "environment")
		}
	}
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

func gatesRule(c *checker, s Spec) {
	c.unique("gates", "gate", len(s.Gates), func(i int) string { return s.Gates[i].Name })
	for i, g := range s.Gates {
		path := fmt.Sprintf("gates[%d]", i)
		if n := len(g.Approvers); n > 0 && g.Count > n && c.sound(path+".count", path+".approvers") {
			c.report(path+".count", fmt.Sprintf("at most %d, the number of approvers", n), "%d approvals cannot come from %d approvers", g.Count, n)
		}
	}
}

func notificationsRule(c *checker, s Spec) {
	c.unique("notifications", "notification", len(s.Notifications), func(i int) string { return s.Notifications[i].Name })
}
