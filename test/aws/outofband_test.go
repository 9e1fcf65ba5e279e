package aws_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/starter"
)

// outOfBand is a change that somebody makes by hand, when, and what the release says
// and does. What it has to be stands in docs/aws.md, "When others change things".
type outOfBand struct {
	name   string
	phase  release.Phase
	change func(*world)
	says   string // in a warning, else as the reason of the way out

	// In the soak, once it was told: how the state of the region shows it, and what is done then.
	shows func(release.RegionState) bool
	then  func(*world, starter.Handle)

	// breach replaces the short one of the suite, where what happens would be a failed check later.
	breach  time.Duration
	restart bool // another worker goes on: for two minutes, who made a group takes it for one that can't be read yet

	outcome string
	weights map[string]int32 // at the end, by target group
	fleets  []string         // at the end: "old", "new"
}

var (
	onOld   = map[string]int32{"old": 100}
	onNew   = map[string]int32{"new": 100}
	wasOld  = []string{"old"}
	wasNew  = []string{"new"}
	changes = []outOfBand{
		{name: "a share moved to the candidate", phase: release.PhaseProvision, change: moveWeights(70, 30),
			says: "expected checkout-by-hand 100 % before", outcome: "failed", weights: map[string]int32{"old": 70, "new": 30}, fleets: []string{"new", "old"}},
		{name: "desired capacity lowered", phase: release.PhaseProvision, change: shrinkCandidate,
			says: "its desired capacity is 1, the release asked for 2: somebody changed it", outcome: "failed", weights: onOld, fleets: wasOld},
		{name: "group deleted", phase: release.PhaseProvision, change: deleteCandidate, restart: true,
			says: "somebody may have removed it", outcome: "failed", weights: onOld, fleets: wasOld},
		{name: "instance terminated", phase: release.PhaseProvision, change: terminate,
			says: "went away while the fleet was coming up", outcome: "completed", weights: onNew, fleets: wasNew},
		{name: "AMI deregistered", phase: release.PhaseProvision, change: deregister,
			says: "is gone: somebody removed it", outcome: "failed", weights: onOld, fleets: wasOld},

		{name: "a share moved to a stranger", phase: release.PhaseGate, change: moveToStranger,
			says: "expected checkout-by-hand 100 % before", outcome: "failed", weights: map[string]int32{"old": 50, "stranger": 50}, fleets: wasOld},
		{name: "desired capacity lowered", phase: release.PhaseGate, change: shrinkCandidate,
			says: "somebody changed it. It was brought back to what the load needs", outcome: "completed", weights: onNew, fleets: wasNew},
		{name: "group deleted", phase: release.PhaseGate, change: deleteCandidate, restart: true,
			says: "is not there, so it can't take traffic", outcome: "failed", weights: onOld, fleets: wasOld},
		{name: "instance terminated", phase: release.PhaseGate, change: terminate,
			says: "went away after the fleet was ready", outcome: "completed", weights: onNew, fleets: wasNew},
		{name: "AMI deregistered", phase: release.PhaseGate, change: deregister,
			says: "is gone: somebody removed it", outcome: "failed", weights: onOld, fleets: wasOld},

		{name: "weights moved and moved back", phase: release.PhaseSoak, change: moveWeights(30, 70),
			says: "the shares were changed by somebody else", shows: notServing, then: restoreWeights, outcome: "completed", weights: onNew, fleets: wasNew},
		{name: "weights moved and rolled back", phase: release.PhaseSoak, change: moveWeights(30, 70),
			says: "the shares were changed by somebody else", shows: notServing, then: rollBack, outcome: "rolled-back", weights: onOld, fleets: wasOld},
		{name: "desired capacity lowered", phase: release.PhaseSoak, change: shrinkCandidate,
			says: "is 1, the release left it at 2: somebody changed it", shows: noticed, then: finish, outcome: "completed", weights: onNew, fleets: wasNew},
		{name: "group deleted", phase: release.PhaseSoak, change: deleteCandidate, restart: true,
			says: "the fleet is not there", outcome: "rolled-back", weights: onOld, fleets: wasOld},
		{name: "instance terminated and replaced late", phase: release.PhaseSoak, change: terminateAlone, breach: time.Hour,
			says: "has fewer instances in service than it should have", shows: noticed, then: replace, outcome: "completed", weights: onNew, fleets: wasNew},
		{name: "instance terminated and not replaced", phase: release.PhaseSoak, change: terminateAlone, breach: 2 * time.Second,
			says: "has fewer instances in service than it should have", outcome: "rolled-back", weights: onOld, fleets: wasOld},
		{name: "AMI deregistered", phase: release.PhaseSoak, change: deregister,
			says: "no instance of that fleet can be replaced", shows: noticed, then: finish, outcome: "completed", weights: onNew, fleets: wasNew},

		{name: "previous fleet made smaller", phase: release.PhaseSoak, change: func(w *world) { w.shrink(adoptedName) },
			says: "a rollback would grow it first", shows: notReady, then: rollBack, outcome: "rolled-back", weights: onOld, fleets: wasOld},
		{name: "previous fleet deleted", phase: release.PhaseSoak, change: func(w *world) { w.deleteGroup(adoptedName) },
			says: "the previous fleet checkout-by-hand is not there", shows: notReady, then: finishWithoutWayBack, outcome: "completed", weights: onNew, fleets: wasNew},
		{name: "previous fleet deleted and rollback ordered", phase: release.PhaseSoak, change: func(w *world) { w.deleteGroup(adoptedName) },
			says: "the previous fleet checkout-by-hand is not there", shows: notReady, then: rollBackToNothing, weights: onNew, fleets: wasNew},
		{name: "AMI of the previous fleet deregistered", phase: release.PhaseSoak, change: deregisterPrevious,
			says: "of checkout-by-hand is gone: somebody removed it", shows: noticed, then: finishWithoutWayBack, outcome: "completed", weights: onNew, fleets: wasNew},
	}
)

// TestOutOfBand has somebody change things while a release provisions, waits at its gate
// and soaks. Each change has to be noticed, told, and answered as docs/aws.md says.
func TestOutOfBand(t *testing.T) {
	for _, c := range changes {
		t.Run(string(c.phase)+"/"+strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			h := w.disturbed(c)
			if c.shows != nil {
				w.until(h, "tells "+c.says, func(st release.State) bool { return strings.Contains(told(st), c.says) && c.shows(st.Regions[0]) })
				require.Equal(t, release.PhaseSoak, w.state(h).Phase, told(w.state(h)))
				c.then(w, h)
			}
			st := w.state(h)
			if c.outcome != "" {
				st = w.ended(h)
			}
			t.Logf("told: %s", told(st))
			assert.Equal(t, c.outcome, st.Outcome(), "%+v", st.WayOut)
			assert.Contains(t, told(st), c.says)
			assert.Equal(t, c.weights, w.weights())
			assert.Equal(t, c.fleets, w.fleets())
			if c.outcome != "" {
				assert.Empty(t, st.Ledger.Open(release.KindHold))
			}
		})
	}
}

// disturbed starts a release, with the change made in its phase, and lets it go on.
func (w *world) disturbed(c outOfBand) starter.Handle {
	w.t.Helper()
	story := w.chapter(existing)
	if c.phase == release.PhaseGate || c.phase == release.PhaseSoak && c.restart {
		story.Gate = "[{before: switch}]"
	}
	if c.phase == release.PhaseSoak {
		story.Soak = "30m"
	}
	request := w.request(story)
	request.Spec.Fleet.ReadyWithin = spec.Duration(10 * time.Second)
	if c.breach > 0 {
		breach := spec.Duration(c.breach)
		request.Spec.Soak.Breach = &breach
	}
	if c.phase == release.PhaseProvision {
		w.whileComingUp(c.change)
	}
	h, err := starter.Start(w.ctx, w.client, starter.StartOptions{Request: request, TaskQueue: w.queue})
	require.NoError(w.t, err)
	if c.phase == release.PhaseProvision && c.restart {
		w.await(h, release.PhaseCleanUp)
		w.worker.kill()
	}
	if story.Gate != "" {
		w.await(h, release.PhaseGate)
		if c.restart {
			w.worker.kill()
		}
		if c.phase == release.PhaseGate {
			c.change(w)
		}
		w.order(h, release.Order{Kind: release.OrderApprove, Gate: "switch", Plan: w.state(h).Plan.Digest})
	}
	if c.phase == release.PhaseSoak {
		w.await(h, release.PhaseSoak)
		c.change(w)
	}
	return h
}

func (w *world) order(h starter.Handle, o release.Order) {
	w.t.Helper()
	o.By, o.Comment = "grace", "because"
	_, err := starter.Order(w.ctx, w.client, h.WorkflowID, o)
	require.NoError(w.t, err)
}

// until waits until the release's state is as wanted, or the release is over.
func (w *world) until(h starter.Handle, what string, so func(release.State) bool) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		st, err := starter.QueryState(w.ctx, w.client, h.WorkflowID)
		return err == nil && (st.Phase.Ended() || so(st))
	}, time.Minute, 50*time.Millisecond, "%s never %s", h.WorkflowID, what)
}

// whileComingUp makes the change between the first two looks at a new fleet.
func (w *world) whileComingUp(change func(*world)) {
	var made atomic.Bool
	w.proxy.Inject(wire.Fault{Kind: wire.Hook, After: func() { change(w) }, Match: func(c wire.Call) bool {
		if c.By == wire.ByWorker && c.Action == "CreateOrUpdateTags" { // the last step of making the fleet
			made.Store(true)
		}
		return made.Load() && c.Action == "DescribeAutoScalingGroups"
	}})
}

// told is all that a person reads of a release that is not as it should be.
func told(st release.State) string {
	all := slices.Clone(st.Warnings)
	if st.WayOut != nil {
		all = append(all, st.WayOut.Reason)
	}
	return strings.Join(all, "; ")
}

// How a region's state shows that something was noticed.

func notServing(r release.RegionState) bool { return !r.Serves() }
func noticed(r release.RegionState) bool    { return len(r.Noticed) > 0 }
func notReady(r release.RegionState) bool   { return !r.Readiness.Ready && r.Readiness.Why != "" }

// What is done after it was told.

func finish(w *world, h starter.Handle) { w.order(h, release.Order{Kind: release.OrderFinishSoak}) }

// finishWithoutWayBack ends the soak. The old fleet is not taken away before a person
// says that nobody will go back to it.
func finishWithoutWayBack(w *world, h starter.Handle) {
	finish(w, h)
	w.until(h, "waits for a way back", func(st release.State) bool { return strings.HasPrefix(st.Blocked, "a way back: ") })
	require.Equal(w.t, release.PhaseWindow, w.state(h).Phase)
	w.order(h, release.Order{Kind: release.OrderOverride, Gate: release.OverrideReadiness})
}

func rollBack(w *world, h starter.Handle) { w.order(h, release.Order{Kind: release.OrderRollback}) }

func restoreWeights(w *world, h starter.Handle) {
	require.Equal(w.t, map[string]int32{"old": 30, "new": 70}, w.weights(), "somebody's weights were overwritten")
	finish(w, h)
	moveWeights(0, 100)(w)
}

// replace lets the group replace the instance, and waits until the release has seen it.
func replace(w *world, h starter.Handle) {
	_, err := w.groups.ResumeProcesses(w.ctx, &autoscaling.ResumeProcessesInput{AutoScalingGroupName: w.candidate(), ScalingProcesses: []string{"Launch"}})
	require.NoError(w.t, err)
	_, err = w.groups.SetDesiredCapacity(w.ctx, &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: w.candidate(), DesiredCapacity: aws.Int32(size)})
	require.NoError(w.t, err)
	w.until(h, "sees that it was replaced", func(st release.State) bool { return !noticed(st.Regions[0]) })
	finish(w, h)
}

// rollBackToNothing orders a rollback to a fleet that is gone. The release says so and
// keeps trying for a day, so this ends it.
func rollBackToNothing(w *world, h starter.Handle) {
	rollBack(w, h)
	const says = "traffic goes back to checkout-by-hand although it is not at today's load"
	w.until(h, "tells "+says, func(st release.State) bool { return strings.Contains(told(st), says) })
	require.Contains(w.t, told(w.state(h)), "is not there, so it can't take traffic")
	require.NoError(w.t, w.client.TerminateWorkflow(w.ctx, h.WorkflowID, h.RunID, "seen"))
}

// What somebody does by hand.

func (w *world) candidate() *string { return aws.String("checkout-" + w.queue + "-v2") }

func moveWeights(old, candidate int32) func(*world) {
	return func(w *world) {
		w.setWeights(elbtypes.TargetGroupTuple{TargetGroupArn: &w.info.TargetGroups[0], Weight: &old},
			elbtypes.TargetGroupTuple{TargetGroupArn: &w.info.TargetGroups[1], Weight: &candidate})
	}
}

// moveToStranger gives half of the traffic to a target group that the spec does not know.
func moveToStranger(w *world) {
	out, err := w.elb.CreateTargetGroup(w.ctx, &elb.CreateTargetGroupInput{
		Name: aws.String("stranger"), Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp, VpcId: &w.info.VPC})
	if assert.NoError(w.t, err) {
		w.setWeights(elbtypes.TargetGroupTuple{TargetGroupArn: &w.info.TargetGroups[0], Weight: aws.Int32(50)},
			elbtypes.TargetGroupTuple{TargetGroupArn: out.TargetGroups[0].TargetGroupArn, Weight: aws.Int32(50)})
	}
}

func (w *world) setWeights(to ...elbtypes.TargetGroupTuple) {
	_, err := w.elb.ModifyListener(w.ctx, &elb.ModifyListenerInput{ListenerArn: &w.info.Listener, DefaultActions: []elbtypes.Action{{
		Type: elbtypes.ActionTypeEnumForward, ForwardConfig: &elbtypes.ForwardActionConfig{TargetGroups: to}}}})
	assert.NoError(w.t, err)
}

func shrinkCandidate(w *world) { w.shrink(*w.candidate()) }

// shrink lowers the minimum, too, which the release has raised.
func (w *world) shrink(name string) {
	_, err := w.groups.UpdateAutoScalingGroup(w.ctx, &autoscaling.UpdateAutoScalingGroupInput{
		AutoScalingGroupName: &name, MinSize: aws.Int32(1), DesiredCapacity: aws.Int32(1)})
	assert.NoError(w.t, err)
}

func deleteCandidate(w *world) { w.deleteGroup(*w.candidate()) }

func (w *world) deleteGroup(name string) {
	_, err := w.groups.UpdateAutoScalingGroup(w.ctx, &autoscaling.UpdateAutoScalingGroupInput{
		AutoScalingGroupName: &name, DeletionProtection: astypes.DeletionProtectionNone})
	assert.NoError(w.t, err)
	_, err = w.groups.DeleteAutoScalingGroup(w.ctx, &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: &name, ForceDelete: aws.Bool(true)})
	assert.NoError(w.t, err)
}

// terminate ends one instance. Its group replaces it at once, unless that is suspended.
func terminate(w *world) {
	groups, err := w.groups.DescribeAutoScalingGroups(w.ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{*w.candidate()}})
	if !assert.NoError(w.t, err) || !assert.NotEmpty(w.t, groups.AutoScalingGroups) {
		return
	}
	_, err = w.ec2.TerminateInstances(w.ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{*groups.AutoScalingGroups[0].Instances[0].InstanceId}})
	assert.NoError(w.t, err)
}

// terminateAlone ends one instance that its group does not replace.
func terminateAlone(w *world) {
	_, err := w.groups.SuspendProcesses(w.ctx, &autoscaling.SuspendProcessesInput{AutoScalingGroupName: w.candidate(), ScalingProcesses: []string{"Launch"}})
	assert.NoError(w.t, err)
	terminate(w)
}

func deregister(w *world) {
	images, err := w.ec2.DescribeImages(w.ctx, &ec2.DescribeImagesInput{Owners: []string{"self"}})
	assert.NoError(w.t, err)
	for _, i := range images.Images {
		if tagOf(i.Tags, "switchyard:version") == "2.0.0" {
			_, err = w.ec2.DeregisterImage(w.ctx, &ec2.DeregisterImageInput{ImageId: i.ImageId})
			assert.NoError(w.t, err)
		}
	}
}

func deregisterPrevious(w *world) {
	_, err := w.ec2.DeregisterImage(w.ctx, &ec2.DeregisterImageInput{ImageId: &w.info.SourceAMI})
	assert.NoError(w.t, err)
}

// What there is in the end.

// weights are those of the listener, without zeros.
func (w *world) weights() map[string]int32 {
	w.t.Helper()
	listeners, err := w.elb.DescribeListeners(w.ctx, &elb.DescribeListenersInput{ListenerArns: []string{w.info.Listener}})
	require.NoError(w.t, err)
	names := map[string]string{w.info.TargetGroups[0]: "old", w.info.TargetGroups[1]: "new"}
	out := map[string]int32{}
	for _, g := range listeners.Listeners[0].DefaultActions[0].ForwardConfig.TargetGroups {
		name := names[*g.TargetGroupArn]
		if name == "" {
			name = "stranger"
		}
		if *g.Weight != 0 {
			out[name] = *g.Weight
		}
	}
	return out
}

// fleets are the groups, sorted. A launch template without its group would be one more.
func (w *world) fleets() []string {
	w.t.Helper()
	groups, err := w.groups.DescribeAutoScalingGroups(w.ctx, &autoscaling.DescribeAutoScalingGroupsInput{})
	require.NoError(w.t, err)
	name := map[string]string{adoptedName: "old", *w.candidate(): "new"}
	var out []string
	for _, g := range groups.AutoScalingGroups {
		out = append(out, name[*g.AutoScalingGroupName])
	}
	templates, err := w.ec2.DescribeLaunchTemplates(w.ctx, &ec2.DescribeLaunchTemplatesInput{})
	require.NoError(w.t, err)
	for _, l := range templates.LaunchTemplates {
		if is := name[*l.LaunchTemplateName]; is == "new" && !slices.Contains(out, is) {
			out = append(out, "template of "+is)
		}
	}
	slices.Sort(out)
	return out
}
