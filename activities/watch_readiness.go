package activities

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

// previous judges whether a rollback would work. A read that failed is no
// evidence: what was known stays, and the look is inconclusive.
func (v *view) previous(ctx context.Context, p platform.Platform, in WatchInput, need int, now time.Time) {
	if in.Previous == "" {
		return
	}
	fleet, err := p.Fleets.Describe(ctx, in.Place.Region, in.Previous)
	switch {
	case platform.IsNotFound(err):
		v.ready(release.JudgeReadiness(nil, need, fmt.Sprintf("the previous fleet %s is not there", in.Previous), now))
		return
	case err != nil:
		v.unread = true
		v.readiness = in.Known
		v.add(unread("readiness", err))
		return
	}
	v.fleets.Previous = &fleet
	v.counts.Previous = fleet.InService()
	err = v.prove(ctx, p.Fleets, in, need, now)
	if err != nil {
		v.add(unread("readiness", err))
	}
	if in.Keep > 0 {
		need = min(need, in.Keep)
	}
	counted := release.JudgeReadiness(&fleet, need, "", now).Unless(v.memory.Unproven)
	if err != nil && counted.Ready {
		v.readiness = in.Known // a count alone is no proof
		return
	}
	v.ready(counted)
}

func (v *view) ready(r release.Readiness) { v.readiness, v.readinessRead = r, true }

// prove renews the full proof that a rollback would work, when it is due: everything
// that brings the previous fleet to need instances with traffic is there, and its version
// runs on the schema. While something stands against it every look asks anew.
func (v *view) prove(ctx context.Context, fleets platform.Fleets, in WatchInput, need int, now time.Time) error {
	renew := in.Renew.Std()
	fresh := !v.memory.Proven.IsZero() && now.Sub(v.memory.Proven) < renew
	if renew <= 0 || fresh && v.memory.Unproven == "" {
		return nil
	}
	findings, err := fleets.Readiness(ctx, in.Place.Region, in.Previous, need)
	if err != nil {
		return fmt.Errorf("prove that %s could take the traffic back: %w", at(in.Place.Region, in.Previous), err)
	}
	var against []string
	for _, f := range findings {
		if f.Blocking && f.Problem != "" {
			against = append(against, f.String())
		}
	}
	from := in.From
	if from == "" {
		from = "of " + in.Previous
	}
	if err := in.Schema.CheckBuild(from, 0); err != nil {
		against = append(against, err.Error())
	}
	v.memory.Proven, v.memory.Unproven = now, strings.Join(against, "; ")
	return nil
}
