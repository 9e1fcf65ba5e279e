package route_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/route"
	"github.com/switchyard/switchyard/platform/aws/internal/route/routetest"
	"github.com/switchyard/switchyard/release"
)

func (w world) load(since, until time.Time, step time.Duration) []release.Load {
	w.Helper()
	got, err := w.router.Load(w.Ctx, routetest.Region, routetest.Target, since, until, step)
	require.NoError(w, err)
	return got
}

func TestAMinuteWithoutRequestsIsZeroWhenCloudWatchReportedOnItAndUnknownOtherwise(t *testing.T) {
	w := newWorld(t)
	first := time.Now().UTC().Truncate(time.Hour).Add(-3 * time.Hour)
	at := func(minute int) time.Time { return first.Add(time.Duration(minute) * time.Minute) }
	for minute := range 30 {
		if minute == 7 || minute == 21 {
			continue // nothing at all was reported
		}
		w.Counted("HealthyHostCount", w.Groups[minute%2], at(minute).Add(20*time.Second), 2)
	}
	w.Counted("RequestCount", w.Groups[0], at(3).Add(5*time.Second), 4)
	w.Counted("RequestCount", w.Groups[1], at(3).Add(50*time.Second), 6)
	w.Counted("RequestCount", w.Groups[0], at(21), 9) // who has requests is there
	got := w.load(at(2).Add(-time.Second), at(9), time.Minute)
	want := []release.Load{{At: at(2)}, {At: at(3), Requests: 10}, {At: at(4)}, {At: at(5)}, {At: at(6)}, {At: at(8)}}
	require.Equal(t, want, got)
	got = w.load(at(0), at(31), 5*time.Minute)
	want = []release.Load{{At: at(0), Requests: 10}, {At: at(10)}, {At: at(15)}, {At: at(20), Requests: 9}, {At: at(25)}}
	require.Equal(t, want, got, "of the step at 5 one minute is not known")
	require.Empty(t, w.load(at(-60), at(-1), time.Minute))
	calls := w.Calls("GetMetricData")
	w.load(first.Add(-14*24*time.Hour), at(30), 15*time.Minute)
	require.Equal(t, 1, w.Calls("GetMetricData")-calls, "14 days are one call")
}

func TestAStepThatIsNotOverIsNotKnown(t *testing.T) {
	w := newWorld(t)
	w.router = route.New(route.Deps{Pool: w.Pool, Settings: w.Settings, Options: route.Options{CountDelay: 90 * time.Second}})
	now := time.Now().UTC()
	for ago := range 6 {
		w.Counted("RequestCount", w.Groups[0], now.Add(-time.Duration(ago)*time.Minute), 1)
	}
	got := w.load(now.Add(-5*time.Minute), now.Add(time.Hour), time.Minute)
	require.NotEmpty(t, got)
	for _, l := range got {
		require.False(t, l.At.Add(time.Minute+90*time.Second).After(time.Now()), "%s", l.At)
	}
}

func TestLoadIsAskedForInFullMinutes(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	for _, step := range []time.Duration{0, 30 * time.Second, 90 * time.Second} {
		_, err := w.router.Load(w.Ctx, routetest.Region, routetest.Target, now.Add(-time.Hour), now, step)
		w.requireKind(platform.KindInvalid, err)
	}
	_, err := w.router.Load(w.Ctx, routetest.Region, routetest.Target, now.Add(-16*24*time.Hour), now, time.Hour)
	w.requireKind(platform.KindInvalid, err)
}

func TestTraitsAreTheStickinessAndSlowStartOfTheRoute(t *testing.T) {
	for name, c := range map[string]struct {
		action     int32 // seconds of stickiness; 0 off
		attributes map[string]string
		want       platform.Traits
	}{
		"none":                              {want: platform.Traits{}},
		"the action's stickiness":           {action: 60, want: platform.Traits{Sticky: time.Minute}},
		"a duration that is not in force":   {attributes: map[string]string{"stickiness.lb_cookie.duration_seconds": "60"}, want: platform.Traits{}},
		"the load balancer's cookie":        {action: 60, attributes: map[string]string{"stickiness.enabled": "true", "stickiness.type": "lb_cookie", "stickiness.lb_cookie.duration_seconds": "300"}, want: platform.Traits{Sticky: 5 * time.Minute}},
		"the longest of both":               {action: 600, attributes: map[string]string{"stickiness.enabled": "true", "stickiness.type": "lb_cookie", "stickiness.lb_cookie.duration_seconds": "300"}, want: platform.Traits{Sticky: 10 * time.Minute}},
		"slow start of either target group": {attributes: map[string]string{"slow_start.duration_seconds": "45"}, want: platform.Traits{SlowStart: 45 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			actions := w.Split(100, 0)
			if c.action > 0 {
				actions[0].ForwardConfig.TargetGroupStickinessConfig = &elbtypes.TargetGroupStickinessConfig{Enabled: aws.Bool(true), DurationSeconds: &c.action}
			}
			w.SetActions(actions)
			var attributes []elbtypes.TargetGroupAttribute
			for k, v := range c.attributes {
				attributes = append(attributes, elbtypes.TargetGroupAttribute{Key: &k, Value: &v})
			}
			if len(attributes) > 0 {
				_, err := w.Account.ELB.ModifyTargetGroupAttributes(w.Ctx, &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: &w.Groups[1], Attributes: attributes})
				require.NoError(t, err)
			}
			got, err := w.router.Traits(w.Ctx, routetest.Region, routetest.Target)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestAFleetThatWasTakenOutOfTheRouteGetsNoShare(t *testing.T) {
	w := newWorld(t)
	w.Fleet("one", w.Groups[0], 1, nil)
	w.Fleet("out", "", 1, map[string]string{"switchyard:place": w.Groups[1]})
	require.NoError(t, w.set(nil, all("one")))
	err := w.set(all("one"), split("one", 90, "out"))
	w.requireKind(platform.KindConflict, err)
	require.ErrorContains(t, err, "attach it")
	require.NoError(t, w.set(all("one"), release.Weights{{Fleet: "one", Percent: 100}, {Fleet: "out"}}))
}
