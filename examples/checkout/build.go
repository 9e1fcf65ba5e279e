package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// build is what was baked into the image, in etc/checkout/build.json.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Greeting string `json:"greeting,omitempty"`
	Instance string `json:"instance"`
}

func readBuild(root string) (build, error) {
	b := build{Version: "development"}
	err := readJSON(filepath.Join(root, "etc", "checkout", "build.json"), &b)
	return b, err
}

// faults make a version bad on purpose, for demonstrations. They are baked into the
// image in etc/checkout/faults.json; without that file the service is well.
type faults struct {
	FailAfter time.Duration // after the first request of a user; 0 together with a rate means at once
	ErrorRate float64       // share of users' requests that fail then, 0 to 1
}

func readFaults(root string) (faults, error) {
	var raw struct {
		FailAfter string  `json:"failAfter"`
		ErrorRate float64 `json:"errorRate"`
	}
	file := filepath.Join(root, "etc", "checkout", "faults.json")
	if err := readJSON(file, &raw); err != nil {
		return faults{}, err
	}
	f := faults{ErrorRate: raw.ErrorRate}
	if raw.ErrorRate < 0 || raw.ErrorRate > 1 {
		return f, fmt.Errorf("%s: errorRate %v is not between 0 and 1", file, raw.ErrorRate)
	}
	if raw.FailAfter != "" {
		after, err := time.ParseDuration(raw.FailAfter)
		if err != nil || after < 0 {
			return f, fmt.Errorf("%s: failAfter %q is not a duration like 6s", file, raw.FailAfter)
		}
		f.FailAfter = after
	}
	return f, nil
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
