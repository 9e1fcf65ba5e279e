package starter

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
)

// SetCurrentVersion makes a build of the worker deployment the one that new
// workflows run on. Its workers have to be polling already, on every task queue of
// the present version; setting what is set changes nothing.
func SetCurrentVersion(ctx context.Context, c client.Client, deployment, buildID string) error {
	_, err := c.WorkerDeploymentClient().GetHandle(deployment).SetCurrentVersion(ctx, client.WorkerDeploymentSetCurrentVersionOptions{BuildID: buildID})
	var missing *serviceerror.NotFound
	var notReady *serviceerror.FailedPrecondition
	switch {
	case err == nil:
		return nil
	case errors.As(err, &missing), errors.As(err, &notReady):
		return &InputError{What: fmt.Sprintf("make build %s current in deployment %s", buildID, deployment), Err: err,
			Advice: fmt.Sprintf("Start its workers first: switchyard worker --versioned --deployment %s --build-id %s", deployment, buildID)}
	}
	return fmt.Errorf("make build %s current in deployment %s: %w", buildID, deployment, err)
}
