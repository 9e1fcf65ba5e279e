// Package workflows holds the orchestration, deterministic and nothing else:
// decisions are release's, acts are the activities'.
package workflows

import (
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/release"
)

// Register registers every workflow. Versioned workers pin each run to the version
// that started it: a release ends on the code it began with, an environment moves
// when it continues as new.
func Register(r worker.WorkflowRegistry, versioned bool) {
	behavior := workflow.VersioningBehaviorUnspecified
	if versioned {
		behavior = workflow.VersioningBehaviorPinned
	}
	r.RegisterWorkflowWithOptions(Release, workflow.RegisterOptions{Name: release.WorkflowRelease, VersioningBehavior: behavior})
	r.RegisterWorkflowWithOptions(RunActivity, workflow.RegisterOptions{Name: release.WorkflowRunActivity, VersioningBehavior: behavior})
	r.RegisterWorkflowWithOptions(Environment, workflow.RegisterOptions{Name: release.WorkflowEnvironment, VersioningBehavior: behavior})
}
