// Package ask asks fleets the questions of a spec. It knows every kind of check and
// turns an answer into a verdict: a pure function per kind decides, the code around it
// only asks. What tells nothing about the fleet, such as a source that is down,
// throttled, empty or not a number, is inconclusive: it is no evidence, for or against.
package ask

import (
	"context"
	"net/http"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// Asker asks the questions. The zero value works, without checks of kind temporal.
type Asker struct {
	HTTP      *http.Client     // nil: clients that keep no connection; redirects are never followed
	Temporal  client.Client    // nil: checks of kind temporal are inconclusive
	TaskQueue string           // of Switchyard's own worker, where release.WorkflowRunActivity runs
	Now       func() time.Time // nil: the clock
}

// Subject is who is asked, and where.
type Subject struct {
	Platform     platform.Platform
	Region       string
	Target       release.Target
	Release      string
	Version      string
	Fleet        string             // that is judged
	Live         string             // that it is compared with; "" when there is none
	Stage        string             // release.StageVerification and its like
	TestListener string             // base URL of the region's test listener; "" when it has none
	Instances    []release.Instance // those in service
	Round        int                // tells one time of asking from the next within a stage; the same on a retry
}

// atOnce is how many questions are asked at the same time.
const atOnce = 16

// Ask asks all checks, in parallel and bounded, and returns one result for each, in
// their order: an answer's size does not depend on the size of the fleet. A question
// that the end of ctx cut short is inconclusive.
func (a *Asker) Ask(ctx context.Context, s Subject, checks []spec.Check) []release.Result {
	results := make([]release.Result, len(checks))
	q := &questions{Asker: a, Subject: s, slots: make(chan struct{}, atOnce)}
	var all sync.WaitGroup
	for i, check := range checks {
		all.Go(func() {
			results[i] = q.finish(ctx, check.Name, q.one(ctx, check))
		})
	}
	all.Wait()
	return results
}

// questions are those of one time of asking.
type questions struct {
	*Asker
	Subject
	slots chan struct{} // one is held by every question that is under way
}

// one asks one check of all it is about.
func (q *questions) one(ctx context.Context, check spec.Check) release.Result {
	switch {
	case check.HTTP != nil && check.HTTP.Via == spec.ViaRouter:
		return q.slot(ctx, func() release.Result { return q.askRouter(ctx, *check.HTTP) })
	case check.HTTP != nil && check.HTTP.Via == spec.ViaListener:
		return q.slot(ctx, func() release.Result { return q.askListener(ctx, *check.HTTP) })
	case check.HTTP != nil:
		return q.each(ctx, func(i release.Instance) release.Result {
			return q.askHTTP(ctx, platform.Probe{URL: "http://" + i.Address}, *check.HTTP)
		})
	case check.TCP != nil:
		return q.each(ctx, func(i release.Instance) release.Result { return askTCP(ctx, i.Address, *check.TCP) })
	case check.GRPC != nil:
		return q.each(ctx, func(i release.Instance) release.Result { return q.askGRPC(ctx, i.Address, *check.GRPC) })
	case check.SQL != nil:
		return q.slot(ctx, func() release.Result { return askSQL(ctx, *check.SQL) })
	case check.Command != nil:
		return q.slot(ctx, func() release.Result { return q.runCommand(ctx, *check.Command) })
	case check.Prometheus != nil:
		return q.slot(ctx, func() release.Result { return q.askPrometheus(ctx, *check.Prometheus) })
	case check.CloudWatch != nil:
		return q.slot(ctx, func() release.Result { return q.askCloudWatch(ctx, *check.CloudWatch) })
	case check.Webhook != nil:
		return q.slot(ctx, func() release.Result { return q.callWebhook(ctx, check.Name, *check.Webhook) })
	case check.Temporal != nil:
		return q.slot(ctx, func() release.Result { return q.askTemporal(ctx, check.Name, *check.Temporal) })
	}
	return unknown("one of the kinds of checks", "it asks nothing")
}

// slot waits until fewer than atOnce questions are under way, then asks.
func (q *questions) slot(ctx context.Context, ask func() release.Result) release.Result {
	select {
	case q.slots <- struct{}{}:
		defer func() { <-q.slots }()
		return ask()
	case <-ctx.Done():
		return unknown("an answer", "was not asked: %v", ctx.Err())
	}
}

// finish makes a result fit for a history. A bad answer of a question that was cut
// short tells of whoever cut it, not of the fleet.
func (q *questions) finish(ctx context.Context, check string, r release.Result) release.Result {
	if ctx.Err() != nil && r.Verdict == release.Fail {
		r.Verdict, r.Value = release.Inconclusive, "asking was cut short: "+r.Value
	}
	r.Check, r.At = check, q.now()
	r.Value, r.Bound = clip(r.Value, maxValue), clip(r.Bound, maxValue)
	if r.Link = valid(r.Link); len(r.Link) > maxLink {
		r.Link = "" // half of an address leads nowhere
	}
	return r
}

func (a *Asker) now() time.Time {
	if a.Now != nil {
		return a.Now().UTC()
	}
	return time.Now().UTC()
}

// answerGrace is how much longer than its own timeout a question may take: for what it
// started to be ended, and for a server to say itself that the time is over.
const answerGrace = 2 * time.Second

// Longest is the longest that asking all checks of so many instances can take: every
// question waits for its own timeout, and questions share slots.
func Longest(checks []spec.Check, instances int) time.Duration {
	var longest, queued time.Duration
	for _, check := range checks {
		timeout, each := bounds(check)
		times := time.Duration(1)
		if each {
			times = time.Duration(max(1, instances))
		}
		longest = max(longest, timeout)
		queued += timeout * times / atOnce
	}
	return longest + queued
}

// bounds is how long one question of the check may take, and whether every instance
// is asked.
func bounds(check spec.Check) (time.Duration, bool) {
	switch {
	case check.HTTP != nil:
		via := check.HTTP.Via
		return orTen(check.HTTP.Timeout), via != spec.ViaRouter && via != spec.ViaListener
	case check.TCP != nil:
		return orTen(check.TCP.Timeout), true
	case check.GRPC != nil:
		return orTen(check.GRPC.Timeout), true
	case check.SQL != nil:
		return orTen(check.SQL.Timeout) + answerGrace, false
	case check.Command != nil:
		return orTen(check.Command.Timeout) + answerGrace, false
	case check.Prometheus != nil:
		return orTen(check.Prometheus.Timeout), false
	case check.CloudWatch != nil:
		return orTen(check.CloudWatch.Timeout), false
	case check.Webhook != nil:
		return orTen(check.Webhook.Timeout), false
	case check.Temporal != nil:
		return orTen(check.Temporal.Timeout) + answerGrace, false
	}
	return 0, false
}

// orTen is the timeout, ten seconds when none is given: specs are filled with their
// defaults before they get here, checks made in code may not be.
func orTen(d spec.Duration) time.Duration {
	if d <= 0 {
		return 10 * time.Second
	}
	return d.Std()
}
