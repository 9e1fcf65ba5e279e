package fleets

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/switchyard/switchyard/platform/aws/internal/account"
)

// protectedPerCall is how many instances AWS takes at once:
// docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetInstanceProtection.html.
const protectedPerCall = 50

// unprotect lets so many instances go that the group would keep: scale-in ends no
// instance that is protected from it.
func (p place) unprotect(ctx context.Context, op string, g astypes.AutoScalingGroup, n int) error {
	name := aws.ToString(g.AutoScalingGroupName)
	var ids []string
	for _, i := range g.Instances {
		if aws.ToBool(i.ProtectedFromScaleIn) {
			ids = append(ids, aws.ToString(i.InstanceId))
		}
	}
	n -= len(g.Instances) - len(ids) // those may go already
	if n <= 0 {
		return nil
	}
	for part := range slices.Chunk(ids[:min(n, len(ids))], protectedPerCall) {
		_, err := p.AutoScaling.SetInstanceProtection(ctx, &autoscaling.SetInstanceProtectionInput{AutoScalingGroupName: &name, InstanceIds: part, ProtectedFromScaleIn: aws.Bool(false)})
		if err != nil {
			return account.Classify(op, in(name, p.Region), true, err)
		}
	}
	return nil
}
