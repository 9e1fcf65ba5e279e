package spec_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release/spec"
)

var update = flag.Bool("update", false, "rewrite the expected findings and specs")

// golden compares with the file, or rewrites it with -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

// Every broken spec gets exactly the findings beside it, each with its place, the
// line and what is allowed.
func TestBrokenSpecs(t *testing.T) {
	files, err := filepath.Glob("testdata/broken/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 140)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			_, err = spec.Decode("release.yaml", data)
			var findings *spec.Findings
			require.ErrorAs(t, err, &findings)
			require.NotEmpty(t, findings.List)
			for _, f := range findings.List {
				assert.Equal(t, "release.yaml", f.File)
				assert.Positive(t, f.Line)
				assert.Positive(t, f.Column)
			}
			assert.NotContains(t, err.Error(), "hunter2", "a value that may be a secret is never shown")
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", err.Error()+"\n")
		})
	}
}

// Files that cannot be read at all are findings too.
func TestUnreadableSpecs(t *testing.T) {
	for name, c := range map[string]struct{ data, want string }{
		"not UTF-8":         {"a: 1\nb: \xff\n", "release.yaml:2:1: the line is not text in UTF-8; save the file in that encoding"},
		"control character": {"a: 1\nb: é\x07\n", "release.yaml:2:5: the line holds a control character (0x07); remove it"},
		"too large":         {strings.Repeat("#", spec.MaxSize+1), "release.yaml:1:1: the file has 65537 bytes; a spec has at most 65536"},
		"too deep":          {strings.Repeat("[", 50000), "release.yaml:1:1: the file nests brackets more than 100 deep; a spec never does"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := spec.Decode("release.yaml", []byte(c.data))
			require.EqualError(t, err, c.want)
		})
	}
}

// One endless line gives neither an endless message nor an endless list of them.
func TestFindingsStayReadable(t *testing.T) {
	_, err := spec.Decode("release.yaml", []byte("regions: ["+strings.Repeat("1,", 5000)+"]"))
	var findings *spec.Findings
	require.ErrorAs(t, err, &findings)
	require.Len(t, findings.List, 1001)
	assert.Contains(t, findings.List[1000].String(), "more findings")
	for _, line := range strings.Split(err.Error(), "\n") {
		assert.Less(t, len(line), 400)
	}
	assert.Contains(t, findings.List[900].String(), "\n    1 | … ,1,1,")
}

func TestGoodSpecs(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			s, err := spec.Decode(file, data)
			require.NoError(t, err)
			require.NoError(t, s.Validate())
			text, err := json.MarshalIndent(s, "", "  ")
			require.NoError(t, err)
			golden(t, strings.TrimSuffix(file, ".yaml")+".json", string(text)+"\n")
			var again spec.Spec
			require.NoError(t, json.Unmarshal(text, &again))
			assert.Equal(t, s, again, "nothing is lost on the way through JSON")
		})
	}
}

func TestDefaultsAreSafe(t *testing.T) {
	data, err := os.ReadFile("testdata/good/minimal.yaml")
	require.NoError(t, err)
	s, err := spec.Decode("minimal.yaml", data)
	require.NoError(t, err)
	assert.Equal(t, 24*time.Hour, s.Soak.Duration.Std())
	require.Len(t, s.Gates, 1)
	assert.Equal(t, spec.BeforeSwitch, s.Gates[0].Before)
	assert.True(t, *s.Gates[0].FourEyes)
	assert.Equal(t, 2, s.Verification.Consecutive)
	assert.Equal(t, "/healthz", s.Verification.Checks[0].HTTP.Path)
	assert.Equal(t, 3, s.Regions[0].Instances, "a region takes the fleet's number")
	assert.Equal(t, spec.Keep, s.Decommission.Adopted, "a fleet of others is not removed unasked")
}

// The example that people copy is valid, and as careful as the defaults.
func TestExampleIsValid(t *testing.T) {
	data, err := os.ReadFile("../../examples/checkout/release.yaml")
	require.NoError(t, err)
	s, err := spec.Decode("release.yaml", data)
	require.NoError(t, err)
	assert.Equal(t, 24*time.Hour, s.Soak.Duration.Std())
	assert.NotEmpty(t, s.Gates)
	assert.NotNil(t, s.Decommission.Window)
}

func TestWithDefaultsChangesNothingGiven(t *testing.T) {
	zero := spec.Duration(0)
	given := spec.Spec{Soak: spec.Soak{Duration: &zero}, Gates: []spec.Gate{}, Regions: []spec.Region{{Name: "a"}}, Fleet: spec.Fleet{Instances: 2}}
	full := given.WithDefaults()
	assert.Zero(t, *full.Soak.Duration)
	assert.Empty(t, full.Gates)
	assert.Equal(t, 2, full.Regions[0].Instances)
	assert.Zero(t, given.Regions[0].Instances, "the spec it was called on stays as it was")
	assert.Equal(t, full, full.WithDefaults())
}

// Parts that are absent stay absent, and what stands in them gets its defaults, however
// deep it is.
func TestDefaultsOfNestedParts(t *testing.T) {
	full := spec.Spec{Traffic: spec.Traffic{Strategy: spec.RollingBy, Analysis: &spec.Analysis{Compare: []spec.Comparison{{Name: "errors", Errors: &spec.ErrorsSource{}}}}},
		Soak: spec.Soak{Checks: []spec.Check{{Name: "up", Prometheus: &spec.PrometheusCheck{}}}}}.WithDefaults()
	assert.Equal(t, spec.Percent(25), full.Traffic.Rolling.Batch, "the strategy's settings are there")
	assert.Equal(t, 20, full.Traffic.Analysis.Compare[0].Errors.MinRequests)
	assert.Equal(t, spec.WorseHigher, full.Traffic.Analysis.Compare[0].Worse)
	assert.Nil(t, full.Traffic.Analysis.Checks, "those of verification")
	assert.Equal(t, 10*time.Second, full.Soak.Checks[0].Prometheus.Timeout.Std())
	assert.Nil(t, full.Soak.Checks[0].Prometheus.Min)
	assert.Equal(t, spec.InconclusiveHold, full.Verification.Checks[0].Inconclusive)
	assert.Equal(t, full, full.WithDefaults())

	none := spec.Spec{}.WithDefaults()
	assert.Nil(t, none.Soak.Checks, "those of verification")
	assert.Nil(t, none.Traffic.Rolling)
	assert.Nil(t, none.Traffic.Analysis)
	assert.Nil(t, none.Migrations)
	assert.Nil(t, none.Decommission.Window)
}

// A zero that is written is never taken for a field that is absent: either it is
// refused, or the field is a pointer, or zero is the default.
func TestZeroesThatAreWrittenCount(t *testing.T) {
	var walk func(typ reflect.Type, path string)
	walk = func(typ reflect.Type, path string) {
		for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct {
			return
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			walk(f.Type, path+"."+f.Name)
			low, def := strings.TrimRight(f.Tag.Get("min"), "ms%h"), f.Tag.Get("default")
			if f.Type.Kind() != reflect.Pointer && f.Type.Kind() != reflect.Slice && low == "0" {
				assert.Contains(t, []string{"0", "0s", "0%"}, def, "%s.%s: a zero would become the default", path, f.Name)
			}
			if f.Type.Kind() == reflect.Bool {
				assert.Equal(t, "false", def, "%s.%s", path, f.Name)
			}
		}
	}
	walk(reflect.TypeFor[spec.Spec](), "Spec")
}

func TestProgramsAreTheSpecsOwn(t *testing.T) {
	checks := func(program string) []spec.Check {
		return []spec.Check{{Name: "other", TCP: &spec.TCPCheck{}}, {Name: "program", Command: &spec.CommandCheck{Run: []string{program}}}}
	}
	half := &spec.Migration{Command: &spec.MigrationCommand{Run: []string{"migration", "argument"}}}
	s := spec.Spec{Verification: spec.Verification{Checks: checks("verification")}, Traffic: spec.Traffic{Analysis: &spec.Analysis{Checks: checks("analysis")}},
		Soak: spec.Soak{Checks: checks("soak")}, Migrations: &spec.Migrations{Expand: half, Contract: &spec.Migration{HTTP: &spec.MigrationHTTP{}}}}
	assert.Equal(t, [][]string{{"verification"}, {"analysis"}, {"soak"}, {"migration", "argument"}}, s.Programs())
	s.Programs()[3][0] = "changed"
	assert.Equal(t, "changed", half.Command.Run[0])
	assert.Empty(t, spec.Spec{}.Programs())
}

func TestValidateOfASpecMadeInGo(t *testing.T) {
	err := spec.Spec{APIVersion: spec.APIVersion, Application: "checkout", Environment: "Prod"}.Validate()
	var findings *spec.Findings
	require.True(t, errors.As(err, &findings))
	paths := map[string]bool{}
	for _, f := range findings.List {
		paths[f.Path] = true
	}
	assert.Equal(t, map[string]bool{"environment": true, "version": true, "image": true, "regions": true, "fleet": true}, paths)
}

func TestByteOrderMarkAndWindowsLines(t *testing.T) {
	data, err := os.ReadFile("testdata/good/minimal.yaml")
	require.NoError(t, err)
	want, err := spec.Decode("f", data)
	require.NoError(t, err)
	got, err := spec.Decode("f", append([]byte("\xef\xbb\xbf"), []byte(strings.ReplaceAll(string(data), "\n", "\r\n"))...))
	require.NoError(t, err)
	assert.Equal(t, want, got)
}
