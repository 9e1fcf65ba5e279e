package platformtest

import (
	"net/http"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
)

var attachCases = []testCase{
	{"a detached fleet keeps its instances and gets no request, not even a probe", func(s *suite) {
		one, two := s.fleet("one", 0, 1), s.fleet("two", 1, 1)
		s.setWeights(nil, all(one.Name))
		probe, err := s.Platform.Router.Probe(s.ctx, s.Region, s.Target, two.Name)
		require.NoError(s, err)
		s.eventually(func() bool { return s.reaches(probe, "v2") }, "the test route never reaches it")
		for range 2 {
			require.NoError(s, s.Platform.Fleets.Detach(s.ctx, s.Region, two.Name))
		}
		s.eventually(func() bool { return !s.reaches(probe, "v2") }, "a probe still reaches it")
		require.Equal(s, map[string]int{"v1": 20}, s.versions(20))
		for range 5 {
			require.False(s, s.reaches(probe, "v2"), "a probe reaches it again")
		}
		now := s.describe(two.Name)
		require.Equal(s, 1, now.Desired)
		require.Len(s, now.Instances, 1)
		require.Equal(s, two.Instances[0].ID, now.Instances[0].ID)
		a, _, err := s.get("http://"+now.Instances[0].Address, nil)
		require.NoError(s, err)
		require.Equal(s, "v2", a.Version)
		s.requireWeights(all(one.Name))
	}},
	{"a detached fleet gets no share until it is attached again", func(s *suite) {
		one, two := s.fleet("one", 0, 1), s.fleet("two", 1, 1)
		s.setWeights(nil, all(one.Name))
		require.NoError(s, s.Platform.Fleets.Detach(s.ctx, s.Region, two.Name))
		err := s.Platform.Router.SetWeights(s.ctx, s.Region, s.Target, all(one.Name), split(one.Name, 90, two.Name))
		s.requireKind(platform.KindConflict, err)
		require.ErrorContains(s, err, two.Name)
		s.requireWeights(all(one.Name))
		for range 2 {
			require.NoError(s, s.Platform.Fleets.Attach(s.ctx, s.Region, two.Name))
		}
		s.requireWeights(all(one.Name))
		s.inService(two.Name, 1)
		require.Equal(s, map[string]int{"v1": 10}, s.versions(10))
		probe, err := s.Platform.Router.Probe(s.ctx, s.Region, s.Target, two.Name)
		require.NoError(s, err)
		s.eventually(func() bool { return s.reaches(probe, "v2") }, "the test route never reaches it again")
		s.setWeights(all(one.Name), all(two.Name))
		require.Equal(s, map[string]int{"v2": 10}, s.versions(10))
	}},
	{"a fleet with a share of the traffic is not detached", func(s *suite) {
		one, two := s.fleet("one", 0, 1), s.fleet("two", 1, 1)
		s.setWeights(nil, split(one.Name, 95, two.Name))
		for _, f := range []string{one.Name, two.Name} {
			s.requireKind(platform.KindConflict, s.Platform.Fleets.Detach(s.ctx, s.Region, f))
		}
		s.requireWeights(split(one.Name, 95, two.Name))
		s.setWeights(split(one.Name, 95, two.Name), all(one.Name))
		require.NoError(s, s.Platform.Fleets.Detach(s.ctx, s.Region, two.Name))
	}},
	{"a detached fleet can be resized and retired", func(s *suite) {
		one, two := s.fleet("one", 0, 1), s.fleet("two", 1, 1)
		s.setWeights(nil, all(one.Name))
		require.NoError(s, s.Platform.Fleets.Detach(s.ctx, s.Region, two.Name))
		require.NoError(s, s.Platform.Fleets.Resize(s.ctx, s.Region, two.Name, 1, 0))
		s.eventually(func() bool { return len(s.describe(two.Name).Instances) == 0 }, "its instance never ends")
		require.NoError(s, s.Platform.Fleets.Retire(s.ctx, s.Region, two.Name))
		require.Equal(s, map[string]int{"v1": 10}, s.versions(10))
	}},
	{"detaching what is gone succeeds, attaching it is not found", func(s *suite) {
		require.NoError(s, s.Platform.Fleets.Detach(s.ctx, s.Region, s.Prefix+"nobody"))
		s.requireKind(platform.KindNotFound, s.Platform.Fleets.Attach(s.ctx, s.Region, s.Prefix+"nobody"))
	}},
}

// reaches says whether this version answers the probe.
func (s *suite) reaches(p platform.Probe, version string) bool {
	a, status, err := s.get(p.URL, p.Headers)
	return err == nil && status == http.StatusOK && a.Version == version
}
