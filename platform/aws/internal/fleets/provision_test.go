package fleets_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
)

func TestTheFirstFleet(t *testing.T) {
	w := newWorld(t)
	f := w.provision(w.spec("one", 2))
	require.Equal(t, "one", f.Name)

	g := w.group("one")
	require.Equal(t, []int32{2, 2, 2}, []int32{*g.MinSize, *g.DesiredCapacity, *g.MaxSize})
	require.Equal(t, []string{w.place().TargetGroups[1]}, g.TargetGroupARNs, "the one without a weight")
	require.Equal(t, "ELB", *g.HealthCheckType)
	require.Equal(t, int32(60), *g.HealthCheckGracePeriod)
	require.Equal(t, "1", *g.LaunchTemplate.Version, "pinned")
	require.Equal(t, astypes.DeletionProtectionPreventAllDeletion, g.DeletionProtection)
	require.Equal(t, sorted(w.place().Subnets), sorted(strings.Split(*g.VPCZoneIdentifier, ",")))
	for k, v := range map[string]string{"application": "checkout", "environment": "production", "release": "r-one", "version": "1.2.3", "fleet": "one", "image": w.image} {
		require.Equal(t, v, tags(g)["switchyard:"+k])
	}

	data := w.template("one")
	require.Equal(t, ec2types.LaunchTemplateHttpTokensStateRequired, data.MetadataOptions.HttpTokens)
	require.Len(t, data.BlockDeviceMappings, 1)
	require.Equal(t, root, *data.BlockDeviceMappings[0].DeviceName)
	require.True(t, *data.BlockDeviceMappings[0].Ebs.Encrypted)
	require.Equal(t, w.place().SecurityGroups, data.SecurityGroupIds)
	require.Equal(t, "t3.small", string(data.InstanceType))
	kinds := map[string]bool{}
	for _, s := range data.TagSpecifications {
		kinds[string(s.ResourceType)] = true
	}
	require.True(t, kinds["instance"] && kinds["volume"])

	i, extra := w.told("one")
	require.Empty(t, extra)
	require.Equal(t, []string{"/opt/checkout"}, i.Command)
	require.Equal(t, "hello", i.Environment["GREETING"])
	require.Equal(t, "8080", i.Environment["PORT"])
	require.Equal(t, "1.2.3", i.Environment["VERSION"])

	f = w.inService("one", 2)
	require.Equal(t, checkout, f.Target)
	require.Equal(t, []any{"r-one", "1.2.3", w.image, 2, ""}, []any{f.Release, f.Version, f.Image, f.Desired, f.ScaleInHeld})
	require.False(t, f.CreatedAt.IsZero())
	require.NotEqual(t, f.Instances[0].Address, f.Instances[1].Address)
	require.True(t, strings.HasSuffix(f.Instances[0].Address, ":8080"))
}

func TestProvisioningAgainChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.provision(w.spec("one", 2))
	before := w.inService("one", 2)
	w.reopen()
	w.wire.Reset()
	again := w.provision(w.spec("one", 2))
	require.Equal(t, before.Desired, again.Desired)
	require.Len(t, again.Instances, 2)
	require.Empty(t, w.mutations())

	other := w.spec("one", 2)
	other.Version, other.Image = "2.0.0", w.bake("v2")
	_, err := w.fleets.Provision(w.ctx, other)
	w.requireKind(platform.KindConflict, err, `its version is "1.2.3", not "2.0.0"`, other.Image)
	other = w.spec("one", 2)
	other.Environment = map[string]string{"GREETING": "good-bye"}
	_, err = w.fleets.Provision(w.ctx, other)
	w.requireKind(platform.KindConflict, err, "made from other settings")
	require.Empty(t, w.mutations())
}

func TestWhatIsRefusedMakesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world, *platform.FleetSpec)
		kind   platform.Kind
		texts  []string
	}{
		"no image": {func(_ *world, s *platform.FleetSpec) { s.Image = "ami-0123456789abcdef0" }, platform.KindNotFound, []string{"ami-0123456789abcdef0", "is not there"}},
		"an image that is not ready": {func(w *world, s *platform.FleetSpec) {
			require.NoError(w, server.SetImageState(w.ctx, region, s.Image, "pending"))
		}, platform.KindNotFound, []string{"pending, not available"}},
		"volumes that are not encrypted": {func(w *world, _ *platform.FleetSpec) { w.settings.AWS.EncryptVolumes = aws.Bool(false) },
			platform.KindInvalid, []string{"encryptVolumes"}},
		"too much user data": {func(_ *world, s *platform.FleetSpec) {
			s.Environment = map[string]string{"A": strings.Repeat("x", 16*1024)}
		},
			platform.KindInvalid, []string{"too long", "a parameter or a secret"}},
		"a live fleet that is gone": {func(_ *world, s *platform.FleetSpec) { s.Like = "gone" }, platform.KindConflict, []string{"live fleet gone"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.spec("one", 1)
			c.change(w, &s)
			w.reopen()
			_, err := w.fleets.Provision(w.ctx, s)
			w.requireKind(c.kind, err, c.texts...)
			require.Empty(t, w.groups())
			require.Empty(t, w.templates())
			require.Empty(t, w.mutations())
		})
	}
}

func TestUnencryptedVolumesWhereTheWorkerAllowsThem(t *testing.T) {
	w := newWorld(t)
	w.settings.AWS.EncryptVolumes = aws.Bool(false)
	w.options.AllowUnencrypted = true
	w.reopen()
	w.provision(w.spec("one", 1))
	for _, d := range w.template("one").BlockDeviceMappings {
		require.False(t, aws.ToBool(d.Ebs.Encrypted))
	}
}

func TestTheTargetGroupOfACandidate(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	w.provision(w.spec("one", 1))
	a, b := w.place().TargetGroups[0], w.place().TargetGroups[1]
	require.Equal(t, []string{b}, w.group("one").TargetGroupARNs)

	_, err := w.fleets.Provision(w.ctx, w.spec("two", 1))
	w.requireKind(platform.KindConflict, err, "checkout-a has fleet live, weight 100", "checkout-b has fleet one, weight 0", "retire one, or detach it from checkout-b")
	require.Equal(t, []string{"live-template", "one"}, sorted(w.templates()))

	alone := w.spec("alone", 1)
	alone.Alone = true
	w.provision(alone)
	g := w.group("alone")
	require.Empty(t, g.TargetGroupARNs)
	require.Equal(t, "EC2", *g.HealthCheckType)
	require.Equal(t, "true", tags(g)["switchyard:alone"])
	w.inService("alone", 1)

	_, err = w.asg.DetachLoadBalancerTargetGroups(w.ctx, &autoscaling.DetachLoadBalancerTargetGroupsInput{AutoScalingGroupName: aws.String("live"), TargetGroupARNs: []string{a}})
	require.NoError(t, err)
	w.weights(0, 100)
	w.provision(w.spec("two", 1))
	require.Equal(t, []string{a}, w.group("two").TargetGroupARNs)
}

func TestTargetsOfNoGroupKeepTheirTargetGroup(t *testing.T) {
	w := newWorld(t)
	w.provision(w.spec("one", 1))
	run, err := w.ec2.RunInstances(w.ctx, &ec2.RunInstancesInput{ImageId: &w.image, MinCount: aws.Int32(1), MaxCount: aws.Int32(1)})
	require.NoError(t, err)
	_, err = w.elb.RegisterTargets(w.ctx, &elb.RegisterTargetsInput{TargetGroupArn: &w.place().TargetGroups[0], Targets: []elbtypes.TargetDescription{{Id: run.Instances[0].InstanceId}}})
	require.NoError(t, err)
	_, err = w.fleets.Provision(w.ctx, w.spec("two", 1))
	w.requireKind(platform.KindConflict, err, "no Auto Scaling group", "checkout-a")
}

func TestSizes(t *testing.T) {
	for name, c := range map[string]struct {
		like, held  bool
		low, high   int
		instances   int
		want        []int32 // min, desired, max
		hold        string
		whenRelease []int32
	}{
		"alone in the world":           {instances: 3, want: []int32{3, 3, 3}},
		"as the spec says":             {low: 2, high: 9, instances: 4, want: []int32{2, 4, 9}},
		"as the live group":            {like: true, instances: 4, want: []int32{2, 4, 6}},
		"larger than the live maximum": {like: true, instances: 8, want: []int32{2, 8, 8}},
		"smaller than the minimum":     {like: true, instances: 1, want: []int32{1, 1, 6}},
		"held from the first moment":   {like: true, held: true, instances: 4, want: []int32{4, 4, 6}, hold: "r1;min=2;max=6;scheduled=running", whenRelease: []int32{2, 4, 6}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.settings.AWS.MinInstances, w.settings.AWS.MaxInstances = c.low, c.high
			w.reopen()
			s := w.spec("one", c.instances)
			if c.like {
				w.adopted("live", nil)
				s.Like = "live"
			}
			if c.held {
				s.HeldBy = "r1"
			}
			w.provision(s)
			sizes := func() []int32 {
				g := w.group("one")
				return []int32{*g.MinSize, *g.DesiredCapacity, *g.MaxSize}
			}
			require.Equal(t, c.want, sizes())
			require.Equal(t, c.hold, tags(w.group("one"))["switchyard:hold"])
			if c.held {
				require.Equal(t, "r1", w.describe("one").ScaleInHeld)
				require.NoError(t, w.fleets.ReleaseScaleIn(w.ctx, region, "one", "r1"))
				require.Equal(t, c.whenRelease, sizes())
			}
		})
	}
}
