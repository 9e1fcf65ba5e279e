package fleets

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/release"
)

// slow is how long an instance may take before its group is asked why.
const slow = 5 * time.Minute

// explain says why instances are missing, which only the group's activities tell: an
// instance that could not be launched has no id. They are asked for now and then only.
func (f *Fleets) explain(ctx context.Context, p place, g astypes.AutoScalingGroup, fleet *release.Fleet) {
	missing := fleet.Desired - len(fleet.Instances)
	late := false
	for _, i := range fleet.Instances {
		late = late || i.State == release.InstancePending && time.Since(i.Since) > slow
	}
	if missing <= 0 && !late {
		return
	}
	why, err := f.memory.explain(p.Region, fleet.Name, f.Explain, func() (string, error) { return p.lastFailure(ctx, g) })
	if err != nil { // no reason to read nothing of the fleet at all
		why = "that can't be read: " + err.Error()
	}
	if why == "" {
		return
	}
	if missing > 0 {
		fleet.Notices = append(fleet.Notices, fmt.Sprintf("%s of %d missing: %s", plural(missing, "instance"), fleet.Desired, why))
	}
	for n, i := range fleet.Instances {
		if i.State == release.InstancePending && time.Since(i.Since) > slow {
			fleet.Instances[n].Reason += "; last failure of the group: " + why
		}
	}
}

// activitiesLookedAt covers several rounds of attempts of a group to launch what is missing.
const activitiesLookedAt = 10

// lastFailure is what the latest activity says, when it failed.
func (p place) lastFailure(ctx context.Context, g astypes.AutoScalingGroup) (string, error) {
	out, err := p.AutoScaling.DescribeScalingActivities(ctx, &autoscaling.DescribeScalingActivitiesInput{
		AutoScalingGroupName: g.AutoScalingGroupName, MaxRecords: aws.Int32(activitiesLookedAt),
	})
	if err != nil {
		return "", account.Classify("read the activities of", in(aws.ToString(g.AutoScalingGroupName), p.Region), false, err)
	}
	for _, a := range out.Activities {
		switch a.StatusCode {
		case astypes.ScalingActivityStatusCodeFailed, astypes.ScalingActivityStatusCodeCancelled:
			return cmp.Or(aws.ToString(a.StatusMessage), aws.ToString(a.Description)) + " (" + aws.ToTime(a.StartTime).UTC().Format(time.RFC3339) + ")", nil
		}
	}
	return "", nil
}
