package fleets

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release/spec"
)

// sizes are the bounds of a group. low and high are what they are to be in the end;
// first is the minimum that the group begins with.
type sizes struct{ first, low, high, desired int32 }

// sizesOf are the sizes of a candidate: as many instances as asked for, within the
// bounds of the spec, else those of the live group, else none beyond the number itself.
// A bound that the number does not fit into gives way.
func sizesOf(s platform.FleetSpec, a spec.AWS, l *live) sizes {
	n := int32(s.Instances)
	z := sizes{first: n, low: n, high: n, desired: n}
	if s.Alone {
		return z
	}
	if l != nil {
		z.low, z.high = ownMin(l.group), aws.ToInt32(l.group.MaxSize)
		if h, held := holdOf(l.group); held {
			z.high = h.max
		}
	}
	if a.MinInstances > 0 {
		z.low = int32(a.MinInstances)
	}
	if a.MaxInstances > 0 {
		z.high = int32(a.MaxInstances)
	}
	z.high = max(z.high, z.desired, z.low)
	if s.HeldBy == "" {
		z.first = min(z.low, z.desired)
	}
	return z
}
