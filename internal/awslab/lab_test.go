package awslab_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab"
	"github.com/switchyard/switchyard/platform/aws/userdata"
	"github.com/switchyard/switchyard/platform/platformtest"
	"github.com/switchyard/switchyard/release"
)

const (
	region   = "eu-west-1"
	waitLong = 60 * time.Second
	waitStep = 20 * time.Millisecond
)

func TestMain(m *testing.M) {
	platformtest.MaybeServe()
	os.Exit(m.Run())
}

// world is a lab with one target, and what a user of the AWS API needs.
type world struct {
	*testing.T
	lab    *awslab.Lab
	target *awslab.Target
	info   awslab.RegionInfo
	ec2    *ec2.Client
	groups *autoscaling.Client
	elb    *elb.Client
	config aws.Config
}

func newWorld(t *testing.T) *world {
	t.Helper()
	lab, err := awslab.Start(t.Context(), awslab.Options{Dir: t.TempDir(), App: []string{self(t)}, Regions: []string{region}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, lab.Stop()) })
	target, err := lab.AddTarget(t.Context(), release.Target{Application: "checkout", Environment: "production"}, awslab.TargetOptions{})
	require.NoError(t, err)
	c := aws.Config{Region: region, BaseEndpoint: aws.String(lab.URL), Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	return &world{T: t, lab: lab, target: target, info: target.Region(region), config: c,
		ec2: ec2.NewFromConfig(c), groups: autoscaling.NewFromConfig(c), elb: elb.NewFromConfig(c)}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

// image is an AMI of a version.
func (w *world) image(version string, tags map[string]string) string {
	w.Helper()
	out, err := w.ec2.RegisterImage(w.Context(), &ec2.RegisterImageInput{Name: aws.String("checkout-" + version), RootDeviceName: aws.String("/dev/xvda")})
	require.NoError(w, err)
	all := []ec2types.Tag{{Key: aws.String("switchyard:version"), Value: &version}}
	for k, v := range tags {
		all = append(all, ec2types.Tag{Key: &k, Value: &v})
	}
	_, err = w.ec2.CreateTags(w.Context(), &ec2.CreateTagsInput{Resources: []string{*out.ImageId}, Tags: all})
	require.NoError(w, err)
	return *out.ImageId
}

// group makes an Auto Scaling group of an image in a target group.
func (w *world) group(name, image string, size int32, targetGroup string, told userdata.Instance) {
	w.Helper()
	if told.Environment == nil {
		told.Environment = map[string]string{}
	}
	told.Environment[platformtest.AppVariable] = "1"
	told.Fleet, told.Region, told.Port, told.HealthPath = name, region, 8080, platformtest.HealthPath
	data, err := userdata.Build(told, nil)
	require.NoError(w, err)
	_, err = w.ec2.CreateLaunchTemplate(w.Context(), &ec2.CreateLaunchTemplateInput{LaunchTemplateName: &name, LaunchTemplateData: &ec2types.RequestLaunchTemplateData{
		ImageId: &image, InstanceType: "t3.micro", UserData: aws.String(base64.StdEncoding.EncodeToString(data))}})
	require.NoError(w, err)
	_, err = w.groups.CreateAutoScalingGroup(w.Context(), &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: &name, MinSize: aws.Int32(0), MaxSize: aws.Int32(10), DesiredCapacity: &size,
		LaunchTemplate:    &astypes.LaunchTemplateSpecification{LaunchTemplateName: &name, Version: aws.String("1")},
		VPCZoneIdentifier: aws.String(w.info.Subnets[0] + "," + w.info.Subnets[1]), TargetGroupARNs: []string{targetGroup},
		HealthCheckType: aws.String("ELB"), HealthCheckGracePeriod: aws.Int32(1),
	})
	require.NoError(w, err)
}

// healthy are the instances that the load balancer finds healthy.
func (w *world) healthy(targetGroup string) []string {
	w.Helper()
	out, err := w.elb.DescribeTargetHealth(w.Context(), &elb.DescribeTargetHealthInput{TargetGroupArn: &targetGroup})
	require.NoError(w, err)
	ids := []string{}
	for _, d := range out.TargetHealthDescriptions {
		if d.TargetHealth.State == elbtypes.TargetHealthStateEnumHealthy {
			ids = append(ids, *d.Target.Id)
		}
	}
	return ids
}

func (w *world) awaitHealthy(targetGroup string, n int) []string {
	w.Helper()
	var ids []string
	require.Eventually(w, func() bool { ids = w.healthy(targetGroup); return len(ids) == n }, waitLong, waitStep)
	return ids
}

func (w *world) weights(a, b int32) {
	w.Helper()
	_, err := w.elb.ModifyListener(w.Context(), &elb.ModifyListenerInput{ListenerArn: &w.info.Listener, DefaultActions: []elbtypes.Action{{
		Type: elbtypes.ActionTypeEnumForward, ForwardConfig: &elbtypes.ForwardActionConfig{TargetGroups: []elbtypes.TargetGroupTuple{
			{TargetGroupArn: &w.info.TargetGroups[0], Weight: &a}, {TargetGroupArn: &w.info.TargetGroups[1], Weight: &b}}}}}})
	require.NoError(w, err)
}

func (w *world) get(header string) (platformtest.Answer, int) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), http.MethodGet, w.info.Entry, nil)
	require.NoError(w, err)
	if header != "" {
		req.Header.Set(awslab.TestHeader, header)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(w, err)
	defer func() { _ = res.Body.Close() }()
	var a platformtest.Answer
	if res.StatusCode == http.StatusOK {
		require.NoError(w, json.NewDecoder(res.Body).Decode(&a))
	}
	return a, res.StatusCode
}

func (w *world) counted(targetGroup int) float64 {
	w.Helper()
	arn, lb := w.info.TargetGroups[targetGroup], w.info.LoadBalancer
	after := func(s, sep string) *string { return aws.String(s[strings.LastIndex(s, sep)+len(sep):]) }
	out, err := cloudwatch.NewFromConfig(w.config).GetMetricData(w.Context(), &cloudwatch.GetMetricDataInput{
		StartTime: aws.Time(time.Now().Add(-time.Hour)), EndTime: aws.Time(time.Now().Add(time.Minute)),
		MetricDataQueries: []cwtypes.MetricDataQuery{{Id: aws.String("q"), MetricStat: &cwtypes.MetricStat{Period: aws.Int32(60), Stat: aws.String("Sum"),
			Metric: &cwtypes.Metric{Namespace: aws.String("AWS/ApplicationELB"), MetricName: aws.String("RequestCount"), Dimensions: []cwtypes.Dimension{
				{Name: aws.String("LoadBalancer"), Value: after(lb, "loadbalancer/")}, {Name: aws.String("TargetGroup"), Value: after(arn, ":")}}}}}}})
	require.NoError(w, err)
	sum := 0.0
	for _, v := range out.MetricDataResults[0].Values {
		sum += v
	}
	return sum
}

func TestAnAccountComesToLife(t *testing.T) {
	w := newWorld(t)
	_, err := ssm.NewFromConfig(w.config).PutParameter(context.Background(), &ssm.PutParameterInput{
		Name: aws.String("/checkout/key"), Value: aws.String("s3cret"), Type: ssmtypes.ParameterTypeSecureString})
	require.NoError(t, err)
	before, err := w.lab.Snapshot(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, before)
	v1, v2 := w.image("v1", nil), w.image("v2", map[string]string{"lab:env:GREETING": "baked"})

	began := time.Now()
	w.group("one", v1, 2, w.info.TargetGroups[0], userdata.Instance{
		Environment: map[string]string{"GREETING": "hello"}, Secrets: map[string]string{"API_KEY": "ssm:/checkout/key"}})
	first := w.awaitHealthy(w.info.TargetGroups[0], 2)
	t.Logf("a fleet of 2 came into service in %s", time.Since(began).Round(time.Millisecond))
	a, status := w.get("")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "v1", a.Version)
	require.Equal(t, "hello", a.Environment["GREETING"])
	require.Equal(t, "s3cret", a.Environment["API_KEY"])
	require.Contains(t, first, a.Instance)

	// A second version is reached by the test route alone, until the weights move.
	w.group("two", v2, 1, w.info.TargetGroups[1], userdata.Instance{})
	w.awaitHealthy(w.info.TargetGroups[1], 1)
	for range 5 {
		a, _ := w.get("b")
		require.Equal(t, "v2", a.Version)
		require.Equal(t, "baked", a.Environment["GREETING"])
		a, _ = w.get("")
		require.Equal(t, "v1", a.Version)
	}
	for range 5 {
		w.weights(0, 100)
		a, _ := w.get("")
		require.Equal(t, "v2", a.Version, "the listener's weights are in force when they are answered")
		w.weights(100, 0)
		a, _ = w.get("")
		require.Equal(t, "v1", a.Version)
	}
	require.Eventually(t, func() bool { return w.counted(0) == 11 && w.counted(1) == 5 }, waitLong, waitStep, "what users asked for is counted, test requests are not")

	// A crash is noticed and the instance replaced.
	require.NoError(t, w.lab.Kill(region, first[0]))
	require.Eventually(t, func() bool {
		ids := w.healthy(w.info.TargetGroups[0])
		return len(ids) == 2 && ids[0] != first[0] && ids[1] != first[0]
	}, waitLong, waitStep)

	// What is gone from the account answers no more.
	_, err = w.groups.DeleteAutoScalingGroup(t.Context(), &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: aws.String("one"), ForceDelete: aws.Bool(true)})
	require.NoError(t, err)
	_, status = w.get("")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Eventually(t, func() bool { return len(w.lab.Processes()[region]) == 1 }, waitLong, waitStep)

	// What was made and what is left is told apart.
	after, err := w.lab.Snapshot(t.Context())
	require.NoError(t, err)
	require.Empty(t, after.Diff(after))
	diff := strings.Join(after.Diff(before), "\n")
	require.Contains(t, diff, "+ eu-west-1 group two")
	require.Contains(t, diff, "(checkout-v2)")
	require.NotContains(t, diff, "group one")
	require.Equal(t, len(after.Diff(before)), len(before.Diff(after)))
}
