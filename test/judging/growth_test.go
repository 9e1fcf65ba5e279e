//go:build judging

package judging

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// In the soak the load grows by 80 % and the candidate with it, as an autoscaler would
// have it, while somebody makes the previous fleet smaller by hand. An instance is good
// for 40 requests a second, so the previous fleet could not take 90 of them back as it
// is: the rollback has to grow it first.
func TestARollbackMeetsTodaysLoad(t *testing.T) {
	t.Parallel()
	const sized = `fleet: {instances: 2, environment: {CHECKOUT_CAPACITY: "40"}}`
	tell(t, spec.PlatformLocal, "grown", func(s *story) {
		entry := s.live(sized + "\nsoak: {duration: 0s}\ntraffic: {watch: 0s}")
		l := s.load(entry, 50)
		h := s.start("v2", "2.0.0", sized+"\nsoak: {duration: 1h}")
		s.await(h, release.PhaseSoak)

		s.resize("v2", 2, 4)
		s.instances("v2", 4)
		more := s.load(entry, 40)
		s.letGo("v1")
		s.resize("v1", 2, 1)
		s.instances("v1", 1)
		st := s.until(h, "lost readiness is told", func(st release.State) bool {
			return len(st.Regions) > 0 && !st.Regions[0].Readiness.At.IsZero() && !st.Regions[0].Readiness.Ready && len(st.Warnings) > 0
		})
		require.Contains(s.t, st.Regions[0].Readiness.Why, "1")

		s.order(h, release.Order{Kind: release.OrderRollback, Comment: "too slow"})
		end := s.ended(h)
		require.Equal(s.t, "rolled-back", end.Outcome(), "%s", s.excerpt(end))
		require.GreaterOrEqual(s.t, s.describe("v1").InService(), 4, "%s", s.excerpt(end))
		s.noneFailed(l)
		s.noneFailed(more)
		s.settled("v1", 4)
	})
}

// resize is what an autoscaler, or somebody by hand, does to a fleet.
func (s *story) resize(id string, from, to int) {
	s.t.Helper()
	require.NoError(s.t, s.ports.Fleets.Resize(s.t.Context(), s.region, s.fleet(id), from, to))
}

// letGo takes the release's hold off a fleet by hand.
func (s *story) letGo(id string) {
	s.t.Helper()
	holder := s.describe(id).ScaleInHeld
	require.NotEmpty(s.t, holder, "in the soak scale-in is held")
	require.NoError(s.t, s.ports.Fleets.ReleaseScaleIn(s.t.Context(), s.region, s.fleet(id), holder))
}
