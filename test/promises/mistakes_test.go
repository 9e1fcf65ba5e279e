//go:build promises

package promises

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mistake is one that is seeded into a copy of the source, to see that it is caught.
type mistake struct {
	promise int // that it breaks
	name    string
	file    string
	change  []string // old, new, old, new...
}

// mistakes has at least one for every promise. They are made in the workflows and in the
// domain: the activities are the model's here, and have tests of their own.
var mistakes = []mistake{
	{1, "a failed verification lets it go on", "workflows/forward.go", []string{
		"\t\t\t*doubt = \"\"\n\t\t\treturn err", "\t\t\t*doubt = \"\"\n\t\t\treturn nil"}},
	{1, "checks that tell nothing prove it", "workflows/forward.go", []string{
		"first := *doubt == \"\"\n", "first := *doubt == \"\"\n\t\tif first {\n\t\t\treturn nil\n\t\t}\n"}},
	{2, "a share moves without the capacity for it", "workflows/switch.go", []string{
		"if err := workflow.ExecuteActivity(forWaiting(ctx, summary, s.Fleet.ReadyWithin.Std()), activities.Capacity, in).Get(ctx, &parity); err != nil {\n\t\treturn err\n\t}",
		"_ = workflow.ExecuteActivity(forWaiting(ctx, summary, s.Fleet.ReadyWithin.Std()), activities.Capacity, in).Get(ctx, &parity)"}},
	{2, "the way back is measured by the plan and not by today's load", "workflows/rollback.go", []string{
		"Carrying: region.Candidate, Least:", "Least:"}},
	{2, "holds stay after a rollback", "workflows/rollback.go", []string{
		"\tr.releaseHolds(ctx)\n\tend := r.state.EndPhase(clean)", "\tend := r.state.EndPhase(clean)"}},
	{3, "it begins to take away although nobody could go back", "workflows/window.go", []string{
		" || r.noWayBack() != \"\" || r.inDoubt() {", " || r.inDoubt() {"}},
	{3, "a stopped fleet is not put back into the route", "workflows/rollback.go", []string{
		"\tif region.Stopped {\n", "\tif region.Stopped && region.Left {\n"}},
	{4, "a fleet is stopped although requests still come", "workflows/stop.go", []string{
		"\tif err == nil {\n\t\tshrink :=", "\tif err == nil || !temporal.IsCanceledError(err) {\n\t\tshrink :="}},
	{4, "the candidate is removed with its share", "workflows/rollback.go", []string{
		"\tif err := r.shiftBack(ctx, region, 0); err != nil {\n\t\treturn err\n\t}\n", ""}},
	{5, "a fleet is in the ledger once it is made", "workflows/forward.go", []string{
		"\t\tr.ledger(ctx, release.KindFleet, region.Name, region.Candidate, release.LedgerPlanned, \"\")\n", ""}},
	{5, "an aborted release leaves its candidate", "workflows/back.go", []string{
		"\tr.removeCandidates(ctx, nil)\n", ""}},
	{6, "who overrides a freeze gets a target that is held", "release/environment.go", []string{
		"free := e.Holder == nil && ", "free := (e.Holder == nil || h.OverrideFreeze != \"\") && "}},
	{6, "a target that is held is handed over", "release/environment.go", []string{
		"\tif e.Holder != nil {\n\t\treturn nil\n\t}\n\ti :=", "\ti :="}},
	{7, "both halves of a migration have one key", "release/ids.go", []string{
		" + \"/\" + id + \"/\" + half", " + \"/\" + id"}},
	{7, "a migration has another key at every try", "workflows/migrate.go", []string{
		"release.MigrationKey(r.state.Request.Target(), r.state.Request.ID, half)", "release.MigrationKey(r.state.Request.Target(), r.state.Request.ID, half) + workflow.Now(ctx).String()"}},
	{8, "nothing certain is taken for good", "workflows/watch.go", []string{
		"\tdefault:\n\t\tregion.Doubt,", "\tdefault:\n\t\treturn true, nil\n\t\tregion.Doubt,"}},
	{8, "nobody is told that nothing certain is seen", "workflows/watch.go", []string{
		"r.callForHelp(ctx, fmt.Sprintf(\"%s: the watch sees nothing certain: %s\", region.Name, seen.Reason))", ""}},
	{9, "the workflow resolves a secret", "workflows/forward.go", []string{
		"import (\n", "import (\n\t\"os\"\n\t\"strings\"\n",
		"\tin := activities.BakeInput{", "\tif p := s.Image.Packer; p != nil {\n\t\tfor name, ref := range p.Secrets {\n\t\t\tp.Secrets[name] = os.Getenv(strings.TrimPrefix(ref, \"env:\"))\n\t\t}\n\t}\n\tin := activities.BakeInput{"}},
	{10, "a rollback takes over whatever it finds", "release/serving.go", []string{
		"if seen.Equal(r.Weights) || !ours && !seen.Equal(nil) {", "if seen.Equal(r.Weights) || ours && seen.Equal(nil) {"}},
	{10, "nobody is told of shares that somebody else moved", "workflows/watch.go", []string{
		"r.callForHelp(ctx, fmt.Sprintf(\"%s: the shares were changed by somebody else: %s. The release leaves them and does not go on; move them back, or send rollback\", region.Name, seen.Weights))", ""}},
	{10, "nobody is told of what was changed by hand", "workflows/watch.go", []string{
		"r.callForHelp(ctx, fmt.Sprintf(\"%s: %s. The release goes on and changes nothing of it\", region.Name, seen.Reason))", ""}},
}

// tries is how many schedules a mistake has to be caught in.
const tries = 1500

func TestMistakesAreCaught(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	covered := map[int]bool{}
	var found atomic.Int64
	t.Run("all", func(t *testing.T) {
		for _, m := range mistakes {
			covered[m.promise] = true
			t.Run(fmt.Sprintf("%d %s", m.promise, m.name), func(t *testing.T) {
				t.Parallel()
				out := m.seeded(t, root)
				require.Contains(t, out, fmt.Sprintf("promise %d is broken", m.promise), "nobody noticed that %s", m.name)
				found.Add(1)
			})
		}
	})
	for _, p := range promises {
		require.True(t, covered[p.number] || p.number == 0, "no mistake is seeded for promise %d", p.number)
	}
	fmt.Printf("mutations: %d seeded, %d caught\n", len(mistakes), found.Load())
}

// seeded runs the schedules over the source with the mistake in it.
func (m mistake) seeded(t *testing.T, root string) string {
	dir, path := t.TempDir(), filepath.Join(root, m.file)
	source, err := os.ReadFile(path)
	require.NoError(t, err)
	text := string(source)
	for i := 0; i < len(m.change); i += 2 {
		require.Equal(t, 1, strings.Count(text, m.change[i]), "the list of mistakes is not up to date: %s has not once %q", m.file, m.change[i])
		text = strings.Replace(text, m.change[i], m.change[i+1], 1)
	}
	wrong, overlay, binary := filepath.Join(dir, "wrong.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "promises.test")
	require.NoError(t, os.WriteFile(wrong, []byte(text), 0o600))
	data, err := json.Marshal(map[string]any{"Replace": map[string]string{path: wrong}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, data, 0o600))

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", binary, "./test/promises")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	which := "^TestPromises$/^0$"
	if m.promise == 6 {
		which = "^TestOneHolder$/^0$"
	}
	run := exec.CommandContext(ctx, binary, "-test.run", which, "-rapid.checks", strconv.Itoa(tries),
		"-rapid.seed", "1", "-rapid.nofailfile", "-rapid.shrinktime", "0s")
	run.Dir, run.Env = dir, append(os.Environ(), "SWITCHYARD_PROMISE="+strconv.Itoa(m.promise))
	out, _ = run.CombinedOutput() // it fails when the mistake is caught
	return string(out)
}
