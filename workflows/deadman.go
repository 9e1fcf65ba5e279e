package workflows

import (
	"cmp"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/release"
)

// keepAttended ends a release that needs a person when no order has come for as long
// as the spec says: what becomes of it is stated, and it never stays in limbo.
func (r *releaseRun) keepAttended(ctx workflow.Context) {
	for {
		if workflow.Await(ctx, func() bool { return r.state.Needs != nil }) != nil {
			return
		}
		since, attended := r.state.Needs.Since, r.state.Attended
		end, due := r.state.DeadMan(workflow.Now(ctx))
		if end == nil {
			_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
				Timeout: max(due.Sub(workflow.Now(ctx)), time.Second), TimerOptions: workflow.TimerOptions{Summary: "dead man: nobody looks after the release"},
			}, func() bool {
				return r.state.Needs == nil || !r.state.Needs.Since.Equal(since) || !r.state.Attended.Equal(attended)
			})
			if err != nil {
				return
			}
			continue
		}
		r.callForHelp(ctx, end.Reason)
		if end.Keep && r.state.Phase.MayFollow(release.PhaseDecommission) {
			r.state.Kept = true
			r.cancelForward()
		} else {
			r.leave(ctx, cmp.Or(end.Leave, release.LeaveDeadline), "", end.Reason)
		}
		return
	}
}
