package platformtest

import (
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
)

var readinessCases = []testCase{
	{"nothing stands against bringing back a fleet that has all it needs, and asking changes nothing", func(s *suite) {
		f := s.fleet("one", 0, 1)
		for _, instances := range []int{0, 1, 2} {
			require.Empty(s, s.problems(f.Name, instances))
		}
		require.Equal(s, f.Instances, s.describe(f.Name).Instances)
		require.Equal(s, 1, s.describe(f.Name).Desired)
		_, err := s.Platform.Fleets.Readiness(s.ctx, s.Region, s.Prefix+"nobody", 1)
		s.requireKind(platform.KindNotFound, err)
	}},
	{"a fleet without instances is ready to come back", func(s *suite) {
		f := s.fleet("one", 0, 1)
		require.NoError(s, s.Platform.Fleets.Resize(s.ctx, s.Region, f.Name, 1, 0))
		s.inService(f.Name, 0)
		require.Empty(s, s.problems(f.Name, 2))
	}},
	{"a fleet whose image is gone is not ready", func(s *suite) {
		if s.RemoveImage == nil {
			return
		}
		spec := s.spec("one", 0, 1)
		spec.Version, spec.Image = "v0", s.BakedImage(s.T, "v0")
		s.provision(spec)
		s.inService(spec.Name, 1)
		require.Empty(s, s.problems(spec.Name, 1))
		s.RemoveImage(s.T, s.Region, spec.Image)
		s.eventually(func() bool { return len(s.blocking(spec.Name, 1)) > 0 }, "nobody notices")
	}},
	{"a fleet that is detached is not ready until it is attached", func(s *suite) {
		f := s.fleet("one", 0, 1)
		require.NoError(s, s.Platform.Fleets.Detach(s.ctx, s.Region, f.Name))
		s.eventually(func() bool { return len(s.blocking(f.Name, 1)) > 0 }, "nobody notices")
		require.NoError(s, s.Platform.Fleets.Attach(s.ctx, s.Region, f.Name))
		s.eventually(func() bool { return len(s.problems(f.Name, 1)) == 0 }, "it never is ready again")
	}},
	{"a fleet that there is no room for is not ready", func(s *suite) {
		if s.Quota == nil {
			return
		}
		f := s.fleet("one", 0, 1)
		s.Quota(s.T, s.Region, 2)
		s.eventually(func() bool { return len(s.blocking(f.Name, 3)) > 0 }, "nobody notices")
		require.Empty(s, s.blocking(f.Name, 2))
	}},
}

// problems are the findings of Readiness that are not as they should be.
func (s *suite) problems(fleet string, instances int) []platform.Finding {
	s.Helper()
	all, err := s.Platform.Fleets.Readiness(s.ctx, s.Region, fleet, instances)
	require.NoError(s, err)
	var out []platform.Finding
	for _, f := range all {
		require.NotEmpty(s, f.Subject)
		if f.Problem != "" {
			out = append(out, f)
		}
	}
	return out
}

// blocking are the problems that a rollback would fail of; each says what to do.
func (s *suite) blocking(fleet string, instances int) []platform.Finding {
	s.Helper()
	var out []platform.Finding
	for _, f := range s.problems(fleet, instances) {
		if f.Blocking {
			require.NotEmpty(s, f.Advice, "%v", f)
			out = append(out, f)
		}
	}
	return out
}
