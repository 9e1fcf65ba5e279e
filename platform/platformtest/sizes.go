package platformtest

import (
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
)

var sizeCases = []testCase{
	{"a fleet shrinks to nothing and grows again, and nobody notices while another one serves", func(s *suite) {
		one, two := s.fleet("one", 0, 2), s.fleet("two", 1, 1)
		s.setWeights(nil, all(two.Name))
		for range 2 {
			require.NoError(s, s.Platform.Fleets.Resize(s.ctx, s.Region, one.Name, 2, 0))
		}
		s.inService(one.Name, 0)
		require.Zero(s, s.describe(one.Name).Desired)
		for _, i := range one.Instances {
			_, _, err := s.get("http://"+i.Address, nil)
			require.Error(s, err, "instance %s still answers", i.ID)
		}
		require.Equal(s, map[string]int{"v2": 10}, s.versions(10))
		require.NoError(s, s.Platform.Fleets.Resize(s.ctx, s.Region, one.Name, 0, 2))
		again := s.inService(one.Name, 2)
		require.Equal(s, one.Image, again.Image)
		for _, i := range again.Instances {
			require.NotContains(s, []string{one.Instances[0].ID, one.Instances[1].ID}, i.ID, "a stopped instance never comes back")
		}
		require.Equal(s, map[string]int{"v2": 10}, s.versions(10))
		s.setWeights(all(two.Name), all(one.Name))
		require.Equal(s, map[string]int{"v1": 10}, s.versions(10))
	}},
	{"a fleet whose scale-in is held grows, and is not taken to nothing", func(s *suite) {
		f := s.fleet("one", 0, 1)
		require.NoError(s, s.Platform.Fleets.HoldScaleIn(s.ctx, s.Region, f.Name, "release-1"))
		s.requireKind(platform.KindConflict, s.Platform.Fleets.Resize(s.ctx, s.Region, f.Name, 1, 0))
		require.NoError(s, s.Platform.Fleets.Resize(s.ctx, s.Region, f.Name, 1, 2))
		s.inService(f.Name, 2)
		s.requireKind(platform.KindConflict, s.Platform.Fleets.Resize(s.ctx, s.Region, f.Name, 2, 0))
		require.Equal(s, 2, s.describe(f.Name).InService())
		require.NoError(s, s.Platform.Fleets.ReleaseScaleIn(s.ctx, s.Region, f.Name, "release-1"))
		require.NoError(s, s.Platform.Fleets.Resize(s.ctx, s.Region, f.Name, 2, 0))
		s.inService(f.Name, 0)
	}},
}
