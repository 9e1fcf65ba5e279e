package route

import (
	"context"
	"fmt"
	"slices"
	"strings"

	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// State is a route as AWS has it: who is in which target group, with which weight.
type State struct {
	Forward account.Forward
	Slots   []Slot // the settings' target groups in their order, then others that the action names
}

// Slot is one target group of the route.
type Slot struct {
	TargetGroup string // ARN
	Weight      int32  // 0 to 999; 0 when the action does not name it
	Named       bool   // the action names it
	Ours        bool   // the settings name it
	Fleets      []astypes.AutoScalingGroup
	Strays      int // targets of no Auto Scaling group; looked for only where there is a weight and no fleet
}

// Read reads the route of a region.
func Read(ctx context.Context, acc *account.Account, cfg *spec.AWSRegion) (State, error) {
	f, err := acc.Forward(ctx, cfg.Listener)
	if err != nil {
		return State{}, err
	}
	s := State{Forward: f, Slots: slots(f, cfg)}
	var arns []string
	for _, slot := range s.Slots {
		arns = append(arns, slot.TargetGroup)
	}
	attached, err := acc.Attached(ctx, arns...)
	if err != nil {
		return State{}, err
	}
	for i := range s.Slots {
		slot := &s.Slots[i]
		slot.Fleets = attached[slot.TargetGroup]
		if slot.Weight == 0 || len(slot.Fleets) > 0 {
			continue
		}
		if slot.Strays, err = Registered(ctx, acc, slot.TargetGroup); err != nil {
			return State{}, err
		}
	}
	return s, nil
}

// Registered counts the targets of a target group, without those that are leaving it.
func Registered(ctx context.Context, acc *account.Account, targetGroup string) (int, error) {
	targets, err := acc.TargetHealth(ctx, targetGroup)
	n := 0
	for _, t := range targets {
		if t.TargetHealth == nil || t.TargetHealth.State != elbtypes.TargetHealthStateEnumDraining {
			n++
		}
	}
	return n, err
}

func slots(f account.Forward, cfg *spec.AWSRegion) []Slot {
	var out []Slot
	for _, arn := range cfg.TargetGroups {
		out = append(out, Slot{TargetGroup: arn, Ours: true})
	}
	for _, share := range f.Groups {
		i := slices.IndexFunc(out, func(s Slot) bool { return s.TargetGroup == share.TargetGroup })
		if i < 0 {
			i, out = len(out), append(out, Slot{TargetGroup: share.TargetGroup})
		}
		out[i].Weight, out[i].Named = share.Weight, true
	}
	return out
}

// Of finds the target group that the fleet is in.
func (s State) Of(fleet string) (Slot, bool) {
	for _, slot := range s.Slots {
		for _, g := range slot.Fleets {
			if deref(g.AutoScalingGroupName) == fleet {
				return slot, true
			}
		}
	}
	return Slot{}, false
}

// Weights are the shares in percent; see Router.Weights.
func (s State) Weights() release.Weights {
	weights := make([]int32, len(s.Slots))
	answered := false
	for i, slot := range s.Slots {
		weights[i] = slot.Weight
		answered = answered || slot.Weight > 0 && (len(slot.Fleets) > 0 || slot.Strays > 0)
	}
	out := release.Weights{}
	if !answered {
		return out
	}
	for i, p := range percents(weights) {
		if p == 0 {
			continue
		}
		name := s.Slots[i].holder()
		if at := slices.IndexFunc(out, func(w release.Weight) bool { return w.Fleet == name }); at >= 0 {
			out[at].Percent += p
			continue
		}
		out = append(out, release.Weight{Fleet: name, Percent: p})
	}
	return out
}

// holder names who gets what the target group gets.
func (s Slot) holder() string {
	var names []string
	for _, g := range s.Fleets {
		names = append(names, deref(g.AutoScalingGroupName))
	}
	switch {
	case len(names) == 1:
		return names[0]
	case len(names) > 1:
		slices.Sort(names)
		return fmt.Sprintf("target group %s (shared by %s)", GroupName(s.TargetGroup), strings.Join(names, " and "))
	case s.Strays > 0:
		return fmt.Sprintf("target group %s (targets of no Auto Scaling group)", GroupName(s.TargetGroup))
	default:
		return fmt.Sprintf("target group %s (no targets)", GroupName(s.TargetGroup))
	}
}

// percents turns weights into percents that add up to 100. Who has a weight has at
// least 1 %: a small share is never shown as none. Nothing but zeros stays so.
func percents(weights []int32) []int {
	sum := 0
	for _, w := range weights {
		sum += int(w)
	}
	out := make([]int, len(weights))
	if sum == 0 {
		return out
	}
	left := 100
	for i, w := range weights {
		if w > 0 {
			out[i] = max(1, int(w)*100/sum)
			left -= out[i]
		}
	}
	for ; left != 0; left -= sign(left) {
		out[furthest(weights, out, sum, sign(left))] += sign(left)
	}
	return out
}

func sign(n int) int {
	if n < 0 {
		return -1
	}
	return 1
}

// furthest finds the share that is furthest from its exact value in the direction:
// the one most too small for +1, most too large (and above 1) for -1.
func furthest(weights []int32, percents []int, sum, direction int) int {
	best, most := -1, 0
	for i, w := range weights {
		if w == 0 || direction < 0 && percents[i] <= 1 {
			continue
		}
		if off := (int(w)*100 - percents[i]*sum) * direction; best < 0 || off > most {
			best, most = i, off
		}
	}
	return best
}
