package packer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// InputDigest is a digest ("sha256:…") over everything this bake reads: every file in
// the template's folder with its name and whether it is executable, the variables, the
// names of the secrets, and version, commit, creation time and parent. Two bakes with
// the same input digest make the same image, so one is enough. Files that a template
// takes from outside of its folder, and what it downloads, are not seen: keep inputs
// beside the template and pin what it downloads. Values of secrets, the environment
// and the release are left out on purpose.
func (b Bake) InputDigest() (string, error) {
	files, err := hashFiles(b.templateDir())
	if err != nil {
		return "", fmt.Errorf("digest the inputs of Packer template %s: %w", b.Template, err)
	}
	only := slices.Clone(b.Only)
	slices.Sort(only)
	template := ""
	if info, err := os.Stat(b.Template); err == nil && !info.IsDir() {
		template = filepath.Base(b.Template)
	}
	// JSON keeps the fields apart and sorts the maps.
	raw, err := json.Marshal(struct {
		Schema, Template string
		Only             []string
		Files            [][3]string
		Variables        map[string]string
		Secrets          []string
		Application      string
		Version          string
		Commit           string
		Created          string
		Parent           string
	}{
		"dev.switchyard.inputs/v1", template, only, files, b.Variables,
		slices.Sorted(maps.Keys(b.Secrets)),
		b.Release.Application, b.Release.Version, b.Release.Commit, b.Release.Created, b.Release.Parent,
	})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// hashFiles lists name, kind and content digest of every file below dir, sorted.
func hashFiles(dir string) ([][3]string, error) {
	out := [][3]string{}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "packer_cache"):
			return fs.SkipDir
		case d.IsDir(), d.Name() == "crash.log":
			return nil
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(file)
			out = append(out, [3]string{filepath.ToSlash(rel), "link", target})
			return err
		case !d.Type().IsRegular():
			return fmt.Errorf("%s is not a file", file)
		}
		kind, sum, err := hashFile(file)
		out = append(out, [3]string{filepath.ToSlash(rel), kind, sum})
		return err
	})
	return out, err
}

func hashFile(file string) (kind, sum string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", "", err
	}
	kind = "file"
	if info.Mode()&0o111 != 0 {
		kind = "executable"
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	return kind, hex.EncodeToString(h.Sum(nil)), err
}
