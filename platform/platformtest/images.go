package platformtest

import (
	"os"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
)

const noImage = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

var imageCases = []testCase{
	{"images are found, newest first, and by what is asked for", func(s *suite) {
		found, err := s.Platform.Images.Find(s.ctx, platform.ImageQuery{Application: s.Target.Application})
		require.NoError(s, err)
		require.GreaterOrEqual(s, len(found), 2)
		require.Equal(s, []string{s.Images[1], s.Images[0]}, []string{found[0].Ref, found[1].Ref})
		found, err = s.Platform.Images.Find(s.ctx, platform.ImageQuery{Application: s.Target.Application, Version: "v1"})
		require.NoError(s, err)
		require.Len(s, found, 1)
		require.Equal(s, s.Images[0], found[0].Ref)
		found, err = s.Platform.Images.Find(s.ctx, platform.ImageQuery{InputDigest: found[0].InputDigest})
		require.NoError(s, err)
		require.Len(s, found, 1)
		found, err = s.Platform.Images.Find(s.ctx, platform.ImageQuery{Application: "nobody"})
		require.NoError(s, err)
		require.Empty(s, found)
	}},
	{"an image is read with its provenance, an unknown one is not found", func(s *suite) {
		i, err := s.Platform.Images.Get(s.ctx, s.Region, s.Images[0])
		require.NoError(s, err)
		require.Equal(s, "v1", i.Version)
		require.Equal(s, s.Target.Application, i.Application)
		_, err = s.Platform.Images.Get(s.ctx, s.Region, s.NoImage)
		s.requireKind(platform.KindNotFound, err)
	}},
	{"copying an image makes it available, again and again", func(s *suite) {
		for range 2 {
			ref, err := s.Platform.Images.Copy(s.ctx, s.SecondRegion, s.Images[0])
			require.NoError(s, err)
			_, err = s.Platform.Images.Get(s.ctx, s.SecondRegion, ref)
			require.NoError(s, err)
		}
		_, err := s.Platform.Images.Copy(s.ctx, s.SecondRegion, s.NoImage)
		s.requireKind(platform.KindNotFound, err)
	}},
	{"an image's root can be read, where the platform can show it", func(s *suite) {
		root, err := s.Platform.Images.Root(s.ctx, s.Images[0])
		require.NoError(s, err)
		if root != "" {
			entries, err := os.ReadDir(root)
			require.NoError(s, err)
			require.NotEmpty(s, entries)
		}
	}},
	{"an image that a fleet runs stays, another one goes, once and again", func(s *suite) {
		s.fleet("one", 0, 1)
		s.requireKind(platform.KindConflict, s.Platform.Images.Retire(s.ctx, s.Region, s.Images[0]))
		ref := s.BakedImage(s.T, "v0")
		for range 2 {
			require.NoError(s, s.Platform.Images.Retire(s.ctx, s.Region, ref))
		}
		_, err := s.Platform.Images.Get(s.ctx, s.Region, ref)
		s.requireKind(platform.KindNotFound, err)
	}},
	{"what an interrupted bake left is swept by its tag, and only that", func(s *suite) {
		if s.LeftoversOfAnInterruptedBake != nil {
			s.LeftoversOfAnInterruptedBake(s.T, "bake-7")
		}
		removed, err := s.Platform.Images.Sweep(s.ctx, "bake-7")
		require.NoError(s, err)
		require.Equal(s, s.LeftoversOfAnInterruptedBake != nil, len(removed) > 0)
		removed, err = s.Platform.Images.Sweep(s.ctx, "bake-7")
		require.NoError(s, err)
		require.Empty(s, removed)
		_, err = s.Platform.Images.Get(s.ctx, s.Region, s.Images[0])
		require.NoError(s, err)
	}},
}
