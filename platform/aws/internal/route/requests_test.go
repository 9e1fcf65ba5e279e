package route_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform/aws/internal/route"
	"github.com/switchyard/switchyard/platform/aws/internal/route/routetest"
	"github.com/switchyard/switchyard/release"
)

func (w world) requests() map[string]release.Requests {
	w.Helper()
	all, err := w.router.Requests(w.Ctx, routetest.Region, routetest.Target)
	require.NoError(w, err)
	by := map[string]release.Requests{}
	for _, q := range all {
		by[q.Fleet] = q
	}
	require.Len(w, by, len(all))
	return by
}

func TestRequestsAreCountedByFleetFromItsMaking(t *testing.T) {
	w := newWorld(t)
	w.router = route.New(route.Deps{Pool: w.Pool, Settings: w.Settings, Options: route.Options{CountPeriod: time.Second, CountDelay: time.Millisecond}})
	require.Empty(t, w.requests())
	w.Fleet("one", w.Groups[0], 1, nil)
	w.Fleet("two", w.Groups[1], 1, nil)
	made := w.Made("one").Truncate(time.Second)
	w.Counted("RequestCount", w.Groups[0], made.Add(-time.Second), 100) // an older fleet's
	for i := range 3 {
		at := made.Add(time.Duration(i+1) * time.Second)
		w.Counted("RequestCount", w.Groups[0], at, 4)
		w.Counted("HTTPCode_Target_5XX_Count", w.Groups[0], at, 2)
	}
	w.Counted("TargetConnectionErrorCount", w.Groups[0], made.Add(time.Second), 1)
	w.Counted("RequestCount", w.Groups[1], made.Add(2*time.Second), 7)
	before := map[string]release.Requests{}
	require.Eventually(t, func() bool {
		now := w.requests()
		for fleet, q := range before {
			require.GreaterOrEqual(t, now[fleet].Total, q.Total, "counters never run backwards")
			require.False(t, now[fleet].At.Before(q.At))
		}
		before = now
		return now["one"].Total == 12 && now["one"].Errors == 7 && now["two"].Total == 7
	}, 20*time.Second, 100*time.Millisecond)
	require.Zero(t, before["one"].InFlight)
	require.Zero(t, before["two"].Errors)
}

func TestCountsOfALongLifeNeedOneCallALook(t *testing.T) {
	w := newWorld(t)
	now := time.Now().UTC().Truncate(time.Hour).Add(10 * time.Minute)
	life := route.Life{Fleet: "one", TargetGroup: w.Groups[0], Listener: w.Listener, Since: now.Add(-50*time.Hour - 90*time.Second), Now: now}
	for _, ago := range []time.Duration{51 * time.Hour, 50*time.Hour + 2*time.Minute} { // an older fleet's, one in the same hour
		w.Counted("RequestCount", w.Groups[0], now.Add(-ago), 1000)
	}
	for ago, n := range map[time.Duration]float64{50 * time.Hour: 1, 49 * time.Hour: 2, 3 * time.Hour: 4, 8 * time.Minute: 8, time.Minute: 16} {
		w.Counted("RequestCount", w.Groups[0], now.Add(-ago), n)
		w.Counted("HTTPCode_Target_5XX_Count", w.Groups[0], now.Add(-ago), 1)
	}
	count := func(at time.Time) (uint64, uint64, int) {
		calls := w.Calls("GetMetricData")
		life.At, life.Now = at, at.Add(2*time.Minute)
		total, failed, err := w.router.CountLife(w.Ctx, w.Account, life)
		require.NoError(t, err)
		return total, failed, w.Calls("GetMetricData") - calls
	}
	total, failed, calls := count(now.Add(-2 * time.Minute))
	require.EqualValues(t, 15, total)
	require.EqualValues(t, 4, failed)
	require.Equal(t, 3, calls, "the first hour, the hours between, this hour")
	total, _, calls = count(now)
	require.EqualValues(t, 31, total)
	require.Equal(t, 1, calls)
	w.Counted("RequestCount", w.Groups[0], now.Add(70*time.Minute), 32)
	total, _, calls = count(now.Add(72 * time.Minute))
	require.EqualValues(t, 63, total)
	require.Equal(t, 2, calls, "an hour was over meanwhile")
	total, _, calls = count(now.Add(73 * time.Minute))
	require.EqualValues(t, 63, total)
	require.Equal(t, 1, calls)
}

func TestAFleetThatIsNewNeedsNoOldCounts(t *testing.T) {
	w := newWorld(t)
	now := time.Now().UTC().Truncate(time.Hour).Add(30 * time.Minute)
	life := route.Life{Fleet: "one", TargetGroup: w.Groups[0], Listener: w.Listener, Since: now.Add(-10 * time.Minute), At: now.Add(-20 * time.Minute), Now: now}
	total, _, err := w.router.CountLife(w.Ctx, w.Account, life)
	require.NoError(t, err)
	require.Zero(t, total)
	require.Zero(t, w.Calls("GetMetricData"), "nothing of its life is complete")

	w.Counted("RequestCount", w.Groups[0], now.Add(-15*time.Minute), 1000) // an older fleet's
	w.Counted("RequestCount", w.Groups[0], now.Add(-5*time.Minute), 5)
	for _, at := range []time.Time{now, now.Add(40 * time.Minute), now.Add(41 * time.Minute)} { // in its first hour, and in the second
		life.At, life.Now = at, at.Add(2*time.Minute)
		total, _, err = w.router.CountLife(w.Ctx, w.Account, life)
		require.NoError(t, err)
		require.EqualValues(t, 5, total)
	}
}

func TestACountThatFailedIsNoNumber(t *testing.T) {
	w := newWorld(t)
	w.Fleet("one", w.Groups[0], 1, nil)
	now := time.Now().UTC()
	life := route.Life{Fleet: "one", TargetGroup: w.Groups[0], Listener: w.Listener, Since: now.Add(-50 * time.Hour), At: now.Truncate(time.Minute), Now: now}
	w.Counted("RequestCount", w.Groups[0], now.Add(-10*time.Hour), 3)
	w.After("GetMetricData", func(res *http.Response) (*http.Response, error) {
		_ = res.Body.Close()
		return nil, errors.New("connection reset by peer")
	})
	_, _, err := w.router.CountLife(w.Ctx, w.Account, life)
	require.Error(t, err)
	total, _, err := w.router.CountLife(w.Ctx, w.Account, life)
	require.NoError(t, err)
	require.EqualValues(t, 3, total, "what failed is read anew")
}

func TestTargetsThatDrainAreInFlight(t *testing.T) {
	w := newWorld(t)
	w.Fleet("one", w.Groups[0], 2, nil)
	require.Zero(t, w.requests()["one"].InFlight)
	require.Zero(t, w.Calls("DescribeTargetHealth"), "nothing leaves, so nothing is asked")
	require.NoError(t, server.KeepDraining(w.Ctx, true))
	found, err := w.Account.Groups(w.Ctx, "one")
	require.NoError(t, err)
	instance := *found["one"].Instances[0].InstanceId
	_, err = w.Account.AutoScaling.EnterStandby(w.Ctx, &autoscaling.EnterStandbyInput{
		AutoScalingGroupName: aws.String("one"), InstanceIds: []string{instance}, ShouldDecrementDesiredCapacity: aws.Bool(true),
	})
	require.NoError(t, err)
	_, err = w.Account.ELB.DeregisterTargets(w.Ctx, &elb.DeregisterTargetsInput{ // as AWS does with an instance in standby
		TargetGroupArn: &w.Groups[0], Targets: []elbtypes.TargetDescription{{Id: &instance}},
	})
	require.NoError(t, err)
	require.Equal(t, 1, w.requests()["one"].InFlight)
}
