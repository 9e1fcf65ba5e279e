package aws_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab"
	"github.com/switchyard/switchyard/internal/awslab/actions"
	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
	"github.com/switchyard/switchyard/platform/platformtest"
	"github.com/switchyard/switchyard/release"
)

func TestMain(m *testing.M) {
	platformtest.MaybeServe()
	os.Exit(m.Run())
}

const (
	home   = "eu-west-1"
	second = "eu-central-1"
)

// attempts of one call: few, so that a call that is lost is given up soon.
const attempts = 2

var checkout = release.Target{Application: "checkout", Environment: "production"}

// world is the AWS account of the suite, with processes behind it.
type world struct {
	lab      *awslab.Lab
	platform *aws.AWS
	target   *awslab.Target
	ec2      *ec2.Client
	ssm      *ssm.Client
	watch    *cloudwatch.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	lab, err := awslab.Start(t.Context(), awslab.Options{Dir: t.TempDir(), App: []string{self}, Regions: []string{home, second}, Wire: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, lab.Stop()) })
	for _, kv := range lab.Env() {
		k, v, _ := strings.Cut(kv, "=")
		t.Setenv(k, v)
	}
	target, err := lab.AddTarget(t.Context(), checkout, awslab.TargetOptions{HealthPath: platformtest.HealthPath, Unweighted: true})
	require.NoError(t, err)
	c := sdk.Config{Region: home, BaseEndpoint: sdk.String(lab.Moto.URL), Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	return &world{lab: lab, target: target, ec2: ec2.NewFromConfig(c), ssm: ssm.NewFromConfig(c), watch: cloudwatch.NewFromConfig(c),
		platform: aws.NewWith(
			aws.Options{Poll: 50 * time.Millisecond, CountPeriod: time.Second, CountDelay: 3 * time.Second},
			account.Options{Spacing: 20 * time.Millisecond, Gather: time.Millisecond, Attempts: attempts, Backoff: 10 * time.Millisecond})}
}

// image is an accepted image of a version, as a bake leaves it.
func (w *world) image(t *testing.T, version string) string {
	t.Helper()
	out, err := w.ec2.RegisterImage(t.Context(), &ec2.RegisterImageInput{
		Name: sdk.String("checkout-" + version + "-" + time.Now().Format("150405.000000000")), RootDeviceName: sdk.String("/dev/xvda"), Architecture: ec2types.ArchitectureValuesX8664,
		BlockDeviceMappings: []ec2types.BlockDeviceMapping{{DeviceName: sdk.String("/dev/xvda"), Ebs: &ec2types.EbsBlockDevice{VolumeSize: sdk.Int32(8), Encrypted: sdk.Bool(true)}}}})
	require.NoError(t, err)
	digest := "sha256:" + version
	tags := w.platform.Tags(release.Image{Application: checkout.Application, Version: version, Commit: "1111111", InputDigest: digest, CreatedAt: time.Now()}, "release-"+version, "bake-"+version)
	settings := w.target.Settings()
	settings.Regions = settings.Regions[:1]
	require.NoError(t, w.platform.Accept(t.Context(), settings, map[string]string{home: *out.ImageId}, w.tag(t, *out.ImageId, tags)))
	return *out.ImageId
}

// tag puts tags on a resource, as a template does.
func (w *world) tag(t *testing.T, id string, tags map[string]string) map[string]string {
	t.Helper()
	var list []ec2types.Tag
	for k, v := range tags {
		list = append(list, ec2types.Tag{Key: &k, Value: &v})
	}
	_, err := w.ec2.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{id}, Tags: list})
	require.NoError(t, err)
	return tags
}

// leftovers are what a bake that was killed leaves: a builder with its volume, key pair
// and security group, and an image nobody accepted.
func (w *world) leftovers(t *testing.T, bake string) {
	t.Helper()
	ctx, info := t.Context(), w.target.Region(home)
	spec := func(kind ec2types.ResourceType) []ec2types.TagSpecification {
		return []ec2types.TagSpecification{{ResourceType: kind, Tags: []ec2types.Tag{{Key: sdk.String(tag.Bake), Value: &bake}}}}
	}
	_, err := w.ec2.CreateKeyPair(ctx, &ec2.CreateKeyPairInput{KeyName: sdk.String("packer-" + bake), TagSpecifications: spec(ec2types.ResourceTypeKeyPair)})
	require.NoError(t, err)
	group, err := w.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: sdk.String("packer-" + bake), Description: sdk.String("of a builder"),
		VpcId: &info.VPC, TagSpecifications: spec(ec2types.ResourceTypeSecurityGroup)})
	require.NoError(t, err)
	builder, err := w.ec2.RunInstances(ctx, &ec2.RunInstancesInput{ImageId: &info.SourceAMI, InstanceType: "t3.micro", MinCount: sdk.Int32(1), MaxCount: sdk.Int32(1),
		SubnetId: &info.Subnets[0], SecurityGroupIds: []string{*group.GroupId}, KeyName: sdk.String("packer-" + bake),
		TagSpecifications: append(spec(ec2types.ResourceTypeInstance), spec(ec2types.ResourceTypeVolume)...)})
	require.NoError(t, err)
	_, err = w.ec2.CreateVolume(ctx, &ec2.CreateVolumeInput{AvailabilityZone: sdk.String(home + "a"), Size: sdk.Int32(1), TagSpecifications: spec(ec2types.ResourceTypeVolume)})
	require.NoError(t, err)
	image, err := w.ec2.CreateImage(ctx, &ec2.CreateImageInput{InstanceId: builder.Instances[0].InstanceId, Name: sdk.String("half-made-" + bake),
		TagSpecifications: append(spec(ec2types.ResourceTypeImage), spec(ec2types.ResourceTypeSnapshot)...)})
	require.NoError(t, err)
	require.NotEmpty(t, *image.ImageId)
}

// changing is the call in which each method of the ports takes effect.
var changing = map[string]string{
	"Fleets.Provision":      "CreateAutoScalingGroup",
	"Fleets.Resize":         "UpdateAutoScalingGroup",
	"Fleets.HoldScaleIn":    "CreateOrUpdateTags",
	"Fleets.ReleaseScaleIn": "DeleteTags",
	"Fleets.Attach":         "AttachLoadBalancerTargetGroups",
	"Fleets.Detach":         "DetachLoadBalancerTargetGroups",
	"Fleets.Retire":         "DeleteAutoScalingGroup",
	"Router.SetWeights":     "ModifyListener",
	"Images.Retire":         "DeregisterImage",
}

// lose has AWS fail the call as often as the platform tries it.
func (w *world) lose(t *testing.T, call string, kind wire.Kind) {
	t.Helper()
	require.Contains(t, changing, call)
	times := attempts
	if call == "Router.SetWeights" { // tried once, and compared again before the next time
		times = 1
	}
	w.lab.Wire.Inject(wire.Fault{Action: changing[call], Times: times, Kind: kind})
}

// removeImage deregisters an image as a person would.
func (w *world) removeImage(t *testing.T, _, ref string) {
	t.Helper()
	_, err := w.ec2.DeregisterImage(t.Context(), &ec2.DeregisterImageInput{ImageId: &ref, DeleteAssociatedSnapshots: sdk.Bool(true)})
	require.NoError(t, err)
}

// quota leaves room for so many instances of the lab's type, which has two vCPUs.
func (w *world) quota(t *testing.T, region string, instances int) {
	t.Helper()
	const standard, moto = "L-1216C47A", 256
	require.NoError(t, w.lab.Moto.SetQuota(t.Context(), region, "ec2", standard, float64(2*instances)))
	t.Cleanup(func() {
		require.NoError(t, w.lab.Moto.SetQuota(context.Background(), region, "ec2", standard, moto))
	})
}

// remember has CloudWatch know of minutes that are over.
func (w *world) remember(t *testing.T, region string, past []release.Load) {
	t.Helper()
	info := w.target.Region(region)
	_, balancer, _ := strings.Cut(info.LoadBalancer, ":loadbalancer/")
	dimensions := []cwtypes.Dimension{
		{Name: sdk.String("LoadBalancer"), Value: &balancer},
		{Name: sdk.String("TargetGroup"), Value: sdk.String(info.TargetGroups[0][strings.LastIndex(info.TargetGroups[0], ":")+1:])},
	}
	for part := range slices.Chunk(past, 100) {
		var data []cwtypes.MetricDatum
		for _, l := range part {
			data = append(data, cwtypes.MetricDatum{MetricName: sdk.String("RequestCount"), Dimensions: dimensions, Value: &l.Requests, Timestamp: &l.At})
		}
		_, err := w.watch.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: sdk.String("AWS/ApplicationELB"), MetricData: data})
		require.NoError(t, err)
	}
}

func TestConformance(t *testing.T) {
	w := newWorld(t)
	v1, v2 := w.image(t, "v1"), w.image(t, "v2")
	_, err := w.ssm.PutParameter(t.Context(), &ssm.PutParameterInput{Name: sdk.String("/checkout/key"), Value: sdk.String("s3cret"), Type: ssmtypes.ParameterTypeSecureString})
	require.NoError(t, err)
	p, err := w.platform.Open(w.target.Settings())
	require.NoError(t, err)
	before, err := w.lab.Snapshot(t.Context())
	require.NoError(t, err)
	runs := 0
	platformtest.Run(t, func(*testing.T) platformtest.Harness {
		runs++
		return platformtest.Harness{
			Prefix:   fmt.Sprintf("case%d-", runs),
			Platform: p, Region: home, SecondRegion: second, Target: checkout, Images: [2]string{v1, v2}, NoImage: "ami-00000000000000000",
			Command: []string{"/app"}, Environment: map[string]string{platformtest.AppVariable: "1"}, Secret: "ssm:/checkout/key", Wait: time.Minute,
			FailBefore: func(t *testing.T, call string) { w.lose(t, call, wire.FailBefore) },
			FailAfter:  func(t *testing.T, call string) { w.lose(t, call, wire.FailAfter) },
			Kill:       func(t *testing.T, region, instance string) { require.NoError(t, w.lab.Kill(region, instance)) },
			Unhealthy:  func(t *testing.T, region, fleet string) { require.NoError(t, w.lab.Unhealthy(region, fleet)) },
			Healed:     func(*testing.T) { w.lab.Heal() },
			InFlight: func(t *testing.T, region string) int {
				n, err := w.lab.InFlight(t.Context(), region)
				require.NoError(t, err)
				return n
			},
			BakedImage: w.image, LeftoversOfAnInterruptedBake: w.leftovers,
			RemoveImage: w.removeImage, Quota: w.quota, Remember: w.remember,
		}
	})
	after, err := w.lab.Snapshot(t.Context())
	require.NoError(t, err)
	for _, left := range after.Diff(before) {
		// Copies of the two images are meant to stay.
		require.Regexp(t, `^\+ `+second+` (image|snapshot) `, left)
	}
	examine(t, p)
	actions.Compare(t, "conformance", w.lab.Wire.Calls())
}

// examine has the doctor look at both regions: in the lab all is well.
func examine(t *testing.T, p platform.Platform) {
	for _, region := range []string{home, second} {
		findings, err := p.Doctor.Examine(t.Context(), region, checkout)
		require.NoError(t, err)
		require.NotEmpty(t, findings)
		for _, f := range findings {
			require.False(t, f.Blocking, "%s: %s", region, f)
		}
	}
}
