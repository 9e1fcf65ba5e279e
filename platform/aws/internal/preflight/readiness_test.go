package preflight_test

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/route/routetest"
)

func (w world) readiness(name string, instances int) []platform.Finding {
	w.Helper()
	found, err := w.examiner().Readiness(w.Ctx, routetest.Region, name, instances)
	require.NoError(w, err)
	return found
}

// twoFleets are the one that serves and the one before it.
func (w world) twoFleets() {
	w.Helper()
	w.Fleet("live", w.Groups[0], 2, nil)
	w.Fleet("previous", w.Groups[1], 2, nil)
	w.SetActions(w.Split(100, 0))
}

func TestNothingStandsAgainstAWayBack(t *testing.T) {
	w := newWorld(t)
	w.twoFleets()
	require.Empty(t, wrong(w.readiness("previous", 2)))
	require.Zero(t, w.Calls("GetServiceQuota"), "nothing is to be launched")
	require.Empty(t, wrong(w.readiness("previous", 4)))
	w.quota(7)
	require.Empty(t, wrong(w.readiness("previous", 1)), "what runs already needs no quota")
	_, err := w.examiner().Readiness(w.Ctx, routetest.Region, "nobody", 1)
	require.Equal(t, platform.KindNotFound, platform.KindOf(err))
}

func TestWhatStandsAgainstAWayBack(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(world)
		words []string
	}{
		"the launch template is gone": {func(w world) {
			_, err := w.Account.EC2.DeleteLaunchTemplate(w.Ctx, &ec2.DeleteLaunchTemplateInput{LaunchTemplateName: aws.String("previous")})
			require.NoError(w, err)
		}, []string{"launch template previous, version 1", "release that version anew"}},
		"the image is gone": {func(w world) {
			out, err := w.Account.EC2.RegisterImage(w.Ctx, &ec2.RegisterImageInput{Name: aws.String("old"), Architecture: ec2types.ArchitectureValuesX8664})
			require.NoError(w, err)
			image := w.Image
			w.Image = *out.ImageId
			w.Fleet("older", w.Groups[1], 0, nil)
			w.Image = image
			_, err = w.Account.EC2.DeregisterImage(w.Ctx, &ec2.DeregisterImageInput{ImageId: out.ImageId})
			require.NoError(w, err)
		}, []string{"image ami-", "it is not there"}},
		"the quota is used up": {func(w world) { w.quota(9) }, []string{"8 vCPUs run and 2 instances more add 4, but the quota is 9"}},
		"nothing may be launched": {func(w world) {
			_, err := w.Account.AutoScaling.SuspendProcesses(w.Ctx, &autoscaling.SuspendProcessesInput{AutoScalingGroupName: aws.String("previous"), ScalingProcesses: []string{"Launch"}})
			require.NoError(w, err)
		}, []string{"its processes Launch are suspended"}},
		"somebody detached it": {func(w world) { w.detach("previous") }, []string{"it is attached to none, and no release took it out"}},
		"a release detached it": {func(w world) {
			w.note("previous", w.Groups[1])
			w.detach("previous")
		}, []string{"it was taken out of the route; its target group b is free", "attach it again"}},
		"its place is taken": {func(w world) {
			w.note("previous", w.Groups[1])
			w.detach("previous")
			w.Fleet("next", w.Groups[1], 0, nil)
		}, []string{"its place is taken: b holds next"}},
		"the listener does not name its target group": {func(w world) {
			w.SetActions([]elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &w.Groups[0]}})
		}, []string{"does not name its target group b"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.twoFleets()
			fleet := "previous"
			if name == "the image is gone" {
				fleet = "older"
				w.detach("previous")
			}
			c.do(w)
			w.only(w.readiness(fleet, 4), true, c.words...)
		})
	}
}

func (w world) detach(fleet string) {
	w.Helper()
	_, err := w.Account.AutoScaling.DetachLoadBalancerTargetGroups(w.Ctx, &autoscaling.DetachLoadBalancerTargetGroupsInput{AutoScalingGroupName: &fleet, TargetGroupARNs: w.Groups[1:]})
	require.NoError(w, err)
}

// note tags a fleet with its place, as Detach does.
func (w world) note(fleet, arn string) {
	w.Helper()
	_, err := w.Account.AutoScaling.CreateOrUpdateTags(w.Ctx, &autoscaling.CreateOrUpdateTagsInput{Tags: tagsOf(fleet, "switchyard:place", arn)})
	require.NoError(w, err)
}

func TestAReadinessThatMayNotBeReadIsADoubt(t *testing.T) {
	w := newWorld(t)
	w.twoFleets()
	w.After("DescribeSubnets", denied)
	w.only(w.readiness("previous", 4), false, "subnets in", "could not be examined")
	w.After("DescribeListeners", denied)
	w.only(w.readiness("previous", 2), false, "route to previous", "could not be examined")
}

func tagsOf(fleet, key, value string) []astypes.Tag {
	return []astypes.Tag{{Key: &key, Value: &value, ResourceId: &fleet, ResourceType: aws.String("auto-scaling-group"), PropagateAtLaunch: aws.Bool(false)}}
}

func denied(res *http.Response) (*http.Response, error) {
	return routetest.Refused(res, "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: x:Y")
}
