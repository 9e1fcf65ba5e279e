// Command gen writes what is generated from the spec's types: the JSON Schema and
// the reference page. Run it with: go generate ./release/spec
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	// go generate runs in release/spec.
	if err := run(filepath.Join("..", "..")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run writes the generated files below the root of the repository.
func run(root string) error {
	files, err := generate(root)
	if err != nil {
		return err
	}
	for name, data := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make the folder of %s: %w", path, err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return fmt.Errorf("write the generated file %s: %w", path, err)
		}
	}
	return nil
}

// generate makes every generated file, by its path below root, from the sources there.
func generate(root string) (map[string][]byte, error) {
	schema, err := makeSchema(root)
	if err != nil {
		return nil, err
	}
	text, err := encode(schema)
	if err != nil {
		return nil, err
	}
	page, err := makePage(root, schema)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"release/spec/spec.schema.json": text,
		"docs/spec.schema.json":         text,
		"docs/spec.md":                  page,
	}, nil
}
