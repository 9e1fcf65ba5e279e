package preflight_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/preflight"
	"github.com/switchyard/switchyard/platform/aws/internal/route/routetest"
)

type world struct{ *routetest.World }

func newWorld(t *testing.T) world {
	w := world{routetest.New(t, server)}
	w.quota(16)
	return w
}

func (w world) quota(vcpus float64) {
	w.Helper()
	require.NoError(w, server.SetQuota(w.Ctx, routetest.Region, "ec2", "L-1216C47A", vcpus))
}

func (w world) examiner() *preflight.Examiner {
	return preflight.New(preflight.Deps{Pool: w.Pool, Settings: w.Settings})
}

func (w world) preflight(change func(*platform.FleetSpec)) []platform.Finding {
	w.Helper()
	s := platform.FleetSpec{Name: "new", Region: routetest.Region, Target: routetest.Target, Release: "r1", Instances: 2, HealthPath: "/healthz"}
	if change != nil {
		change(&s)
	}
	found, err := w.examiner().Preflight(w.Ctx, s)
	require.NoError(w, err)
	return found
}

func (w world) examine() []platform.Finding {
	w.Helper()
	found, err := w.examiner().Examine(w.Ctx, routetest.Region, routetest.Target)
	require.NoError(w, err)
	return found
}

// wrong is what is not as it should be, as text.
func wrong(found []platform.Finding) []string {
	var out []string
	for _, f := range found {
		if f.Problem != "" {
			out = append(out, fmt.Sprintf("%s: %s [%v] %s", f.Subject, f.Problem, f.Blocking, f.Advice))
		}
	}
	return out
}

// only requires a single problem with these words.
func (w world) only(found []platform.Finding, blocking bool, words ...string) {
	w.Helper()
	problems := wrong(found)
	require.Len(w, problems, 1, strings.Join(problems, "\n"))
	for _, word := range append(words, fmt.Sprintf("[%v]", blocking)) {
		require.Contains(w, problems[0], word)
	}
}

func TestNothingStandsAgainstAReleaseInAWorldThatFits(t *testing.T) {
	w := newWorld(t)
	w.Fleet("live", w.Groups[0], 2, nil)
	w.SetActions(w.Split(100, 0))
	found := w.preflight(func(s *platform.FleetSpec) { s.Image = w.Image })
	require.Empty(t, wrong(found))
	var subjects []string
	for _, f := range found {
		subjects = append(subjects, f.Subject)
	}
	require.Contains(t, subjects, "vCPU quota in eu-central-1: 4 run, 4 to come, quota 16")
	require.Contains(t, subjects, "target group for the candidate: b is free")
	calls := 0
	for _, action := range []string{
		"DescribeInstanceTypes", "DescribeImages", "DescribeSubnets", "DescribeAutoScalingGroups", "DescribeInstanceTypeOfferings", "GetServiceQuota",
		"DescribeInstances", "DescribeAccountLimits", "DescribeLaunchTemplates", "DescribeListeners", "DescribeTargetHealth", "DescribeTargetGroups",
		"DescribeTargetGroupAttributes", "DescribeLoadBalancers",
	} {
		calls += w.Calls(action)
	}
	require.LessOrEqual(t, calls, 25, "with what made the world ready")
}

func TestWhatPreflightFinds(t *testing.T) {
	for name, c := range map[string]struct {
		world    func(world)
		spec     func(*platform.FleetSpec)
		blocking bool
		words    []string
	}{
		"an instance type that is not there": {func(w world) { w.Settings.AWS.InstanceType = "t3.gigantic" }, nil, true, []string{"t3.gigantic"}},
		"too few vCPUs for both fleets": {func(w world) {
			w.Fleet("live", w.Groups[0], 2, nil)
			w.quota(7)
		}, nil, true, []string{"4 vCPUs run and the new fleet adds 4, but the quota is 7", "for 8 at least"}},
		"an image for another processor": {nil, func(s *platform.FleetSpec) { s.Image = "arm64" }, true, []string{"made for arm64"}},
		"an image that is not there":     {nil, func(s *platform.FleetSpec) { s.Image = "ami-0123456789abcdef0" }, true, []string{"it is not there"}},
		"no free addresses":              {nil, func(s *platform.FleetSpec) { s.Instances = 600 }, true, []string{"600 instances are to come, and 502 addresses are free"}},
		"subnets that are not there": {func(w world) { w.Settings.Regions[0].AWS.Subnets = []string{"subnet-0123456789abcdef0"} }, nil, true,
			[]string{"subnet-0123456789abcdef0", "name subnets that are there"}},
		"a listener that is not there": {func(w world) { w.Settings.Regions[0].AWS.Listener += "0" }, nil, true, []string{"name a listener or rule"}},
		"a listener that forwards to one only": {func(w world) {
			w.SetActions([]elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &w.Groups[0]}})
		}, nil, true, []string{"does not name b"}},
		"a listener that forwards elsewhere too": {func(w world) {
			other := w.TargetGroup("other")
			actions := w.Split(0, 0)
			actions[0].ForwardConfig.TargetGroups = append(actions[0].ForwardConfig.TargetGroups, elbtypes.TargetGroupTuple{TargetGroupArn: &other, Weight: aws.Int32(0)})
			w.SetActions(actions)
		}, nil, true, []string{"forwards to other, which the spec does not name"}},
		"a listener that forwards nowhere": {func(w world) {
			w.SetActions([]elbtypes.Action{{Type: elbtypes.ActionTypeEnumFixedResponse, FixedResponseConfig: &elbtypes.FixedResponseActionConfig{StatusCode: aws.String("503")}}})
		}, nil, true, []string{"forwards to no target group"}},
		"clients that stick": {func(w world) {
			actions := w.Split(100, 0)
			actions[0].ForwardConfig.TargetGroupStickinessConfig.Enabled = aws.Bool(true)
			w.SetActions(actions)
		}, nil, false, []string{"stay with the previous fleet"}},
		"no free target group": {func(w world) {
			w.Fleet("live", w.Groups[0], 1, nil)
			w.Fleet("kept", w.Groups[1], 1, nil)
			w.SetActions(w.Split(100, 0))
		}, nil, true, []string{"a holds live (weight 100); b holds kept (weight 0)", "remove the fleet that has no share"}},
		"an empty target group with a weight": {func(w world) {
			w.Fleet("kept", w.Groups[0], 1, nil)
			w.SetActions(w.Split(0, 100))
		}, nil, true, []string{"b holds no fleet but has weight 100"}},
		"strangers in the free target group": {func(w world) {
			w.Fleet("live", w.Groups[0], 1, nil)
			w.SetActions(w.Split(100, 0))
			found, err := w.Account.Groups(w.Ctx, "live")
			require.NoError(w, err)
			_, err = w.Account.ELB.RegisterTargets(w.Ctx, &elb.RegisterTargetsInput{
				TargetGroupArn: &w.Groups[1], Targets: []elbtypes.TargetDescription{{Id: found["live"].Instances[0].InstanceId}},
			})
			require.NoError(w, err)
		}, nil, true, []string{"b has 1 targets that belong to no Auto Scaling group"}},
		"a health check of another path": {nil, func(s *platform.FleetSpec) { s.HealthPath = "/up" }, false, []string{"asks /healthz, and the spec's asks /up"}},
		"another port":                   {func(w world) { w.Settings.AWS.Port = 9090 }, nil, false, []string{"port 8080, and the application listens on 9090"}},
		"requests that are cut off": {func(w world) {
			for _, arn := range w.Groups {
				_, err := w.Account.ELB.ModifyTargetGroupAttributes(w.Ctx, &elb.ModifyTargetGroupAttributesInput{
					TargetGroupArn: &arn, Attributes: []elbtypes.TargetGroupAttribute{{Key: aws.String("deregistration_delay.timeout_seconds"), Value: aws.String("0")}},
				})
				require.NoError(w, err)
			}
		}, nil, false, []string{"deregistration delay is 0 s"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if c.world != nil {
				c.world(w)
			}
			found := w.preflight(func(s *platform.FleetSpec) {
				if c.spec != nil {
					c.spec(s)
				}
				if s.Image == "arm64" {
					s.Image = w.foreignImage()
				}
			})
			problems := wrong(found)
			require.NotEmpty(t, problems)
			for _, p := range problems {
				require.Contains(t, p, fmt.Sprintf("[%v]", c.blocking))
			}
			for _, word := range c.words {
				require.Contains(t, strings.Join(problems, "\n"), word)
			}
		})
	}
}

// foreignImage is one that the instance type can't boot.
func (w world) foreignImage() string {
	w.Helper()
	out, err := w.Account.EC2.DescribeImages(w.Ctx, &ec2.DescribeImagesInput{Owners: []string{"amazon"}, Filters: []ec2types.Filter{
		{Name: aws.String("name"), Values: []string{"al2023-ami-2023*"}}, {Name: aws.String("architecture"), Values: []string{"arm64"}},
	}})
	require.NoError(w, err)
	return *out.Images[0].ImageId
}

func TestAFleetThatIsThereAlreadyNeedsNoRoom(t *testing.T) {
	w := newWorld(t)
	w.Fleet("live", w.Groups[0], 2, nil)
	w.SetActions(w.Split(100, 0))
	w.Fleet("new", w.Groups[1], 2, nil)
	w.quota(8)
	require.Empty(t, wrong(w.preflight(nil)))
}

func TestAFleetThatStandsAloneNeedsNoRoute(t *testing.T) {
	w := newWorld(t)
	w.Settings.Regions[0].AWS.Listener += "0"
	require.Empty(t, wrong(w.preflight(func(s *platform.FleetSpec) { s.Alone = true })))
}

func TestWhatMayNotBeReadIsSaidAndDoesNotBlock(t *testing.T) {
	w := newWorld(t)
	for _, action := range []string{"DescribeAccountLimits", "DescribeSubnets"} {
		w.After(action, func(res *http.Response) (*http.Response, error) {
			return routetest.Refused(res, "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: x:"+action)
		})
	}
	problems := wrong(w.preflight(nil))
	text := strings.Join(problems, "\n")
	require.Len(t, problems, 2, text)
	for _, p := range problems {
		require.Contains(t, p, "could not be examined")
		require.Contains(t, p, "[false]")
	}
	require.Contains(t, text, "x:DescribeAccountLimits")
	require.Contains(t, text, "x:DescribeSubnets")
}

func TestALookThatFailedIsAnError(t *testing.T) {
	w := newWorld(t)
	w.After("DescribeSubnets", func(res *http.Response) (*http.Response, error) {
		_ = res.Body.Close()
		return nil, fmt.Errorf("connection reset by peer")
	})
	_, err := w.examiner().Preflight(w.Ctx, platform.FleetSpec{Name: "new", Region: routetest.Region, Target: routetest.Target, Instances: 1})
	require.Error(t, err)
	_, err = w.examiner().Preflight(w.Ctx, platform.FleetSpec{Name: "new", Region: "us-west-1"})
	require.Equal(t, platform.KindInvalid, platform.KindOf(err))
}
