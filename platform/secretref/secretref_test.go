package secretref_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform/secretref"
)

func TestResolve(t *testing.T) {
	t.Setenv("SECRETREF_TEST", "hunter2")
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("hunter3\n"), 0o600))
	values, err := secretref.ResolveAll(map[string]string{"a": "env:SECRETREF_TEST", "b": "file:" + file})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": "hunter2", "b": "hunter3"}, values)
}

func TestWhatCannotBeResolvedIsNamedWithoutItsValue(t *testing.T) {
	big := filepath.Join(t.TempDir(), "big")
	require.NoError(t, os.WriteFile(big, []byte(strings.Repeat("x", secretref.MaxSize+1)), 0o600))
	for ref, says := range map[string]string{
		"env:SECRETREF_NOT_SET":    "env:SECRETREF_NOT_SET",
		"file:/does/not/exist":     "file:/does/not/exist",
		"file:relative":            "absolute",
		"file:" + big:              "larger than",
		"a pasted secret":          "neither env:NAME nor file:/path",
		"slack://token@channel":    "neither env nor file",
		"file:" + t.TempDir() + "": "directory",
	} {
		_, err := secretref.Resolve(ref)
		require.ErrorIs(t, err, secretref.ErrUnresolved, ref)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "pasted")
		require.NotContains(t, err.Error(), "token@")
	}
}

func TestEverySecretThatIsMissingIsNamed(t *testing.T) {
	_, err := secretref.ResolveAll(map[string]string{"a": "env:SECRETREF_A", "b": "env:SECRETREF_B"})
	require.ErrorContains(t, err, "secret a: ")
	require.ErrorContains(t, err, "secret b: ")
}
