package spec

import (
	"fmt"
	"reflect"
	"strings"
)

// strategyRule refuses settings of a strategy that is not the spec's.
func strategyRule(c *checker, s Spec) {
	t := s.Traffic
	if !c.sound("traffic.strategy") {
		return
	}
	unused := func(field, with string, given bool) {
		if path := "traffic." + field; given && !c.bad.at[path] {
			c.report(path, field+" only with strategy "+with, "the settings would not be used, because the strategy is %s%s",
				t.Strategy, c.source("traffic.strategy", reflect.ValueOf(t.Strategy)))
		}
	}
	unused("canary", CanaryWay, t.Canary != nil && t.Strategy != CanaryWay)
	unused("rolling", RollingBy, t.Rolling != nil && t.Strategy != RollingBy)
	unused("analysis", CanaryWay+" or "+RollingBy, t.Analysis != nil && t.Strategy == BlueGreen)
	if t.Strategy == CanaryWay && t.Canary == nil && c.sound("traffic.canary") {
		c.report("traffic.strategy", "canary together with strategy canary", "the field canary is missing; it has the steps in which traffic moves")
	}
}

func canaryRule(c *checker, s Spec) {
	if s.Traffic.Canary == nil {
		return
	}
	for i, step := range s.Traffic.Canary.Steps {
		if i > 0 {
			before := s.Traffic.Canary.Steps[i-1].Weight
			c.follows("traffic.canary.steps", i, step.Weight > before, fmt.Sprintf("more than %d", before), "the step before has %d; the shares of a canary grow", before)
		}
	}
}

func rollbackRule(c *checker, s Spec) {
	for i, step := range s.Rollback.Steps {
		if i > 0 {
			before := s.Rollback.Steps[i-1].Weight
			c.follows("rollback.steps", i, step.Weight < before, fmt.Sprintf("less than %d", before), "the step before has %d; the candidate's shares fall on the way back", before)
		}
	}
}

// follows refuses the weight of a step that does not go on from the step before.
func (c *checker) follows(list string, i int, ok bool, allowed, format string, before int) {
	path := fmt.Sprintf("%s[%d].weight", list, i)
	if !ok && c.sound(path, fmt.Sprintf("%s[%d].weight", list, i-1)) {
		c.report(path, allowed, format, before)
	}
}

// rollingRule refuses a rest of the previous fleet that is more than there is.
func rollingRule(c *checker, s Spec) {
	r := s.Traffic.Rolling
	if r == nil || !c.sound("traffic.rolling.keep", "regions", "fleet.instances") {
		return
	}
	for _, region := range s.Regions {
		if r.Keep > region.Instances {
			c.report("traffic.rolling.keep", fmt.Sprintf("at most %d", region.Instances), "the fleet in %s has %d instances; not more of them can stay", region.Name, region.Instances)
			return
		}
	}
}

func analysisRule(c *checker, s Spec) {
	a := s.Traffic.Analysis
	if a == nil {
		return
	}
	const path = "traffic.analysis"
	if *a.Pass < *a.Marginal && c.sound(path+".pass", path+".marginal") {
		field, v := "pass", reflect.ValueOf(a.Pass)
		if !c.isGiven(path+".pass", v) {
			field = "marginal"
		}
		c.report(path+"."+field, "pass not below marginal", "an analysis of %s%s would pass that fails below %s%s",
			a.Pass, c.source(path+".pass", v), a.Marginal, c.source(path+".marginal", reflect.ValueOf(a.Marginal)))
	}
	c.unique(path+".compare", "comparison", len(a.Compare), func(i int) string { return a.Compare[i].Name })
	for i, x := range a.Compare {
		at := fmt.Sprintf("%s.compare[%d]", path, i)
		c.oneOf(at, "nothing is compared", "a comparison has one source",
			choice{"errors", x.Errors != nil}, choice{"latency", x.Latency != nil}, choice{"prometheus", x.Prometheus != nil})
		if x.Worse == WorseLower && x.Prometheus == nil && c.sound(at+".worse", at+".errors", at+".latency", at+".prometheus") {
			c.report(at+".worse", "lower only with prometheus", "of failed requests and of latencies the higher ones are worse")
		}
		if p := x.Prometheus; p != nil && !strings.Contains(p.Query, "$fleet") && c.sound(at+".prometheus.query") {
			c.report(at+".prometheus.query", "a query with $fleet in it, such as rate(errors_total{fleet=\"$fleet\"}[1m])",
				"$fleet is missing; the query would give the same values for both fleets")
		}
	}
}
