package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	_ "time/tzdata"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release/spec"
)

const root = "../../../.."

// The schema and the reference page in the repository are what the types say now.
func TestGeneratedFilesAreUpToDate(t *testing.T) {
	files, err := generate(root)
	require.NoError(t, err)
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), "%s is out of date; run: go generate ./release/spec", name)
	}
}

// Whoever reads the schema or the page finds a meaning for every field.
func TestEveryFieldIsExplained(t *testing.T) {
	s, err := makeSchema(root)
	require.NoError(t, err)
	for _, f := range spec.Fields() {
		d := s
		if f.Parent != "Spec" {
			d = s.Definitions[f.Parent]
			assert.NotEmpty(t, d.Description, f.Parent)
		}
		p, ok := d.Properties.Get(f.Name)
		require.True(t, ok, f.Path)
		assert.NotEmpty(t, p.Description, f.Path)
	}
}

func TestPublishedSchemaIsJSON(t *testing.T) {
	assert.True(t, json.Valid(spec.Schema()))
}
