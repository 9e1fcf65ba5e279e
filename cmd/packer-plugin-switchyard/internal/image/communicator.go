package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/switchyard/switchyard/platform/local/oci"
)

// rootCommunicator lets provisioners work on an image's root. Files go into the
// root. Commands run with the host's tools, since an image from nothing has no
// shell: the working directory is the root, SWITCHYARD_ROOT holds its path, and
// relative paths are paths in the image. The environment is small and fixed, so
// that a bake depends on nothing of the host's but its tools. Scripts that Packer's
// shell provisioner uploads to /tmp stay outside of the image.
type rootCommunicator struct {
	bake context.Context // ends with the bake; Packer's RPC does not carry a command's own context
	root string
	temp string
	env  []string

	mu      sync.Mutex
	scripts map[string]string // path as Packer knows it → path on the host
}

var _ packersdk.Communicator = (*rootCommunicator)(nil)

// packerTemp are the names of the shell provisioner's own files.
var packerTemp = regexp.MustCompile(`^/tmp/((script|varfile)_[^/]+)$`)

// Start runs the command. The whole process group of the command is killed when
// the bake is cancelled and after the command has ended.
func (c *rootCommunicator) Start(ctx context.Context, remote *packersdk.RemoteCmd) error {
	run, stop := context.WithCancel(c.bake)
	unlink := context.AfterFunc(ctx, stop)
	cmd := exec.CommandContext(run, "/bin/sh", "-c", c.translate(remote.Command))
	cmd.Dir = c.root
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + c.temp,
		"TMPDIR=" + c.temp,
		"LANG=C.UTF-8",
		"TZ=UTC",
		oci.RootVariable + "=" + c.root,
	}, c.env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = remote.Stdin, remote.Stdout, remote.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // a background process may hold the output open

	started := make(chan error, 1)
	go func() {
		defer stop()
		defer unlink()
		// Pdeathsig fires when the thread that started the command ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		err = cmd.Wait()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		remote.SetExited(exitStatus(cmd, err))
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start command in the image's root: %w", err)
	}
	return nil
}

func exitStatus(cmd *exec.Cmd, err error) int {
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() >= 0 {
		return cmd.ProcessState.ExitCode()
	}
	if err != nil {
		return 128 + int(syscall.SIGKILL) // what a shell answers for a killed command
	}
	return 0
}

// translate puts the host's path in place of every uploaded script's.
func (c *rootCommunicator) translate(command string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for remote, local := range c.scripts {
		command = strings.ReplaceAll(command, remote, local)
	}
	return command
}

// inRoot is the path in the image as a relative path, "." for the root itself.
func inRoot(p string) string {
	rel := strings.TrimPrefix(path.Clean("/"+filepath.ToSlash(p)), "/")
	if rel == "" {
		return "."
	}
	return rel
}

// Upload writes one file. Without information about the source it is a script.
func (c *rootCommunicator) Upload(dst string, content io.Reader, info *os.FileInfo) error {
	if m := packerTemp.FindStringSubmatch(dst); m != nil {
		file := filepath.Join(c.temp, m[1])
		c.remember(dst, file)
		return writeFile(file, content)
	}
	mode := fs.FileMode(0o644)
	if info != nil && (*info).Mode()&0o111 != 0 {
		mode = 0o755
	}
	if info == nil {
		c.remember(dst, filepath.Join(c.root, filepath.FromSlash(inRoot(dst))))
	}
	return c.withRoot("upload to "+dst, func(r *os.Root) error {
		return put(r, inRoot(dst), content, mode)
	})
}

func (c *rootCommunicator) remember(remote, local string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.scripts == nil {
		c.scripts = map[string]string{}
	}
	if path.IsAbs(remote) {
		c.scripts[remote] = local
	}
}

func writeFile(file string, content io.Reader) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

func put(r *os.Root, name string, content io.Reader, mode fs.FileMode) error {
	if err := r.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := r.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Chmod(mode), f.Close())
}

// withRoot runs f on the image's root, out of which no path and no symbolic link leads.
func (c *rootCommunicator) withRoot(what string, f func(*os.Root) error) error {
	r, err := os.OpenRoot(c.root)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer r.Close()
	if err := f(r); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// UploadDir copies a directory of the host into the root. Like rsync it makes a
// directory of the source's name in dst unless src ends with a slash.
func (c *rootCommunicator) UploadDir(dst, src string, exclude []string) error {
	base := inRoot(dst)
	if !strings.HasSuffix(src, "/") {
		base = path.Join(base, filepath.Base(src))
	}
	return c.withRoot("upload directory "+src, func(r *os.Root) error {
		return filepath.WalkDir(src, func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(src, file)
			if err != nil {
				return err
			}
			if slices.Contains(exclude, filepath.ToSlash(rel)) {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			return uploadEntry(r, file, path.Join(base, filepath.ToSlash(rel)), d)
		})
	})
}

func uploadEntry(r *os.Root, file, name string, d fs.DirEntry) error {
	switch {
	case d.IsDir():
		return r.MkdirAll(name, 0o755)
	case d.Type() == fs.ModeSymlink:
		target, err := os.Readlink(file)
		if err != nil {
			return err
		}
		if err := r.RemoveAll(name); err != nil {
			return err
		}
		return r.Symlink(target, name)
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	return put(r, name, f, mode)
}

// Download reads one file of the root.
func (c *rootCommunicator) Download(src string, w io.Writer) error {
	return c.withRoot("download "+src, func(r *os.Root) error {
		f, err := r.Open(inRoot(src))
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	})
}

// DownloadDir is not offered: the root is a directory of this machine already.
func (c *rootCommunicator) DownloadDir(src, _ string, _ []string) error {
	return fmt.Errorf("download directory %s: not supported (download single files, or use a shell provisioner with $%s)", src, oci.RootVariable)
}
