package activities

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

const (
	loadStep = 15 * time.Minute
	maxCurve = 14 * 24 * time.Hour // of a request curve, the longest that a spec may look back
)

// MeasureLoad reads the request curve of the target and adds the regions up, in steps
// of a quarter of an hour. A step that is not known in every region is left out: what
// is absent is no zero. A region that can't be read is an error, never an empty curve.
func (t *Traffic) MeasureLoad(ctx context.Context, in MeasureInput) (Measured, error) {
	p, err := t.Platforms.at(in.Place)
	if err != nil {
		return Measured{}, err
	}
	since, until := in.Since.UTC(), in.Until.UTC().Truncate(loadStep)
	if oldest := until.Add(-maxCurve); since.Before(oldest) {
		since = oldest
	}
	if first := since.Truncate(loadStep); first.Before(since) {
		since = first.Add(loadStep) // a step that is known in part is not known
	}
	out := Measured{Step: spec.Duration(loadStep)}
	if len(in.Regions) == 0 || !since.Before(until) {
		return out, nil
	}
	pulse := beat(ctx, "reading the request curve of "+in.Place.Target.String())
	defer pulse.Stop()
	sums := map[time.Time]release.Load{}
	known := map[time.Time]int{}
	for _, region := range in.Regions {
		curve, err := p.Router.Load(ctx, region, in.Place.Target, since, until, loadStep)
		if err != nil {
			return Measured{}, fmt.Errorf("read the request curve of %s: %w", at(region, in.Place.Target.String()), err)
		}
		for _, l := range curve {
			step := l.At.UTC().Truncate(loadStep)
			if math.IsNaN(l.Requests) || math.IsInf(l.Requests, 0) || l.Requests < 0 { // tells nothing
				continue
			}
			sums[step] = release.Load{At: step, Requests: sums[step].Requests + l.Requests}
			known[step]++
		}
	}
	for step, sum := range sums {
		if known[step] == len(in.Regions) {
			out.Curve = append(out.Curve, sum)
		}
	}
	slices.SortFunc(out.Curve, func(a, b release.Load) int { return a.At.Compare(b.At) })
	return out, nil
}
