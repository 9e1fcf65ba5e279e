package fleets

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
)

// notifications are the topics that are told of launches and terminations.
func (c carryOver) notifications(ctx context.Context) error {
	topics := map[string][]string{}
	pages := autoscaling.NewDescribeNotificationConfigurationsPaginator(c.AutoScaling, &autoscaling.DescribeNotificationConfigurationsInput{AutoScalingGroupNames: []string{c.name}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return c.failed("notifications", false, err)
		}
		for _, n := range page.NotificationConfigurations {
			topics[aws.ToString(n.TopicARN)] = append(topics[aws.ToString(n.TopicARN)], aws.ToString(n.NotificationType))
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		_, err := c.AutoScaling.PutNotificationConfiguration(ctx, &autoscaling.PutNotificationConfigurationInput{
			AutoScalingGroupName: &c.to, TopicARN: &topic, NotificationTypes: topics[topic],
		})
		if err != nil {
			return c.failed("notifications", true, err)
		}
	}
	return nil
}
