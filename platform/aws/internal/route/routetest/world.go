// Package routetest makes a small AWS account in moto for tests: a network of two zones,
// a load balancer whose listener splits the traffic between two target groups, and
// fleets in them.
package routetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/moto"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// Region is where the world is.
const Region = "eu-central-1"

// Target is whose world it is.
var Target = release.Target{Application: "checkout", Environment: "production"}

// World is the account.
type World struct {
	*testing.T
	Ctx      context.Context
	Server   *moto.Server
	Pool     *account.Pool
	Settings spec.Settings
	Account  *account.Account // its clients set the world up
	VPC      string
	Subnets  []string // in two zones
	Security string
	Balancer string
	Listener string    // forwards to both target groups, with weights 0
	Groups   [2]string // target groups "a" and "b", with test routes
	Image    string

	mu     sync.Mutex
	before map[string]func()                                       // once, before the call of that action
	after  map[string]func(*http.Response) (*http.Response, error) // once, with its answer
	calls  map[string]int
}

// New makes a world in a moto without anything else in it.
func New(t *testing.T, server *moto.Server) *World {
	t.Helper()
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	require.NoError(t, server.Reset(t.Context()))
	w := &World{T: t, Ctx: t.Context(), Server: server}
	w.before, w.after, w.calls = map[string]func(){}, map[string]func(*http.Response) (*http.Response, error){}, map[string]int{}
	w.Pool = account.NewPool(account.Options{Spacing: time.Millisecond, Gather: time.Millisecond, Attempts: 1, HTTP: w})
	acc, err := w.Pool.At(w.Ctx, account.Place{Region: Region})
	require.NoError(t, err)
	w.Account = acc
	w.network()
	w.route()
	w.Settings = spec.Settings{
		AWS: &spec.AWS{InstanceType: "t3.micro", Port: 8080},
		Regions: []spec.Region{{Name: Region, AWS: &spec.AWSRegion{
			Listener: w.Listener, TargetGroups: w.Groups[:], Subnets: w.Subnets, SecurityGroups: []string{w.Security},
		}}},
	}
	w.calls = map[string]int{}
	return w
}

func (w *World) network() {
	vpc, err := w.Account.EC2.CreateVpc(w.Ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.1.0.0/16")})
	require.NoError(w, err)
	w.VPC = *vpc.Vpc.VpcId
	for i, zone := range []string{"a", "b"} {
		subnet, err := w.Account.EC2.CreateSubnet(w.Ctx, &ec2.CreateSubnetInput{
			VpcId: &w.VPC, CidrBlock: aws.String(fmt.Sprintf("10.1.%d.0/24", i)), AvailabilityZone: aws.String(Region + zone),
		})
		require.NoError(w, err)
		w.Subnets = append(w.Subnets, *subnet.Subnet.SubnetId)
	}
	group, err := w.Account.EC2.CreateSecurityGroup(w.Ctx, &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("web"), Description: aws.String("web"), VpcId: &w.VPC,
	})
	require.NoError(w, err)
	w.Security = *group.GroupId
	images, err := w.Account.EC2.DescribeImages(w.Ctx, &ec2.DescribeImagesInput{
		Owners: []string{"amazon"}, Filters: []ec2types.Filter{{Name: aws.String("name"), Values: []string{"amzn2-ami-hvm-2*"}}},
	})
	require.NoError(w, err)
	w.Image = *images.Images[0].ImageId
}

func (w *World) route() {
	lb, err := w.Account.ELB.CreateLoadBalancer(w.Ctx, &elb.CreateLoadBalancerInput{Name: aws.String("web"), Subnets: w.Subnets})
	require.NoError(w, err)
	w.Balancer = *lb.LoadBalancers[0].LoadBalancerArn
	for i, name := range []string{"a", "b"} {
		w.Groups[i] = w.TargetGroup(name)
	}
	listener, err := w.Account.ELB.CreateListener(w.Ctx, &elb.CreateListenerInput{
		LoadBalancerArn: &w.Balancer, Protocol: elbtypes.ProtocolEnumHttp, Port: aws.Int32(80), DefaultActions: w.Split(0, 0),
	})
	require.NoError(w, err)
	w.Listener = *listener.Listeners[0].ListenerArn
	for i, name := range []string{"a", "b"} {
		w.TestRule(int32(i+1), name, w.Groups[i])
	}
}

// TargetGroup makes a target group.
func (w *World) TargetGroup(name string) string {
	w.Helper()
	out, err := w.Account.ELB.CreateTargetGroup(w.Ctx, &elb.CreateTargetGroupInput{
		Name: aws.String(name), Protocol: elbtypes.ProtocolEnumHttp, Port: aws.Int32(8080), VpcId: &w.VPC, HealthCheckPath: aws.String("/healthz"),
	})
	require.NoError(w, err)
	return *out.TargetGroups[0].TargetGroupArn
}

// TestRule makes a rule that reaches a target group by a header.
func (w *World) TestRule(priority int32, value, targetGroup string) string {
	w.Helper()
	out, err := w.Account.ELB.CreateRule(w.Ctx, &elb.CreateRuleInput{
		ListenerArn: &w.Listener, Priority: aws.Int32(priority),
		Conditions: []elbtypes.RuleCondition{{Field: aws.String("http-header"), HttpHeaderConfig: &elbtypes.HttpHeaderConditionConfig{
			HttpHeaderName: aws.String("X-Switchyard-Target-Group"), Values: []string{value},
		}}},
		Actions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: aws.String(targetGroup)}},
	})
	require.NoError(w, err)
	return *out.Rules[0].RuleArn
}

// Split is an action that splits the traffic, with stickiness set.
func (w *World) Split(a, b int32) []elbtypes.Action {
	return []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, ForwardConfig: &elbtypes.ForwardActionConfig{
		TargetGroups: []elbtypes.TargetGroupTuple{
			{TargetGroupArn: aws.String(w.Groups[0]), Weight: aws.Int32(a)}, {TargetGroupArn: aws.String(w.Groups[1]), Weight: aws.Int32(b)},
		},
		TargetGroupStickinessConfig: &elbtypes.TargetGroupStickinessConfig{Enabled: aws.Bool(false), DurationSeconds: aws.Int32(60)},
	}}}
}

// SetActions sets what the listener does, as a person would.
func (w *World) SetActions(actions []elbtypes.Action) {
	w.Helper()
	_, err := w.Account.ELB.ModifyListener(w.Ctx, &elb.ModifyListenerInput{ListenerArn: &w.Listener, DefaultActions: actions})
	require.NoError(w, err)
}

// Actions is what the listener does.
func (w *World) Actions() []elbtypes.Action {
	w.Helper()
	out, err := w.Account.ELB.DescribeListeners(w.Ctx, &elb.DescribeListenersInput{ListenerArns: []string{w.Listener}})
	require.NoError(w, err)
	return out.Listeners[0].DefaultActions
}

// Fleet makes a fleet of the target, in a target group unless it is "".
func (w *World) Fleet(name, targetGroup string, instances int32, tags map[string]string) {
	w.Helper()
	_, err := w.Account.EC2.CreateLaunchTemplate(w.Ctx, &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String(name),
		LaunchTemplateData: &ec2types.RequestLaunchTemplateData{ImageId: &w.Image, InstanceType: "t3.micro"},
	})
	require.NoError(w, err)
	all := map[string]string{tag.Application: Target.Application, tag.Environment: Target.Environment, tag.Release: "r-" + name}
	for k, v := range tags {
		all[k] = v
	}
	in := &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: aws.String(name), MinSize: aws.Int32(0), MaxSize: aws.Int32(10), DesiredCapacity: aws.Int32(instances),
		LaunchTemplate:    &astypes.LaunchTemplateSpecification{LaunchTemplateName: aws.String(name), Version: aws.String("1")},
		VPCZoneIdentifier: aws.String(strings.Join(w.Subnets, ",")),
	}
	if targetGroup != "" {
		in.TargetGroupARNs = []string{targetGroup}
	}
	for k, v := range all {
		in.Tags = append(in.Tags, astypes.Tag{Key: aws.String(k), Value: aws.String(v), ResourceId: aws.String(name), ResourceType: aws.String("auto-scaling-group")})
	}
	_, err = w.Account.AutoScaling.CreateAutoScalingGroup(w.Ctx, in)
	require.NoError(w, err)
}

// Made is when a fleet was made.
func (w *World) Made(fleet string) time.Time {
	w.Helper()
	found, err := w.Account.Groups(w.Ctx, fleet)
	require.NoError(w, err)
	require.Contains(w, found, fleet)
	return *found[fleet].CreatedTime
}

// Counted makes CloudWatch have counted n for the target group.
func (w *World) Counted(metric, targetGroup string, at time.Time, n float64) {
	w.Helper()
	_, err := w.Account.CloudWatch.PutMetricData(w.Ctx, &cloudwatch.PutMetricDataInput{
		Namespace: aws.String("AWS/ApplicationELB"),
		MetricData: []cwtypes.MetricDatum{{
			MetricName: aws.String(metric), Value: aws.Float64(n), Timestamp: aws.Time(at),
			Dimensions: []cwtypes.Dimension{
				{Name: aws.String("LoadBalancer"), Value: aws.String(w.Balancer[strings.Index(w.Balancer, "app/"):])},
				{Name: aws.String("TargetGroup"), Value: aws.String(targetGroup[strings.Index(targetGroup, "targetgroup/"):])},
			},
		}},
	})
	require.NoError(w, err)
}

// Before runs do before the next call of the action reaches AWS.
func (w *World) Before(action string, do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before[action] = do
}

// After gives the answer to the next call of the action to do, and what that returns to the caller.
func (w *World) After(action string, do func(*http.Response) (*http.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.after[action] = do
}

// Calls counts the calls of an action since the world was made.
func (w *World) Calls(action string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[action]
}

// Do is the way of every call to moto.
func (w *World) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	action := actionOf(r, body)
	w.mu.Lock()
	w.calls[action]++
	before, after := w.before[action], w.after[action]
	delete(w.before, action)
	delete(w.after, action)
	w.mu.Unlock()
	if before != nil {
		before()
	}
	res, err := http.DefaultClient.Do(r)
	if after != nil && err == nil {
		return after(res)
	}
	return res, err
}

// actionOf reads the action where each protocol of AWS has it.
func actionOf(r *http.Request, body []byte) string {
	if t := r.Header.Get("X-Amz-Target"); t != "" {
		return t[strings.LastIndex(t, ".")+1:]
	}
	if path := r.URL.Path; strings.Contains(path, "/operation/") {
		return path[strings.LastIndex(path, "/")+1:]
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return ""
	}
	return form.Get("Action")
}

// Refused is an answer of AWS that denies the call, in the form of its service.
func Refused(res *http.Response, message string) (*http.Response, error) {
	_ = res.Body.Close()
	body := `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>` + message + `</Message></Error></ErrorResponse>`
	if strings.Contains(res.Request.Header.Get("Authorization"), "/ec2/") {
		body = `<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>` + message + `</Message></Error></Errors></Response>`
	}
	res.StatusCode = http.StatusForbidden
	res.Header.Set("Content-Type", "text/xml")
	res.Body = io.NopCloser(strings.NewReader(body))
	res.ContentLength = -1
	return res, nil
}
