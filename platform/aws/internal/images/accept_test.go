package images_test

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
)

func TestAnAcceptedImageAndItsSnapshotsCarryTheProvenance(t *testing.T) {
	c := newCloud(t)
	all := c.provenance("v1")
	// What a template says that tags with the digest and its own things alone.
	ref := c.made(map[string]string{tag.InputDigest: all[tag.InputDigest], tag.Base: "ami-0123456789abcdef0", "team": "payments"})
	packers := c.packerCopy(ref)
	refs := map[string]string{home: ref, other: packers}
	require.NoError(t, c.images.Accept(c.ctx, refs, all))

	for region, ref := range refs {
		image, _ := c.ami(region, ref)
		have := tags(image.Tags)
		want := maps.Clone(all)
		want[tag.Base] = "ami-0123456789abcdef0"
		for key, value := range want {
			require.Equal(t, value, have[key], key)
		}
		require.NotEmpty(t, have[tag.Accepted])
		snapshot := c.snapshots(region)[snapshotOf(image)]
		for key, value := range want {
			require.Equal(t, value, snapshot[key], key)
		}
		require.Equal(t, ref, snapshot[tag.Image])
		require.Equal(t, have[tag.Accepted], snapshot[tag.Accepted])
	}
	before := c.tagsOf(home, ref)
	require.NoError(t, c.images.Accept(c.ctx, refs, all))
	require.Equal(t, before, c.tagsOf(home, ref), "accepting again changes nothing")
}

func TestAnAMIOfSomethingElseIsRefusedAndSwept(t *testing.T) {
	c := newCloud(t)
	all := c.provenance("v1")
	for name, made := range map[string]map[string]string{
		"without tags": nil, "of other inputs": {tag.InputDigest: "sha256:other", tag.Bake: bake},
	} {
		ref := c.made(made)
		err := c.images.Accept(c.ctx, map[string]string{home: ref}, all)
		requireKind(t, platform.KindInvalid, err)
		require.ErrorContains(t, err, "switchyard_tags", name)
		found, err := c.images.Find(c.ctx, platform.ImageQuery{})
		require.NoError(t, err)
		require.Empty(t, found, name)
		removed, err := c.images.Sweep(c.ctx, bake)
		require.NoError(t, err)
		require.NotEmpty(t, removed, name)
		_, there := c.ami(home, ref)
		require.False(t, there, name)
	}
}

func TestWhatAWSDoesNotKnowIsNotAccepted(t *testing.T) {
	c := newCloud(t)
	all := c.provenance("v1")
	requireKind(t, platform.KindInvalid, c.images.Accept(c.ctx, map[string]string{home: noImage}, all))
	requireKind(t, platform.KindInvalid, c.images.Accept(c.ctx, map[string]string{other: noImage}, all))
	ref := c.made(all)
	require.NoError(t, server.SetImageState(c.ctx, home, ref, "failed"))
	requireKind(t, platform.KindInvalid, c.images.Accept(c.ctx, map[string]string{home: ref}, all))
}

func TestAnImageIsAcceptedWhenItIsThere(t *testing.T) {
	c := newCloud(t)
	all := c.provenance("v1")
	ref := c.made(all)
	require.NoError(t, server.SetImageState(c.ctx, home, ref, "pending"))
	done := make(chan error, 1)
	go func() { done <- c.images.Accept(c.ctx, map[string]string{home: ref}, all) }()
	require.Eventually(t, func() bool { return len(proxy.Calls()) > 10 }, 30*time.Second, 10*time.Millisecond, "it looks again")
	require.NotContains(t, c.tagsOf(home, ref), tag.Accepted)
	require.NoError(t, server.SetImageState(c.ctx, home, ref, "available"))
	require.NoError(t, <-done)
	require.Contains(t, c.tagsOf(home, ref), tag.Accepted)
}
