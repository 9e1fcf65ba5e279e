// Package actions keeps the record of the AWS actions that test suites used. The IAM
// policies in deployments/iam are compared with it, so that they allow what is needed
// and nothing else.
package actions

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/switchyard/switchyard/internal/awslab/wire"
)

// Update is the flag with which suites write their records anew. A suite that has golden
// files of its own uses it too: a flag can be declared only once.
var Update = flag.Bool("update", false, "write the golden files anew")

// Compare fails the test when the actions in calls differ from the suite's record, and
// writes the record with -update. The worker's actions are in
// deployments/iam/recorded/SUITE.txt, Packer's in SUITE.packer.txt, one in a line, sorted.
// What a test does to set an account up must not be among the calls: it is no need of
// the product. A read that is recorded and was not used is no difference: whether it is
// needed may hang on how fast things happen.
func Compare(t testing.TB, suite string, calls []wire.Call) {
	t.Helper()
	dir, err := recorded()
	if err != nil {
		t.Fatal(err)
	}
	for by, name := range map[string]string{wire.ByWorker: suite + ".txt", wire.ByPacker: suite + ".packer.txt"} {
		if err := compare(filepath.Join(dir, name), of(calls, by), *Update); err != nil {
			t.Error(err)
		}
	}
}

// noted is what Note was given.
var noted struct {
	sync.Mutex
	calls []wire.Call
}

// Note adds calls to those that End compares, for suites that have an account per test.
func Note(calls []wire.Call) {
	noted.Lock()
	defer noted.Unlock()
	noted.calls = append(noted.calls, calls...)
}

// End compares what was noted with the suite's record, when all of the suite's tests ran
// and passed; code is what they ended with. It returns the code to exit with.
func End(suite string, code int) int {
	if code != 0 || flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.list").Value.String() != "" {
		return code
	}
	dir, err := recorded()
	for by, name := range map[string]string{wire.ByWorker: suite + ".txt", wire.ByPacker: suite + ".packer.txt"} {
		if err == nil {
			err = compare(filepath.Join(dir, name), of(noted.calls, by), *Update)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// of lists the actions of one caller, each once.
func of(calls []wire.Call, by string) []string {
	var out []string
	for _, c := range calls {
		if c.By == by && c.Action != "" {
			out = append(out, c.IAM())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func compare(path string, got []string, update bool) error {
	if update {
		return write(path, got)
	}
	want, err := Read(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	more, less := Without(got, want), slices.DeleteFunc(Without(want, got), isRead)
	if len(more)+len(less) == 0 {
		return nil
	}
	return fmt.Errorf("%s differs from the AWS actions that were used: used and not recorded %v, recorded and not used %v (run the suite with -update, then look at the policies in deployments/iam)",
		filepath.Base(path), more, less)
}

// isRead says whether an action only looks.
func isRead(action string) bool {
	_, name, _ := strings.Cut(action, ":")
	return strings.HasPrefix(name, "Describe") || strings.HasPrefix(name, "Get") || strings.HasPrefix(name, "List")
}

// write makes the record, or removes it when nothing was called.
func write(path string, actions []string) error {
	if len(actions) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(strings.Join(actions, "\n")+"\n"), 0o644)
}

// Read is the content of a record: its lines, without empty ones.
func Read(path string) ([]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return strings.Fields(string(data)), nil
}

// Without is what of a is not in b, in the order of a.
func Without(a, b []string) []string {
	var out []string
	for _, x := range a {
		if !slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}

// recorded finds the records' folder from the folder of the test that runs.
func recorded() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return filepath.Join(at, "deployments", "iam", "recorded"), nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("find the record of AWS actions: no go.mod above %s", dir)
		}
	}
}
