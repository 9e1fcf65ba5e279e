package fleets_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/actions"
	"github.com/switchyard/switchyard/internal/awslab/moto"
	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/fleets"
	"github.com/switchyard/switchyard/platform/aws/userdata"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

var server *moto.Server

func TestMain(m *testing.M) {
	s, err := moto.Start(context.Background(), moto.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server = s
	code := m.Run()
	s.Stop()
	os.Exit(actions.End("fleets", code))
}

const region = "eu-central-1"

var checkout = release.Target{Application: "checkout", Environment: "production"}

// world is a fresh AWS account with a load balancer, and fleets in it.
type world struct {
	*testing.T
	ctx      context.Context
	ec2      *ec2.Client
	asg      *autoscaling.Client
	elb      *elb.Client
	watch    *cloudwatch.Client
	wire     *wire.Proxy // between the fleets and AWS
	settings spec.Settings
	options  fleets.Options
	image    string
	vpc      string
	fleets   *fleets.Fleets
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	proxy, err := wire.New(server.URL)
	require.NoError(t, err)
	t.Cleanup(func() {
		actions.Note(proxy.Used())
		proxy.Close()
	})
	t.Setenv("AWS_ENDPOINT_URL", proxy.URL())
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	cfg := aws.Config{
		Region: region, BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
	}
	w := &world{
		T: t, ctx: ctx, ec2: ec2.NewFromConfig(cfg), asg: autoscaling.NewFromConfig(cfg), elb: elb.NewFromConfig(cfg),
		watch: cloudwatch.NewFromConfig(cfg), wire: proxy, options: fleets.Options{Poll: 5 * time.Millisecond},
	}
	// A retry after a broken connection finds what the first attempt made: begin again then.
	for range 3 {
		require.NoError(t, server.Reset(ctx))
		if err = w.network(); err == nil {
			break
		}
	}
	require.NoError(t, err)
	w.image = w.bake("v1")
	w.reopen()
	return w
}

// attempts are those of one call. A call fails when all of them do.
const attempts = 3

// reopen makes fleets anew, as another worker would, with the settings as they are now.
func (w *world) reopen() {
	pool := account.NewPool(account.Options{Spacing: time.Millisecond, Burst: 1000, Gather: time.Millisecond, Attempts: attempts, Backoff: time.Millisecond})
	w.fleets = fleets.New(fleets.Deps{Pool: pool, Settings: w.settings, Options: w.options})
}

func (w *world) network() error {
	subnets, err := w.ec2.DescribeSubnets(w.ctx, &ec2.DescribeSubnetsInput{})
	if err != nil {
		return err
	}
	w.vpc = *subnets.Subnets[0].VpcId
	ids := []string{*subnets.Subnets[0].SubnetId, *subnets.Subnets[1].SubnetId}
	sg, err := w.ec2.CreateSecurityGroup(w.ctx, &ec2.CreateSecurityGroupInput{GroupName: aws.String("app"), Description: aws.String("app"), VpcId: &w.vpc})
	if err != nil {
		return err
	}
	lb, err := w.elb.CreateLoadBalancer(w.ctx, &elb.CreateLoadBalancerInput{Name: aws.String("checkout"), Subnets: ids})
	if err != nil {
		return err
	}
	var groups []string
	for _, name := range []string{"checkout-a", "checkout-b"} {
		arn, err := w.targetGroup(name)
		if err != nil {
			return err
		}
		groups = append(groups, arn)
	}
	listener, err := w.elb.CreateListener(w.ctx, &elb.CreateListenerInput{
		LoadBalancerArn: lb.LoadBalancers[0].LoadBalancerArn, Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp,
		DefaultActions: split(groups[0], 100, groups[1], 0),
	})
	if err != nil {
		return err
	}
	w.settings = spec.Settings{
		AWS: &spec.AWS{InstanceType: "t3.small", Port: 8080, HealthGrace: spec.Duration(time.Minute), DataVolumes: spec.DataVolumesRefuse},
		Regions: []spec.Region{{Name: region, AWS: &spec.AWSRegion{
			Listener: *listener.Listeners[0].ListenerArn, TargetGroups: groups, Subnets: ids, SecurityGroups: []string{*sg.GroupId},
		}}},
	}
	return nil
}

func (w *world) place() *spec.AWSRegion { return w.settings.Regions[0].AWS }

func (w *world) targetGroup(name string) (string, error) {
	out, err := w.elb.CreateTargetGroup(w.ctx, &elb.CreateTargetGroupInput{Name: aws.String(name), Protocol: elbtypes.ProtocolEnumHttp, Port: aws.Int32(8080), VpcId: &w.vpc})
	if err != nil {
		return "", err
	}
	return *out.TargetGroups[0].TargetGroupArn, nil
}

func split(a string, wa int32, b string, wb int32) []elbtypes.Action {
	return []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, ForwardConfig: &elbtypes.ForwardActionConfig{TargetGroups: []elbtypes.TargetGroupTuple{
		{TargetGroupArn: &a, Weight: &wa}, {TargetGroupArn: &b, Weight: &wb},
	}}}}
}

func (w *world) weights(a, b int32) {
	w.Helper()
	r := w.place()
	_, err := w.elb.ModifyListener(w.ctx, &elb.ModifyListenerInput{ListenerArn: &r.Listener, DefaultActions: split(r.TargetGroups[0], a, r.TargetGroups[1], b)})
	require.NoError(w, err)
}

// root is the root device of every image that moto has.
const root = "/dev/sda1"

func (w *world) bake(name string) string {
	w.Helper()
	out, err := w.ec2.RegisterImage(w.ctx, &ec2.RegisterImageInput{Name: aws.String(name), Architecture: ec2types.ArchitectureValuesX8664})
	require.NoError(w, err)
	return *out.ImageId
}

func (w *world) spec(name string, instances int) platform.FleetSpec {
	return platform.FleetSpec{
		Name: name, Region: region, Target: checkout, Release: "r-" + name, Version: "1.2.3", Image: w.image, Instances: instances,
		Command: []string{"/opt/checkout"}, Environment: map[string]string{"GREETING": "hello"}, HealthPath: "/healthz",
	}
}

func (w *world) provision(s platform.FleetSpec) release.Fleet {
	w.Helper()
	f, err := w.fleets.Provision(w.ctx, s)
	require.NoError(w, err)
	return f
}

func (w *world) describe(name string) release.Fleet {
	w.Helper()
	f, err := w.fleets.Describe(w.ctx, region, name)
	require.NoError(w, err)
	return f
}

func (w *world) groups() []string {
	w.Helper()
	out, err := w.asg.DescribeAutoScalingGroups(w.ctx, &autoscaling.DescribeAutoScalingGroupsInput{})
	require.NoError(w, err)
	var names []string
	for _, g := range out.AutoScalingGroups {
		names = append(names, *g.AutoScalingGroupName)
	}
	return names
}

func (w *world) templates() []string {
	w.Helper()
	out, err := w.ec2.DescribeLaunchTemplates(w.ctx, &ec2.DescribeLaunchTemplatesInput{})
	require.NoError(w, err)
	var names []string
	for _, t := range out.LaunchTemplates {
		names = append(names, *t.LaunchTemplateName)
	}
	return names
}

func (w *world) group(name string) astypes.AutoScalingGroup {
	w.Helper()
	out, err := w.asg.DescribeAutoScalingGroups(w.ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{name}})
	require.NoError(w, err)
	require.Len(w, out.AutoScalingGroups, 1, "group %s", name)
	return out.AutoScalingGroups[0]
}

func (w *world) template(name string) ec2types.ResponseLaunchTemplateData {
	w.Helper()
	out, err := w.ec2.DescribeLaunchTemplateVersions(w.ctx, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateName: &name, Versions: []string{"$Latest"}})
	require.NoError(w, err)
	return *out.LaunchTemplateVersions[0].LaunchTemplateData
}

func (w *world) told(name string) (userdata.Instance, []byte) {
	w.Helper()
	data, err := base64.StdEncoding.DecodeString(*w.template(name).UserData)
	require.NoError(w, err)
	i, err := userdata.Parse(data)
	require.NoError(w, err)
	extra, err := userdata.Extra(data)
	require.NoError(w, err)
	return i, extra
}

func tags(g astypes.AutoScalingGroup) map[string]string {
	m := map[string]string{}
	for _, t := range g.Tags {
		m[*t.Key] = *t.Value
	}
	return m
}

func (w *world) requireKind(kind platform.Kind, err error, texts ...string) {
	w.Helper()
	require.Error(w, err)
	require.Equal(w, kind, platform.KindOf(err), "%v", err)
	for _, text := range texts {
		require.ErrorContains(w, err, text)
	}
}

func (w *world) inService(name string, n int) release.Fleet {
	w.Helper()
	var f release.Fleet
	require.Eventually(w, func() bool {
		f = w.describe(name)
		return f.InService() == n && len(f.Instances) == n
	}, 30*time.Second, 10*time.Millisecond, "fleet %s never has %d instances in service", name, n)
	return f
}

// adopted makes a group as somebody made it by hand, attached to the first target
// group, with all the traffic.
func (w *world) adopted(name string, change func(*ec2types.RequestLaunchTemplateData, *autoscaling.CreateAutoScalingGroupInput)) {
	w.Helper()
	data := &ec2types.RequestLaunchTemplateData{ImageId: &w.image, InstanceType: ec2types.InstanceTypeT3Micro}
	group := &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: &name, MinSize: aws.Int32(2), MaxSize: aws.Int32(6), DesiredCapacity: aws.Int32(3),
		VPCZoneIdentifier: aws.String(strings.Join(w.place().Subnets, ",")), TargetGroupARNs: w.place().TargetGroups[:1],
		LaunchTemplate: &astypes.LaunchTemplateSpecification{LaunchTemplateName: aws.String(name + "-template"), Version: aws.String("$Latest")},
	}
	if change != nil {
		change(data, group)
	}
	_, err := w.ec2.CreateLaunchTemplate(w.ctx, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: aws.String(name + "-template"), LaunchTemplateData: data})
	require.NoError(w, err)
	if _, err = w.asg.CreateAutoScalingGroup(w.ctx, group); !account.IsCode(err, "AlreadyExists") { // by a retry
		require.NoError(w, err)
	}
}

// mutations are the changing calls of the fleets since the wire was reset, in order.
func (w *world) mutations() []string {
	var names []string
	for _, c := range w.wire.Calls() {
		if c.Mutating {
			names = append(names, c.Action)
		}
	}
	return names
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }
