package awslab

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
)

// Holds reads which groups' scale-in is held, "region/group", by the tag that says by whom.
func (l *Lab) Holds(ctx context.Context) (map[string]string, error) {
	holds := map[string]string{}
	for _, name := range l.o.Regions {
		pages := autoscaling.NewDescribeAutoScalingGroupsPaginator(l.regions[name].aws.groups, &autoscaling.DescribeAutoScalingGroupsInput{})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, fmt.Errorf("read the holds in %s: %w", name, err)
			}
			for _, g := range page.AutoScalingGroups {
				for _, t := range g.Tags {
					if aws.ToString(t.Key) == "switchyard:hold" {
						holds[name+"/"+aws.ToString(g.AutoScalingGroupName)] = aws.ToString(t.Value)
					}
				}
			}
		}
	}
	return holds, nil
}
