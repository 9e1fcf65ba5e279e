package platformtest

import (
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

var fleetCases = []testCase{
	{"a fleet comes into service and says what it is", func(s *suite) {
		f := s.fleet("one", 0, 2)
		require.Equal(s, s.Images[0], f.Image)
		require.Equal(s, s.Target, f.Target)
		require.Equal(s, "release-one", f.Release)
		require.Equal(s, 2, f.Desired)
		require.False(s, f.CreatedAt.IsZero())
		require.NotEqual(s, f.Instances[0].Address, f.Instances[1].Address)
		for _, i := range f.Instances {
			a, _, err := s.get("http://"+i.Address, nil)
			require.NoError(s, err)
			require.Equal(s, "v1", a.Version)
			require.Equal(s, "hello", a.Environment["GREETING"])
		}
	}},
	{"a secret reaches the process by its reference", func(s *suite) {
		spec := s.spec("one", 0, 1)
		spec.Secrets = map[string]string{"API_KEY": s.Secret}
		s.provision(spec)
		f := s.inService(spec.Name, 1)
		a, _, err := s.get("http://"+f.Instances[0].Address, nil)
		require.NoError(s, err)
		require.Equal(s, "s3cret", a.Environment["API_KEY"])
	}},
	{"provisioning again returns the fleet as it is; with another spec it is a conflict", func(s *suite) {
		before := s.fleet("one", 0, 1)
		again, err := s.Platform.Fleets.Provision(s.ctx, s.spec("one", 0, 1))
		require.NoError(s, err)
		require.Equal(s, before.Instances, again.Instances)
		_, err = s.Platform.Fleets.Provision(s.ctx, s.spec("one", 1, 1))
		s.requireKind(platform.KindConflict, err)
	}},
	{"a fleet of an image that is not there is refused", func(s *suite) {
		spec := s.spec("one", 0, 1)
		spec.Image = s.NoImage
		_, err := s.Platform.Fleets.Provision(s.ctx, spec)
		s.requireKind(platform.KindNotFound, err)
		_, err = s.Platform.Fleets.Describe(s.ctx, s.Region, spec.Name)
		s.requireKind(platform.KindNotFound, err)
	}},
	{"an unknown fleet is not found, and removing it succeeds", func(s *suite) {
		_, err := s.Platform.Fleets.Describe(s.ctx, s.Region, s.Prefix+"nobody")
		s.requireKind(platform.KindNotFound, err)
		s.requireKind(platform.KindNotFound, s.Platform.Fleets.Resize(s.ctx, s.Region, s.Prefix+"nobody", 1, 2))
		s.requireKind(platform.KindNotFound, s.Platform.Fleets.HoldScaleIn(s.ctx, s.Region, s.Prefix+"nobody", "r"))
		require.NoError(s, s.Platform.Fleets.ReleaseScaleIn(s.ctx, s.Region, s.Prefix+"nobody", "r"))
		require.NoError(s, s.Platform.Fleets.Retire(s.ctx, s.Region, s.Prefix+"nobody"))
		require.NoError(s, s.Platform.Fleets.Retire(s.ctx, "no-such-region", s.Prefix+"nobody"))
	}},
	{"fleets are listed oldest first, by target and region", func(s *suite) {
		s.fleet("zulu", 0, 1)
		s.fleet("alpha", 1, 1)
		list, err := s.Platform.Fleets.List(s.ctx, s.Region, s.Target)
		require.NoError(s, err)
		require.Len(s, list, 2)
		require.Equal(s, []string{s.Prefix + "zulu", s.Prefix + "alpha"}, []string{list[0].Name, list[1].Name})
		for _, q := range []struct {
			region string
			target release.Target
		}{{s.SecondRegion, s.Target}, {s.Region, release.Target{Application: "other", Environment: "production"}}} {
			list, err := s.Platform.Fleets.List(s.ctx, q.region, q.target)
			require.NoError(s, err)
			require.Empty(s, list)
		}
	}},
	{"the size changes from the expected one only", func(s *suite) {
		f := s.fleet("one", 0, 1)
		s.requireKind(platform.KindConflict, s.Platform.Fleets.Resize(s.ctx, s.Region, f.Name, 5, 2))
		for range 2 {
			require.NoError(s, s.Platform.Fleets.Resize(s.ctx, s.Region, f.Name, 1, 2))
		}
		s.inService(f.Name, 2)
		require.NoError(s, s.Platform.Fleets.Resize(s.ctx, s.Region, f.Name, 2, 1))
		after := s.inService(f.Name, 1)
		require.Equal(s, 1, after.Desired)
	}},
	{"held scale-in keeps the size from shrinking until its holder lets go", func(s *suite) {
		f := s.fleet("one", 0, 2)
		for range 2 {
			require.NoError(s, s.Platform.Fleets.HoldScaleIn(s.ctx, s.Region, f.Name, "release-1"))
		}
		require.Equal(s, "release-1", s.describe(f.Name).ScaleInHeld)
		s.requireKind(platform.KindConflict, s.Platform.Fleets.HoldScaleIn(s.ctx, s.Region, f.Name, "release-2"))
		s.requireKind(platform.KindConflict, s.Platform.Fleets.Resize(s.ctx, s.Region, f.Name, 2, 1))
		require.NoError(s, s.Platform.Fleets.Resize(s.ctx, s.Region, f.Name, 2, 3))
		require.NoError(s, s.Platform.Fleets.ReleaseScaleIn(s.ctx, s.Region, f.Name, "release-2"))
		require.Equal(s, "release-1", s.describe(f.Name).ScaleInHeld)
		for range 2 {
			require.NoError(s, s.Platform.Fleets.ReleaseScaleIn(s.ctx, s.Region, f.Name, "release-1"))
		}
		require.Empty(s, s.describe(f.Name).ScaleInHeld)
		require.NoError(s, s.Platform.Fleets.Resize(s.ctx, s.Region, f.Name, 3, 1))
	}},
	{"a fleet can be held from its first moment", func(s *suite) {
		spec := s.spec("one", 0, 2)
		spec.HeldBy = "release-1"
		s.provision(spec)
		f := s.inService(spec.Name, 2)
		require.Equal(s, "release-1", f.ScaleInHeld)
		s.requireKind(platform.KindConflict, s.Platform.Fleets.Resize(s.ctx, s.Region, f.Name, 2, 1))
		require.NoError(s, s.Platform.Fleets.HoldScaleIn(s.ctx, s.Region, f.Name, "release-1"))
		require.NoError(s, s.Platform.Fleets.ReleaseScaleIn(s.ctx, s.Region, f.Name, "release-1"))
		require.NoError(s, s.Platform.Fleets.Resize(s.ctx, s.Region, f.Name, 2, 1))
	}},
	{"a fleet that stands alone is no part of the route", func(s *suite) {
		spec := s.spec("alone", 0, 1)
		spec.Alone = true
		s.provision(spec)
		f := s.inService(spec.Name, 1)
		a, _, err := s.get("http://"+f.Instances[0].Address, nil)
		require.NoError(s, err)
		require.Equal(s, "v1", a.Version)
		s.requireWeights(nil)
	}},
	{"what could be made is examined before it is made", func(s *suite) {
		findings, err := s.Platform.Fleets.Preflight(s.ctx, s.spec("one", 0, 2))
		require.NoError(s, err)
		for _, f := range findings {
			require.False(s, f.Blocking, "%+v", f)
		}
		_, err = s.Platform.Fleets.Describe(s.ctx, s.Region, s.Prefix+"one")
		s.requireKind(platform.KindNotFound, err)
	}},
	{"retiring removes a fleet, once and again, and its name can be used anew", func(s *suite) {
		f := s.fleet("one", 0, 1)
		for range 2 {
			require.NoError(s, s.Platform.Fleets.Retire(s.ctx, s.Region, f.Name))
		}
		_, err := s.Platform.Fleets.Describe(s.ctx, s.Region, f.Name)
		s.requireKind(platform.KindNotFound, err)
		_, _, err = s.get("http://"+f.Instances[0].Address, nil)
		require.Error(s, err, "the instance still answers")
		anew := s.fleet("one", 1, 1)
		require.NotEqual(s, f.Instances[0].ID, anew.Instances[0].ID)
	}},
	{"a fleet with a share of the traffic is not retired", func(s *suite) {
		f := s.fleet("one", 0, 1)
		s.setWeights(nil, all(f.Name))
		s.requireKind(platform.KindConflict, s.Platform.Fleets.Retire(s.ctx, s.Region, f.Name))
		require.Equal(s, 1, s.describe(f.Name).InService())
		s.setWeights(all(f.Name), nil)
		require.NoError(s, s.Platform.Fleets.Retire(s.ctx, s.Region, f.Name))
	}},
	{"an instance that dies is replaced", func(s *suite) {
		f := s.fleet("one", 0, 2)
		s.Kill(s.T, s.Region, f.Instances[0].ID)
		s.eventually(func() bool {
			now := s.describe(f.Name)
			for _, i := range now.Instances {
				if i.ID == f.Instances[0].ID {
					return false
				}
			}
			return now.InService() == 2
		}, "it is not replaced")
	}},
	{"an instance that stops answering its health check is not in service", func(s *suite) {
		f := s.fleet("one", 0, 1)
		s.Unhealthy(s.T, s.Region, f.Name)
		s.eventually(func() bool {
			now := s.describe(f.Name).Instances
			return len(now) == 1 && now[0].State == release.InstanceUnhealthy && now[0].Reason != ""
		}, "it is never unhealthy")
		s.Healed(s.T)
		s.inService(f.Name, 1)
	}},
	{"an application that cannot start never comes into service, and says why", func(s *suite) {
		spec := s.spec("one", 0, 1)
		spec.Environment["APP_MODE"] = "crash"
		s.provision(spec)
		s.eventually(func() bool {
			f := s.describe(spec.Name)
			require.Zero(s, f.InService())
			return len(f.Instances) == 1 && f.Instances[0].Reason != ""
		}, "there is no reason")
	}},
	{"a fleet that no release made is unmanaged, and serves like any other", func(s *suite) {
		spec := s.spec("one", 0, 1)
		spec.Release = ""
		s.provision(spec)
		f := s.inService(spec.Name, 1)
		require.False(s, f.Managed())
		s.setWeights(nil, all(f.Name))
		require.Equal(s, 5, s.versions(5)["v1"])
	}},
	{"regions do not know each other's fleets", func(s *suite) {
		here := s.fleet("one", 0, 1)
		spec := s.spec("one", 1, 1)
		spec.Region = s.SecondRegion
		ref, err := s.Platform.Images.Copy(s.ctx, s.SecondRegion, s.Images[1])
		require.NoError(s, err)
		spec.Image = ref
		s.provision(spec)
		require.NoError(s, s.Platform.Fleets.Retire(s.ctx, s.SecondRegion, spec.Name))
		require.Equal(s, 1, s.describe(here.Name).InService())
	}},
}
