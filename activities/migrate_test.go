package activities_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func migrateInput(m spec.Migration) activities.MigrateInput {
	if m.Timeout == 0 {
		m.Timeout = ms(60_000)
	}
	return activities.MigrateInput{Place: place, Version: "2.0.0", Half: release.HalfExpand, Key: "migration/key", Schema: 7, Migration: m}
}

func shell(line string) spec.Migration {
	return spec.Migration{Command: &spec.MigrationCommand{Run: []string{"/bin/sh", "-c", line}}}
}

func TestMigrateByCommandKnowsWhatIsAskedAndNoSecretOfTheWorker(t *testing.T) {
	b := newBench(t)
	t.Setenv("WORKER_TOKEN", "hunter2")
	t.Setenv("DATABASE", "postgres://app:pa55word@db/checkout")
	m := shell("env; echo connecting to $URL; echo with pa55word >&2")
	m.Command.Environment = map[string]string{"MODE": "online", "SWITCHYARD_HALF": "both"}
	m.Command.Secrets = map[string]string{"URL": "env:DATABASE"}
	out, err := run[activities.Migrated](b, activities.Migrate, migrateInput(m))
	require.NoError(t, err)
	for _, line := range []string{"MODE=online", "SWITCHYARD_IDEMPOTENCY_KEY=migration/key", "SWITCHYARD_HALF=expand",
		"SWITCHYARD_SCHEMA=7", "SWITCHYARD_VERSION=2.0.0", "connecting to <secret>", "with <secret>"} {
		require.Contains(t, out.Output, line)
	}
	for _, secret := range []string{"hunter2", "pa55word"} {
		require.NotContains(t, out.Output, secret)
	}
}

func TestMigrateByCommandKeepsTheEndOfALongOutputWithoutSecrets(t *testing.T) {
	b := newBench(t)
	secret := "s3cret-" + strings.Repeat("long", 50)
	t.Setenv("TOKEN", secret)
	m := shell(`i=0; while [ $i -lt 2000 ]; do printf '%s' "$TOKEN"; i=$((i+1)); done; printf '%05000d' 0; echo; echo the end`)
	m.Command.Secrets = map[string]string{"TOKEN": "env:TOKEN"}
	out, err := run[activities.Migrated](b, activities.Migrate, migrateInput(m))
	require.NoError(t, err)
	require.LessOrEqual(t, len(out.Output), 4096)
	require.True(t, strings.HasSuffix(out.Output, "the end"), out.Output)
	require.NotContains(t, out.Output, "long")

	m.Command.Run[2] = `i=0; while [ $i -lt 2000 ]; do printf '%s' "$TOKEN"; i=$((i+1)); done`
	out, err = run[activities.Migrated](b, activities.Migrate, migrateInput(m))
	require.NoError(t, err)
	require.NotContains(t, out.Output, "long", "nor a part of one that the limit cut in two")
}

func TestMigrateByCommandThatFailsShowsTheEndOfItsOutput(t *testing.T) {
	b := newBench(t)
	_, err := run[activities.Migrated](b, activities.Migrate, migrateInput(shell("echo relation orders does not exist; exit 3")))
	app := requireKind(t, err, activities.ErrMigration, true)
	require.Contains(t, app.Error(), "exit status 3")
	require.Contains(t, app.Error(), "relation orders does not exist")
	require.Contains(t, app.Error(), "checkout/production")
}

func TestMigrateByCommandIsStoppedWithEverythingItStarted(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(t.TempDir(), "pid")
	m := shell("echo begun; sleep 60 & echo $! > " + file + "; wait")
	m.Timeout = ms(1000)
	_, err := run[activities.Migrated](b, activities.Migrate, migrateInput(m))
	app := requireKind(t, err, activities.ErrMigration, true)
	require.Contains(t, app.Error(), "stopped after 1s")
	require.Contains(t, app.Error(), "begun")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return gone(pid) }, 10*time.Second, 5*time.Millisecond)
}

func TestMigrateThatCannotBeRunAsItIsGivenIsFinal(t *testing.T) {
	b := newBench(t)
	missing := shell("true")
	missing.Command.Secrets = map[string]string{"URL": "env:SWITCHYARD_TEST_NOT_SET"}
	token := spec.Migration{HTTP: &spec.MigrationHTTP{URL: "http://127.0.0.1:1/", Token: "env:SWITCHYARD_TEST_NOT_SET"}}
	for name, m := range map[string]spec.Migration{
		"nothing to do":   {},
		"no program":      {Command: &spec.MigrationCommand{}},
		"no such program": {Command: &spec.MigrationCommand{Run: []string{"/does/not/exist"}}},
		"no secret":       missing,
		"no token":        token,
		"no client":       {Temporal: &spec.MigrationTemporal{Workflow: "expand", TaskQueue: "theirs"}},
	} {
		_, err := run[activities.Migrated](b, activities.Migrate, migrateInput(m))
		requireKind(t, err, activities.ErrInvalidRequest, true)
		require.ErrorContains(t, err, "expand the database", name)
	}
}

func TestMigrateByHTTPTellsWhatIsAsked(t *testing.T) {
	b := newBench(t)
	t.Setenv("MIGRATION_TOKEN", "hunter2")
	var asked release.Asked
	var header http.Header
	address := server(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &asked)
		_, _ = io.WriteString(w, "added column state; token was hunter2")
	})
	m := spec.Migration{HTTP: &spec.MigrationHTTP{URL: "http://" + address + "/expand", Token: "env:MIGRATION_TOKEN"}}
	out, err := run[activities.Migrated](b, activities.Migrate, migrateInput(m))
	require.NoError(t, err)
	require.Equal(t, "added column state; token was <secret>", out.Output)
	require.Equal(t, release.Asked{Application: "checkout", Environment: "production", Version: "2.0.0", Release: "r2", Region: region,
		Stage: "expand", Key: "migration/key", Schema: 7}, asked)
	require.Equal(t, "migration/key", header.Get("Idempotency-Key"))
	require.Equal(t, "Bearer hunter2", header.Get("Authorization"))
}

func TestMigrateByHTTPTriesAgainWhatMayWorkLater(t *testing.T) {
	for status, final := range map[int]bool{302: true, 400: true, 404: true, 422: true, 408: false, 409: false, 425: false, 429: false, 500: false, 503: false} {
		b := newBench(t)
		var answers atomic.Int32
		address := server(t, func(w http.ResponseWriter, _ *http.Request) {
			if answers.Add(1) == 1 {
				http.Error(w, "not now", status)
			}
		})
		in := migrateInput(spec.Migration{HTTP: &spec.MigrationHTTP{URL: "http://" + address}})
		_, err := run[activities.Migrated](b, activities.Migrate, in)
		require.ErrorContains(t, err, "not now")
		if final {
			requireKind(t, err, activities.ErrMigration, true)
			continue
		}
		requireKind(t, err, "Unknown", false)
		_, err = run[activities.Migrated](b, activities.Migrate, in)
		require.NoError(t, err, status)
	}
}

func TestMigrateByHTTPWithoutAnAnswerIsTriedAgain(t *testing.T) {
	b := newBench(t)
	_, err := run[activities.Migrated](b, activities.Migrate, migrateInput(spec.Migration{HTTP: &spec.MigrationHTTP{URL: "http://127.0.0.1:1/"}}))
	requireKind(t, err, "Unknown", false)

	hang := make(chan struct{})
	address := server(t, func(http.ResponseWriter, *http.Request) { <-hang })
	defer close(hang)
	_, err = run[activities.Migrated](b, activities.Migrate, migrateInput(spec.Migration{Timeout: ms(50), HTTP: &spec.MigrationHTTP{URL: "http://" + address}}))
	app := requireKind(t, err, "Unknown", false)
	require.Contains(t, app.Error(), "no whole answer within 50ms")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
