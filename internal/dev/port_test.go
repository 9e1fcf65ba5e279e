package dev

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Two stacks that start at once both find the usual port free; one may have it.
func TestTheUsualPortGoesToOneStack(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	const usual = 1 // nobody listens there, and it is only asked for
	one, two := &Stack{}, &Stack{}
	require.True(t, one.reserve(usual))
	require.False(t, two.reserve(usual))
	port, err := two.choosePort(0, usual)
	require.NoError(t, err)
	require.NotEqual(t, usual, port)
	for _, f := range one.ports {
		require.NoError(t, f.Close())
	}
	require.True(t, two.reserve(usual), "a stack that stopped gives its port back")
	require.NoError(t, two.ports[0].Close())
}
