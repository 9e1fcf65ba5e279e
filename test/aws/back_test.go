package aws_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/actions"
	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/release"
)

// TestRollbackFromTheStop goes back when the old fleet has left the route and has no
// instance any more. What is in the account then is what was there before the release.
func TestRollbackFromTheStop(t *testing.T) {
	r := record(t, returning)
	back := r.calls[r.from:]
	first := func(action, body string, after int) int {
		i := slices.IndexFunc(back[after:], func(c wire.Call) bool { return c.Action == action && strings.Contains(string(c.Body), body) })
		require.GreaterOrEqual(t, i, 0, "no %s with %q after call %d", action, body, after)
		return after + i
	}

	t.Run("actions are those on record", func(t *testing.T) {
		actions.Compare(t, "rollback", back)
	})
	t.Run("the old fleet is attached, then grown, then seen healthy, then it gets the traffic", func(t *testing.T) {
		attached := first("AttachLoadBalancerTargetGroups", adoptedName, 0)
		grown := first("UpdateAutoScalingGroup", "DesiredCapacity=2", attached)
		seen := first("DescribeTargetHealth", "", grown)
		first("ModifyListener", "", seen)
		assert.Equal(t, first("ModifyListener", "", 0), first("ModifyListener", "", seen), "traffic moved before the fleet was seen healthy")
	})
	t.Run("the account is as it was before the release", func(t *testing.T) {
		// When the fleet came back is noted: its targets were registered anew.
		const since = `{"Key":"switchyard:place","PropagateAtLaunch":false,"ResourceId":"checkout-by-hand","ResourceType":"auto-scaling-group",` +
			`"Value":"target group a since=TIME"},`
		require.Contains(t, r.after, since)
		assert.Empty(t, differences(r.was, strings.Replace(r.after, since, "", 1)))
		assert.Equal(t, onOld, r.world.weights())
		assert.Equal(t, wasOld, r.world.fleets())
	})
	t.Run("the state says that the way back is done", func(t *testing.T) {
		region := r.state.Regions[0]
		assert.Equal(t, release.BackDone, region.Back.Stage)
		assert.Equal(t, 100, region.Weights.Of(adoptedName))
		assert.Empty(t, r.state.Ledger.Open(release.KindHold))
		assert.Empty(t, r.state.Ledger.Open(release.KindFleet))
	})
}
