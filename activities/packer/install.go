package packer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/switchyard/switchyard/platform/local/oci"
)

// The plugins that a worker installs, by the names of their programs.
const (
	Plugin       = "packer-plugin-switchyard"
	PluginAmazon = "packer-plugin-amazon"
)

// sources are the addresses that templates require the plugins by.
var sources = map[string]string{
	Plugin:       "github.com/switchyard/switchyard",
	PluginAmazon: "github.com/hashicorp/amazon",
}

// InstallPlugin puts a Packer plugin where Packer looks for it below pluginDir, with
// the checksum that Packer insists on. The program's name says which plugin it is. It
// needs no network and no packer binary, may be called again at any time, and leaves an
// identical plugin as it is.
func InstallPlugin(pluginDir, pluginBinary string) error {
	name := filepath.Base(pluginBinary)
	checksum, err := digestOf(pluginBinary)
	if err != nil {
		return fmt.Errorf("install Packer plugin: %w (build it with make build, packer-plugin-amazon with make aws-tools)", err)
	}
	version, api, err := describe(pluginBinary)
	if err != nil {
		return fmt.Errorf("install Packer plugin: %w", err)
	}
	source, ok := sources[name]
	if !ok {
		return fmt.Errorf("install Packer plugin: %s is none of Switchyard's (install it with packer plugins install)", pluginBinary)
	}
	dir := filepath.Join(pluginDir, filepath.FromSlash(source))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("install Packer plugin: %w", err)
	}
	file := filepath.Join(dir, fmt.Sprintf("%s_v%s_%s_%s_%s", name, version, api, runtime.GOOS, runtime.GOARCH))
	if have, err := digestOf(file); err == nil && have == checksum {
		if noted, err := os.ReadFile(file + "_SHA256SUM"); err == nil && string(noted) == checksum {
			return nil
		}
	}
	raw, err := os.ReadFile(pluginBinary)
	if err != nil {
		return fmt.Errorf("install Packer plugin: %w", err)
	}
	if err := oci.WriteFileAtomic(file, raw, 0o755); err != nil {
		return fmt.Errorf("install Packer plugin: %w", err)
	}
	if err := oci.WriteFileAtomic(file+"_SHA256SUM", []byte(checksum), 0o644); err != nil {
		return fmt.Errorf("install Packer plugin: %w", err)
	}
	return nil
}

// describe asks a plugin for its version and that of the interface it speaks.
func describe(binary string) (version, api string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	described, err := exec.CommandContext(ctx, binary, "describe").Output()
	if err != nil {
		return "", "", fmt.Errorf("ask %s for its version: %w", binary, err)
	}
	var d struct {
		Version    string `json:"version"`
		APIVersion string `json:"api_version"`
	}
	if err := json.Unmarshal(described, &d); err != nil || d.Version == "" {
		return "", "", fmt.Errorf("%s describes itself as %q, which is no Packer plugin", binary, described)
	}
	return d.Version, d.APIVersion, nil
}

func digestOf(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
