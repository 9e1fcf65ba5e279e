package images_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
)

const noImage = "ami-00000000000000000"

func TestImagesAreFoundByTheirProvenance(t *testing.T) {
	c := newCloud(t)
	one, two := c.baked("v1"), c.baked("v2")
	c.made(c.provenance("v3")) // of a bake that was never accepted

	found, err := c.images.Find(c.ctx, platform.ImageQuery{Application: "checkout"})
	require.NoError(t, err)
	require.Len(t, found, 2)
	require.Equal(t, []string{two, one}, []string{found[0].Ref, found[1].Ref}, "newest first")
	require.Equal(t, "v2", found[0].Version)
	require.Equal(t, "abc", found[0].Commit)
	require.Equal(t, c.base, found[0].Base)
	require.Equal(t, "sha256:v2", found[0].InputDigest)
	require.False(t, found[0].CreatedAt.IsZero())

	for name, q := range map[string]platform.ImageQuery{
		"version": {Application: "checkout", Version: "v1"}, "digest": {InputDigest: "sha256:v1"},
	} {
		found, err = c.images.Find(c.ctx, q)
		require.NoError(t, err)
		require.Len(t, found, 1, name)
		require.Equal(t, one, found[0].Ref, name)
	}
	found, err = c.images.Find(c.ctx, platform.ImageQuery{Application: "nobody"})
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestCopiesInOtherRegionsAreKnown(t *testing.T) {
	c := newCloud(t)
	tags := c.provenance("v1")
	byPacker := c.made(tags)
	packers := c.packerCopy(byPacker)
	require.NoError(t, c.images.Accept(c.ctx, map[string]string{home: byPacker, other: packers}, tags))
	byUs := c.baked("v2")
	ours, err := c.images.Copy(c.ctx, other, byUs)
	require.NoError(t, err)
	nowhere := c.baked("v2") // the same inputs, baked once more

	found, err := c.images.Find(c.ctx, platform.ImageQuery{Application: "checkout"})
	require.NoError(t, err)
	regions := map[string]map[string]string{}
	for _, i := range found {
		regions[i.Ref] = i.Regions
	}
	require.Equal(t, map[string]map[string]string{
		byPacker: {home: byPacker, other: packers}, byUs: {home: byUs, other: ours}, nowhere: {home: nowhere},
	}, regions)
}

func TestAnImageIsReadOnlyWhenInstancesCanStartFromIt(t *testing.T) {
	c := newCloud(t)
	ref := c.baked("v1")
	image, err := c.images.Get(c.ctx, home, ref)
	require.NoError(t, err)
	require.Equal(t, "v1", image.Version)
	require.Equal(t, "checkout", image.Application)

	for _, unknown := range []string{noImage, "ami-x", "", "sha256:0000000000000000000000000000000000000000000000000000000000000000"} {
		_, err = c.images.Get(c.ctx, home, unknown)
		requireKind(t, platform.KindNotFound, err)
	}
	_, err = c.images.Get(c.ctx, other, ref)
	requireKind(t, platform.KindNotFound, err)
	_, err = c.images.Get(c.ctx, "us-east-1", ref)
	requireKind(t, platform.KindInvalid, err)

	require.NoError(t, server.SetImageState(c.ctx, home, ref, "pending"))
	_, err = c.images.Get(c.ctx, home, ref)
	requireKind(t, "", err)
	require.NoError(t, server.SetImageState(c.ctx, home, ref, "failed"))
	_, err = c.images.Get(c.ctx, home, ref)
	requireKind(t, platform.KindNotFound, err)
	require.NoError(t, server.SetImageState(c.ctx, home, ref, "available"))
	require.NoError(t, c.images.Retire(c.ctx, home, ref))
	_, err = c.images.Get(c.ctx, home, ref)
	requireKind(t, platform.KindNotFound, err)
}

func TestProvenanceHasNoEmptyTags(t *testing.T) {
	c := newCloud(t)
	tags := c.provenance("v1")
	require.Equal(t, "2026-01-01T00:00:01.000Z", tags[tag.Built])
	require.Equal(t, bake, tags[tag.Bake])
	require.Equal(t, "r1", tags[tag.Release])
	tags = c.provenance("")
	require.NotContains(t, tags, tag.Version)
}
