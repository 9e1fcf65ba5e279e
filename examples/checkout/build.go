package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// build is what was baked into the image, in etc/checkout/build.json.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Greeting string `json:"greeting,omitempty"`
	Schema   int    `json:"schema,omitempty"` // of the database that this build needs
	Instance string `json:"instance"`

	fleet string // the instance belongs to
}

func readBuild(root string) (build, error) {
	b := build{Version: "development", Schema: 1, fleet: os.Getenv("SWITCHYARD_FLEET")}
	err := readJSON(filepath.Join(root, "etc", "checkout", "build.json"), &b)
	return b, err
}

// readJSON leaves v as it is when there is no such file.
func readJSON(file string, v any) error {
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
