//go:build judging

package judging

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// The previous fleet is out of the route and has no instance left when somebody orders
// the way back. It is put into the route, started, and gets the traffic, and users do
// not notice.
func TestARollbackStartsAStoppedFleet(t *testing.T) {
	t.Parallel()
	tell(t, spec.PlatformAWS, "stopped", func(s *story) {
		l := s.load(s.live(""), 40)
		h := s.start("v2", "2.0.0", "decommission: {stopped: 1h}")
		s.until(h, "the previous fleet is stopped", func(st release.State) bool { return !st.StoppedAt.IsZero() })
		require.Zero(s.t, s.describe("v1").Desired)

		s.order(h, release.Order{Kind: release.OrderRollback, Comment: "wrong totals"})
		end := s.ended(h)
		require.Equal(s.t, "rolled-back", end.Outcome(), "%s", s.excerpt(end))
		require.Empty(s.t, end.Warnings, "%s", s.excerpt(end))
		s.noneFailed(l)
		s.settled("v1", 2)
	})
}
