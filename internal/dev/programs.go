package dev

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// FindProgram finds a program: in the given folder, in $SWITCHYARD_BIN, beside the
// running executable, then on PATH. The path is absolute.
func FindProgram(name, binDir string) (string, error) {
	for _, dir := range binDirs(binDir) {
		if path := filepath.Join(dir, name); executable(path) {
			return path, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("find the program %s: it is neither beside switchyard nor on PATH; `make tools` puts it into bin/", name)
	}
	return filepath.Abs(path)
}

// binDirs are the folders searched before PATH, absolute.
func binDirs(first string) []string {
	dirs := []string{first, os.Getenv("SWITCHYARD_BIN")}
	if exe, err := os.Executable(); err == nil {
		dirs = append(dirs, filepath.Dir(exe))
	}
	var out []string
	for _, d := range dirs {
		if d == "" {
			continue
		}
		if abs, err := filepath.Abs(d); err == nil {
			out = append(out, abs)
		}
	}
	return out
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}
