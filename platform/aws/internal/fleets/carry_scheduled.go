package fleets

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/switchyard/switchyard/platform"
)

// scheduledPerCall is how many actions AWS takes at once:
// docs.aws.amazon.com/autoscaling/ec2/APIReference/API_BatchPutScheduledUpdateGroupAction.html.
const scheduledPerCall = 50

// scheduled are the scheduled actions that are still to come.
func (c carryOver) scheduled(ctx context.Context) error {
	const what = "scheduled actions"
	var all []astypes.ScheduledUpdateGroupActionRequest
	pages := autoscaling.NewDescribeScheduledActionsPaginator(c.AutoScaling, &autoscaling.DescribeScheduledActionsInput{AutoScalingGroupName: &c.name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return c.failed(what, false, err)
		}
		for _, a := range page.ScheduledUpdateGroupActions {
			if action, ok := toCome(a, time.Now()); ok {
				all = append(all, action)
			}
		}
	}
	for part := range slices.Chunk(all, scheduledPerCall) {
		out, err := c.AutoScaling.BatchPutScheduledUpdateGroupAction(ctx, &autoscaling.BatchPutScheduledUpdateGroupActionInput{
			AutoScalingGroupName: &c.to, ScheduledUpdateGroupActions: part,
		})
		if err != nil {
			return c.failed(what, true, err)
		}
		for _, failure := range out.FailedScheduledUpdateGroupActions {
			return platform.NewError(platform.KindInvalid, "carry over scheduled action "+aws.ToString(failure.ScheduledActionName)+" to", in(c.to, c.Region),
				"change or delete the action of the live fleet", fmt.Errorf("%s: %s", aws.ToString(failure.ErrorCode), aws.ToString(failure.ErrorMessage)))
		}
	}
	return nil
}

// toCome is a scheduled action as AWS takes it; ok is false when it will never run
// again. AWS takes no start in the past; a recurring action needs none.
func toCome(a astypes.ScheduledUpdateGroupAction, now time.Time) (_ astypes.ScheduledUpdateGroupActionRequest, ok bool) {
	start := a.StartTime
	if start == nil {
		start = a.Time
	}
	past := start != nil && !start.After(now)
	recurs := aws.ToString(a.Recurrence) != ""
	if past && !recurs || a.EndTime != nil && !a.EndTime.After(now) {
		return astypes.ScheduledUpdateGroupActionRequest{}, false
	}
	if past {
		start = nil
	}
	return astypes.ScheduledUpdateGroupActionRequest{
		ScheduledActionName: a.ScheduledActionName, DesiredCapacity: a.DesiredCapacity, MinSize: a.MinSize, MaxSize: a.MaxSize,
		Recurrence: notEmpty(a.Recurrence), TimeZone: notEmpty(a.TimeZone), StartTime: start, EndTime: a.EndTime,
	}, true
}
