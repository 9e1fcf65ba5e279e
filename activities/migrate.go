package activities

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/release"
)

// Migrator changes the databases of applications, by means of the user's own.
type Migrator struct {
	Temporal client.Client
	HTTP     *http.Client // nil: a client that follows no redirect and keeps no connection
}

const (
	defaultMigration = 30 * time.Minute
	maxOutput        = 4 << 10 // bytes of a half's output that are kept, from its end
)

// Migrate does one half of a migration and keeps the end of its output, without the
// secrets it was given. It may be tried several times, each time with the same key: a
// command and an HTTP service have to end in the same state, a Temporal workflow is
// followed where it runs and not run again once it is done. ErrMigration, with the
// output, when the half says that it failed or takes longer than its timeout;
// ErrInvalidRequest when it can't be run as it is given. What did not answer is tried again.
func (m *Migrator) Migrate(ctx context.Context, in MigrateInput) (Migrated, error) {
	pulse := beat(ctx, in.words())
	defer pulse.Stop()
	how := in.Migration
	switch {
	case how.Command != nil:
		return runMigration(ctx, in)
	case how.HTTP != nil:
		return m.callMigration(ctx, in)
	case how.Temporal != nil:
		return m.followMigration(ctx, in)
	}
	return Migrated{}, acterr.Final(ErrInvalidRequest, "%s: it says nothing to do; give a command, http or temporal", in.words())
}

// words name the half for messages.
func (in MigrateInput) words() string {
	return fmt.Sprintf("%s the database of %s for version %s (schema %d)", in.Half, in.Place.Target, in.Version, in.Schema)
}

func (in MigrateInput) timeout() time.Duration {
	if t := in.Migration.Timeout.Std(); t > 0 {
		return t
	}
	return defaultMigration
}

// asked is what the user's own service or workflow is told.
func (in MigrateInput) asked() release.Asked {
	return release.Asked{
		Application: in.Place.Target.Application, Environment: in.Place.Target.Environment, Version: in.Version,
		Release: in.Place.Release, Region: in.Place.Region, Stage: in.Half, Key: in.Key, Schema: in.Schema,
	}
}

// failed is the half's own word that it did not work.
func (in MigrateInput) failed(how, output string) error {
	if output != "" {
		how += "; its output ends with: " + output
	}
	return acterr.Final(ErrMigration, "%s: %s. It may be run again once what is wrong is put right", in.words(), strings.TrimSpace(how))
}
