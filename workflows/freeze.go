package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/release"
)

// handleFreezes keeps the freezes of the target as the environment tells them.
func (r *releaseRun) handleFreezes(ctx workflow.Context) {
	told := workflow.GetSignalChannelWithOptions(ctx, release.SignalFreezes, workflow.SignalChannelOptions{
		Description: "Sent by the environment when the freezes of the target change. Not for people: freeze the environment.",
	})
	workflow.GoNamed(ctx, "signal freezes", func(ctx workflow.Context) {
		for {
			var freezes []release.Freeze
			told.Receive(ctx, &freezes)
			r.state.Freezes = freezes
			r.thaws++
			r.show(ctx)
		}
	})
}

// frozen is the freeze that holds the release now, nil when none does or it was overridden.
func (r *releaseRun) frozen(ctx workflow.Context) *release.Freeze {
	if r.state.Overridden(release.OverrideFreeze) || r.state.Request.OverrideFreeze != "" {
		return nil
	}
	return release.FrozenBy(r.state.Freezes, workflow.Now(ctx))
}

// awaitThaw waits until no freeze is in force. The deadline bounds it.
func (r *releaseRun) awaitThaw(ctx workflow.Context) error {
	defer r.waitFor(ctx, "")
	for !r.state.Leaving() {
		freeze := r.frozen(ctx)
		if freeze == nil {
			return nil
		}
		r.waitFor(ctx, "the end of "+freeze.String()+"; override with its reason lets it pass")
		known := r.thaws
		_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout: freeze.Until.Sub(workflow.Now(ctx)), TimerOptions: workflow.TimerOptions{Summary: "end of freeze " + freeze.Name},
		}, func() bool {
			return r.thaws != known || r.state.Overridden(release.OverrideFreeze) || r.state.Leaving()
		})
		if err != nil {
			return err
		}
	}
	return nil
}
