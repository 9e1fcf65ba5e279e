package activities

import (
	"context"
	"errors"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/activities/acterr"
)

// All is every activity struct of a worker.
type All struct {
	Environments *Environments
	Planner      *Planner
	Baker        *Baker
	Fleets       *Fleets
	Traffic      *Traffic
	Checks       *Checks
	Notifier     *Notifier
	Prover       *Prover
	Migrator     *Migrator
}

// Registry is what activities are registered with: a worker, or a test environment.
type Registry interface {
	RegisterActivityWithOptions(a any, options activity.RegisterOptions)
}

// Register registers every activity. A worker of the bake queue gets bakes alone,
// so that a bake never waits behind something else, nor anything else behind a bake.
func Register(r Registry, all All, bakeQueue bool) {
	for _, a := range all.list() {
		if bakeQueue && !a.bakes {
			continue
		}
		r.RegisterActivityWithOptions(a.run, activity.RegisterOptions{Name: a.name})
	}
}

// Names lists every registered activity.
func Names() []string {
	var names []string
	for _, a := range (All{}).list() {
		names = append(names, a.name)
	}
	return names
}

// registered is one activity under its name.
type registered struct {
	name  string
	bakes bool // runs on the bake queue
	run   any
}

func (all All) list() []registered {
	return []registered{
		{name: Admit, run: answers(all.Environments.Admit)},
		{name: Report, run: acts(all.Environments.Report)},
		{name: HolderRuns, run: answers(all.Environments.HolderRuns)},
		{name: MakePlan, run: answers(all.Planner.MakePlan)},
		{name: BakeImage, run: answers(all.Baker.BakeImage), bakes: true},
		{name: ScanImage, run: answers(all.Baker.ScanImage)},
		{name: ProveImage, run: answers(all.Prover.ProveImage)},
		{name: SweepBake, run: answers(all.Baker.SweepBake)},
		{name: RetireImages, run: answers(all.Baker.RetireImages)},
		{name: Provision, run: answers(all.Fleets.Provision)},
		{name: Capacity, run: answers(all.Fleets.Capacity)},
		{name: ReleaseHolds, run: acts(all.Fleets.ReleaseHolds)},
		{name: Retire, run: answers(all.Fleets.Retire)},
		{name: Shrink, run: acts(all.Fleets.Shrink)},
		{name: Detach, run: answers(all.Fleets.Detach)},
		{name: Attach, run: acts(all.Fleets.Attach)},
		{name: ShiftTraffic, run: answers(all.Traffic.ShiftTraffic)},
		{name: MeasureLoad, run: answers(all.Traffic.MeasureLoad)},
		{name: Migrate, run: answers(all.Migrator.Migrate)},
		{name: VerifyFleet, run: answers(all.Checks.VerifyFleet)},
		{name: WatchFleet, run: answers(all.Checks.WatchFleet)},
		{name: Notify, run: acts(all.Notifier.Notify)},
	}
}

// answers is the edge where errors become what a workflow can tell apart.
func answers[I, O any](run func(context.Context, I) (O, error)) func(context.Context, I) (O, error) {
	return func(ctx context.Context, in I) (O, error) {
		out, err := run(ctx, in)
		if err != nil {
			var none O
			return none, edge(ctx, err)
		}
		return out, nil
	}
}

func acts[I any](run func(context.Context, I) error) func(context.Context, I) error {
	return func(ctx context.Context, in I) error { return edge(ctx, run(ctx, in)) }
}

// edge passes a cancellation on only when it is the activity's own: a cancelled call
// inside of a running activity is a failure like any other.
func edge(ctx context.Context, err error) error {
	if err != nil && ctx.Err() == nil && errors.Is(err, context.Canceled) {
		return temporal.NewApplicationError(err.Error(), acterr.Unknown)
	}
	return acterr.ToTemporal(err)
}
