package workflows

import (
	"fmt"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// expand runs the first half of the migration. What it added stays on every way out:
// it is good for the builds before and after.
func (r *releaseRun) expand(ctx workflow.Context) (release.Phase, error) {
	m := r.state.Request.Spec.Migrations
	if err := r.migrate(ctx, release.HalfExpand, m.Schema, *m.Expand); err != nil {
		return "", err
	}
	r.state.Schema.Version = max(r.state.Schema.Version, m.Schema)
	r.reportBeside(ctx)
	return release.PhaseProvision, nil
}

// contract runs the second half. From its first moment older builds may not run any
// more, so the environment knows the new floor before. A contract that fails is left
// for a person and never undoes a good release.
func (r *releaseRun) contract(ctx workflow.Context) release.Phase {
	m := r.state.Request.Spec.Migrations
	r.state.Schema.Floor = max(r.state.Schema.Floor, m.Floor)
	end := r.state.EndPhase(true)
	if err := r.tell(ctx, ""); err != nil {
		r.callForHelp(ctx, fmt.Sprintf("the database was not contracted: the environment could not be told that builds below schema %d run no more: %s. Contract it by hand", m.Floor, explain(err)))
	} else if err := r.migrate(ctx, release.HalfContract, m.Floor, *m.Contract); err != nil {
		r.callForHelp(ctx, fmt.Sprintf("the database may be contracted in part: %s. Run it again by hand; builds below schema %d are refused from now on", explain(err), m.Floor))
	}
	r.report(ctx, string(end))
	return end
}

func (r *releaseRun) migrate(ctx workflow.Context, half string, schema int, m spec.Migration) error {
	key := release.MigrationKey(r.state.Request.Target(), r.state.Request.ID, half)
	r.state.Migrations = append(r.state.Migrations, release.Half{Name: half, Key: key, Start: workflow.Now(ctx)})
	n := len(r.state.Migrations) - 1
	r.show(ctx)
	in := activities.MigrateInput{
		Place: r.place(""), Version: r.state.Request.Spec.Version, Half: half, Key: key, Schema: schema, Migration: m,
	}
	var done activities.Migrated
	err := workflow.ExecuteActivity(forWaiting(ctx, fmt.Sprintf("%s the database, schema %d", half, schema), m.Timeout.Std()), activities.Migrate, in).Get(ctx, &done)
	h := &r.state.Migrations[n]
	h.End, h.Outcome, h.Output = workflow.Now(ctx), "done", done.Output
	if err != nil {
		h.Outcome = explain(err)
	} else {
		r.state.Evidence(fmt.Sprintf("%s to schema %d", half, schema))
	}
	return err
}

// RunActivity runs an activity of the user's own for a check, on the task queue that
// the user's worker serves. What it answers is passed on as it is; a failure of it is an
// answer too and is not tried again.
func RunActivity(ctx workflow.Context, in release.RunActivityInput) (converter.RawValue, error) {
	var answer converter.RawValue
	err := workflow.ExecuteActivity(forTheirs(ctx, in), in.Activity, in.Asked).Get(ctx, &answer)
	return answer, err
}
