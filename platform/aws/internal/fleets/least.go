package fleets

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
)

// A group's own minimum is put off while a release keeps the group smaller than that: no
// group is below its minimum, so one that comes back too early makes the group grow
// (docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html). It
// stands in the least tag, with the values that were in force meanwhile: "2;set=1". When
// the one in force is none of these, somebody changed it, and theirs counts.

// ownMin is the minimum that a group is to have: as its hold or its least tag says, else
// the one in force.
func ownMin(g astypes.AutoScalingGroup) int32 {
	if h, held := holdOf(g); held {
		return h.min
	}
	now := aws.ToInt32(g.MinSize)
	if own, set := leastOf(g); slices.Contains(set, now) {
		return max(own, now)
	}
	return now
}

// leastOf reads the least tag; set is empty when there is none.
func leastOf(g astypes.AutoScalingGroup) (own int32, set []int32) {
	first, rest, _ := strings.Cut(tagsOf(g)[tag.Least], ";set=")
	n, err := strconv.ParseInt(first, 10, 32)
	if err != nil {
		return 0, nil
	}
	for _, text := range strings.Split(rest, "/") {
		if s, err := strconv.ParseInt(text, 10, 32); err == nil {
			set = append(set, int32(s))
		}
	}
	return int32(n), set
}

// leastTag is what a group is tagged with while its minimum is less than its own.
func leastTag(name string, own int32, set ...int32) astypes.Tag {
	var texts []string
	for _, n := range slices.Compact(set) {
		texts = append(texts, strconv.Itoa(int(n)))
	}
	return groupTag(name, tag.Least, fmt.Sprintf("%d;set=%s", own, strings.Join(texts, "/")), false)
}

// putOff notes a group's own minimum before a smaller one is set.
func (p place) putOff(ctx context.Context, op string, g astypes.AutoScalingGroup, low int32) error {
	name, own, now := aws.ToString(g.AutoScalingGroupName), ownMin(g), aws.ToInt32(g.MinSize)
	noted, set := leastOf(g)
	if low == own || noted == own && slices.Contains(set, low) && slices.Contains(set, now) {
		return nil
	}
	return p.tag(ctx, op, name, leastTag(name, own, now, low))
}

// bringBack forgets a minimum that is in force again.
func (p place) bringBack(ctx context.Context, op string, g astypes.AutoScalingGroup) error {
	name := aws.ToString(g.AutoScalingGroupName)
	text, noted := tagsOf(g)[tag.Least]
	if !noted {
		return nil
	}
	_, err := p.AutoScaling.DeleteTags(ctx, &autoscaling.DeleteTagsInput{Tags: []astypes.Tag{groupTag(name, tag.Least, text, false)}})
	return account.Classify(op, in(name, p.Region), true, err)
}
