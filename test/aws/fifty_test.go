package aws_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/internal/awslab"
	"github.com/switchyard/switchyard/internal/awslab/moto"
	"github.com/switchyard/switchyard/internal/awslab/wire"
	awsplatform "github.com/switchyard/switchyard/platform/aws"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

const (
	many  = 50
	times = 5                // so much more may fifty call than one does
	warm  = 25 * time.Second // until the buckets of reads are empty: ten at once, and one every two seconds
	watch = 30 * time.Second // each fleet is asked once in it why its instances do not come
)

// TestFiftyWaitingReleases counts the calls of one worker that has fifty releases
// waiting in one region, at the level of the platform: the reads that the activities
// make, at their pace, without Temporal. Nothing is scaled: reads are spaced as on AWS.
func TestFiftyWaitingReleases(t *testing.T) {
	use(t)
	for name, wait := range map[string]func(*waiting) func(context.Context, int) time.Duration{
		"instances that do not come":  arriving,
		"soak looked at every second": soaking,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var wg sync.WaitGroup
			var one, fifty map[string]int
			wg.Go(func() { one = newWaiting(t, 1).measure(wait) })
			wg.Go(func() { fifty = newWaiting(t, many).measure(wait) })
			wg.Wait()
			minute := func(n int) int { return int(time.Duration(n) * time.Minute / watch) }
			sum := func(m map[string]int) (n int) {
				for _, x := range m {
					n += x
				}
				return minute(n)
			}
			fmt.Printf("%-60s %5s %5s\n", name+", calls a minute", "one", "fifty")
			both := maps.Clone(one)
			maps.Copy(both, fifty)
			for _, action := range slices.Sorted(maps.Keys(both)) {
				fmt.Printf("%-60s %5d %5d\n", action, minute(one[action]), minute(fifty[action]))
			}
			fmt.Printf("%-60s %5d %5d\n", "together", sum(one), sum(fifty))
			require.Positive(t, sum(one))
			require.LessOrEqual(t, sum(fifty), times*sum(one))
		})
	}
}

// waiting is an account with targets that each have two fleets.
type waiting struct {
	t       *testing.T
	moto    *moto.Server
	proxy   *wire.Proxy
	on      *awsplatform.AWS
	targets []*awslab.Target
	groups  *autoscaling.Client
	elb     *elb.Client
	image   string
	port    int
}

var oneEnvironment sync.Mutex // the platform takes its endpoint from it

func newWaiting(t *testing.T, n int) *waiting {
	w := &waiting{t: t, port: shared.port}
	var err error
	// Its own: launches fail in all of it.
	w.moto, err = moto.Start(t.Context(), moto.Options{})
	require.NoError(t, err)
	t.Cleanup(w.moto.Stop)
	w.proxy, err = wire.New(w.moto.URL)
	require.NoError(t, err)
	t.Cleanup(w.proxy.Close)
	c := aws.Config{Region: region, BaseEndpoint: aws.String(w.moto.URL), Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	w.groups, w.elb = autoscaling.NewFromConfig(c), elb.NewFromConfig(c)
	var targets []release.Target
	for i := range n {
		targets = append(targets, release.Target{Application: "checkout", Environment: fmt.Sprintf("e%d", i)})
	}
	for range 3 { // see newWorld
		if w.targets, err = awslab.SetUp(t.Context(), c, awslab.TargetOptions{Port: w.port}, targets...); err == nil {
			break
		}
		require.NoError(t, w.moto.Reset(t.Context()))
	}
	require.NoError(t, err)
	w.image = w.targets[0].Region(region).SourceAMI
	_, err = ec2.NewFromConfig(c).CreateLaunchTemplate(t.Context(), &ec2.CreateLaunchTemplateInput{LaunchTemplateName: aws.String("any"),
		LaunchTemplateData: &ec2types.RequestLaunchTemplateData{ImageId: &w.image, InstanceType: "t3.micro"}})
	require.NoError(t, err)
	w.on = w.platform()
	return w
}

// platform makes the platform of one worker, which finds the proxy where the SDK looks.
func (w *waiting) platform() *awsplatform.AWS {
	oneEnvironment.Lock()
	defer oneEnvironment.Unlock()
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": w.proxy.URL(), "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true"} {
		was, set := os.LookupEnv(name)
		require.NoError(w.t, os.Setenv(name, value))
		defer func() {
			if set {
				_ = os.Setenv(name, was)
			} else {
				_ = os.Unsetenv(name)
			}
		}()
	}
	on := awsplatform.New(awsplatform.Options{})
	p, err := on.Open(w.targets[0].Settings())
	require.NoError(w.t, err)
	_, err = p.Fleets.Describe(w.t.Context(), region, "nothing") // reads the environment
	require.Error(w.t, err)
	return on
}

func fleetOf(i int, which string) string { return fmt.Sprintf("checkout-e%d-%s", i, which) }

// group makes a fleet of one instance.
func (w *waiting) group(i int, which string, slot int) {
	w.t.Helper()
	target, info, name := w.targets[i], w.targets[i].Region(region), fleetOf(i, which)
	var tags []astypes.Tag
	for k, v := range map[string]string{"application": target.Application, "environment": target.Environment, "release": which, "version": which, "fleet": name, "image": w.image} {
		tags = append(tags, astypes.Tag{Key: aws.String("switchyard:" + k), Value: aws.String(v), PropagateAtLaunch: aws.Bool(true)})
	}
	_, err := w.groups.CreateAutoScalingGroup(w.t.Context(), &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: &name, MinSize: aws.Int32(1), MaxSize: aws.Int32(2), DesiredCapacity: aws.Int32(1), Tags: tags, HealthCheckType: aws.String("ELB"),
		LaunchTemplate:    &astypes.LaunchTemplateSpecification{LaunchTemplateName: aws.String("any"), Version: aws.String("1")},
		VPCZoneIdentifier: aws.String(info.Subnets[0]), TargetGroupARNs: []string{info.TargetGroups[slot]},
	})
	require.NoError(w.t, err)
}

// measure has every release wait, and counts the calls by action for a while.
func (w *waiting) measure(wait func(*waiting) func(context.Context, int) time.Duration) map[string]int {
	once := wait(w)
	ctx, stop := context.WithCancel(w.t.Context())
	defer stop()
	var wg sync.WaitGroup
	for i := range w.targets {
		wg.Go(func() {
			for ctx.Err() == nil {
				select {
				case <-ctx.Done():
				case <-time.After(once(ctx, i)):
				}
			}
		})
	}
	time.Sleep(warm) // a measure over time: there is nothing to wait for but time
	before := len(w.proxy.Calls())
	time.Sleep(watch)
	counts := map[string]int{}
	for _, c := range w.proxy.Calls()[before:] {
		counts[c.IAM()]++
	}
	stop()
	wg.Wait()
	return counts
}

// arriving looks at a fleet as Provision does while instances come up.
func arriving(w *waiting) func(context.Context, int) time.Duration {
	require.NoError(w.t, w.moto.FailLaunches(w.t.Context(), "InsufficientInstanceCapacity", "none left"))
	for i := range w.targets {
		w.group(i, "v2", 1)
	}
	return func(ctx context.Context, i int) time.Duration {
		p, err := w.on.Open(w.targets[i].Settings())
		if err == nil {
			_, err = p.Fleets.Describe(ctx, region, fleetOf(i, "v2"))
		}
		if err != nil && ctx.Err() == nil {
			w.t.Errorf("look at %s: %v", fleetOf(i, "v2"), err)
		}
		return time.Second // what the activity comes to
	}
}

// soaking looks at both fleets as WatchFleet does. Without Temporal no look remembers the
// one before, so each is one at which the proof of the way back is due.
func soaking(w *waiting) func(context.Context, int) time.Duration {
	checks := &activities.Checks{Platforms: activities.Set{awsplatform.Name: w.on.Open}}
	for i := range w.targets {
		w.group(i, "v1", 0)
		w.group(i, "v2", 1)
		info := w.targets[i].Region(region)
		_, err := w.elb.ModifyListener(w.t.Context(), &elb.ModifyListenerInput{ListenerArn: &info.Listener, DefaultActions: []elbtypes.Action{{
			Type: elbtypes.ActionTypeEnumForward, ForwardConfig: &elbtypes.ForwardActionConfig{TargetGroups: []elbtypes.TargetGroupTuple{
				{TargetGroupArn: &info.TargetGroups[0], Weight: aws.Int32(0)}, {TargetGroupArn: &info.TargetGroups[1], Weight: aws.Int32(100)}}}}}})
		require.NoError(w.t, err)
	}
	interval, most := spec.Duration(time.Second), 0
	return func(ctx context.Context, i int) time.Duration {
		seen, err := checks.WatchFleet(ctx, activities.WatchInput{
			Place: activities.Place{Platform: awsplatform.Name, Region: region, Target: w.targets[i].Target, Release: "v2", Settings: w.targets[i].Settings()},
			Fleet: fleetOf(i, "v2"), Previous: fleetOf(i, "v1"), Least: 1, HealthPath: "/healthz",
			Soak: spec.Soak{Interval: interval, MinRequests: &most}, Renew: spec.Duration(5 * time.Minute), Weights: release.Weights{{Fleet: fleetOf(i, "v2"), Percent: 100}},
		})
		if err == nil && ctx.Err() == nil { // a look at which all is well is an error that asks for the next one
			w.t.Errorf("watch %s: %s", fleetOf(i, "v2"), cmp.Or(seen.Reason, "it ended"))
		}
		return interval.Std()
	}
}
