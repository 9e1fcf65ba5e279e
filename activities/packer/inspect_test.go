package packer_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnImageIsInspectedBeforeAnybodyCanFindIt(t *testing.T) {
	b := newBench(t)
	bake := b.bake(b.example("app"))
	saw := false
	bake.Inspect = func(_ context.Context, root string) error {
		saw = true
		require.FileExists(t, filepath.Join(root, "etc", "checkout", "build.json"))
		images, err := b.store.List()
		require.NoError(t, err)
		require.Empty(t, images, "the image is found before it was inspected")
		return nil
	}
	r, err := bake.Run(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, saw)
	images, err := b.store.List()
	require.NoError(t, err)
	require.Len(t, images, 1)
	require.Equal(t, r.ArtifactID, images[0].Ref)
	roots, err := filepath.Glob(filepath.Join(b.work, "*", "root"))
	require.NoError(t, err)
	require.Empty(t, roots, "the unpacked files stay behind")
}

func TestAnImageThatFailsItsInspectionIsGone(t *testing.T) {
	b := newBench(t)
	bake := b.bake(b.example("app"))
	unfit := errors.New("it holds a key")
	bake.Inspect = func(context.Context, string) error { return unfit }
	_, err := bake.Run(t.Context(), nil)
	require.ErrorIs(t, err, unfit)
	images, err := b.store.List()
	require.NoError(t, err)
	require.Empty(t, images)
	require.Empty(t, b.blobs(), "what the image held is still stored")
	require.Empty(t, b.leftOvers())
	_, err = os.Stat(b.work)
	require.NoError(t, err, "the log of the bake stays")
}
