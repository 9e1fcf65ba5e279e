package activities

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// Checks asks fleets the questions of a spec.
type Checks struct {
	Platforms Set
	HTTP      *http.Client     // nil: a client that follows no redirect and keeps no connection
	Now       func() time.Time // nil: the clock; tests of a watch set it
}

// atOnce is how many questions are asked at the same time.
const atOnce = 16

// LongestLook is the longest that asking all checks of so many instances can take:
// every question waits for its own time-out, and questions to instances share slots.
func LongestLook(checks []spec.Check, instances int) time.Duration {
	var longest, queued time.Duration
	for _, check := range orHealth(checks, "") {
		var timeout spec.Duration
		each := true
		switch {
		case check.HTTP != nil:
			timeout, each = check.HTTP.Timeout, check.HTTP.Via != spec.ViaRouter
		case check.TCP != nil:
			timeout = check.TCP.Timeout
		case check.Command != nil:
			timeout, each = check.Command.Timeout, false
		}
		longest = max(longest, timeout.Std())
		if each {
			queued += timeout.Std() * time.Duration(instances) / atOnce
		}
	}
	return longest + queued
}

func (c *Checks) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now().UTC()
}

// VerifyFleet asks every check of every instance, round after round, until all have
// passed Consecutive rounds in a row. ErrNotVerified with the last failing answers
// when that is not so within Within. A round whose answers are in doubt counts
// neither for nor against the fleet, but the row starts anew.
func (c *Checks) VerifyFleet(ctx context.Context, in VerifyInput) (Verified, error) {
	p, err := c.Platforms.at(in.Place)
	if err != nil {
		return Verified{}, err
	}
	pulse := beat(ctx, "first round of checks")
	defer pulse.Stop()
	v := in.Verification
	who := subject{place: in.Place, fleet: in.Fleet, checks: orHealth(v.Checks, in.HealthPath)}
	deadline := time.Now().Add(v.Within.Std())
	var tally release.Tally
	for {
		results, err := c.round(ctx, p, who)
		if err != nil {
			return Verified{}, err
		}
		tally = tally.Count(release.Worst(results))
		if tally.Passes >= max(1, v.Consecutive) {
			return Verified{Results: results, Rounds: tally.Rounds}, nil
		}
		pulse.Set(fmt.Sprintf("round %d: %d of %d passes in a row", tally.Rounds, tally.Passes, v.Consecutive), evidence(results))
		wait := v.Interval.Std()
		if time.Now().Add(wait).After(deadline) {
			return Verified{}, acterr.Final(ErrNotVerified, "fleet %s did not pass %d rounds in a row within %s (%d rounds, the last row was %d): %s",
				at(in.Place.Region, in.Fleet), v.Consecutive, v.Within, tally.Rounds, tally.Passes, evidence(results))
		}
		if err := pause(ctx, wait); err != nil {
			return Verified{}, err
		}
	}
}

// round is one look at a fleet that must be complete: all that was asked for in service.
func (c *Checks) round(ctx context.Context, p platform.Platform, who subject) ([]release.Result, error) {
	fleet, err := p.Fleets.Describe(ctx, who.place.Region, who.fleet)
	if acterr.Permanent(err) {
		return nil, err
	}
	if err != nil {
		return []release.Result{unread("instances", err)}, ctx.Err()
	}
	who.instances = inService(fleet)
	results := []release.Result{enough(fleet, fleet.Desired)}
	results = append(results, c.ask(ctx, p, who)...)
	return results, ctx.Err()
}

// subject is who is asked what.
type subject struct {
	place     Place
	fleet     string
	checks    []spec.Check
	instances []release.Instance // those in service
}

func inService(f release.Fleet) []release.Instance {
	var out []release.Instance
	for _, i := range f.Instances {
		if i.State == release.InstanceInService {
			out = append(out, i)
		}
	}
	return out
}

// enough says whether need instances, and one at least, are in service.
func enough(f release.Fleet, need int) release.Result {
	need = max(1, need)
	r := release.Result{
		Check: "instances", Verdict: release.Pass, At: time.Now().UTC(),
		Value: fmt.Sprintf("%d in service", f.InService()), Bound: fmt.Sprintf("≥ %d", need),
	}
	if f.InService() < need {
		r.Verdict = release.Fail
	}
	return r
}

// unread is the result of something that could not be read: no evidence either way.
func unread(what string, err error) release.Result {
	return release.Result{Check: what, Verdict: release.Inconclusive, Value: clip("can't be read: "+err.Error(), maxValue), Bound: "a reading", At: time.Now().UTC()}
}

// orHealth is the spec's checks, else the one of the health path.
func orHealth(checks []spec.Check, path string) []spec.Check {
	if len(checks) > 0 {
		return checks
	}
	if path == "" {
		path = "/healthz"
	}
	return []spec.Check{{Name: "health", HTTP: &spec.HTTPCheck{
		Path: path, Via: spec.ViaInstance, Status: http.StatusOK, Timeout: spec.Duration(10 * time.Second),
	}}}
}

// ask asks all checks, in parallel and bounded, and returns one result for each:
// an answer's size does not depend on the size of the fleet.
func (c *Checks) ask(ctx context.Context, p platform.Platform, who subject) []release.Result {
	results := make([]release.Result, len(who.checks))
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, check := range who.checks {
		all.Go(func() { results[i] = c.one(ctx, p, who, check, slots) })
	}
	all.Wait()
	return results
}

// one asks one check of all it is about.
func (c *Checks) one(ctx context.Context, p platform.Platform, who subject, check spec.Check, slots chan struct{}) release.Result {
	switch {
	case check.HTTP != nil && check.HTTP.Via == spec.ViaRouter:
		probe, err := p.Router.Probe(ctx, who.place.Region, who.place.Target, who.fleet)
		if err != nil {
			return named(check.Name, unread("", err))
		}
		return named(check.Name, c.askHTTP(ctx, probe, *check.HTTP))
	case check.HTTP != nil:
		return c.each(check.Name, who, slots, func(i release.Instance) release.Result {
			return c.askHTTP(ctx, platform.Probe{URL: "http://" + i.Address}, *check.HTTP)
		})
	case check.TCP != nil:
		return c.each(check.Name, who, slots, func(i release.Instance) release.Result {
			return askTCP(ctx, i.Address, check.TCP.Timeout.Std())
		})
	case check.Command != nil:
		return named(check.Name, runCommand(ctx, *check.Command, commandEnv(ctx, p, who)))
	}
	return release.Result{Check: check.Name, Verdict: release.Inconclusive, Value: "it asks nothing", Bound: "http, tcp or command", At: time.Now().UTC()}
}

// each asks every instance and sums up: the first answers that are not good stand
// for all.
func (c *Checks) each(name string, who subject, slots chan struct{}, ask func(release.Instance) release.Result) release.Result {
	if len(who.instances) == 0 {
		return release.Result{Check: name, Verdict: release.Fail, Value: "no instance in service", Bound: "an instance to ask", At: time.Now().UTC()}
	}
	answers := make(chan release.Result)
	for _, i := range who.instances {
		go func() {
			slots <- struct{}{}
			r := ask(i)
			<-slots
			r.Value = i.ID + ": " + r.Value
			answers <- r
		}()
	}
	var all []release.Result
	for range who.instances {
		all = append(all, <-answers)
	}
	return named(name, sum(all))
}

// maxExamples bounds the answers that a summed-up result shows.
const maxExamples = 3

func sum(all []release.Result) release.Result {
	out := release.Result{Verdict: release.Worst(all), Bound: all[0].Bound, At: time.Now().UTC()}
	if out.Verdict == release.Pass {
		out.Value = fmt.Sprintf("%d of %d instances", len(all), len(all))
		return out
	}
	var bad []string
	count := 0
	for _, r := range all {
		if r.Verdict == release.Pass {
			continue
		}
		if count++; count <= maxExamples {
			bad = append(bad, r.Value)
		}
		if r.Verdict == out.Verdict {
			out.Bound = r.Bound
		}
	}
	out.Value = fmt.Sprintf("%d of %d instances did not pass: %s", count, len(all), strings.Join(bad, "; "))
	return out
}

func named(name string, r release.Result) release.Result {
	r.Check = name
	return r
}

// evidence is the results that are not good as text, all of them when all are.
func evidence(results []release.Result) string {
	var lines []string
	for _, r := range results {
		if r.Verdict != release.Pass {
			lines = append(lines, r.String())
		}
	}
	if len(lines) == 0 {
		for _, r := range results {
			lines = append(lines, r.String())
		}
	}
	return strings.Join(lines, "; ")
}

// askTCP opens a connection and closes it.
func askTCP(ctx context.Context, address string, timeout time.Duration) release.Result {
	r := release.Result{Verdict: release.Pass, Bound: fmt.Sprintf("a connection within %s", timeout), At: time.Now().UTC()}
	began := time.Now()
	conn, err := (&net.Dialer{Timeout: timeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		r.Verdict, r.Value = release.Fail, clip(err.Error(), maxValue)
		return r
	}
	_ = conn.Close() // only that it opened counts
	r.Value = fmt.Sprintf("connected in %s", time.Since(began).Round(time.Millisecond))
	return r
}
