package fleets

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/switchyard/switchyard/platform/aws/internal/account"
)

// alarmPrefix begins the names of all alarms copied for a fleet, so that they are
// found when it goes. No fleet's prefix begins another one's: names have no slash.
func alarmPrefix(fleet string) string { return "switchyard/" + fleet + "/" }

// alarmsPerCall is how many alarms are deleted at once:
// docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DeleteAlarms.html.
const alarmsPerCall = 100

// alarms copies the alarms that invoke the live fleet's policies. arns are the copies
// of the policies, by the originals.
func (c carryOver) alarms(ctx context.Context, arns map[string]string) error {
	const what = "alarms"
	copied := map[string]bool{}
	for _, arn := range slices.Sorted(maps.Keys(arns)) {
		pages := cloudwatch.NewDescribeAlarmsPaginator(c.CloudWatch, &cloudwatch.DescribeAlarmsInput{
			ActionPrefix: &arn, AlarmTypes: []cwtypes.AlarmType{cwtypes.AlarmTypeMetricAlarm},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return c.failed(what, false, err)
			}
			for _, alarm := range page.MetricAlarms {
				if name := aws.ToString(alarm.AlarmName); copied[name] {
					continue
				}
				copied[aws.ToString(alarm.AlarmName)] = true
				input, err := c.alarm(alarm, arns)
				if err != nil {
					return err
				}
				if _, err := c.CloudWatch.PutMetricAlarm(ctx, input); err != nil {
					return c.failed("alarm "+aws.ToString(alarm.AlarmName), true, err)
				}
			}
		}
	}
	return nil
}

// alarm is a copy that watches the candidate and invokes its policies. Whom else it
// tells stays.
func (c carryOver) alarm(a cwtypes.MetricAlarm, arns map[string]string) (*cloudwatch.PutMetricAlarmInput, error) {
	// What AWS says about the alarm and its state, and does not take back.
	a.AlarmArn, a.AlarmConfigurationUpdatedTimestamp, a.EvaluationState = nil, nil, ""
	a.StateReason, a.StateReasonData, a.StateTransitionedTimestamp, a.StateUpdatedTimestamp, a.StateValue = nil, nil, nil, nil, ""
	to := &cloudwatch.PutMetricAlarmInput{}
	if err := convert(to, &a); err != nil {
		return nil, (&live{name: c.name}).refused("alarm "+aws.ToString(a.AlarmName)+": "+err.Error(), "change or delete the alarm")
	}
	rewrite(to, func(at, s string) string {
		if copied, ok := arns[s]; ok {
			return copied
		}
		return c.ours(at, s)
	})
	to.AlarmName = aws.String(alarmPrefix(c.to) + originalName(aws.ToString(a.AlarmName)))
	return to, nil
}

// originalName is an alarm's name without the prefix of a copy, so that the copies of
// copies don't grow longer with every release.
func originalName(name string) string {
	const mark = "switchyard/"
	if len(name) <= len(mark) || name[:len(mark)] != mark {
		return name
	}
	rest := name[len(mark):]
	for i := range rest {
		if rest[i] == '/' {
			return rest[i+1:]
		}
	}
	return name
}

// deleteAlarms deletes the alarms that were copied for a fleet.
func (p place) deleteAlarms(ctx context.Context, fleet string) error {
	const op = "delete the alarms of"
	var names []string
	pages := cloudwatch.NewDescribeAlarmsPaginator(p.CloudWatch, &cloudwatch.DescribeAlarmsInput{
		AlarmNamePrefix: aws.String(alarmPrefix(fleet)), AlarmTypes: []cwtypes.AlarmType{cwtypes.AlarmTypeMetricAlarm},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return account.Classify(op, in(fleet, p.Region), false, err)
		}
		for _, alarm := range page.MetricAlarms {
			names = append(names, aws.ToString(alarm.AlarmName))
		}
	}
	for part := range slices.Chunk(names, alarmsPerCall) {
		if _, err := p.CloudWatch.DeleteAlarms(ctx, &cloudwatch.DeleteAlarmsInput{AlarmNames: part}); err != nil {
			return account.Classify(op, in(fleet, p.Region), true, err)
		}
	}
	return nil
}
