package spec

import (
	"fmt"
	"time"
)

// checkList is one of the lists of checks: where it stands, and the time in which its
// checks have to pass, asked so often. No time means that they are asked until they do.
type checkList struct {
	path          string
	checks        []Check
	every, within Duration
	rounds        int // rounds in a row that have to pass
}

// checkLists are the lists of checks that the spec gives.
func (s Spec) checkLists() []checkList {
	v := s.Verification
	lists := []checkList{{"verification.checks", v.Checks, v.Interval, v.Within, v.Consecutive}}
	if a := s.Traffic.Analysis; a != nil {
		lists = append(lists, checkList{path: "traffic.analysis.checks", checks: a.Checks, every: a.Interval})
	}
	soak := checkList{path: "soak.checks", checks: s.Soak.Checks, every: s.Soak.Interval, rounds: 1}
	if s.Soak.Duration != nil {
		soak.within = *s.Soak.Duration
	}
	return append(lists, soak)
}

// Programs are the programs that the worker runs for checks and migrations, each with its
// arguments. They are the spec's own, not copies, and hold one text at the least.
func (s Spec) Programs() [][]string {
	var out [][]string
	add := func(run []string) {
		if len(run) > 0 {
			out = append(out, run)
		}
	}
	for _, l := range s.checkLists() {
		for _, check := range l.checks {
			if check.Command != nil {
				add(check.Command.Run)
			}
		}
	}
	for _, h := range s.Migrations.halves() {
		if h.migration.Command != nil {
			add(h.migration.Command.Run)
		}
	}
	return out
}

func checksRule(c *checker, s Spec) {
	for _, l := range s.checkLists() {
		c.unique(l.path, "check", len(l.checks), func(i int) string { return l.checks[i].Name })
		for i, check := range l.checks {
			path := fmt.Sprintf("%s[%d]", l.path, i)
			c.oneOf(path, "the check asks nothing", "a check asks one question", check.kinds()...)
			c.pace(path, check, l)
			c.httpCheck(path+".http", check.HTTP, s)
			if p := check.Prometheus; p != nil {
				c.between(path+".prometheus", p.Min, p.Max)
			}
			c.cloudWatch(path+".cloudwatch", check.CloudWatch, s)
			if t := check.Temporal; t != nil {
				c.oneOf(path+".temporal", "nothing is called", "a check calls one of the two",
					choice{"workflow", t.Workflow != ""}, choice{"activity", t.Activity != ""})
			}
		}
	}
}

// kinds are the kinds of question, and which of them the check asks.
func (c Check) kinds() []choice {
	return []choice{
		{"http", c.HTTP != nil}, {"tcp", c.TCP != nil}, {"grpc", c.GRPC != nil}, {"sql", c.SQL != nil}, {"command", c.Command != nil},
		{"prometheus", c.Prometheus != nil}, {"cloudwatch", c.CloudWatch != nil}, {"webhook", c.Webhook != nil}, {"temporal", c.Temporal != nil},
	}
}

// pace refuses a check that can't pass in the time there is, because it is asked too
// rarely or has to pass too often.
func (c *checker) pace(path string, check Check, l checkList) {
	over := parent(l.path)
	if l.within == 0 || !c.sound(path+".interval", path+".passes", over+".interval", over+".within", over+".duration", over+".consecutive") {
		return
	}
	need := Duration(check.Passes-1)*max(check.Interval, l.every) + Duration(l.rounds-1)*l.every
	switch {
	case check.Interval > l.within:
		c.report(path+".interval", "at most "+l.within.String(), "the check would be asked once only; the time for it is %s", l.within)
	case check.Passes > 1 && need >= l.within:
		c.report(path+".passes", "passes that fit within "+l.within.String(), "%d good answers in a row, at %s from each other, take %s, which does not fit within %s",
			check.Passes, max(check.Interval, l.every), need, l.within)
	}
}

func (c *checker) httpCheck(path string, h *HTTPCheck, s Spec) {
	if h == nil {
		return
	}
	if h.Latency > h.Timeout && c.sound(path+".latency", path+".timeout") {
		c.report(path+".latency", "at most "+h.Timeout.String(), "the bound of %s is never reached, because the request is given up after its timeout of %s", h.Latency, h.Timeout)
	}
	if h.Via != ViaListener || !c.sound(path+".via", "regions") {
		return
	}
	var without []string
	for _, r := range s.Regions {
		if r.TestListener == "" {
			without = append(without, r.Name)
		}
	}
	if len(without) > 0 {
		c.report(path+".via", "instance or router, or testListener in every region", "there is no testListener to ask in %s", enumerate(without, "and"))
	}
}

// between refuses bounds that pass everything or nothing.
func (c *checker) between(path string, low, high *Number) {
	switch {
	case !c.sound(path+".min", path+".max"):
	case low == nil && high == nil:
		c.report(path, "min, max or both", "neither min nor max is given; every value would pass")
	case low != nil && high != nil && *low > *high:
		c.report(path+".min", "at most "+high.String()+", which max is", "no value is at least %s and at most %s; none could pass", low, high)
	}
}

func (c *checker) cloudWatch(path string, w *CloudWatchCheck, s Spec) {
	if w == nil {
		return
	}
	if s.Platform != PlatformAWS && c.sound("platform") && !c.bad.at[path] {
		c.report(path, "cloudwatch only with platform: aws", "there is no CloudWatch to ask, because the platform is %s", s.Platform)
		return
	}
	c.oneOf(path, "nothing is looked at", "a check looks at one of the two", choice{"alarm", w.Alarm != ""}, choice{"metric", w.Metric != nil})
	if m := w.Metric; m != nil {
		c.between(path+".metric", m.Min, m.Max)
		if m.Period.Std()%time.Minute != 0 && c.sound(path+".metric.period") {
			c.report(path+".metric.period", "whole minutes, such as 1m or 5m", "CloudWatch keeps no values of %s", m.Period)
		}
	}
}
