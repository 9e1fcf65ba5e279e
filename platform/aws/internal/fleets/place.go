package fleets

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/switchyard/switchyard/platform/aws/internal/tag"
)

// The place tag is written when a fleet is taken out of the route, and again when it is
// put back: "ARN", then "ARN since=TIME". While it is out it says where it belongs, as its
// scaling policies may count the requests of that target group. The time tells readers who
// saw the fleet before that its targets were registered anew.
const placeSince = " since="

// placeOf is the target group that a group was taken out of; "" when it never was.
func placeOf(g astypes.AutoScalingGroup) string {
	arn, _, _ := strings.Cut(tagsOf(g)[tag.Place], placeSince)
	return arn
}

// takenOut says whether a group is out of the route because a release asked for it.
func (p place) takenOut(g astypes.AutoScalingGroup) bool {
	value := tagsOf(g)[tag.Place]
	return value != "" && !strings.Contains(value, placeSince) && p.regionTargetGroup(g) == ""
}

// home is the target group of the region's two that a group is attached to, or was
// taken out of; "" for none.
func (p place) home(g astypes.AutoScalingGroup) string {
	if arn := p.regionTargetGroup(g); arn != "" {
		return arn
	}
	if arn := placeOf(g); p.takenOut(g) && slices.Contains(p.region.TargetGroups, arn) {
		return arn
	}
	return ""
}

// registration is what a group's targets are registered as: another one, and what was
// seen of their health says nothing any more.
func (p place) registration(g astypes.AutoScalingGroup) string {
	return p.regionTargetGroup(g) + " " + tagsOf(g)[tag.Place]
}

func placeTag(g astypes.AutoScalingGroup, arn string) astypes.Tag {
	return groupTag(aws.ToString(g.AutoScalingGroupName), tag.Place, arn, false)
}

func placedTag(g astypes.AutoScalingGroup, arn string, at time.Time) astypes.Tag {
	return placeTag(g, arn+placeSince+at.UTC().Format(time.RFC3339Nano))
}
