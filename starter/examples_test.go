package starter_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/starter"
)

// What the documents point to as an example is a spec that can be released.
func TestTheExamplesAreValid(t *testing.T) {
	examples, err := filepath.Glob("../examples/checkout/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(examples), 4)
	for _, path := range examples {
		l, err := starter.ReadSpec(path)
		require.NoError(t, err, path)
		back, err := l.BackTo("0.9.0")
		require.NoError(t, err, "%s: it can go back to a version that is kept", path)
		require.Equal(t, "0.9.0", back.Spec.Image.Retained)
	}
}
