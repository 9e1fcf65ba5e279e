package release_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/switchyard/switchyard/release"
)

// Ids stand in histories, links and scripts: they never change.
func TestWorkflowIDs(t *testing.T) {
	target := release.Target{Application: "checkout", Environment: "production"}
	assert.Equal(t, "environment/checkout/production", release.EnvironmentWorkflowID(target))
	assert.Equal(t, "release/checkout/production/r42", release.ReleaseWorkflowID(target, "r42"))
	assert.Equal(t, "checkout-production-r42", release.FleetName(target, "r42"))
}
