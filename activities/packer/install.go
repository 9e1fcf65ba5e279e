package packer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/switchyard/switchyard/platform/local/oci"
)

// PluginSource is the source address that templates require our plugin by.
const PluginSource = "github.com/switchyard/switchyard"

// InstallPlugin puts our Packer plugin where Packer looks for it below pluginDir, with
// the checksum that Packer insists on. It needs no network and no packer binary, may
// be called again at any time, and leaves an identical plugin as it is.
func InstallPlugin(pluginDir, pluginBinary string) error {
	raw, err := os.ReadFile(pluginBinary)
	if err != nil {
		return fmt.Errorf("install Packer plugin: %w (build it with make build)", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	described, err := exec.CommandContext(ctx, pluginBinary, "describe").Output()
	if err != nil {
		return fmt.Errorf("install Packer plugin: ask %s for its version: %w", pluginBinary, err)
	}
	var d struct {
		Version    string `json:"version"`
		APIVersion string `json:"api_version"`
	}
	if err := json.Unmarshal(described, &d); err != nil || d.Version == "" {
		return fmt.Errorf("install Packer plugin: %s describes itself as %q, which is no Packer plugin", pluginBinary, described)
	}
	dir := filepath.Join(pluginDir, filepath.FromSlash(PluginSource))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("install Packer plugin: %w", err)
	}
	name := fmt.Sprintf("packer-plugin-switchyard_v%s_%s_%s_%s", d.Version, d.APIVersion, runtime.GOOS, runtime.GOARCH)
	file := filepath.Join(dir, name)
	sum := sha256.Sum256(raw)
	checksum := []byte(hex.EncodeToString(sum[:]))
	if have, err := os.ReadFile(file); err == nil && bytes.Equal(have, raw) {
		if noted, err := os.ReadFile(file + "_SHA256SUM"); err == nil && bytes.Equal(noted, checksum) {
			return nil
		}
	}
	if err := oci.WriteFileAtomic(file, raw, 0o755); err != nil {
		return fmt.Errorf("install Packer plugin: %w", err)
	}
	if err := oci.WriteFileAtomic(file+"_SHA256SUM", checksum, 0o644); err != nil {
		return fmt.Errorf("install Packer plugin: %w", err)
	}
	return nil
}
