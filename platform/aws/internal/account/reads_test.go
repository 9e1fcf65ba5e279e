package account

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
)

const arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:"

// poll is what one release does while it waits for its instances and while it soaks.
func poll(ctx context.Context, t *testing.T, a *Account, release int) {
	group, target := fmt.Sprint("fleet-", release), fmt.Sprint(arn, "targetgroup/", release)
	rule := fmt.Sprint(arn, "listener-rule/app/lb/1/2/", release)
	for ctx.Err() == nil {
		calls := []func() error{
			func() error { _, err := a.Groups(ctx, group); return err },
			func() error { _, err := a.TargetHealth(ctx, target); return err },
			func() error { _, err := a.Forward(ctx, rule); return err },
			func() error { _, err := a.Attached(ctx, target); return err },
			func() error {
				_, err := a.Metrics(ctx, []cwtypes.MetricDataQuery{requests("r")}, time.Now().Add(-5*time.Minute), time.Now())
				return err
			},
		}
		for _, call := range calls {
			if err := call(); ctx.Err() == nil {
				require.NoError(t, err)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
}

func requests(id string) cwtypes.MetricDataQuery {
	return cwtypes.MetricDataQuery{Id: aws.String(id), MetricStat: &cwtypes.MetricStat{
		Metric: &cwtypes.Metric{Namespace: aws.String("AWS/ApplicationELB"), MetricName: aws.String("RequestCount")},
		Period: aws.Int32(60), Stat: aws.String("Sum"),
	}}
}

func TestFiftyReleasesThatWaitPollAtMostFiveTimesWhatOneDoes(t *testing.T) {
	plainEnvironment(t)
	const minutes = 5
	measure := func(releases int) (total int, worst map[string]int) {
		synctest.Test(t, func(t *testing.T) {
			c := &cloud{groups: map[string][]string{}, listeners: map[string][]Share{}, metrics: noMetrics}
			for i := range releases {
				c.groups[fmt.Sprint("fleet-", i)] = []string{fmt.Sprint(arn, "targetgroup/", i)}
			}
			a := c.account(t)
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), minutes*time.Minute)
			defer cancel()
			together(releases, func(i int) {
				time.Sleep(time.Duration(i) * 97 * time.Millisecond) // nobody keeps step
				poll(ctx, t, a, i)
			})
			time.Sleep(time.Minute) // what is left over ends
			worst = map[string]int{}
			perMinute := map[string]int{}
			for _, call := range c.seen {
				key := fmt.Sprint(call.action, int(call.at.Sub(began).Minutes()))
				perMinute[key]++
				worst[call.action] = max(worst[call.action], perMinute[key])
			}
			total = len(c.seen)
		})
		return total, worst
	}
	one, oneWorst := measure(1)
	fifty, fiftyWorst := measure(50)
	t.Logf("calls per minute: 1 release %d %v, 50 releases %d %v", one/minutes, oneWorst, fifty/minutes, fiftyWorst)
	require.LessOrEqual(t, fifty, 5*one)
	for action, n := range fiftyWorst {
		require.LessOrEqual(t, n, 5*oneWorst[action], "%s in the busiest minute", action)
	}
}

func noMetrics(_, _ time.Time, _ []string) map[string]map[time.Time]float64 { return nil }

func TestGroupsAreReadTogetherAndListedTogether(t *testing.T) {
	plainEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{groups: map[string][]string{"a": nil, "b": nil}}
		a := c.account(t)
		together(20, func(int) {
			found, err := a.Groups(t.Context(), "a", "gone")
			require.NoError(t, err)
			require.Len(t, found, 1)
			require.Contains(t, found, "a")
		})
		require.Equal(t, 1, c.total())
		together(20, func(int) {
			all, err := a.AllGroups(t.Context())
			require.NoError(t, err)
			require.Len(t, all, 2)
		})
		require.Equal(t, 2, c.total())
	})
}

func TestAttachedIsReadByNameAndListedWhenThatIsNotEnough(t *testing.T) {
	plainEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{groups: map[string][]string{"blue": {"t1"}, "green": {"t2"}, "else": nil}}
		a := c.account(t)
		attached := func() string {
			by, err := a.Attached(t.Context(), "t1", "t2", "t1")
			require.NoError(t, err)
			var s []string
			for _, target := range []string{"t1", "t2"} {
				for _, g := range by[target] {
					s = append(s, target+"="+*g.AutoScalingGroupName)
				}
			}
			return strings.Join(s, " ")
		}
		lists := func() (n int) {
			for _, call := range c.seen {
				if !call.form.Has("AutoScalingGroupNames.member.1") {
					n++
				}
			}
			return n
		}
		require.Equal(t, "t1=blue t2=green", attached())
		require.Equal(t, 1, lists())
		require.Equal(t, "t1=blue t2=green", attached())
		require.Equal(t, 1, lists(), "known groups are read by name")
		require.Equal(t, 2, c.total())

		c.groups["green"] = nil
		require.Equal(t, "t1=blue", attached(), "detached a moment ago")
		require.Equal(t, 2, lists())

		c.groups["green"] = []string{"t2"}
		_, err := a.Groups(t.Context(), "green")
		require.NoError(t, err)
		require.Equal(t, "t1=blue t2=green", attached())
		require.Equal(t, 2, lists(), "reading a group teaches what it is attached to")

		c.groups["by hand"] = []string{"t1"}
		time.Sleep(factsAge)
		by, err := a.Attached(t.Context(), "t1", "t2")
		require.NoError(t, err)
		require.Len(t, by["t1"], 2, "seen after five minutes at the latest")
	})
}

func TestInstancesAndTheirAddresses(t *testing.T) {
	plainEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{instances: map[string]string{"i-1": "10.0.0.1", "i-2": "10.0.0.2", "i-3": ""}}
		a := c.account(t)
		together(20, func(int) {
			found, err := a.Instances(t.Context(), "i-1", "i-gone")
			require.NoError(t, err)
			require.Len(t, found, 1)
		})
		require.Equal(t, 1, c.total())
		for range 3 {
			ips, err := a.Addresses(t.Context(), "i-1", "i-2")
			require.NoError(t, err)
			require.Equal(t, map[string]string{"i-1": "10.0.0.1", "i-2": "10.0.0.2"}, ips)
		}
		require.Equal(t, 2, c.total(), "an address is asked once")
		ips, err := a.Addresses(t.Context(), "i-1", "i-3")
		require.NoError(t, err)
		require.Equal(t, map[string]string{"i-1": "10.0.0.1"}, ips)
		require.Equal(t, []string{"i-3"}, values(c.seen[2].form, "Filter.1.Value."))
	})
}

func TestAnImageThatIsGoneDoesNotHideTheOthers(t *testing.T) {
	plainEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{}
		c.answer = func(_ string, r *http.Request) *http.Response {
			if strings.Contains(strings.Join(values(c.seen[len(c.seen)-1].form, "ImageId."), " "), "ami-gone") {
				return refuse(400, "InvalidAMIID.NotFound", "The image id '[ami-gone]' does not exist")
			}
			return nil
		}
		a := c.account(t)
		found, err := a.Images(t.Context(), "ami-1", "ami-gone", "ami-2", "ami-3")
		require.NoError(t, err)
		require.Len(t, found, 3)
		require.NotContains(t, found, "ami-gone")
	})
}

func TestForwardReadsSharesAndKeepsWhatItDoesNotKnow(t *testing.T) {
	plainEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		listener, rule := arn+"listener/app/lb/1/2", arn+"listener-rule/app/lb/1/2/3"
		shares := []Share{{"blue", 100}, {"green", 0}}
		c := &cloud{listeners: map[string][]Share{listener: shares, rule: shares}}
		a := c.account(t)

		f, err := a.Forward(t.Context(), listener)
		require.NoError(t, err)
		require.Equal(t, shares, f.Groups)
		require.Equal(t, "lb", f.LoadBalancer)
		require.False(t, f.IsRule)

		f, err = a.Forward(t.Context(), rule)
		require.NoError(t, err)
		require.Equal(t, shares, f.Groups)
		require.True(t, f.IsRule)
		require.Equal(t, listener, f.Listener)
		require.Equal(t, arn+"loadbalancer/app/lb/1", f.LoadBalancer)

		changed := f.With(Share{"blue", 0}, Share{"green", 100})
		require.Equal(t, int32(60), *changed[0].ForwardConfig.TargetGroupStickinessConfig.DurationSeconds)
		require.Equal(t, int32(100), *changed[0].ForwardConfig.TargetGroups[1].Weight)
		require.Equal(t, int32(100), *f.Actions[0].ForwardConfig.TargetGroups[0].Weight, "what was read stays as it is")

		_, err = a.Forward(t.Context(), arn+"targetgroup/x")
		require.Equal(t, platform.KindInvalid, platform.KindOf(err))
		c.answer = func(string, *http.Request) *http.Response {
			return refuse(400, "RuleNotFound", "One or more rules not found")
		}
		_, err = a.Forward(t.Context(), rule)
		require.True(t, platform.IsNotFound(err))
	})
}

func TestAListenerWithOneTargetGroupGivesItEverything(t *testing.T) {
	f := forward(Forward{}, []elbtypes.Action{
		{Type: elbtypes.ActionTypeEnumAuthenticateOidc, Order: aws.Int32(1)},
		{Type: elbtypes.ActionTypeEnumForward, Order: aws.Int32(2), TargetGroupArn: aws.String("only")},
	})
	require.Equal(t, []Share{{"only", 1}}, f.Groups)
	actions := f.With(Share{"only", 50}, Share{"new", 50})
	require.Equal(t, elbtypes.ActionTypeEnumAuthenticateOidc, actions[0].Type)
	require.Nil(t, actions[1].TargetGroupArn)
	require.Equal(t, int32(2), *actions[1].Order)
	require.Len(t, actions[1].ForwardConfig.TargetGroups, 2)
	require.Empty(t, forward(Forward{}, []elbtypes.Action{{Type: elbtypes.ActionTypeEnumFixedResponse}}).Groups)
}

func TestFactsAreReadAgainAfterFiveMinutesAndNeverCarryWeights(t *testing.T) {
	plainEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		listener := arn + "listener/app/lb/1/2"
		c := &cloud{listeners: map[string][]Share{listener: {{"blue", 1}}}}
		a := c.account(t)
		for range 3 {
			found, err := a.TargetGroups(t.Context(), "t1", "t2")
			require.NoError(t, err)
			require.Len(t, found, 2)
			l, err := a.Listener(t.Context(), listener)
			require.NoError(t, err)
			require.Empty(t, l.DefaultActions)
		}
		require.Equal(t, 2, c.total())
		time.Sleep(factsAge)
		_, err := a.TargetGroups(t.Context(), "t1")
		require.NoError(t, err)
		require.Equal(t, 3, c.total())
		_, err = a.LoadBalancer(t.Context(), "gone")
		require.True(t, platform.IsNotFound(err))
	})
}

func TestMetricsOfManyCallersAreOneCallAndEachGetsItsOwn(t *testing.T) {
	plainEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{metrics: func(from, to time.Time, ids []string) map[string]map[time.Time]float64 {
			all := map[string]map[time.Time]float64{}
			for _, id := range ids {
				all[id] = map[time.Time]float64{}
				for at := from; at.Before(to); at = at.Add(time.Minute) {
					all[id][at] = float64(at.Unix() / 60)
				}
			}
			return all
		}}
		a := c.account(t)
		time.Sleep(30*time.Minute + 10*time.Second)
		now := time.Now()
		together(20, func(i int) {
			from := now.Add(-time.Duration(i+1) * time.Minute)
			results, err := a.Metrics(t.Context(), []cwtypes.MetricDataQuery{requests("r")}, from, now)
			require.NoError(t, err)
			require.Len(t, results["r"].Values, i+2, "from the minute it begins in to the one it ends in")
			require.Equal(t, from.Truncate(time.Minute), results["r"].Timestamps[0].Local())
			require.Equal(t, float64(from.Unix()/60), results["r"].Values[0])
		})
		require.Equal(t, 1, c.total())

		sum := cwtypes.MetricDataQuery{Id: aws.String("sum"), Expression: aws.String("r / 60")}
		_, err := a.Metrics(t.Context(), []cwtypes.MetricDataQuery{requests("r"), sum}, now.Add(-time.Minute), now)
		require.NoError(t, err)
		require.Equal(t, 2, c.total())
		_, err = a.Metrics(t.Context(), nil, now, now)
		require.Equal(t, platform.KindInvalid, platform.KindOf(err))
	})
}

func TestIdsInExpressionsAreRenamedAndStringsAreNot(t *testing.T) {
	ids := map[string]bool{"r": true, "errors": true}
	require.Equal(t, `c3_errors / c3_r + FILL(c3_r, 0) + SUM('r errors', "r") + rr`, rename(`errors / r + FILL(r, 0) + SUM('r errors', "r") + rr`, ids, prefix(3)))
}
