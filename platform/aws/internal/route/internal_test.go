package route

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"
)

func TestPercents(t *testing.T) {
	for name, c := range map[string]struct {
		weights []int32
		want    []int
	}{
		"percents already":              {[]int32{75, 25}, []int{75, 25}},
		"any scale":                     {[]int32{3, 1}, []int{75, 25}},
		"rounded, and still 100":        {[]int32{1, 2}, []int{33, 67}},
		"three thirds":                  {[]int32{1, 1, 1}, []int{34, 33, 33}},
		"the only one":                  {[]int32{999, 0}, []int{100, 0}},
		"a small share is never hidden": {[]int32{999, 1}, []int{99, 1}},
		"two small shares":              {[]int32{1, 1, 999}, []int{1, 1, 98}},
		"nobody":                        {[]int32{0, 0}, []int{0, 0}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, percents(c.weights)) })
	}
}

func TestSpansCoverALifeOnce(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse("Jan 2 15:04:05 2006", s+" 2026")
		require.NoError(t, err)
		return v
	}
	for name, c := range map[string]struct {
		since, to string
		over      []span
		tail      span
	}{
		"in its first hour": {"Mar 1 10:20:30", "Mar 1 10:50:00", nil, span{at("Mar 1 10:00:00"), at("Mar 1 10:50:00"), time.Minute}},
		"in its second": {
			"Mar 1 10:20:30", "Mar 1 11:10:00",
			[]span{{at("Mar 1 10:00:00"), at("Mar 1 11:00:00"), time.Minute}},
			span{at("Mar 1 11:00:00"), at("Mar 1 11:10:00"), time.Minute},
		},
		"days later": {
			"Mar 1 10:20:30", "Mar 3 09:05:00",
			[]span{{at("Mar 1 10:00:00"), at("Mar 1 11:00:00"), time.Minute}, {at("Mar 1 11:00:00"), at("Mar 3 09:00:00"), time.Hour}},
			span{at("Mar 3 09:00:00"), at("Mar 3 09:05:00"), time.Minute},
		},
		"weeks later, when minutes are no longer kept": {
			"Mar 1 10:20:30", "Mar 20 09:00:00",
			[]span{{at("Mar 1 10:00:00"), at("Mar 1 11:00:00"), 5 * time.Minute}, {at("Mar 1 11:00:00"), at("Mar 20 09:00:00"), time.Hour}},
			span{},
		},
		"months later": {
			"Mar 1 10:20:30", "Jun 20 09:00:00",
			[]span{{at("Mar 1 10:00:00"), at("Mar 1 11:00:00"), time.Hour}, {at("Mar 1 11:00:00"), at("Jun 20 09:00:00"), time.Hour}},
			span{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			over, tail := spans(at(c.since), at(c.to), at(c.to).Add(2*time.Minute), time.Minute)
			require.Equal(t, c.over, over)
			require.Equal(t, c.tail, tail)
		})
	}
}

func TestAPeriodCountsWhenTheFleetWasThere(t *testing.T) {
	began := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	fine, coarse := span{period: time.Minute}, span{period: 5 * time.Minute}
	require.True(t, fine.counts(began, began, time.Minute))
	require.False(t, fine.counts(began, began.Add(time.Second), time.Minute))
	require.True(t, coarse.counts(began, began.Add(4*time.Minute), time.Minute), "a count never gets smaller")
	require.False(t, coarse.counts(began, began.Add(5*time.Minute), time.Minute))
}

func TestARuleIsATestRouteOnlyOfHeadersAndOneTargetGroup(t *testing.T) {
	header := func(values ...string) elbtypes.RuleCondition {
		return elbtypes.RuleCondition{Field: aws.String("http-header"), HttpHeaderConfig: &elbtypes.HttpHeaderConditionConfig{HttpHeaderName: aws.String("X-To"), Values: values}}
	}
	path := elbtypes.RuleCondition{Field: aws.String("path-pattern"), PathPatternConfig: &elbtypes.PathPatternConditionConfig{Values: []string{"/x"}}}
	to := func(arns ...string) []elbtypes.Action {
		forward := &elbtypes.ForwardActionConfig{}
		for _, arn := range arns {
			forward.TargetGroups = append(forward.TargetGroups, elbtypes.TargetGroupTuple{TargetGroupArn: aws.String(arn)})
		}
		return []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, ForwardConfig: forward}}
	}
	for name, c := range map[string]struct {
		rule elbtypes.Rule
		want map[string]string
	}{
		"a header":          {elbtypes.Rule{Conditions: []elbtypes.RuleCondition{header("a")}, Actions: to("a")}, map[string]string{"X-To": "a"}},
		"a plain value":     {elbtypes.Rule{Conditions: []elbtypes.RuleCondition{header("a*", "b")}, Actions: to("a")}, map[string]string{"X-To": "b"}},
		"wildcards only":    {elbtypes.Rule{Conditions: []elbtypes.RuleCondition{header("a*")}, Actions: to("a")}, nil},
		"a path too":        {elbtypes.Rule{Conditions: []elbtypes.RuleCondition{header("a"), path}, Actions: to("a")}, nil},
		"to another":        {elbtypes.Rule{Conditions: []elbtypes.RuleCondition{header("a")}, Actions: to("b")}, nil},
		"to both":           {elbtypes.Rule{Conditions: []elbtypes.RuleCondition{header("a")}, Actions: to("a", "b")}, nil},
		"the default rule":  {elbtypes.Rule{Actions: to("a")}, nil},
		"after a challenge": {elbtypes.Rule{Conditions: []elbtypes.RuleCondition{header("a")}, Actions: append([]elbtypes.Action{{Type: elbtypes.ActionTypeEnumAuthenticateOidc}}, to("a")...)}, nil},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, testHeaders(c.rule, "a")) })
	}
}

func TestNamesInARNs(t *testing.T) {
	const rule = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee"
	const listener = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2"
	require.Equal(t, listener, listenerOf(rule))
	require.Equal(t, listener, listenerOf(listener))
	require.Equal(t, "app/web/50dc6c495c0c9188", balancerDimension(rule))
	const group = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web-a/73e2d6bc24d8a067"
	require.Equal(t, "targetgroup/web-a/73e2d6bc24d8a067", groupDimension(group))
	require.Equal(t, "web-a", GroupName(group))
}

func TestAnAnswerThatIsNotCompleteIsNoNumber(t *testing.T) {
	began := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	result := func(status cwtypes.StatusCode, values ...float64) map[string]cwtypes.MetricDataResult {
		return map[string]cwtypes.MetricDataResult{"q": {StatusCode: status, Values: values, Timestamps: []time.Time{began, began.Add(time.Minute)}}}
	}
	late := func(t time.Time) bool { return t.After(began) }
	n, err := sum(result(cwtypes.StatusCodeComplete, 3, 4), "q", late)
	require.NoError(t, err)
	require.EqualValues(t, 4, n)
	for name, results := range map[string]map[string]cwtypes.MetricDataResult{
		"in part":          result(cwtypes.StatusCodePartialData, 3, 4),
		"failed":           result(cwtypes.StatusCodeInternalError, 3, 4),
		"of another shape": result(cwtypes.StatusCodeComplete, 3),
		"missing":          {},
	} {
		_, err := sum(results, "q", late)
		require.Error(t, err, name)
	}
}

func TestAWriteTellsAWSToKeepTheSecretItNeverShows(t *testing.T) {
	read := []elbtypes.Action{{AuthenticateOidcConfig: &elbtypes.AuthenticateOidcActionConfig{ClientId: aws.String("checkout")}}, {}}
	shown := read[0].AuthenticateOidcConfig
	require.True(t, *keepSecrets(read)[0].AuthenticateOidcConfig.UseExistingClientSecret)
	require.Nil(t, shown.UseExistingClientSecret, "answers are shared and stay as they are")
}

func TestAWriterWaitsForItsTurnAsLongAsItMay(t *testing.T) {
	l := turns{by: map[string]chan struct{}{}}
	done, err := l.take(t.Context(), "listener")
	require.NoError(t, err)
	other, err := l.take(t.Context(), "another")
	require.NoError(t, err, "listeners don't wait for each other")
	other()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = l.take(ended, "listener")
	require.ErrorIs(t, err, context.Canceled)
	done()
	done, err = l.take(t.Context(), "listener")
	require.NoError(t, err)
	done()
}
