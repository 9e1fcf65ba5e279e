// Package secretref resolves references to secrets where they are used, so that no
// value ever stands in a spec, a workflow history or a log. A reference is
// "env:NAME" or "file:/path".
package secretref

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MaxSize is the size in bytes that a referenced file may have.
const MaxSize = 1 << 20

// ErrUnresolved is wrapped by every error of this package.
var ErrUnresolved = errors.New("secret reference can't be resolved")

// Resolve reads the value behind a reference. One newline at the end of a file is
// not part of the value. Errors name the reference, never the value.
func Resolve(ref string) (string, error) {
	scheme, rest, ok := strings.Cut(ref, ":")
	if !ok {
		// What has no scheme may be a secret somebody pasted: it is not repeated.
		return "", fmt.Errorf("%w: it is neither env:NAME nor file:/path", ErrUnresolved)
	}
	switch scheme {
	case "env":
		value, ok := os.LookupEnv(rest)
		if !ok {
			return "", fmt.Errorf("%w: %s: the environment of the process that resolves it has no variable %s", ErrUnresolved, ref, rest)
		}
		return value, nil
	case "file":
		if !filepath.IsAbs(rest) {
			return "", fmt.Errorf("%w: %s: the path must be absolute", ErrUnresolved, ref)
		}
		value, err := readFile(rest)
		if err != nil {
			return "", fmt.Errorf("%w: %s: %w", ErrUnresolved, ref, err)
		}
		return value, nil
	}
	return "", fmt.Errorf("%w: its scheme is neither env nor file", ErrUnresolved)
}

// ResolveAll resolves a map of references, by name.
func ResolveAll(refs map[string]string) (map[string]string, error) {
	out := make(map[string]string, len(refs))
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		value, err := Resolve(refs[name])
		if err != nil {
			errs = append(errs, fmt.Errorf("secret %s: %w", name, err))
			continue
		}
		out[name] = value
	}
	return out, errors.Join(errs...)
}

func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return "", err
	}
	if len(data) > MaxSize {
		return "", fmt.Errorf("the file is larger than %d bytes", MaxSize)
	}
	value := strings.TrimSuffix(string(data), "\n")
	return strings.TrimSuffix(value, "\r"), nil
}
